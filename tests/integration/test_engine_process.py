"""The engine as a process, against a real PostgreSQL and the real simulator: what it does, and what survives."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from bifrost_engine.domain.state import order_ref_of

from tests.support.engine import EngineProcess
from tests.support.postgres import Database
from tests.support.proxy import Relay
from tests.support.simulator import SimulatorProcess
from tests.support.waiting import free_port, wait_until

pytestmark = pytest.mark.integration

#: Market seconds a wall second: what takes a market minute to happen shall not take a wall minute to test.
SPEED = 40
#: Hedge often: the tests need orders, not patience.
EAGER = {
    "BIFROST_GATES__INTENT__HEDGE__COOLDOWN_SECONDS": "5",
    "BIFROST_GATES__INTENT__HEDGE__MIN_PRICE_MOVE_PCT": "0",
    "BIFROST_GATES__STATE__DELTA__THRESHOLD_HEDGE_SHARES": "12",
    "BIFROST_DAEMON__IB_RETRY_INTERVAL_SEC": "20",
    "BIFROST_SHADOW_HEDGERS": '["fixed_band half_width_shares=6", "time_based interval_s=60"]',
}
SHADOWS = 'SELECT policy, since_ts, hedges FROM shadow_hedgers ORDER BY policy COLLATE "C"'


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path / "world") as running:
        running.post("/clock", speed=SPEED)
        yield running


def make_engine(database: Database, simulator: SimulatorProcess, home: Path, **more: str) -> EngineProcess:
    return EngineProcess(database, home, simulator.environment() | EAGER | more)


@pytest.fixture
def engine(database: Database, simulator: SimulatorProcess, tmp_path: Path) -> Iterator[EngineProcess]:
    with make_engine(database, simulator, tmp_path / "engine") as running:
        yield running


def hedged(engine: EngineProcess) -> bool:
    return bool(engine.operations("fill")) and engine.status().get("daemon_state") == "running"


def placed(simulator: SimulatorProcess) -> list[str]:
    """order_ref of every placeOrder that reached the gateway, modifications included."""
    entries = simulator.get("/journal?message=placeOrder")["entries"]
    return [entry["fields"]["orderRef"] for entry in entries if entry["direction"] == "in"]


def shares_at_broker(simulator: SimulatorProcess) -> float:
    positions = [p for account in simulator.get("/state")["accounts"] for p in account["positions"]]
    return float(sum(p["quantity"] for p in positions if "|STK|" in p["contract_key"]))


def agrees(engine: EngineProcess, simulator: SimulatorProcess) -> bool:
    """Nothing under way, and the ledger in the database is what the broker holds."""
    state = engine.status()
    return (
        state.get("details", {}).get("working_order") is None
        and engine.ledger_shares() == shares_at_broker(simulator)
        and state["stock_position"] == shares_at_broker(simulator)
    )


def spooled(engine: EngineProcess) -> str:
    """What waits for the database on the disk."""
    return "".join(path.read_text(encoding="utf-8") for path in (engine.home / "spool").glob("engine-*.jsonl"))


def nothing_doubled(engine: EngineProcess, simulator: SimulatorProcess) -> None:
    """One placeOrder for each order_ref, one fill row for each execution."""
    refs = placed(simulator)
    assert len(refs) == len(set(refs)), f"an order was placed twice: {refs}"
    # One statement, so that a fill between two of them cannot look like a difference.
    lone = engine.database.query(
        "SELECT o.exec_id, e.exec_id FROM (SELECT exec_id FROM operations WHERE type = 'fill') o "
        "FULL JOIN (SELECT exec_id FROM executions WHERE origin = 'own') e USING (exec_id) "
        "WHERE o.exec_id IS NULL OR e.exec_id IS NULL"
    )
    assert lone == []


def test_it_hedges_and_a_second_start_continues(engine: EngineProcess, simulator: SimulatorProcess) -> None:
    engine.until(lambda: hedged(engine), "a fill")
    band = "SELECT count(*) FROM status_history WHERE abs(net_delta) <= 10 AND details->>'why' <> 'heartbeat'"
    engine.until(lambda: engine.database.value(band), "a history row in the band")
    engine.until(lambda: engine.status()["status_lamp"] == "green", "the green lamp")
    sent = [row["order_ref"] for row in engine.operations("order_sent")]
    assert sent == placed(simulator)[: len(sent)]
    hedging = "SELECT bool_and(hedges > 0) FROM shadow_hedgers HAVING count(*) = 3"
    engine.until(lambda: engine.database.value(hedging), "hedges of the engine and of both shadows")
    assert engine.terminate() == 0
    shadows = engine.database.query(SHADOWS)
    assert [policy for policy, _, _ in shadows] == ["every 1 minutes", "fixed band, 6 shares", "the engine"]
    assert engine.database.value("SELECT graceful_shutdown_at IS NOT NULL FROM daemon_heartbeat")
    assert engine.status()["daemon_state"] == "stopped"
    fills, ledger = len(engine.operations("fill")), engine.ledger_shares()
    count = engine.database.value("SELECT hedge_count FROM trading_days")
    assert ledger == shares_at_broker(simulator)
    # An order that left in the moment of the signal may not have been acknowledged: it counts when the broker took it.
    assert count in (len(placed(simulator)), len(placed(simulator)) - 1)

    engine.start()
    engine.until(lambda: len(engine.operations("fill")) > fills, "a fill of the second life")
    engine.until(lambda: agrees(engine, simulator), "ledger and broker to agree")
    assert engine.database.value("SELECT hedge_count FROM trading_days ORDER BY trading_day DESC") > count
    nothing_doubled(engine, simulator)
    grown = "SELECT min(hedges) > %s FROM shadow_hedgers"
    engine.until(lambda: engine.database.value(grown, min(count for _, _, count in shadows)), "books that go on")
    later = engine.database.query(SHADOWS)
    assert [row[:2] for row in later] == [row[:2] for row in shadows], "the same day goes on, it does not begin again"
    # The newest may be on its way just now.
    intents = engine.database.query("SELECT state FROM order_intents ORDER BY decision_seq DESC OFFSET 1")
    assert {state for (state,) in intents} <= {"filled", "cancelled", "working", "sent", "never_sent"}
    done = engine.database.query("SELECT status, filled = quantity FROM orders ORDER BY order_id LIMIT 1")
    assert done == [("Filled", True)]


def test_the_stop_command_ends_the_desk_and_only_a_new_start_clears_it(engine: EngineProcess) -> None:
    engine.until(lambda: hedged(engine), "a fill")
    status, result = engine.answered(engine.command("stop"))
    assert (status, result["stopped"]) == ("done", True)
    assert engine.exit_code() == 0
    assert engine.database.value("SELECT stopped_at IS NOT NULL AND owner IS NULL FROM engine_lease")
    engine.start()
    engine.until(lambda: engine.status()["daemon_state"] == "running", "the new engine")
    assert engine.database.value("SELECT stopped_at IS NULL FROM engine_lease")


def test_commands_have_a_life_in_their_rows(engine: EngineProcess) -> None:
    engine.until(lambda: hedged(engine), "a fill")
    assert engine.answered(engine.command("refresh_accounts"))[0] == "done"
    assert engine.answered(engine.command("set_heartbeat_interval", seconds=5))[0] == "failed"
    status, result = engine.answered(engine.command("fly"))
    assert status == "refused" and "unknown command" in result["reason"]
    status, result = engine.answered(engine.command("release_leg", contract_key="NVDA|OPT|20300101|1|C"))
    assert status == "refused", result
    old = engine.database.value(
        "INSERT INTO daemon_control (command, created_at) VALUES ('flatten', now() - interval '61 s') RETURNING id"
    )
    assert engine.answered(old)[0] == "expired"
    status, result = engine.answered(engine.command("flatten"))
    assert (status, result["own_shares"]) == ("done", 0)
    rows = engine.database.query(
        "SELECT status, accepted_at IS NOT NULL, consumed_at IS NOT NULL FROM daemon_control ORDER BY id"
    )
    assert all(consumed for _, _, consumed in rows)
    assert {(state, accepted) for state, accepted, _ in rows} == {
        ("done", True),
        ("failed", True),
        ("refused", False),
        ("expired", False),
    }
    engine.until(lambda: engine.status()["details"]["hold"] == "flatten", "the hold")


def test_suspension_is_obeyed_within_a_second(engine: EngineProcess, simulator: SimulatorProcess) -> None:
    engine.until(lambda: hedged(engine), "a fill")
    engine.database.query("UPDATE daemon_run_status SET suspended = true")
    engine.until(lambda: engine.status()["daemon_state"] == "running_suspended", "suspension", 3)
    before = len(placed(simulator))
    minute = "SELECT count(*) FROM decisions WHERE block_reason = 'suspended'"
    engine.until(lambda: engine.database.value(minute), "a hedge wanted and blocked")
    assert len(placed(simulator)) == before
    engine.database.query("UPDATE daemon_run_status SET suspended = false")
    engine.until(lambda: len(placed(simulator)) > before, "hedging again")


def test_it_waits_for_a_gateway_and_tries_at_once_when_asked(database: Database, tmp_path: Path) -> None:
    simulator = SimulatorProcess(tmp_path / "world")
    beat = "SELECT ib_connected, seconds_until_retry, last_error FROM daemon_heartbeat"
    with make_engine(database, simulator, tmp_path / "engine") as engine:
        engine.until(lambda: (engine.database.query(beat)[0][1] or 0) > 0, "the countdown")
        connected, seconds, reason = engine.database.query(beat)[0]
        assert (connected, 0 < seconds <= 20) == (False, True)
        assert str(simulator.port) in reason and "refused" in reason
        with simulator:
            status, result = engine.answered(engine.command("retry_ib"))
            assert status == "done", result
            engine.until(lambda: hedged(engine), "hedging, sooner than the retry interval", 15)
            assert engine.database.query(beat)[0] == (True, None, None)
        engine.until(lambda: not engine.database.query(beat)[0][0], "the loss of the gateway", 5)
        engine.until(lambda: engine.status()["daemon_state"] in ("waiting_ib", "connecting"), "waiting again")
        assert engine.answered(engine.command("stop"))[0] == "done"
        assert engine.exit_code() == 0


def test_killed_between_placing_and_acknowledgement(engine: EngineProcess, simulator: SimulatorProcess) -> None:
    engine.until(lambda: hedged(engine), "a fill")
    simulator.fault("ack_lost", count=1)
    known = len(placed(simulator))
    engine.until(lambda: len(placed(simulator)) > known, "the order whose acknowledgement is lost")
    engine.kill()
    engine.start()
    engine.until(lambda: agrees(engine, simulator), "ledger and broker to agree", 60)
    lost = placed(simulator)[known]
    state = "SELECT state FROM order_intents WHERE order_ref = %s"
    engine.until(lambda: engine.database.value(state, lost) == "filled", "the end of the lost order", 60)
    nothing_doubled(engine, simulator)


def test_killed_between_fill_and_its_record(database: Database, simulator: SimulatorProcess, tmp_path: Path) -> None:
    with (
        make_engine(database, simulator, tmp_path / "engine") as engine,
        closing(database.connect("owner", autocommit=False)) as holder,
    ):
        engine.until(lambda: engine.status().get("daemon_state") == "running", "the engine")
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE executions IN SHARE ROW EXCLUSIVE MODE")
        seen = engine.ledger_shares()
        wait_until(lambda: shares_at_broker(simulator) != seen, 30, what="a fill at the broker")
        engine.kill()
        assert engine.ledger_shares() == seen
        holder.rollback()
        engine.start()
        engine.until(lambda: agrees(engine, simulator), "ledger and broker to agree", 60)
        nothing_doubled(engine, simulator)
        assert engine.ledger_shares() != seen


def test_killed_between_intent_and_placing(engine: EngineProcess, simulator: SimulatorProcess) -> None:
    """What such a kill leaves is an intent without an order; it is never sent later, a fresh decision is made."""
    engine.until(lambda: hedged(engine), "a fill")
    engine.kill()
    account, number = engine.database.query("SELECT account, nextval('decision_seq') FROM status_current")[0]
    orphan = order_ref_of(account, "live", number)  # type: ignore[arg-type]
    epoch = engine.database.value("SELECT epoch FROM engine_lease")
    engine.database.query(
        "INSERT INTO order_intents (order_ref, decision_seq, account, mode, contract_key, side, quantity, order_type, "
        "epoch, ts) VALUES (%s, %s, %s, 'live', 'NVDA|STK|||', 'BUY', 40, 'market', %s, now())",
        *(orphan, number, account, epoch),
    )
    engine.start()
    state = "SELECT state FROM order_intents WHERE order_ref = %s"
    engine.until(lambda: engine.database.value(state, orphan) == "never_sent", "the judgement on the intent", 60)
    fills = len(engine.operations("fill"))
    engine.until(lambda: len(engine.operations("fill")) > fills, "hedging again", 60)
    assert orphan not in placed(simulator)
    nothing_doubled(engine, simulator)


def test_a_broken_connection_is_taken_up_again(engine: EngineProcess, simulator: SimulatorProcess) -> None:
    engine.until(lambda: hedged(engine), "a fill")
    simulator.fault("disconnect")
    down = "SELECT NOT ib_connected FROM daemon_heartbeat"
    engine.until(lambda: engine.database.value(down), "the loss", 5)
    engine.until(lambda: engine.status()["daemon_state"] == "running", "the link", 15)
    fills = len(engine.operations("fill"))
    engine.until(lambda: len(engine.operations("fill")) > fills, "hedging again")
    engine.until(lambda: agrees(engine, simulator), "ledger and broker to agree")
    nothing_doubled(engine, simulator)


def test_lost_connectivity_keeps_the_socket(engine: EngineProcess, simulator: SimulatorProcess) -> None:
    engine.until(lambda: hedged(engine), "a fill")
    simulator.fault("connectivity_lost_1100")
    engine.until(lambda: engine.status()["daemon_state"] == "waiting_ib", "1100", 5)
    assert engine.database.value("SELECT ib_connected FROM daemon_heartbeat")
    simulator.fault("restored_1101")
    engine.until(lambda: engine.status()["daemon_state"] == "running", "1101", 15)
    fills = len(engine.operations("fill"))
    engine.until(lambda: len(engine.operations("fill")) > fills, "hedging on lines made again")
    assert len(simulator.get("/journal?message=startApi")["entries"]) == 1


def blocked_by_the_outage(engine: EngineProcess) -> bool:
    """The spool has a hedge that the outage blocked: a suspension that cannot be read counts as one and comes first."""
    lines = spooled(engine).splitlines(keepends=True)
    rows = [json.loads(line)["row"] for line in lines if line.endswith("\n")]
    return any(row.get("block_reason") in ("suspended", "db_unavailable") for row in rows)


def test_without_the_database_no_risk_is_taken_and_nothing_is_lost(
    database: Database, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    with Relay(database.server.port) as relay:
        engine = make_engine(database, simulator, tmp_path / "engine")
        engine.environment |= {"PGPORT": str(relay.port)}
        with engine:
            engine.until(lambda: hedged(engine), "a fill")
            relay.cut()
            engine.until(lambda: "records go to the spool" in engine.log, "the outage", 10)
            engine.until(lambda: blocked_by_the_outage(engine), "a hedge wanted and blocked")
            during, lines = len(placed(simulator)), spooled(engine).count("\n")
            written = engine.database.value("SELECT count(*) FROM decisions")
            engine.until(lambda: spooled(engine).count("\n") >= lines + 15, "more of the same")
            assert len(placed(simulator)) == during
            assert engine.database.value("SELECT count(*) FROM decisions") == written
            relay.mend()
            engine.until(lambda: "spool replayed" in engine.log, "the replay", 20)
            blocked = "SELECT count(*) FROM decisions WHERE block_reason IN ('suspended', 'db_unavailable')"
            engine.until(lambda: engine.database.value(blocked), "what was decided meanwhile")
            engine.until(lambda: len(placed(simulator)) > during, "hedging again")
            engine.until(lambda: agrees(engine, simulator), "ledger and broker to agree")
            assert engine.database.value("SELECT epoch FROM engine_lease") == 1
            nothing_doubled(engine, simulator)


def test_a_standby_takes_over(engine: EngineProcess, simulator: SimulatorProcess, tmp_path: Path) -> None:
    engine.until(lambda: hedged(engine), "a fill")
    with make_engine(engine.database, simulator, tmp_path / "second") as second:
        standby = "SELECT count(*) FROM engine_instances WHERE state = 'standby'"
        second.until(lambda: second.database.value(standby), "the standby's beat")
        assert "leads (epoch 1)" in second.log
        engine.kill()
        fills = len(second.operations("fill"))
        second.until(lambda: second.status()["epoch"] == 2, "the second engine to lead")
        second.until(lambda: len(second.operations("fill")) > fills, "its first fill", 60)
        second.until(lambda: agrees(second, simulator), "ledger and broker to agree")
        nothing_doubled(second, simulator)


class _OtherWorld(http.server.BaseHTTPRequestHandler):
    """A simulator's admin API that runs other accounts than the gateway we reach."""

    def do_GET(self) -> None:
        clock = {"market": "2026-05-07T14:00:00Z", "speed": 1.0, "paused": False, "always_open": True}
        body: dict[str, Any] = {"accounts": [{"id": "DU7654321"}], "clock": clock}
        answer = json.dumps(body if self.path == "/state" else clock).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_args: object) -> None:
        """Silence: the tests' output is for failures."""


