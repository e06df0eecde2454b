"""A grid on a Dask cluster that others run: the same table as local processes, and each way in which it can be gone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bifrost import cli, paths
from bifrost_engine.backtest import cluster
from bifrost_engine.backtest.cluster import DaskWorkers
from bifrost_engine.backtest.grid import GridError

from tests.backtest.test_backtest_data import lean
from tests.support.waiting import free_port

SHIPPED = paths.repository_root() / "config" / "scenarios" / "tape" / "lean"
TWO = "gates.state.delta.threshold_hedge_shares: [25.0, 100.0]"
SIX = "gates.state.delta.threshold_hedge_shares: [30.0, 40.0, 50.0, 60.0, 70.0, 80.0]"


def words(folder: Path, *more: str, data: Path = SHIPPED, grid: str = TWO) -> list[str]:
    file = folder.with_suffix(".yaml")
    file.write_text(grid)
    quick = ["--set", "symbol=NVDA", "--set", "greeks.risk_free_rate=0.0", "--entry", "09:35"]
    return ["backtest", "--data", str(data), *quick, "--grid", str(file), "--out", str(folder), *more]


@contextmanager
def a_cluster(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and two workers as processes of their own on 127.0.0.1; the scheduler's address and process."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    quiet = ["--no-dashboard", "--host", "127.0.0.1"]
    scheduler = ["distributed.cli.dask_scheduler", "--port", str(port), *quiet]
    worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", *quiet, "--local-directory"]
    commands = [scheduler, *([*worker, str(folder / f"worker-{number}")] for number in (1, 2))]
    log = (folder / "cluster.log").open("ab")
    running = [
        subprocess.Popen([sys.executable, "-m", *command], stdout=log, stderr=log, cwd=folder) for command in commands
    ]
    try:
        yield address, running[0]
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()
        log.close()


def test_two_workers_give_the_table_of_local_processes_and_a_cluster_that_goes_away_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the scheduler is killed after a first result: it is told, the result stays, local processes do the rest."""
    data = lean(tmp_path / "data")
    cut = tmp_path / "cut"
    with a_cluster(tmp_path) as (address, scheduler), monkeypatch.context() as there:
        there.setattr("bifrost_engine.backtest.command.LocalWorkers.run", lambda *_: pytest.fail("ran here"))
        assert cli.main(words(tmp_path / "far", "--scheduler", address, data=data)) == 0, capsys.readouterr().err

        def kill_after_the_first(done: int, count: int, left_s: float | None) -> None:
            if done:
                scheduler.kill()

        there.setattr("bifrost_engine.backtest.command._show_progress", kill_after_the_first)
        capsys.readouterr()
        assert cli.main(words(cut, "--scheduler", address, data=data, grid=SIX)) == 1
        said = capsys.readouterr().err
        assert f"the cluster at {address} is gone" in said and "the same command goes on" in said, said
    assert cli.main(words(tmp_path / "here", "--workers", "1", data=data)) == 0
    assert (tmp_path / "far" / "table.csv").read_text() == (tmp_path / "here" / "table.csv").read_text()
    kept = {file: file.stat().st_mtime_ns for file in (cut / "sets").glob("*.json")}
    assert 0 < len(kept) < 6 and not (cut / "table.csv").exists()
    assert cli.main(words(cut, "--workers", "1", data=data, grid=SIX)) == 0
    assert {file: file.stat().st_mtime_ns for file in kept} == kept, "a result that was there is not worked out again"
    assert len((cut / "table.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ("--scheduler", "localhost"),
            "--scheduler 'localhost' is no scheduler's address: write it as tcp://127.0.0.1",
        ),
        (("--scheduler", "http://a:1"), "'http://a:1' is no scheduler's address"),
        (("--scheduler", "tcp://127.0.0.1:8786", "--workers", "2"), "takes the workers that the cluster has"),
    ],
)
def test_an_order_that_makes_no_sense_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], said: str
) -> None:
    assert cli.main(words(tmp_path / "out", *more)) == 1
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_scheduler_without_a_grid_has_nothing_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["backtest", "--data", str(SHIPPED), "--scheduler", "tcp://127.0.0.1:8786"]) == 1
    assert "--scheduler runs the sets of a --grid" in capsys.readouterr().err


