"""Backtests over HTTP: stored runs and their decisions; launching one, what is refused, following and ending it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from bifrost import paths

from tests.monitor import rows
from tests.monitor.conftest import MakeMonitor, Monitor
from tests.monitor.test_figures_api import assert_shape
from tests.support.postgres import Database

pytestmark = pytest.mark.integration
ASKED: dict[str, Any] = {"source": "recorded/TWX", "from": "2014-06-05", "to": "2014-06-06", "quantity": -5}


def test_backtest_runs_and_their_ticks(monitor: Monitor, database: Database) -> None:
    run_id = str(uuid.uuid4())
    rows.write_backtest(database, run_id, ticks=6)
    runs = monitor.get("/backtests").json()
    assert_shape("BacktestRuns", runs)
    assert runs["runs"][0]["summary"]["pnl"]["at_mid_usd"] == 812.5 and "days" not in runs["runs"][0]["summary"]
    run = monitor.get(f"/backtests/{run_id}").json()
    assert_shape("BacktestRunDetail", run)
    assert (run["ticks"], run["reasons"]) == (6, [{"reason": "cooldown", "count": 4}])
    assert len(run["curves"]["equity_usd"]["values"]) == 30 and run["summary"]["days"]
    first = monitor.get(f"/backtests/{run_id}/ticks?limit=3").json()
    assert_shape("BacktestTicks", first)
    assert ([tick["seq"] for tick in first["ticks"]], first["next_seq"]) == ([1, 2, 3], 3)
    last = monitor.get(f"/backtests/{run_id}/ticks?after=3").json()
    assert ([tick["seq"] for tick in last["ticks"]], last["next_seq"]) == ([4, 5, 6], None)
    blocked = monitor.get(f"/backtests/{run_id}/ticks?block_reason=cooldown&decision=blocked").json()
    assert [tick["seq"] for tick in blocked["ticks"]] == [1, 2, 4, 5]
    assert monitor.get(f"/backtests/{uuid.uuid4()}").status_code == 404
    assert monitor.get(f"/backtests/{uuid.uuid4()}/ticks").status_code == 404
    assert monitor.get("/backtests/7").status_code == 422


def test_a_run_of_an_older_version_has_no_curves(monitor: Monitor, database: Database) -> None:
    run_id = str(uuid.uuid4())
    database.query(
        "INSERT INTO backtest_runs (run_id, config_hash, data_hash, code_version, config) "
        "VALUES (%s, 'c', 'd', 'v', '{}')",
        run_id,
    )
    run = monitor.get(f"/backtests/{run_id}").json()
    assert_shape("BacktestRunDetail", run)
    assert (run["curves"], run["ticks"], run["summary"]) == (None, 0, {})


def test_what_stands_in_the_way_is_named(make_monitor: MakeMonitor, database: Database) -> None:
    """No process, a silent one, one without data, a read-only monitor: each in its own words, and no row."""
    monitor = make_monitor()

    def told() -> tuple[str | None, str | None, str, str]:
        jobs = monitor.get("/backtests/jobs").json()
        assert_shape("BacktestJobs", jobs)
        refused = monitor.post("/backtests", ASKED)
        assert refused.status_code == 409
        return jobs["obstacle"], jobs["reason"], refused.json()["error"], refused.json()["reason"]

    for age_s, offer, obstacle, words in (
        (None, None, "no_worker", "no backtest process has run"),
        (60.0, None, "no_worker", "silent for 60 s"),
        (0.0, {"sources": [], "defaults": rows.OFFER["defaults"]}, "no_data", "BIFROST_DATA"),
    ):
        if age_s is not None:
            rows.write_backtest_worker(database, age_s=age_s, offer=offer)
        name, reason, error, refused = told()
        assert (name, error, reason) == (obstacle, obstacle, refused) and words in refused
    rows.write_backtest_worker(database)
    reading = make_monitor(BIFROST_MONITOR__READ_ONLY="true")
    assert reading.get("/backtests/jobs").json()["obstacle"] == "read_only"
    assert reading.post("/backtests", ASKED).json()["error"] == "read_only"
    assert database.value("SELECT count(*) FROM backtest_jobs") == 0


def test_one_is_launched_at_a_time_and_can_be_ended(monitor: Monitor, database: Database) -> None:
    rows.write_backtest_worker(database)
    launched = monitor.post("/backtests", ASKED)
    assert launched.status_code == 202
    job = launched.json()
    assert_shape("BacktestJob", job)
    assert (job["status"], job["requested_by"], job["run_id"]) == ("pending", "token@127.0.0.1", None)
    assert database.value("SELECT request FROM backtest_jobs") == {
        **ASKED, "entry": "09:45", "latency_ms": 500.0, "set": {},
    }  # fmt: skip
    second = monitor.post("/backtests", ASKED)
    assert (second.status_code, second.json()["error"], second.json()["id"]) == (409, "busy", job["id"])
    database.query(
        "UPDATE backtest_jobs SET status = 'running', started_at = now(), "
        """progress = '{"stage": "running", "at": "2014-06-05T14:00:00+00:00", "days": 2, "fraction": 0.25}'"""
    )
    seen = monitor.get(f"/backtests/jobs/{job['id']}").json()
    assert_shape("BacktestJob", seen)
    assert (seen["progress"]["fraction"], seen["status"]) == (0.25, "running")
    asked = monitor.post(f"/backtests/jobs/{job['id']}/cancel").json()
    assert (asked["status"], asked["cancel_requested_at"] is not None) == ("running", True)
    database.query("UPDATE backtest_jobs SET status = 'cancelled', finished_at = now()")
    assert monitor.post(f"/backtests/jobs/{job['id']}/cancel").json()["error"] == "ended"
    again = monitor.post("/backtests", ASKED).json()
    assert monitor.post(f"/backtests/jobs/{again['id']}/cancel").json()["status"] == "cancelled"
    assert [row["id"] for row in monitor.get("/backtests/jobs").json()["jobs"]] == [again["id"], job["id"]]
    assert monitor.get("/backtests/jobs/999").status_code == 404
    assert monitor.post("/backtests/jobs/999/cancel").status_code == 404


def test_the_scenario_of_the_desk_does_not_choose_the_symbol(make_monitor: MakeMonitor, database: Database) -> None:
    """A desk on the made market of NVDA backtests TWX, by the limits of the configuration file."""
    scenario = paths.repository_root() / "config" / "scenarios" / "default.yaml"
    monitor = make_monitor(BIFROST_SCENARIO=str(scenario))
    rows.write_backtest_worker(database)
    assert monitor.post("/backtests", ASKED).status_code == 202


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "recorded/SPY"}, "no recorded data of this desk; there is recorded/TWX, shipped/NVDA"),
        ({"source": "../../etc/passwd"}, "source = '../../etc/passwd'"),
        ({"source": "recorded/.."}, "source = 'recorded/..'"),
        ({"data": "/etc"}, "data = '/etc'"),
        ({"from": "2014-06-09", "to": "2014-06-05"}, "from = 2014-06-09 is after to = 2014-06-05"),
        ({"from": "yesterday"}, "from = 'yesterday'"),
        ({"quantity": 0}, "write 20, or -20"),
        ({"min_dte": 40, "max_dte": 20}, "min_dte = 40 is above max_dte = 20"),
        ({"entry": "9.45"}, "write a New York time as 09:45"),
        ({"latency_ms": -1}, "latency_ms = -1"),
        ({"set": {"status.postgres.host": "elsewhere"}}, "is no key of gates or greeks"),
        ({"set": {"gates.intent.hedge.cooldown_second": 5}}, "cooldown_second"),
        ({"set": {"gates.intent.hedge.cooldown_seconds": "soon"}}, "soon"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_a_request_that_cannot_be_is_refused_in_words(
    monitor: Monitor, database: Database, change: dict[str, Any], words: str
) -> None:
    """422 names the field, the value and what would be right; nothing is stored and no path is ever taken."""
    rows.write_backtest_worker(database)
    refused = monitor.post("/backtests", {**ASKED, **change})
    assert refused.status_code == 422 and words in refused.json()["reason"], refused.json()
    assert database.value("SELECT count(*) FROM backtest_jobs") == 0
