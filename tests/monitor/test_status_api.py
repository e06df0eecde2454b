"""GET /status against a real database, its schema, and what happens when the database goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bifrost.db import DatabaseUnavailable
from bifrost_monitor.app import create_app
from bifrost_monitor.ib_address import IbAddress
from bifrost_monitor.settings import MonitorSettings
from bifrost_monitor.status import SNAPSHOT_FIELDS
from fastapi.testclient import TestClient

from tests.monitor import rows
from tests.monitor.conftest import MakeMonitor, Monitor
from tests.support.postgres import Database
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration
SCHEMA = json.loads((Path(__file__).parents[1] / "contract" / "status.schema.json").read_text(encoding="utf-8"))


def assert_status_schema(answer: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(answer)


def test_tc_2_r_m1b_1_status_exists_before_any_engine(monitor: Monitor) -> None:
    """TC-2-R-M1b-1: GET /status answers, and says that no engine has ever run."""
    answer = monitor.status()
    assert_status_schema(answer)
    assert (answer["status_lamp"], answer["status"]) == ("red", None)
    assert answer["block_reasons"][0].startswith("never_started")
    assert answer["trading_suspended"] is False


def test_tc_2_r_m1b_2_status_carries_the_running_state(monitor: Monitor, database: Database) -> None:
    """TC-2-R-M1b-2: the 14 fields as the engine wrote them, its verdict, heartbeat and lease."""
    rows.write_running_desk(database)
    answer = monitor.status_when(lambda told: told["status_lamp"] == "green", "a green lamp")
    assert_status_schema(answer)
    assert set(SNAPSHOT_FIELDS) <= set(answer["status"])
    assert answer["status"]["daemon_state"] == "running"
    assert answer["status"]["ts"] == "2026-03-20T15:04:05Z"
    assert answer["daemon_heartbeat"]["daemon_alive"] is True
    assert answer["daemon_lamp"] == "green"
    assert answer["lease"]["epoch"] == 3


def test_tc_3_r_m6_2_spot_and_prices_are_in_status(monitor: Monitor, database: Database) -> None:
    """TC-3-R-M6-2: GET /status has the spot, and every position with price, source, value, P&L, moneyness, greeks."""
    rows.write_running_desk(database)
    rows.write_account(database)
    answer = monitor.status_when(
        lambda told: (
            bool(told["accounts"])
            and [position["price"] is not None for position in told["accounts"][0]["positions"]] == [True] * 3
        ),
        "three positions with their prices",
    )
    assert_status_schema(answer)
    assert answer["status"]["spot"] == 141.2
    account = answer["accounts"][0]
    stock, call, put = account["positions"]
    assert (stock["contract_key"], stock["price"], stock["price_source"]) == (rows.STOCK, 141.2, "live")
    assert stock["unrealized_pnl"] == pytest.approx(-180 * (141.2 - 140.5))
    assert call["market_value"] == pytest.approx(10 * 5.65 * 100)
    assert call["unrealized_pnl"] == pytest.approx(10 * (565.0 - 520.0))
    assert (call["moneyness"], put["moneyness"]) == ("ITM", "OTM")
    assert call["intrinsic"] == pytest.approx(1.2)
    assert put["greeks"]["delta"] == -0.45
    assert call["quote_age_s"] == pytest.approx(5.0)
    assert answer["accounts_fetched_at"] == 1774017840.5
    assert account["summary"]["net_liquidation"] == 1002412.5


def test_a_contract_without_a_price_has_none_and_no_value(monitor: Monitor, database: Database) -> None:
    """Never a fabricated 0: price, value and P&L are null, the pricer's reason is shown."""
    rows.write_running_desk(database)
    rows.write_account(database)
    database.query(
        "UPDATE instrument_prices SET mid = NULL, last = NULL, error = 'no permission (354)' WHERE contract_key = %s",
        rows.PUT,
    )

    def put(told: dict[str, Any]) -> dict[str, Any]:
        found = [entry for account in told["accounts"] for entry in account["positions"]]
        return next((entry for entry in found if entry["contract_key"] == rows.PUT), {})

    answer = monitor.status_when(lambda told: put(told).get("price_error") is not None, "the pricer's reason")
    assert_status_schema(answer)
    assert (put(answer)["price"], put(answer)["market_value"], put(answer)["unrealized_pnl"]) == (None, None, None)


def test_a_notification_reaches_the_view(monitor: Monitor, database: Database) -> None:
    """The view changes by NOTIFY, faster than the slow poll would."""
    rows.write_running_desk(database)
    monitor.status_when(lambda told: told["status_lamp"] == "green")
    version = monitor.keeper.view.version
    rows.write_status(database, self_check="degraded", block_reasons=["outside_session"])
    assert monitor.keeper.wait_for(
        lambda view: (
            view.version > version
            and bool(view.desk and view.desk.status)
            and view.desk.status["self_check"] == "degraded"
        ),
        5,
    )
    assert monitor.status_when(lambda told: told["status_lamp"] == "yellow")["block_reasons"] == ["outside_session"]


def test_status_costs_no_query(monitor: Monitor, database: Database) -> None:
    """A hundred requests run no statement of the pool's: it has not even opened a connection."""
    for _ in range(100):
        assert monitor.get("/status").status_code == 200
    sessions = database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bifrost-monitor' AND datname = %s",
        database.name,
    )
    assert sessions == 1