def test_nobody_at_that_address(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    address = f"tcp://127.0.0.1:{free_port()}"
    assert cli.main(words(tmp_path / "out", "--scheduler", address)) == 1
    said = capsys.readouterr().err
    assert f"no Dask scheduler answers at {address}" in said and "dask scheduler" in said and "Traceback" not in said


def test_without_dask_one_line_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert cli.main(words(tmp_path / "out", "--scheduler", "tcp://127.0.0.1:8786")) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "pip install --require-hashes -r requirements/cluster.lock" in said
    lock = paths.repository_root() / "requirements" / "cluster.lock"
    assert "distributed==" in lock.read_text()


class Future:
    """One submitted job, done at once."""

    def __init__(self, outcome: object, cancelled: bool = False) -> None:
        self._outcome, self._cancelled = outcome, cancelled

    def add_done_callback(self, tell: Callable[[Future], None]) -> None:
        if self._outcome is not None or self._cancelled:
            tell(self)

    def cancelled(self) -> bool:
        return self._cancelled

    def result(self) -> object:
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome


class KilledWorker(Exception):
    """Named as Dask's."""


class Client:
    """A cluster in the shape of Dask's client."""

    status = "running"

    def __init__(self, told: Mapping[str, object], future: Future, threads: Mapping[str, int] | Exception) -> None:
        self._told, self._future, self._threads = told, future, threads

    def wait_for_workers(self, count: int, timeout: float) -> None:
        if not self._told:
            raise TimeoutError(f"Only 0/{count} workers arrived after {timeout}")

    def run(self, function: object, *args: object, on_error: str) -> Mapping[str, object]:
        return self._told

    def submit(self, function: object, *args: object, **more: object) -> Future:
        return self._future

    def nthreads(self) -> Mapping[str, int]:
        if isinstance(self._threads, Exception):
            raise self._threads
        return self._threads

    def close(self, timeout: float) -> None:
        self.status = "closed"


GOOD = {"code": "c", "data": "d"}
A = "tcp://10.0.0.1:1"


def results(
    monkeypatch: pytest.MonkeyPatch,
    told: Mapping[str, object],
    future: Future | None = None,
    threads: Mapping[str, int] | Exception | None = None,
) -> list[Any]:
    """What comes of one job on such a cluster."""
    client = Client(told, future or Future({"run_id": "r"}), {A: 1} if threads is None else threads)
    dask = SimpleNamespace(Client=lambda *_, **__: client, KilledWorker=KilledWorker)
    monkeypatch.setattr(cluster, "_dask", lambda: dask)
    monkeypatch.setattr(cluster, "standing", lambda job: GOOD)
    monkeypatch.setattr(cluster, "LOOK_S", 0.01)
    job = SimpleNamespace(run_id="r", task=SimpleNamespace(number=3, shown="a=1"))
    try:
        return list(DaskWorkers("tcp://10.0.0.1:8786", no_worker_s=0.05).run(iter([job]), 1))  # type: ignore[list-item]
    finally:
        assert client.status == "closed"


def test_a_good_cluster_gives_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    ((job, result),) = results(monkeypatch, {A: GOOD})
    assert (job.run_id, result) == ("r", {"run_id": "r"})


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "has no worker that answers (Only 0/1 workers arrived after 0.05); nothing was run"),
        (
            {A: ValueError("/quotes is neither a LEAN folder"), "tcp://10.0.0.2:1": GOOD},
            "1 of 2 workers of tcp://10.0.0.1:8786 cannot run this grid; nothing was run. tcp://10.0.0.1:1: /quotes is "
            "neither a LEAN folder: the data must lie at the same path on every worker",
        ),
        ({A: GOOD | {"data": "e"}}, "its data is e, here it is d: other files lie at that path"),
        ({A: GOOD | {"code": "b"}}, "runs code b, here is c"),
        (
            {A: ModuleNotFoundError("No module named 'bifrost'")},
            "install Bifrost's services/common and services/engine",
        ),
        ({f"{A}{n}": GOOD | {"code": "b"} for n in range(5)}, "5 of 5 workers .*; and 2 more"),
    ],
)
def test_a_worker_that_would_give_other_results_is_named_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, told: Mapping[str, object], said: str
) -> None:
    with pytest.raises(GridError) as error:
        results(monkeypatch, told)
    assert said in str(error.value) or re.search(said, str(error.value)), error.value


@pytest.mark.parametrize(
    ("future", "threads", "said"),
    [
        (Future(None, cancelled=True), None, "the cluster at tcp://10.0.0.1:8786 is gone"),
        (Future(None), OSError("Timed out"), r"is gone \(Timed out\); what is finished is kept"),
        (Future(None), {}, "has been without a worker for 0.05 seconds; what is finished is kept"),
        (Future(KilledWorker()), None, r"parameter set 3 \(a=1\): the workers that ran it died"),
        (Future(ValueError("no straddle was quoted")), None, r"parameter set 3 \(a=1\): no straddle was quoted"),
    ],
)
def test_what_ends_a_grid_half_way_is_told(
    monkeypatch: pytest.MonkeyPatch, future: Future, threads: Any, said: str
) -> None:
    with pytest.raises(GridError, match=said):
        results(monkeypatch, {A: GOOD}, future, threads)
