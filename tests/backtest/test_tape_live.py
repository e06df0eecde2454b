"""The real engine against the simulated gateway over a real socket: its tapes, replayed, make the same decisions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bifrost import cli
from bifrost.tape import TapeError
from bifrost_engine.backtest.market import market_of
from bifrost_engine.backtest.replay import replay
from bifrost_engine.backtest.tape import TapeReader

from tests.support.acceptance import EAGER, fast_scenario
from tests.support.engine import EngineProcess
from tests.support.postgres import Database
from tests.support.simulator import SimulatorProcess

pytestmark = pytest.mark.integration
#: So many events make a life that is worth comparing.
WORTH_COMPARING = 20


def told(tapes: Path) -> bool:
    """Whether the newest tape, which the engine is still writing, holds a life worth comparing, with a hedge in it."""
    newest = max(tapes.glob("*.jsonl.gz"), key=lambda file: file.stat().st_mtime, default=None)
    if newest is None:
        return False
    try:
        outcomes = [
            entry.decided.outcome if entry.decided is not None else "" for entry in TapeReader(newest).entries()
        ]
    except TapeError:
        # Its first line is not on the disk yet.
        return False
    return len(outcomes) > WORTH_COMPARING and "hedge" in outcomes


def test_TC_3_RE_2_3_tapes_of_a_live_run_with_a_kill_replay_to_the_same_decisions(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """TC-3-RE-2-3: what was decided live is decided again, per sequence number, over a SIGKILL and what it restores."""
    tapes = tmp_path / "tapes"
    scenario = fast_scenario(tmp_path)
    with SimulatorProcess(tmp_path / "world", scenario) as simulator:
        environment = simulator.environment() | EAGER | {"BIFROST_DAEMON__TAPE_FOLDER": str(tapes)}
        with EngineProcess(database, tmp_path / "home", environment) as engine:
            engine.until(lambda: engine.operations("fill") and told(tapes), "a fill and a life")
            engine.kill()
            engine.start()
            fills = len(engine.operations("fill"))
            engine.until(
                lambda: len(engine.operations("fill")) > fills and told(tapes),
                "a fill of the second life, and more of it on tape",
            )
            assert engine.terminate() == 0
        # What the killed one sent last the other one wrote, under the first one's epoch.
        epoch = database.value("SELECT epoch FROM engine_lease")
        sent = database.value("SELECT count(*) FROM operations WHERE type = 'order_sent' AND origin_epoch = %s", epoch)
    files = sorted(tapes.glob("*.jsonl.gz"), key=lambda file: file.stat().st_mtime)
    assert len(files) == 2
    killed, ended = (replay(file) for file in files)
    for found in (killed, ended):
        assert found.parting is None, str(found.parting)
        assert found.compared > WORTH_COMPARING - 2 and found.events - found.compared <= 1
    assert not ended.torn
    # The killed engine's last second may be missing, what it decided before is there; the other's is whole.
    assert killed.hedges >= 1 and ended.hedges >= sent > 0
    recorded = market_of(tapes, "NVDA")
    bursts = list(recorded.bursts())
    assert [burst.at_s for burst in bursts] == sorted({burst.at_s for burst in bursts}) and len(bursts) > 10
    quoted = {quote.key for burst in bursts for quote in burst.quotes if 0 < quote.bid <= quote.ask}
    assert recorded.stock in quoted and len(quoted) > 2, "the stock and the legs, as a backtest's input"
    assert set(recorded.bad.by_reason) <= {"the tape is torn", "market time was not known"}, recorded.bad.shown
    command = ["backtest", "--data", str(tapes), "--scenario", str(scenario), "--out", str(tmp_path / "out")]
    assert cli.main(command) == 0, capsys.readouterr().err
    held = json.loads((tmp_path / "out" / "summary.json").read_text())["legs"]
    assert len(held) == 2 and {leg["contract_key"] for leg in held} <= {str(key) for key in quoted}
    assert cli.main(["replay", str(files[1])]) == 0
    assert "all the same" in capsys.readouterr().out