def test_a_gateway_of_other_accounts_gets_no_order(
    database: Database, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), _OtherWorld)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        with make_engine(database, simulator, tmp_path / "engine", BIFROST_CLOCK__URL=url) as engine:
            engine.until(lambda: engine.status().get("daemon_state") == "running", "the engine")
            said = "SELECT count(*) FROM decisions WHERE outcome = 'blocked' AND block_reason LIKE 'live_not_allowed%%'"
            engine.until(lambda: engine.database.value(said), "the block")
            assert "maybe a real one" in engine.database.value("SELECT last_error FROM daemon_heartbeat")
            assert placed(simulator) == []
            assert engine.database.value("SELECT count(*) FROM alerts WHERE code = 'foreign_gateway'") == 1
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("key", ["BIFROST_GATES__STATE__DELTA__EPSILON_BAND", "BIFROST_ORDRE__TIF"])
def test_a_bad_configuration_is_a_message(key: str, tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "BIFROST_HOME": str(tmp_path), "LOG_FORMAT": "console", key: "abc"}
    command = [sys.executable, "-m", "bifrost_engine", "run"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 2
    assert key in said and "Traceback" not in said


def test_flatten_can_be_looked_at_beforehand(engine: EngineProcess) -> None:
    engine.until(lambda: hedged(engine), "a fill")
    assert engine.terminate() == 0
    command = [sys.executable, "-m", "bifrost_engine", "flatten", "--dry-run"]
    env = {"PATH": "/usr/bin:/bin", "BIFROST_HOME": str(engine.home), **engine.environment}
    ended = subprocess.run(command, env=env | engine.database.env("engine"), capture_output=True, text=True, timeout=30)
    own = round(engine.ledger_shares())
    assert ended.returncode == 0, ended.stderr
    assert f"own shares {own:+d}" in ended.stdout
    assert "nothing was sent" in ended.stdout or own == 0


def test_an_unreadable_database_is_waited_for(database: Database, simulator: SimulatorProcess, tmp_path: Path) -> None:
    with Relay(database.server.port) as relay:
        relay.cut()
        engine = make_engine(database, simulator, tmp_path / str(uuid4()))
        engine.environment |= {"PGPORT": str(relay.port)}
        with engine:
            engine.until(lambda: "lease: waiting" in engine.log, "the reason in the log")
            assert placed(simulator) == []
            relay.mend()
            engine.until(lambda: hedged(engine), "hedging")
