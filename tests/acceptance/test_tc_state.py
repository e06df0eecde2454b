"""What the desk says of itself: snapshot, history, status, self-check, lamp (R-M1, R-H1, R-M2, R-M3)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import psycopg2
import pytest
from bifrost import paths

from tests.support.acceptance import EAGER, EPSILON_BAND, Desk, ServiceProcess
from tests.support.postgres import Databases

pytestmark = pytest.mark.integration

SNAPSHOT = """
daemon_state trading_state symbol spot bid ask net_delta stock_position option_legs_count daily_hedge_count daily_pnl
data_lag_ms config_summary ts
"""
FIELDS = tuple(SNAPSHOT.split())
SCHEMA = json.loads((paths.repository_root() / "tests" / "contract" / "status.schema.json").read_text(encoding="utf-8"))


def snapshot(desk: Desk, role: str = "owner") -> dict[str, Any]:
    rows = desk.database.query(f"SELECT {', '.join(FIELDS)} FROM status_current", role=role)
    return dict(zip(FIELDS, rows[0], strict=True))


def market_clock(desk: Desk) -> datetime:
    return datetime.fromisoformat(desk.simulator.get("/clock")["market"])


def test_TC_1_R_M1a_1_a_snapshot_follows_each_heartbeat_and_each_hedge(desk: Desk) -> None:
    """TC-1-R-M1a-1: a heartbeat is followed by a fresh snapshot and a row of history; so is an order."""
    began = desk.database.value("SELECT clock_timestamp()")
    beat = "SELECT last_ts FROM daemon_heartbeat WHERE last_ts > %s"
    last_ts = desk.engine.until(lambda: desk.database.value(beat, began), "the next heartbeat", 15)
    fresh = "SELECT written_at > %s FROM status_current"
    desk.engine.until(lambda: desk.database.value(fresh, last_ts), "a snapshot after the heartbeat", 15)
    whys = "SELECT array_agg(DISTINCT details->>'why') FROM status_history WHERE written_at > %s"
    wanted = {"heartbeat", "minute", "hedge_intent", "order_sent", "fill"}
    desk.engine.until(lambda: wanted <= set(desk.database.value(whys, began) or ()), "history of each occasion", 60)


def test_TC_1_R_M1a_2_state_and_time_can_be_read_without_a_console(desk: Desk) -> None:
    """TC-1-R-M1a-2: any client of the database reads the present state with its market time."""
    before = market_clock(desk)
    row = desk.until(lambda: (now := snapshot(desk, "monitor"))["ts"] > before and now, "a snapshot of now", 15)
    assert row["daemon_state"] == "running"
    # The engine works the gateway's clock out from its answers: it may be a moment ahead.
    assert row["ts"] <= market_clock(desk) + timedelta(seconds=5)


def test_TC_1_R_M1a_3_the_fourteen_fields(desk: Desk) -> None:
    """TC-1-R-M1a-3: all 14 are there, in status_current and in status_history, and they are true."""
    row = desk.until(lambda: None not in (now := snapshot(desk)).values() and now, "all 14 fields", 15)
    assert (row["daemon_state"], row["symbol"], row["option_legs_count"]) == ("running", "NVDA", 2)
    assert 0 < row["bid"] <= row["spot"] <= row["ask"] < row["bid"] * 1.01
    assert 0 <= row["data_lag_ms"] < 60_000
    assert row["daily_hedge_count"] > 0
    newest = desk.database.query(f"SELECT {', '.join(FIELDS)} FROM status_history ORDER BY id DESC LIMIT 1")[0]
    assert None not in newest
    assert newest[FIELDS.index("config_summary")] == row["config_summary"]
    desk.engine.until(desk.agrees, "stock_position to be what the broker holds", 30)


def test_TC_1_R_H1_1_current_view_and_history(desk: Desk) -> None:
    """TC-1-R-H1-1: one row is the present; history only grows, in order, and reaches the band after a hedge."""
    highest = desk.database.value("SELECT max(id) FROM status_history")
    desk.hedge_again()
    assert desk.database.value("SELECT count(*) FROM status_current") == 1
    rows = desk.database.query("SELECT ts FROM status_history WHERE id > %s ORDER BY id", highest)
    assert rows and rows == sorted(rows)
    band = (
        "SELECT count(*) FROM status_history h WHERE abs(net_delta) <= %s "
        "AND h.ts >= (SELECT min(ts) FROM operations WHERE type = 'fill')"
    )
    desk.engine.until(lambda: desk.database.value(band, EPSILON_BAND), "a row in the band after a fill", 30)


@contextmanager
def new_reader(desk: Desk) -> Iterator[str]:
    """A login of somebody else who may only read."""
    name, password = f"reader_{secrets.token_hex(4)}", secrets.token_hex(8)
    desk.database.query(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    try:
        desk.database.query(f"GRANT USAGE ON SCHEMA public TO {name}")
        desk.database.query(f"GRANT SELECT ON status_history, operations TO {name}")
        p = desk.database.params()
        yield f"host={p.host} port={p.port} dbname={p.database} user={name} password={password}"
    finally:
        desk.database.query(f"DROP OWNED BY {name}")
        desk.database.query(f"DROP ROLE {name}")


def test_TC_1_R_H1_2_a_reader_comes_without_a_change_of_the_writer(desk: Desk) -> None:
    """TC-1-R-H1-2: a new reader holds a long transaction over the history while the engine writes on, undisturbed."""
    pid, highest = desk.engine.pid, desk.database.value("SELECT max(id) FROM status_history")
    with new_reader(desk) as dsn, closing(psycopg2.connect(dsn)) as reader, reader.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*), max(id) FROM status_history")
        first = cursor.fetchone()
        desk.engine.until(
            lambda: desk.database.value("SELECT max(id) FROM status_history") > highest + 3, "history to grow", 30
        )
        cursor.execute("SELECT count(*), max(id) FROM status_history")
        assert cursor.fetchone() == first
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("DELETE FROM status_history")
        reader.rollback()
    assert desk.engine.running and desk.engine.pid == pid


def engine_with(desk: Desk, home: Path, text: str, **environment: str) -> ServiceProcess:
    """An engine that has its database from a configuration file alone; no gateway listens for it."""
    home.mkdir(parents=True)
    (home / "config.yaml").write_text(text, encoding="utf-8")
    variables = {"BIFROST_CONFIG": str(home / "config.yaml"), "IB_PORT": "1", **EAGER, **environment}
    return ServiceProcess("bifrost_engine", home, variables)


def test_TC_1_R_H1_3_the_sink_is_configuration(desk: Desk, postgres_server: Databases, tmp_path: Path) -> None:
    """TC-1-R-H1-3: sink type and address come from the file; a sink that does not exist is named with key and line."""
    other = postgres_server.create()
    p = other.params("engine")
    (tmp_path / "password").write_text(p.password or "", encoding="utf-8")
    text = (
        f"symbol: NVDA\nstatus:\n  sink: postgres\n  postgres:\n    host: {p.host}\n    port: {p.port}\n"
        f"    database: {p.database}\n    user: {p.user}\n    password_file: {tmp_path / 'password'}\n"
    )
    engine = engine_with(desk, tmp_path / "engine", text)
    unknown = engine_with(desk, tmp_path / "unknown", text.replace("sink: postgres", "sink: carrier_pigeon"))
    none = engine_with(desk, tmp_path / "none", text.replace("sink: postgres", "sink: none"))
    for started in (engine, unknown, none):
        started.start()
    try:
        beats = "SELECT count(*) FROM daemon_heartbeat WHERE last_ts > 'epoch' AND NOT ib_connected"
        desk.until(lambda: other.value(beats), "a heartbeat in the other database", 30)
        mine = "SELECT count(*) FROM engine_instances WHERE pid = %s"
        assert desk.database.value(mine, engine.pid) == 0
        for refused, said in ((unknown, "carrier_pigeon"), (none, "set it to postgres")):
            assert refused.exit_code() == 2
            assert said in refused.log and "status.sink" in refused.log and "Traceback" not in refused.log
    finally:
        for started in (engine, unknown, none):
            started.end()
        postgres_server.drop(other)


def test_TC_2_R_M1b_1_get_status_of_a_running_desk_fits_the_contract(desk: Desk) -> None:
    """TC-2-R-M1b-1: GET /status answers what the contract's schema says."""
    jsonschema.Draft202012Validator(SCHEMA).validate(desk.status())


