"""The lamp (monitor.md, "Lamps"): whether the engine's own verdict may be shown, and what is shown instead.

Pure functions of a view and the database's clock. The engine's verdict is believed only while its heartbeat and its
status row are fresh; nothing here can make a lamp greener than the engine made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from .times import rfc3339, seconds_between
from .view import DeskRows, Row, View

DEFAULT_INTERVAL_S = 10.0
NEVER = datetime.fromisoformat("1970-01-02T00:00:00+00:00")
"""init.sql puts the epoch into ``daemon_heartbeat.last_ts``: a beat before this has never happened."""
VIEW_LIMIT_S = 10.0
"""A view older than this is not shown as the present, whether or not the reader has noticed an error."""
GRACE = timedelta(seconds=1)
"""An engine that stops writes its last beat and the graceful mark together; clock_timestamp() may differ a little."""


class SelfCheck(StrEnum):
    """The verdict, from best to worst."""

    OK = "ok"
    DEGRADED = "degraded"
    BLOCKED = "blocked"


LAMPS = {SelfCheck.OK: "green", SelfCheck.DEGRADED: "yellow", SelfCheck.BLOCKED: "red"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A self-check with its reasons; the lamp follows from it one to one (R-M3)."""

    self_check: SelfCheck
    reasons: tuple[str, ...] = ()
    one_line: str = ""

    @property
    def lamp(self) -> str:
        return LAMPS[self.self_check]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The whole verdict, the daemon's part of it, and the checks behind both."""

    whole: Verdict
    daemon: Verdict
    checks: tuple[dict[str, Any], ...]
    alive: bool
    heartbeat_age_s: float | None
    limit_s: float
    status_age_s: float | None


def check(name: str, state: SelfCheck, observed: object, limit: object, reason: str | None) -> dict[str, Any]:
    """One entry of ``checks`` as contracts.md shapes it."""
    return {
        "name": name,
        "state": str(state),
        "observed": observed,
        "limit": limit,
        "reason": reason,
        "kind": "blocking",
    }


def heartbeat_interval_s(desk: DeskRows) -> float:
    """The longest interval that the engine may be keeping just now.

    A change is stored in ``daemon_run_status`` before the engine has taken it up, so the longer of both counts.
    """
    values = [row.get("heartbeat_interval_sec") for row in (desk.heartbeat, desk.run_status) if row]
    return max([float(value) for value in values if value], default=DEFAULT_INTERVAL_S)


def liveness_limit_s(interval_s: float) -> float:
    """Seconds after which a beat is no longer fresh: 3 × interval + 5."""
    return 3 * interval_s + 5


def judge(view: View, monotonic: float | None = None) -> Judgement:
    """Judge the desk as ``view`` shows it."""
    now = view.database_now(monotonic)
    if view.desk is None or now is None or view.error or view.age_s(monotonic) > VIEW_LIMIT_S:
        return _database_down(view, monotonic)
    desk = view.desk
    limit_s = liveness_limit_s(heartbeat_interval_s(desk))
    beat_age_s = _beat_age_s(desk, now)
    status_age_s = seconds_between(now, desk.status.get("written_at")) if desk.status else None
    problem = _process_problem(desk, beat_age_s, limit_s)
    alive = problem is None
    own_checks = [
        check("database", SelfCheck.OK, round(view.age_s(monotonic), 1), VIEW_LIMIT_S, None),
        check(
            "heartbeat",
            SelfCheck.OK if alive else SelfCheck.BLOCKED,
            None if beat_age_s is None else round(beat_age_s, 1),
            limit_s,
            problem,
        ),
    ]
    if problem is not None:
        whole = Verdict(SelfCheck.BLOCKED, (problem,), problem)
        return Judgement(whole, whole, tuple(own_checks), False, beat_age_s, limit_s, status_age_s)
    stale = _row_problem(desk.status, status_age_s, limit_s)
    own_checks.append(
        check(
            "status_row",
            SelfCheck.BLOCKED if stale else SelfCheck.OK,
            None if status_age_s is None else round(status_age_s, 1),
            limit_s,
            stale,
        )
    )
    daemon = _daemon(desk, now, limit_s)
    if stale is not None or desk.status is None:
        whole = Verdict(SelfCheck.BLOCKED, (stale or "no_status_row",), stale or "no_status_row")
        return Judgement(whole, daemon, tuple(own_checks), True, beat_age_s, limit_s, status_age_s)
    checks = (*own_checks, *_engine_checks(desk.status))
    return Judgement(_engine_verdict(desk.status), daemon, checks, True, beat_age_s, limit_s, status_age_s)