def test_countdown_while_ib_is_away(monitor: Monitor, database: Database) -> None:
    rows.write_lease(database)
    rows.write_status(database, self_check="degraded", block_reasons=["ib_disconnected"], daemon_state="waiting_ib")
    rows.write_heartbeat(database, ib_connected=False, next_retry_ts="2999-01-01T00:00:00+00:00", hedge_running=False)
    database.query("UPDATE daemon_heartbeat SET next_retry_ts = now() + interval '20 s'")
    answer = monitor.status_when(
        lambda told: (told["daemon_heartbeat"]["seconds_until_retry"] or 999) <= 20, "the countdown"
    )
    assert_status_schema(answer)
    assert (answer["status_lamp"], answer["daemon_lamp"]) == ("yellow", "yellow")


def test_graceful_stop_is_named(monitor: Monitor, database: Database) -> None:
    rows.write_running_desk(database)
    monitor.status_when(lambda told: told["status_lamp"] == "green")
    database.query("UPDATE daemon_heartbeat SET graceful_shutdown_at = last_ts, hedge_running = false")
    answer = monitor.status_when(lambda told: told["status_lamp"] == "red", "a red lamp")
    assert_status_schema(answer)
    assert answer["block_reasons"][0].startswith("stopped at ")
    assert answer["daemon_heartbeat"]["daemon_alive"] is False


def test_the_reader_comes_back_after_its_connection_was_ended(monitor: Monitor, database: Database) -> None:
    """A killed session costs a reconnect; the view then follows notifications again."""
    rows.write_running_desk(database)
    monitor.status_when(lambda told: told["status_lamp"] == "green")
    ended = database.value(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'bifrost-monitor' "
        "AND datname = %s",
        database.name,
    )
    assert ended == 1
    monitor.keeper.wait_for(lambda view: view.error is not None, 5)
    rows.write_status(database, net_delta=-77.0)
    monitor.status_when(lambda told: bool(told["status"]) and told["status"]["net_delta"] == -77.0, "the new row")


def test_database_down_is_200_blocked_for_status_and_503_elsewhere(tmp_path: Path) -> None:
    """With no database GET /status still answers, with the reason; everything else is 503 with it."""

    def refuse() -> Any:
        raise DatabaseUnavailable("database options_db at 10.9.8.7:5432 as bifrost_monitor: connection refused")

    settings = MonitorSettings(
        host="127.0.0.1",
        port=8000,
        token="token",
        allowed_hosts=frozenset(),
        read_only=False,
        control_posts_per_minute=60,
        log_dir=tmp_path,
        ib_address=IbAddress("127.0.0.1", 7497),
    )
    with TestClient(create_app(settings, refuse), base_url="http://127.0.0.1:8000") as client:
        answer = wait_until(
            lambda: next(
                (told for told in [client.get("/status").json()] if "10.9.8.7" in told["block_reasons"][0]), None
            ),
            5,
            what="the reason",
        )
        assert_status_schema(answer)
        assert (answer["self_check"], answer["trading_suspended"], answer["status"]) == ("blocked", None, None)
        assert answer["block_reasons"][0].startswith("database_unavailable: database options_db at 10.9.8.7:5432")
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503
        bearer = {"Authorization": "Bearer token"}
        for failed in (
            client.get("/operations"),
            client.get("/decisions"),
            client.get("/control/1"),
            client.post("/control/stop", headers=bearer),
            client.post("/config/ib", headers=bearer, json={"ib_host": "h", "ib_port_type": "gateway"}),
        ):
            assert failed.status_code == 503
            assert failed.json()["error"] == "database_unavailable"
            assert "connection refused" in failed.json()["reason"]


def test_an_overriding_variable_is_in_ib_config(make_monitor: MakeMonitor, database: Database) -> None:
    """The address of the environment wins over a saved one, and /status says so."""
    database.query("INSERT INTO settings (ib_host, ib_port_type) VALUES ('10.0.0.9', 'gateway')")
    free = make_monitor().status()["ib_config"]
    assert (free["ib_host"], free["port"], free["source"], free["overridden"]) == (
        "10.0.0.9", 4002, "settings", False,
    )  # fmt: skip
    answer = make_monitor(IB_HOST="10.0.0.7", IB_PORT="7496").status()
    assert_status_schema(answer)
    bound = answer["ib_config"]
    assert (bound["ib_host"], bound["ib_port_type"], bound["source"], bound["overridden"], bound["applies"]) == (
        "10.0.0.7", "tws_live", "env", True, "never",
    )  # fmt: skip


def test_what_is_no_number_is_null(monitor: Monitor, database: Database) -> None:
    """PostgreSQL stores NaN and infinities; JSON has neither, and a page must not break over one."""
    rows.write_running_desk(database)
    rows.write_account(database)
    rows.write_status(database, net_delta=float("nan"), daily_pnl=float("-inf"))
    database.query("UPDATE instrument_prices SET mid = 'NaN' WHERE contract_key = %s", rows.PUT)
    answer = monitor.status_when(lambda told: bool(told["status"]) and told["status"]["net_delta"] is None, "null")
    assert_status_schema(answer)
    assert answer["status"]["daily_pnl"] is None
    rows.write_operation(database, "2026-03-20T15:00:00+00:00", "order_sent", price=float("nan"))
    assert monitor.get("/operations").json()["operations"][0]["price"] is None


def test_a_view_that_cannot_be_read_is_trouble_not_an_old_picture(
    monitor: Monitor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error does not end the reader: it is shown, and the picture comes back."""
    rows.write_running_desk(database)
    monitor.status_when(lambda told: told["status_lamp"] == "green")
    with monkeypatch.context() as patched:
        patched.setattr("bifrost_monitor.keeper.read_desk", lambda _conn: {}["missing"])
        answer = monitor.status_when(lambda told: told["status_lamp"] == "red", "trouble")
        assert "KeyError" in answer["block_reasons"][0]
    monitor.status_when(lambda told: told["status_lamp"] == "green", "the picture again")