def test_TC_2_R_M1b_2_get_status_carries_the_running_state(desk: Desk) -> None:
    """TC-2-R-M1b-2: state, figures and market time of the running engine; it follows the market."""
    first = desk.until(
        lambda: (told := desk.status())["status"]["daemon_state"] == "running" and told, "the running state", 10
    )
    beat = first["daemon_heartbeat"]
    assert beat["daemon_alive"] and beat["hedge_running"] and beat["ib_connected"] and beat["ib_client_id"] == 1
    assert set(FIELDS) <= set(first["status"])
    desk.until(lambda: desk.status()["status"]["ts"] > first["status"]["ts"], "the next moment of the market", 10)
    desk.until(lambda: desk.status()["status"]["spot"] != first["status"]["spot"], "another price", 20)


def test_TC_2_R_M2_1_the_engine_checks_itself_and_gives_reasons(desk: Desk) -> None:
    """TC-2-R-M2-1: each check with its state and limit; when no hedge is possible the verdict says why."""
    told = desk.until(lambda: (now := desk.status())["self_check"] == "ok" and now, "ok", 20)
    assert told["block_reasons"] == []
    names = {check["name"] for check in told["checks"]}
    assert {"database", "heartbeat", "ib", "greeks", "session", "lease"} <= names, names
    assert {check["state"] for check in told["checks"] if check["kind"] == "blocking"} == {"ok"}
    desk.command("suspend")
    blocked = desk.until(lambda: (now := desk.status())["self_check"] == "degraded" and now, "degraded", 10)
    assert any(reason.startswith("suspended") for reason in blocked["block_reasons"])
    failing = [check for check in blocked["checks"] if check["state"] != "ok" and check["kind"] == "blocking"]
    assert [check["name"] for check in failing] == ["gate:suspended"] and failing[0]["reason"]
    desk.command("resume")
    desk.until(lambda: desk.status()["self_check"] == "ok", "ok again", 10)


def test_TC_2_R_M3_1_the_lamp_maps_one_to_one(desk: Desk) -> None:
    """TC-2-R-M3-1: green, yellow and red are ok, degraded and blocked, of the same desk, in every answer."""
    lamps = {"ok": "green", "degraded": "yellow", "blocked": "red"}
    seen: set[str] = set()

    def lamp(wanted: str) -> bool:
        told = desk.status()
        assert lamps[told["self_check"]] == told["status_lamp"]
        assert lamps[told["daemon_self_check"]] == told["daemon_lamp"]
        assert (told["block_reasons"] == []) == (told["status_lamp"] == "green")
        seen.add(told["status_lamp"])
        return bool(told["status_lamp"] == wanted)

    desk.until(lambda: lamp("green"), "green", 20)
    desk.command("suspend")
    desk.until(lambda: lamp("yellow"), "yellow", 10)
    assert desk.engine.terminate() == 0
    desk.until(lambda: lamp("red"), "red", 10)
    # Its last picture says that it stops; the graceful mark, written behind it, says when.
    desk.until(lambda: desk.status()["block_reasons"][0].startswith("stopped at "), "the graceful mark", 10)
    assert seen == {"green", "yellow", "red"}
