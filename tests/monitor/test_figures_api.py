"""GET /stats and GET /attribution: the figures of the shared code, in the contract's shape."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
from bifrost.db.queries.stats import read_statistics
from bifrost.stats.report import as_document

from tests.monitor.conftest import Monitor
from tests.support.postgres import Database

pytestmark = pytest.mark.integration
CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "openapi.json").read_text(encoding="utf-8"))
DAY = date(2026, 3, 18)


def assert_shape(model: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{model}", "components": CONTRACT["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def write_days(database: Database, *pnl: float) -> None:
    for number, dollars in enumerate(pnl):
        database.query(
            "INSERT INTO trading_days (account, mode, trading_day, daily_pnl, hedge_count) "
            "VALUES ('DU1', 'live', %s, %s, 2)",
            DAY + timedelta(days=number),
            dollars,
        )


def test_stats_are_those_of_the_command_line(monitor: Monitor, database: Database) -> None:
    """One implementation: the same document, and the equity curve that follows from its periods."""
    assert monitor.get("/stats").json()["error"] == "not_found"
    write_days(database, 100.0, -150.0, 30.0)
    answer = monitor.get("/stats?by=day").json()
    assert_shape("StatsAnswer", answer)
    command_line = as_document(read_statistics(database.connect("monitor")))
    assert {name: answer[name] for name in command_line} == json.loads(json.dumps(command_line))
    assert [point["equity_usd"] for point in answer["equity"]] == [100.0, -50.0, -20.0]
    assert [point["drawdown_usd"] for point in answer["equity"]] == [0.0, -150.0, -120.0]
    assert answer["max_drawdown_usd"] == -150.0
    week = monitor.get("/stats?by=week&from=2026-03-16&to=2026-03-20&account=DU1&mode=live").json()
    assert [(period["period"], period["pnl_usd"]) for period in week["periods"]] == [("2026-W12", -20.0)]


@pytest.mark.parametrize(
    ("query", "status", "part"),
    [
        ("from=2026-03-20&to=2026-03-18", 422, "is after"),
        ("from=yesterday", 422, "2026-03-20"),
        ("by=year", 422, "by"),
        ("mode=demo", 422, "mode"),
        ("account=DU9", 404, "recorded are DU1 (live)"),
        ("account=%00", 422, "NUL"),
    ],
)
def test_questions_without_an_answer_say_why(
    monitor: Monitor, database: Database, query: str, status: int, part: str
) -> None:
    write_days(database, 1.0)
    answer = monitor.get(f"/stats?{query}")
    assert (answer.status_code, part in answer.json()["reason"]) == (status, True), answer.text


def test_attribution_of_a_day_interval_by_interval(
    monitor: Monitor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest day unless one is named; more intervals than one reading holds come all."""
    assert monitor.get("/attribution").json()["error"] == "not_found"
    parts = {"delta": 1.0, "gamma": 12.0, "theta": -6.0, "vega": 0.5, "slippage": -0.25, "commissions": -1.0,
             "dividends": 0.0, "residual": 0.75, "total": 7.0}  # fmt: skip
    write_days(database, 0.0, 7.0)
    day = DAY + timedelta(days=1)
    database.query("UPDATE trading_days SET attribution = %s WHERE trading_day = %s", json.dumps({"parts": parts}), day)
    columns = ", ".join(f"{name}_usd" for name in parts)
    for minute in range(5):
        start = datetime.fromisoformat(f"2026-03-19T14:3{minute}:00+00:00")
        database.query(
            f"INSERT INTO pnl_attribution (account, mode, trading_day, start_ts, end_ts, spot_start, spot_end, "
            f"{columns}, seq) VALUES ('DU1', 'live', %s, %s, %s, 141, 141.5, {', '.join(['%s'] * len(parts))}, %s)",
            day,
            start,
            start + timedelta(minutes=1),
            *(value / 5 for value in parts.values()),
            minute,
        )
    monkeypatch.setattr("bifrost_monitor.queries_figures.INTERVALS_AT_ONCE", 2)
    answer = monitor.get("/attribution").json()
    assert_shape("AttributionAnswer", answer)
    assert (answer["day"], answer["totals"]) == ("2026-03-19", parts)
    assert [point["total"] for point in answer["points"]] == [1.4, 2.8, 4.2, 5.6, 7.0]
    empty = monitor.get("/attribution?day=2026-03-18").json()
    assert_shape("AttributionAnswer", empty)
    assert (empty["totals"], empty["points"]) == (None, [])
    assert monitor.get("/attribution?day=2026-03-01").status_code == 404
