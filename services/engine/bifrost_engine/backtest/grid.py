"""Grids: parameter sets side by side; a grid that was interrupted goes on where it stood.

Each set is one backtest with its own result file, written whole or not at all and named by what the set depends on. The
table is made of the files alone, in the order of the grid: whoever ran the sets, however often it was interrupted, the
same grid gives the same table.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import multiprocessing
import os
import threading
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import yaml
from bifrost.calendar import TradingCalendar
from bifrost.config import ConfigError, LoadedConfig, load_config

from bifrost_engine.domain.state import Rules

from .fills import FillModel
from .legs import Entry
from .tape import rules_from, rules_row

#: More sets than this are a mistake in the file more often than a wish.
MOST_SETS = 100_000
COLUMNS = ("pnl_at_mid_usd", "pnl_liquidated_usd", "drawdown_usd", "sharpe", "hedges", "shares_traded", "slippage_usd",
           "commissions_usd", "blocked")  # fmt: skip


def rules_of(loaded: LoadedConfig) -> Rules:
    """Configuration and calendar: a scenario whose market never closes has no sessions to wait for."""
    world = loaded.scenario
    return Rules(loaded.config, loaded.hash, TradingCalendar(always_open=bool(world and world.always_open)))


class GridError(ValueError):
    """A grid that cannot be run; the message names what stands in the way and what would be right."""


@dataclass(frozen=True, slots=True)
class Task:
    """One parameter set, complete: any process can run it."""

    number: int
    parameters: tuple[tuple[str, Any], ...]
    config: Path | None
    scenario: Path | None
    overrides: tuple[tuple[str, Any], ...]
    data: Path
    first: date | None
    last: date | None
    entry: Entry
    model: FillModel

    @property
    def shown(self) -> str:
        return ", ".join(f"{key}={value}" for key, value in self.parameters)

    def rules(self) -> Rules:
        """Raises `ConfigError` naming what the set gets wrong."""
        overrides = dict(self.overrides) | dict(self.parameters)
        loaded = load_config(self.config, scenario=self.scenario, overrides=overrides)
        return rules_of(loaded)


@dataclass(frozen=True, slots=True)
class Job:
    """A task as any process of any machine can run it: with the configuration itself, not with where it stands.

    A worker's own environment changes nothing in it; only the data must lie at the same place for everybody.
    """

    task: Task
    run_id: str
    """What the result is named by: configuration, data, request and code."""
    rules: dict[str, Any]


class SetError(GridError):
    """One set that could not be run."""

    def __init__(self, task: Task, why: str) -> None:
        super().__init__(f"parameter set {task.number} ({task.shown}): {why}")


class Workers(Protocol):
    """Runs jobs somewhere and tells each result as it comes."""

    def run(self, jobs: Iterator[Job], count: int) -> Iterator[tuple[Job, dict[str, Any]]]:
        """Run the ``count`` jobs, as few of them waiting at a time as keep everybody busy.

        Raises
        ------
        SetError
            Names the set that failed.
        GridError
            When the workers cannot be reached or are gone.
        """
        ...


def parameter_sets(file: Path) -> list[tuple[tuple[str, Any], ...]]:
    """Every combination of the lists in a YAML file ``key: [value, ...]``, the last key running fastest.

    Raises
    ------
    GridError
        Names the file, the key and what would be right.
    """
    wanted = "lines like gates.intent.hedge.cooldown_seconds: [0.0, 30.0, 60.0]"
    try:
        grid = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise GridError(f"{file}: cannot be read: {error}") from None
    if not isinstance(grid, dict) or not grid:
        raise GridError(f"{file}: write {wanted}")
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise GridError(f"{file}: {key} needs a list of values; write {wanted}")
        if any(isinstance(value, dict) for value in values):
            raise GridError(f"{file}: {key} names a section: write the dotted key of one value")
        if len({json.dumps(value) for value in values}) < len(values):
            raise GridError(f"{file}: {key} names a value twice")
    count = 1
    for values in grid.values():
        count *= len(values)
    if count > MOST_SETS:
        raise GridError(f"{file}: {count:,} parameter sets are more than {MOST_SETS:,}")
    names = [str(key) for key in grid]
    return [tuple(zip(names, combination, strict=True)) for combination in itertools.product(*grid.values())]


def run_job(job: Job) -> dict[str, Any]:
    """One set, from its configuration to its summary."""
    from .market import market_of
    from .run import BacktestRun
    from .summary import summary

    task, rules = job.task, rules_from(job.rules)
    market = market_of(task.data, rules.config.symbol, task.first, task.last)
    outcome = BacktestRun(rules, market, task.entry, task.model).run()
    return summary(outcome, rules, market, task.entry, task.model)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for ever for the next set."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, name="parent", daemon=True).start()


class LocalWorkers:
    """Processes of this machine; each set's result comes as soon as it is there.

    Parameters
    ----------
    count : int
        Processes; one for each core when 0.
    """

    def __init__(self, count: int = 0) -> None:
        self._count = count or os.cpu_count() or 1

    def run(self, jobs: Iterator[Job], count: int) -> Iterator[tuple[Job, dict[str, Any]]]:
        # A process that began as a copy of this one could inherit half a lock.
        context = multiprocessing.get_context("spawn")
        processes = min(self._count, count)
        with ProcessPoolExecutor(processes, context, _end_with_parent) as pool:
            running: dict[Future[dict[str, Any]], Job] = {}
            try:
                while True:
                    for job in itertools.islice(jobs, 2 * processes - len(running)):
                        running[pool.submit(run_job, job)] = job
                    if not running:
                        return
                    for done in wait(running, return_when=FIRST_COMPLETED).done:
                        job = running.pop(done)
                        yield job, _result(job, done)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _result(job: Job, done: Future[dict[str, Any]]) -> dict[str, Any]:
    try:
        return done.result()
    except BrokenProcessPool:
        raise GridError("a worker process was killed; what is finished is kept: the same command goes on") from None
    except (ValueError, OSError) as error:
        raise SetError(job.task, str(error)) from None


@dataclass(slots=True)
class Grid:
    """A grid in a folder.

    Parameters
    ----------
    data_hash : callable
        Hash of the data of a set: it is part of what a result depends on.
    """

    folder: Path
    tasks: Sequence[Task]
    data_hash: Callable[[Task], str]
    _names: dict[int, str] = field(default_factory=dict)
    """Run id of each set, once it is known."""

    def check(self) -> None:
        """Every set's configuration, before any of them runs.

        Raises
        ------
        GridError
            Names the set and what is wrong with it.
        """
        for task in self.tasks:
            try:
                task.rules()
            except ConfigError as error:
                raise SetError(task, str(error)) from None

    def job(self, task: Task) -> Job:
        from .summary import asked_for, run_id

        rules = task.rules()
        identity = run_id(rules, self.data_hash(task), asked_for(task.entry, task.model))
        self._names[task.number] = str(identity)
        return Job(task, str(identity), rules_row(rules))

    def file_of(self, task: Task) -> Path:
        """Where a set's result lies: another configuration, data, request or code is another file."""
        name = self._names.get(task.number) or self.job(task).run_id
        return self.folder / "sets" / f"{name}.json"

    def missing(self) -> list[Task]:
        """The sets without a result."""
        return [task for task in self.tasks if not self.file_of(task).is_file()]

    def run(self, workers: Workers, on_progress: Callable[[int, int, float | None], None]) -> None:
        """Run what is missing; ``on_progress(done, all, seconds left)`` after each set."""
        (self.folder / "sets").mkdir(parents=True, exist_ok=True)
        left = self.missing()
        before = len(self.tasks) - len(left)
        on_progress(before, len(self.tasks), None)
        if not left:
            return
        started = clock.monotonic()
        for done, (job, result) in enumerate(workers.run(map(self.job, left), len(left)), start=1):
            _hold_to_name(job, result)
            _write_whole(self.file_of(job.task), result)
            a_set_s = (clock.monotonic() - started) / done
            on_progress(before + done, len(self.tasks), a_set_s * (len(left) - done))

    def table(self) -> str:
        """CSV: one row a set, in the grid's order; the parameters, then the figures."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        names = [key for key, _ in self.tasks[0].parameters]
        writer.writerow([*names, *COLUMNS, "config_hash", "run_id"])
        for task in self.tasks:
            found = json.loads(self.file_of(task).read_text(encoding="utf-8"))
            values = [json.dumps(value) for _, value in task.parameters]
            writer.writerow([*values, *_figures(found), found["config_hash"], found["run_id"]])
        return out.getvalue()


def _hold_to_name(job: Job, result: Mapping[str, Any]) -> None:
    """A result of other data or other code is none of this grid's, wherever it was made."""
    if result["run_id"] != job.run_id:
        raise SetError(
            job.task,
            f"its result is another run's ({result['run_id']}: data {result['data_hash']}, code "
            f"{result['code_version']}); the data has changed meanwhile, or a worker has other data or code",
        )


def _figures(found: Mapping[str, Any]) -> list[Any]:
    row = {
        "pnl_at_mid_usd": found["pnl"]["at_mid_usd"],
        "pnl_liquidated_usd": found["pnl"]["liquidated_usd"],
        "blocked": json.dumps(found["blocked"]),
    }
    values = [row.get(name, found.get(name)) for name in COLUMNS]
    return ["" if value is None else value for value in values]


def _write_whole(file: Path, result: Mapping[str, Any]) -> None:
    """A file that is there is complete: a kill leaves the old name or the new one."""
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(result, allow_nan=False), encoding="utf-8")
    part.replace(file)


def bar(done: int, count: int, left_s: float | None, width: int = 30) -> str:
    """A progress bar with the time left, ``[#####     ] 3/12 0:01:20 left``."""
    filled = width * done // count
    if left_s is None:
        left = ""
    else:
        seconds = round(left_s)
        left = f" {seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left"
    return f"[{'#' * filled}{' ' * (width - filled)}] {done}/{count}{left}"
