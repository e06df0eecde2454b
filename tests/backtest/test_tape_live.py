"""The real engine against the simulated gateway over a real socket: its tapes, replayed, make the same decisions."""

from __future__ import annotations

from pathlib import Path

import pytest
from bifrost import cli
from bifrost.tape import TapeError
from bifrost_engine.backtest.replay import replay
from bifrost_engine.backtest.tape import TapeReader

from tests.support.acceptance import EAGER, fast_scenario
from tests.support.engine import EngineProcess
from tests.support.postgres import Database
from tests.support.simulator import SimulatorProcess

pytestmark = pytest.mark.integration
#: So many events make a life that is worth comparing.
WORTH_COMPARING = 20


def told(tapes: Path) -> int:
    """How many events the newest tape holds; the engine is still writing it."""
    newest = max(tapes.glob("*.jsonl.gz"), key=lambda file: file.stat().st_mtime, default=None)
    if newest is None:
        return 0
    try:
        return sum(1 for _ in TapeReader(newest).entries())
    except TapeError:
        # Its first line is not on the disk yet.
        return 0


def test_TC_3_RE_2_3_tapes_of_a_live_run_with_a_kill_replay_to_the_same_decisions(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """TC-3-RE-2-3: what was decided live is decided again, per sequence number, over a SIGKILL and what it restores."""
    tapes = tmp_path / "tapes"
    with SimulatorProcess(tmp_path / "world", fast_scenario(tmp_path)) as simulator:
        environment = simulator.environment() | EAGER | {"BIFROST_DAEMON__TAPE_FOLDER": str(tapes)}
        with EngineProcess(database, tmp_path / "home", environment) as engine:
            engine.until(lambda: engine.operations("fill") and told(tapes) > WORTH_COMPARING, "a fill and a life")
            engine.kill()
            engine.start()
            fills = len(engine.operations("fill"))
            engine.until(
                lambda: len(engine.operations("fill")) > fills and told(tapes) > WORTH_COMPARING,
                "a fill of the second life, and more of it on tape",
            )
            assert engine.terminate() == 0
        sent = len(engine.operations("order_sent"))
    files = sorted(tapes.glob("*.jsonl.gz"), key=lambda file: file.stat().st_mtime)
    assert len(files) == 2
    killed, ended = (replay(file) for file in files)
    for found in (killed, ended):
        assert found.parting is None, str(found.parting)
        assert found.compared > WORTH_COMPARING - 2 and found.events - found.compared <= 1
    assert not ended.torn
    # The killed engine's last second may be missing, what it decided before is there.
    assert killed.hedges + ended.hedges >= sent - 1 > 0
    assert cli.main(["replay", str(files[1])]) == 0
    assert "all the same" in capsys.readouterr().out
