"""The engine as a process in rarer weather: a lease taken away, paper trading, a retold order."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.postgres import Database
from tests.support.simulator import SimulatorProcess

pytestmark = pytest.mark.integration

EAGER = {
    "BIFROST_GATES__INTENT__HEDGE__COOLDOWN_SECONDS": "5",
    "BIFROST_GATES__INTENT__HEDGE__MIN_PRICE_MOVE_PCT": "0",
    "BIFROST_GATES__STATE__DELTA__THRESHOLD_HEDGE_SHARES": "12",
}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path_factory.mktemp("world")) as running:
        yield running


def engine_with(database: Database, simulator: SimulatorProcess, home: Path, **more: str) -> EngineProcess:
    return EngineProcess(database, home, simulator.environment() | EAGER | more)


def placed(simulator: SimulatorProcess) -> int:
    return len(simulator.get("/journal?message=placeOrder")["entries"])


def test_an_engine_whose_lease_was_taken_stands_by_and_leads_again(
    database: Database, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    with engine_with(database, simulator, tmp_path) as engine:
        engine.until(lambda: engine.operations("fill"), "a fill")
        database.query("UPDATE engine_lease SET epoch = epoch + 1, owner = gen_random_uuid()")
        engine.until(lambda: "-> standby (lease_lost)" in engine.log, "the loss", 15)
        engine.until(lambda: engine.status()["epoch"] == 3, "a new epoch")
        fills = len(engine.operations("fill"))
        engine.until(lambda: len(engine.operations("fill")) > fills, "hedging under it")
        lone = database.query(
            "SELECT exec_id FROM executions EXCEPT SELECT exec_id FROM operations WHERE type = 'fill'"
        )
        assert lone == []


def test_paper_fills_stay_inside(database: Database, simulator: SimulatorProcess, tmp_path: Path) -> None:
    before = placed(simulator)
    with engine_with(database, simulator, tmp_path, BIFROST_GATES__GUARD__RISK__PAPER_TRADE="true") as engine:
        paper = "SELECT exec_id, order_ref, exchange FROM executions WHERE mode = 'paper'"
        rows = engine.until(lambda: database.query(paper), "a paper fill")
        assert all(exec_id.startswith(f"paper:{ref}:") and exchange == "PAPER" for exec_id, ref, exchange in rows)
        # What the engine of the test before sold for real is told by the broker and belongs to the live ledger.
        others = "SELECT count(*) FROM executions WHERE mode = 'live' AND exec_id LIKE 'paper:%%'"
        assert database.value(others) == 0
        in_band = "SELECT count(*) FROM status_history WHERE abs(net_delta) <= 10 AND stock_position <> 0"
        engine.until(lambda: database.value(in_band), "a row in the band")
        assert placed(simulator) == before
        costs = "SELECT min(commission) FROM execution_costs WHERE exec_id LIKE 'paper:%%'"
        engine.until(lambda: (database.value(costs) or 0) >= 1, "its commission")


def test_a_changed_file_counts_at_once_and_a_wrong_one_changes_nothing(
    database: Database, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("gates: {state: {delta: {max_delta_limit: 400}}}\n", encoding="utf-8")
    engine = engine_with(database, simulator, tmp_path)
    engine.config = file
    limit = "SELECT details->>'max_delta_limit' FROM status_current"
    alerts = "SELECT code FROM alerts WHERE code LIKE 'config%%' ORDER BY id"
    with engine:
        engine.until(lambda: database.value(limit) == "400.0", "the file's limit")
        before = database.value("SELECT config_summary FROM status_current")
        file.write_text("gates: {state: {delta: {max_delta_limit: 410}}}\n", encoding="utf-8")
        os.kill(engine.pid, signal.SIGHUP)
        engine.until(lambda: database.value(limit) == "410.0", "the new limit")
        assert database.value("SELECT config_summary FROM status_current") != before
        for wrong in ("gates: {state: {delta: {max_delta_limt: 1}}}\n", "gates: {guard: {risk: {allow_live: true}}}\n"):
            file.write_text(wrong, encoding="utf-8")
            said = engine.log.count("configuration not taken")
            os.kill(engine.pid, signal.SIGHUP)
            engine.until(lambda said=said: engine.log.count("configuration not taken") > said, "the refusal")
        engine.until(lambda: database.query(alerts)[-2:] == [("config_refused",)] * 2, "the alerts")
        assert "max_delta_limit" in engine.log.split("configuration not taken")[1]
        assert database.value(limit) == "410.0"
