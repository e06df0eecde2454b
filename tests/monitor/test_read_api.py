"""GET /operations, /decisions, /logs, health and metrics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bifrost_monitor.log_tail import lines_backwards, tail

from tests.monitor import rows
from tests.monitor.conftest import Monitor
from tests.support.postgres import Database

pytestmark = pytest.mark.integration


def at(second: int) -> str:
    return f"2026-03-20T15:00:{second:02d}+00:00"


def test_tc_2_r_m4b_1_operations_filter_by_time_and_type(monitor: Monitor, database: Database) -> None:
    """TC-2-R-M4b-1: since_ts and until_ts are market time with both ends included; type; newest first."""
    kinds = ["hedge_intent", "order_sent", "fill", "reject", "cancel"]
    for second, kind in enumerate(kinds):
        rows.write_operation(database, at(second), kind)
    everything = monitor.get("/operations").json()["operations"]
    assert [row["type"] for row in everything] == kinds[::-1]
    between = monitor.get("/operations", params={"since_ts": at(1), "until_ts": "2026-03-20T11:00:03-04:00"})
    assert [row["type"] for row in between.json()["operations"]] == ["reject", "fill", "order_sent"]
    assert [row["type"] for row in monitor.get("/operations?type=fill").json()["operations"]] == ["fill"]


def test_tc_2_r_m4b_2_operations_list_what_changed_positions(monitor: Monitor, database: Database) -> None:
    """TC-2-R-M4b-2: a fill is there with time, side, quantity, price, reason, order and, once it comes, commission."""
    rows.write_operation(
        database, at(7), "fill", side="BUY", quantity=33, price=141.21, exec_id="0001.01", order_ref="BFX"
    )
    database.query("INSERT INTO execution_costs (exec_id, commission, realized_pnl) VALUES ('0001.01', 1.05, 12.5)")
    (fill,) = monitor.get("/operations", params={"type": "fill"}).json()["operations"]
    assert (fill["ts"], fill["side"], fill["quantity"], fill["price"]) == ("2026-03-20T15:00:07Z", "BUY", 33, 141.21)
    assert (fill["state_reason"], fill["order_ref"], fill["commission"]) == ("D2", "BFX", 1.05)


def test_pages_hold_every_row_once(monitor: Monitor, database: Database) -> None:
    """Rows of one market second and rows before the market's time is known do not fall between pages."""
    made = [rows.write_operation(database, None if n < 3 else at(n // 4), "order_sent") for n in range(17)]
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(10):
        params = {"limit": "4"} | ({"cursor": cursor} if cursor else {})
        page = monitor.get("/operations", params=params).json()
        seen += [row["id"] for row in page["operations"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == made
    assert seen[:3] == made[2::-1]


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("limit=0", "limit = '0'"),
        ("limit=1001", "limit = '1001'"),
        ("type=trade", "type = 'trade'"),
        ("since_ts=yesterday", "since_ts = 'yesterday'"),
        ("since_ts=2026-03-20T15:00:00", "has no zone"),
        (f"since_ts={at(5)[:-6]}Z&until_ts={at(4)[:-6]}Z", "is after"),
        ("cursor=%25%25", "cursor"),
    ],
)
def test_bad_filters_are_422_with_words(monitor: Monitor, query: str, part: str) -> None:
    answer = monitor.get(f"/operations?{query}")
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")
    assert part in answer.json()["reason"]


def test_decisions_say_why_no_hedge_went_out(monitor: Monitor, database: Database) -> None:
    gates = [{"name": "outside_session", "passed": False, "observed": "07:12", "limit": "09:30:05"}]
    database.query(
        "INSERT INTO decisions (ts, net_delta, spot, outcome, block_reason, gates) VALUES (%s, 44, 141.2, 'blocked', "
        "'outside_session', %s), (%s, 3, 141.0, 'in_band', NULL, '[]')",
        at(1),
        json.dumps(gates),
        at(2),
    )
    both = monitor.get("/decisions").json()["decisions"]
    assert [row["outcome"] for row in both] == ["in_band", "blocked"]
    (blocked,) = monitor.get("/decisions?block_reason=outside_session").json()["decisions"]
    assert blocked["gates"] == [{**gates[0], "reason": None, "kind": "blocking", "remaining_s": None}]
    assert monitor.get(f"/decisions/{blocked['id']}").json()["decision"] == blocked
    assert monitor.get("/decisions/12345").status_code == 404


def write_log(folder: Path, name: str, lines: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def entry(second: int, level: str = "info") -> str:
    return json.dumps({"time": at(second).replace("+00:00", "Z"), "level": level, "message": f"line {second}"})


def test_logs_filter_by_level_and_time_over_rotated_files(monitor: Monitor, tmp_path: Path) -> None:
    write_log(tmp_path / "logs", "engine.jsonl.1", [entry(1), entry(2, "error"), entry(3)])
    write_log(tmp_path / "logs", "engine.jsonl", ["Traceback: torn", entry(4, "warning"), entry(5)])

    def messages(query: str) -> list[str]:
        answer = monitor.get(f"/logs/engine?{query}", headers=monitor.bearer)
        assert answer.status_code == 200, answer.text
        return [line["message"] for line in answer.json()["lines"]]

    assert messages("") == ["line 1", "line 2", "line 3", "Traceback: torn", "line 4", "line 5"]
    assert messages("level=warning") == ["line 2", "line 4"]
    assert messages("limit=2") == ["line 4", "line 5"]
    assert messages("since=2026-03-20T15:00:03Z") == ["Traceback: torn", "line 4", "line 5"]


def test_logs_come_from_a_fixed_list_of_services(monitor: Monitor, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir(parents=True)
    (tmp_path / "secret.jsonl").write_text("{}\n", encoding="utf-8")
    for name in ("../secret", "..%2Fsecret", "postgres", "engine.jsonl"):
        assert monitor.get(f"/logs/{name}", headers=monitor.bearer).status_code in (404, 422)
    empty = monitor.get("/logs/pricer", headers=monitor.bearer).json()
    assert (empty["exists"], empty["lines"]) == (False, [])


def test_reading_backwards_survives_long_lines_and_no_last_newline(tmp_path: Path) -> None:
    lines = [f"{n} " + "é" * (40_000 if n % 3 == 0 else 3) for n in range(12)]
    file = tmp_path / "engine.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert list(lines_backwards(file)) == lines[::-1]
    assert len(tail(tmp_path, "engine", limit=5)) == 5


def test_health_and_metrics(monitor: Monitor, database: Database) -> None:
    rows.write_running_desk(database)
    monitor.status_when(lambda told: told["status_lamp"] == "green")
    assert monitor.get("/livez").json() == {"live": "ok"}
    assert monitor.get("/readyz").status_code == 200
    assert [monitor.client.head(path).status_code for path in ("/livez", "/readyz")] == [200, 200]
    monitor.post("/control/retry_ib")
    text = monitor.get("/metrics").text
    for line in (
        'bifrost_lamp{colour="green"} 1.0',
        "bifrost_database_up 1.0",
        "bifrost_net_delta_shares 6.4",
        'bifrost_monitor_commands_total{command="retry_ib"} 1.0',
    ):
        assert line in text
    assert "/control/{command}" in monitor.get("/openapi.json").text
    assert monitor.get("/nowhere").json()["error"] == "not_found"
