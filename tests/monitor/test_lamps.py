"""The lamp's table: heartbeat, graceful stop, stale row, the engine's own verdict, the database gone. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bifrost_monitor.verdict import VIEW_LIMIT_S, Judgement, SelfCheck, judge, liveness_limit_s
from bifrost_monitor.view import DeskRows, View

NOW = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
READ_AT = 1000.0


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def desk(beat_s: float | None = 1.0, written_s: float | None = 1.0, **columns: Any) -> DeskRows:
    heartbeat = {
        "last_ts": datetime(1970, 1, 1, tzinfo=UTC) if beat_s is None else ago(beat_s),
        "heartbeat_interval_sec": 10,
        "graceful_shutdown_at": None,
        "ib_connected": True,
    }
    status = {"written_at": ago(written_s or 0), "self_check": "ok", "block_reasons": [], "checks": [], "details": {}}
    lease = {"owner": "one", "beat_at": ago(1), "epoch": 1}
    for name, value in columns.items():
        (heartbeat if name in heartbeat or name in ("next_retry_ts", "last_error") else status)[name] = value
    return DeskRows(
        read_at=NOW,
        status=None if written_s is None else status,
        heartbeat=heartbeat,
        run_status={"suspended": False, "heartbeat_interval_sec": None},
        lease=lease,
        instances=[],
        settings=None,
        latest_operation_id=None,
    )


def judged(rows: DeskRows, passed_s: float = 0.0, error: str | None = None) -> Judgement:
    return judge(View(1, rows, read_monotonic=READ_AT, error=error), READ_AT + passed_s)


@pytest.mark.parametrize(
    ("told", "lamp"), [("ok", "green"), ("degraded", "yellow"), ("blocked", "red")], ids=["ok", "degraded", "blocked"]
)
def test_tc_2_r_m3_1_lamp_maps_one_to_one(told: str, lamp: str) -> None:
    """TC-2-R-M3-1 (monitor): ok, degraded, blocked are green, yellow, red, whatever the row's own lamp column says.

    INV-V2.
    """
    verdict = judged(desk(self_check=told, status_lamp="green", block_reasons=["no_legs"])).whole
    assert (str(verdict.self_check), verdict.lamp, verdict.reasons) == (told, lamp, ("no_legs",))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (desk(beat_s=None), "never_started"),
        (desk(beat_s=36), "heartbeat_stale: last beat 36 s ago, limit 35 s"),
        (desk(beat_s=3600, graceful_shutdown_at=ago(3600)), "stopped at 2026-03-20T14:00:00Z"),
        (desk(beat_s=2, graceful_shutdown_at=ago(2)), "stopped at 2026-03-20T14:59:58Z"),
        (desk(beat_s=-60), "heartbeat_in_future: last beat 60 s ahead"),
        (desk(written_s=None), "no_status_row"),
        (desk(written_s=36), "status_stale: written 36 s ago, limit 35 s"),
        (desk(self_check=None), "no_self_check"),
        (desk(self_check="blocked"), "blocked: the engine gave no reason"),
    ],
    ids=["never", "stale", "stopped", "just-stopped", "future", "no-row", "old-row", "no-verdict", "no-reason"],
)
def test_what_is_never_green(rows: DeskRows, reason: str) -> None:
    verdict = judged(rows).whole
    assert (verdict.self_check, verdict.lamp) == (SelfCheck.BLOCKED, "red")
    assert verdict.reasons[0].startswith(reason)


def test_a_beat_at_the_limit_is_fresh() -> None:
    """3 × interval + 5 itself is not older than the limit; it is the longest of the intervals that may be in force."""
    assert judged(desk(beat_s=35, written_s=35)).whole.lamp == "green"
    raised = replace(desk(beat_s=100, written_s=100), run_status={"suspended": False, "heartbeat_interval_sec": 60})
    assert judged(raised).whole.lamp == "green"
    assert liveness_limit_s(10) == 35


def test_an_engine_that_was_started_again_after_a_graceful_stop_is_alive() -> None:
    assert judged(desk(beat_s=1, graceful_shutdown_at=ago(600))).whole.lamp == "green"


def test_time_passes_between_reads() -> None:
    """The database's clock is carried forward, so a beat gets older without a query."""
    rows = desk(beat_s=30, written_s=30)
    assert judged(rows, 4.0).whole.lamp == "green"
    assert judged(rows, 6.0).whole.reasons[0].startswith("heartbeat_stale")


@pytest.mark.parametrize("passed_s, error", [(0.0, "connection refused"), (VIEW_LIMIT_S + 1, None)])
def test_database_down_is_red_with_the_reason(passed_s: float, error: str | None) -> None:
    for verdict in (judged(desk(), passed_s, error).whole, judged(desk(), passed_s, error).daemon):
        assert (verdict.lamp, verdict.reasons[0].split(":")[0]) == ("red", "database_unavailable")


def test_ib_down_alone_is_yellow_for_the_daemon() -> None:
    """RE-7: IB down is never worse than yellow, and says when the next try comes."""
    row = desk(ib_connected=False, next_retry_ts=ago(-17), last_error="refused", self_check="degraded")
    judgement = judged(replace(row, status={**(row.status or {}), "block_reasons": ["ib_disconnected"]}))
    assert (judgement.whole.lamp, judgement.daemon.lamp) == ("yellow", "yellow")
    assert judgement.daemon.reasons == ("ib_disconnected (refused), next try in 17 s",)


def test_daemon_verdict_concerns_process_lease_and_ib_only() -> None:
    """The market, the breaker and the gates colour status_lamp, not the daemon's."""
    judgement = judged(desk(self_check="blocked", block_reasons=["circuit_breaker"]))
    assert (judgement.whole.lamp, judgement.daemon.lamp) == ("red", "green")
    free = replace(desk(), lease={"owner": None, "beat_at": None})
    assert judged(free).daemon.reasons[0].startswith("lease_free")
    old = replace(desk(), lease={"owner": "one", "beat_at": ago(40)})
    assert judged(old).daemon.reasons[0].startswith("lease_stale")


def test_checks_of_the_engine_are_completed_and_follow_ours() -> None:
    given = [{"name": "cooldown", "state": "ok", "observed": 12, "limit": 60, "kind": "pacing", "remaining_s": 48}, 7]
    checks = judged(desk(checks=given)).checks
    assert [entry["name"] for entry in checks] == ["database", "heartbeat", "status_row", "cooldown"]
    assert checks[-1] == {**given[0], "reason": None}  # type: ignore[dict-item]