def _database_down(view: View, monotonic: float | None) -> Judgement:
    cause = view.error or f"no answer for {view.age_s(monotonic):.0f} s"
    reason = f"database_unavailable: {cause}"
    observed = None if view.desk is None else round(view.age_s(monotonic), 1)
    whole = Verdict(SelfCheck.BLOCKED, (reason,), reason)
    checks = (check("database", SelfCheck.BLOCKED, observed, VIEW_LIMIT_S, reason),)
    return Judgement(whole, whole, checks, False, None, liveness_limit_s(DEFAULT_INTERVAL_S), None)


def _beat_age_s(desk: DeskRows, now: datetime) -> float | None:
    last_ts = desk.heartbeat.get("last_ts") if desk.heartbeat else None
    return None if last_ts is None or last_ts < NEVER else (now - last_ts).total_seconds()


def _process_problem(desk: DeskRows, beat_age_s: float | None, limit_s: float) -> str | None:
    """Why no engine can be said to run; None while one does."""
    row = desk.heartbeat or {}
    stopped_at = row.get("graceful_shutdown_at")
    if beat_age_s is None:
        return "never_started: no engine has run on this database yet"
    if stopped_at is not None and row["last_ts"] <= stopped_at + GRACE:
        return f"stopped at {rfc3339(stopped_at)}"
    if beat_age_s > limit_s:
        return f"heartbeat_stale: last beat {beat_age_s:.0f} s ago, limit {limit_s:.0f} s"
    if beat_age_s < -limit_s:
        return f"heartbeat_in_future: last beat {-beat_age_s:.0f} s ahead of the database's clock"
    return None


def _row_problem(status: Row | None, age_s: float | None, limit_s: float) -> str | None:
    if status is None or age_s is None:
        return "no_status_row: the engine beats but has not written its status yet"
    if age_s > limit_s:
        return f"status_stale: written {age_s:.0f} s ago, limit {limit_s:.0f} s"
    return None


def _daemon(desk: DeskRows, now: datetime, limit_s: float) -> Verdict:
    """Process, lease, database and IB alone; IB down by itself is never worse than yellow (RE-7)."""
    reasons = []
    beat = desk.heartbeat or {}
    if not beat.get("ib_connected"):
        retry_at = beat.get("next_retry_ts")
        wait_s = max(0, round((retry_at - now).total_seconds())) if retry_at else None
        tail = f", next try in {wait_s} s" if wait_s else ""
        cause = f" ({beat['last_error']})" if beat.get("last_error") else ""
        reasons.append(f"ib_disconnected{cause}{tail}")
    lease = desk.lease or {}
    lease_age_s = seconds_between(now, lease.get("beat_at"))
    if lease.get("owner") is None:
        reasons.append("lease_free: no engine holds the lease")
    elif lease_age_s is not None and lease_age_s > limit_s:
        reasons.append(f"lease_stale: last beat {lease_age_s:.0f} s ago, limit {limit_s:.0f} s")
    if reasons:
        return Verdict(SelfCheck.DEGRADED, tuple(reasons), reasons[0])
    return Verdict(SelfCheck.OK)


def _engine_verdict(status: Row) -> Verdict:
    reasons = tuple(str(reason) for reason in status.get("block_reasons") or ())
    told = status.get("self_check")
    if told is None:
        return Verdict(SelfCheck.BLOCKED, ("no_self_check: the engine wrote no verdict",), "no_self_check")
    state = SelfCheck(told)
    if state is SelfCheck.BLOCKED and not reasons:
        reasons = ("blocked: the engine gave no reason",)
    details = status.get("details") or {}
    line = details.get("one_line") if isinstance(details, dict) else None
    if not line:
        line = reasons[0] if reasons else "a hedge would go out now if delta asked for it"
    return Verdict(state, reasons, str(line))


def _engine_checks(status: Row) -> list[dict[str, Any]]:
    """The engine's checks, each with every key of the contract, so that a reader need not guess."""
    shaped = []
    for entry in status.get("checks") or ():
        if isinstance(entry, dict) and entry.get("name"):
            shaped.append({"observed": None, "limit": None, "reason": None, "kind": "blocking", "state": "ok", **entry})
    return shaped
