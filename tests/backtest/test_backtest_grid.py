"""Grids: the same table whoever runs the sets and however often a kill comes between; mistakes are told first."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bifrost import cli, paths
from bifrost_engine.backtest.grid import bar, parameter_sets

from tests.support.waiting import wait_until

SHIPPED = paths.repository_root() / "config" / "scenarios" / "tape" / "lean"
GRID = """
gates.intent.hedge.cooldown_seconds: [0.0, 600.0]
gates.state.delta.threshold_hedge_shares: [25.0, 50.0, 100.0]
"""


def words(grid: Path, folder: Path, workers: int = 1) -> list[str]:
    data = ["--data", str(SHIPPED), "--set", "greeks.risk_free_rate=0.0", "--entry", "09:35"]
    return ["backtest", *data, "--grid", str(grid), "--out", str(folder), "--workers", str(workers)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The grid's file, and its table when nothing came between: two processes."""
    folder = tmp_path_factory.mktemp("grid")
    grid = folder / "grid.yaml"
    grid.write_text(GRID)
    with pytest.MonkeyPatch.context() as shell:
        # A module's fixture comes before the one that keeps a shell's variables from every test.
        for name in [name for name in os.environ if name.startswith("BIFROST_") and name != "BIFROST_DATA"]:
            shell.delenv(name)
        assert cli.main(words(grid, folder / "whole", workers=2)) == 0
    return grid, (folder / "whole" / "table.csv").read_text()


def rows(table: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(table)))


def test_every_combination_is_a_row_and_its_parameters_count(whole: tuple[Path, str]) -> None:
    found = rows(whole[1])
    asked = [(r["gates.intent.hedge.cooldown_seconds"], r["gates.state.delta.threshold_hedge_shares"]) for r in found]
    assert asked == [(pause, band) for pause in ("0.0", "600.0") for band in ("25.0", "50.0", "100.0")]
    assert len({row["config_hash"] for row in found}) == len({row["run_id"] for row in found}) == 6
    hedges = [int(row["hedges"]) for row in found]
    assert hedges[0] >= hedges[1] >= hedges[2] and hedges[0] > hedges[3]


def test_a_killed_grid_goes_on_and_gives_the_same_table(whole: tuple[Path, str], tmp_path: Path) -> None:
    """SIGKILL after the first result: its workers end too, what is there stays, the rest is run, the table is equal."""
    grid, table = whole
    sets = tmp_path / "cut" / "sets"
    command = [sys.executable, "-m", "bifrost.cli", *words(grid, tmp_path / "cut")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as run:
        wait_until(lambda: list(sets.glob("*.json")), 120, what="the first result")
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        wait_until(lambda: not _alive(run.pid), 30, what="the end of its workers")
    kept = {file: file.stat().st_mtime_ns for file in sets.glob("*.json")}
    assert 0 < len(kept) < 6
    assert cli.main(words(grid, tmp_path / "cut")) == 0
    assert (tmp_path / "cut" / "table.csv").read_text() == table
    assert {file: file.stat().st_mtime_ns for file in kept} == kept, "a result that was there is not worked out again"


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_finished_grid_runs_nothing_again(
    whole: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grid, table = whole
    monkeypatch.setattr("bifrost_engine.backtest.command.LocalWorkers.run", lambda *_: pytest.fail("ran again"))
    assert cli.main([*words(grid, grid.parent / "whole"), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.out == table and "6/6" in captured.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write lines like"),
        ("a: 3", "a needs a list of values"),
        ("a: []", "a needs a list of values"),
        ("gates: [{state: 1}]", "gates names a section"),
        ("a: [1, 1]", "a names a value twice"),
        ("a: [1", "cannot be read"),
        ("gates.state.delta.epsilon_band: [5, -3]", r"parameter set 2 \(gates.state.delta.epsilon_band=-3\)"),
        ("gates.state.delta.epsilon: [5]", "gates.state.delta.epsilon"),
    ],
)
def test_a_grid_with_a_mistake_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(text)
    assert cli.main(words(grid, tmp_path / "out")) == 1
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err and not (tmp_path / "out").exists()
    assert re.search(said, captured.err), captured.err


def test_the_last_key_runs_fastest_and_a_bar_tells_the_time_left(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text("a: [1, 2]\nb: [x, y]")
    assert [dict(item) for item in parameter_sets(tmp_path / "g.yaml")] == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}
    ]  # fmt: skip
    assert bar(3, 12, 3725.4, width=8) == "[##      ] 3/12 1:02:05 left" and bar(0, 2, None, width=2) == "[  ] 0/2"
