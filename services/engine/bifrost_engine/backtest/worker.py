"""The backtest process: takes up what the page launches, one run at a time, each in a process of its own.

It has the lowest priority and is the first to go when memory is short: the engine beside it must not feel it. The run
itself says how far it is; its row is the only place where that is kept, so monitors may come and go.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from bifrost.backtest import BEAT_S, BacktestRequest, JobStatus, RequestError, request_of

log = logging.getLogger(__name__)

LEAST_PRIORITY = 19
OOM_SCORE = "800"
LOOK_S = 1.0
END_S = 10.0
RESTARTED = "the backtest process ended or lost the database while this ran; launch it again"
LOST = "the database was away while this ran ({}); launch it again"
STOPPED = "the desk was stopped while this ran; launch it again"


class JobStore(Protocol):
    """The jobs' table, as long as its connection lives; every method may raise `StoreLost`."""

    def lead(self) -> bool:
        """Whether this process carries out jobs: one at a time does."""
        ...

    def beat(self, offer: Mapping[str, Any]) -> None:
        """Say that jobs are carried out here, and on which data."""
        ...

    def give_up(self, reason: str) -> None:
        """What is marked as running is not."""
        ...

    def take(self) -> tuple[int, Any] | None:
        """The job that waits and its request, now marked as running."""
        ...

    def progress(self, job_id: int, progress: Mapping[str, Any]) -> bool:
        """Write how far it is; True when somebody has asked to cancel it."""
        ...

    def finish(self, job_id: int, status: JobStatus, *, run_id: UUID | None = None, error: str | None = None) -> None:
        """The end of a job."""
        ...

    def wait(self, limit_s: float) -> None:
        """Until something about jobs changes."""
        ...


class StoreLost(Exception):
    """The database is away; the message says why."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """What became of a run; a run that is stored has an identifier."""

    status: JobStatus
    run_id: UUID | None = None
    why: str | None = None


class Worker:
    """Owns the one run under way.

    Parameters
    ----------
    open_store : callable
        A connection for the length of a block.
    offer : callable
        What can be run now (`backtest.offer.offer`).
    command : callable
        The command line for a request and a folder; raises `RequestError`.
    env : mapping, optional
        Environment of the runs; this process's own by default.
    """

    def __init__(
        self,
        open_store: Callable[[], AbstractContextManager[JobStore]],
        offer: Callable[[], Mapping[str, Any]],
        command: Callable[[BacktestRequest, Path], list[str]],
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._open_store = open_store
        self._offer = offer
        self._command = command
        self._env = env
        self._stopping = threading.Event()
        self._offered: Mapping[str, Any] = {}
        self._trouble = ""
        self._unwritten: tuple[int, _Ending] | None = None

    def stop(self) -> None:
        """Ask it to end; the run under way ends with it."""
        self._stopping.set()

    def run(self) -> None:
        """Until `stop`; a database that is away is waited for."""
        told = ""
        while not self._stopping.is_set():
            try:
                with self._open_store() as store:
                    told = ""
                    self._serve(store)
            except StoreLost as lost:
                if str(lost) != told:
                    log.warning("waiting for the database: %s", lost)
                    told = str(lost)
                self._stopping.wait(2.0)

    def _serve(self, store: JobStore) -> None:
        while not store.lead():
            if self._stopping.wait(BEAT_S):
                return
        unwritten, self._unwritten = self._unwritten, None  # tried once: `give_up` closes what the table refuses
        if unwritten is not None:
            self._finish(store, *unwritten)
        store.give_up(RESTARTED)
        log.info("ready for backtests")
        beat = _Every(BEAT_S, lambda: self._beat(store))
        while not self._stopping.is_set():
            beat.due()
            job = store.take()
            if job is None:
                store.wait(LOOK_S)
            else:
                self._carry_out(store, *job)

    def _beat(self, store: JobStore) -> None:
        """Data that cannot be listed just now is told as it was: runs go on, and the page knows that somebody works."""
        try:
            self._offered = self._offer()
            self._trouble = ""
        except Exception as error:
            if repr(error) != self._trouble:
                log.error("recorded data cannot be listed, the last list stands: %r", error)
                self._trouble = repr(error)
        store.beat(self._offered)

    def _carry_out(self, store: JobStore, job_id: int, row: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="bifrost-backtest-") as folder:
            try:
                words = self._command(request_of(row), Path(folder))
            except RequestError as error:
                store.finish(job_id, JobStatus.FAILED, error=str(error))
                return
            log.info("backtest %d begins", job_id, extra={"job": job_id, "request": row})
            with _Child(words, Path(folder), self._env) as child:
                ending = self._follow(store, job_id, child)
            if child.run_id is not None and ending.status is not JobStatus.DONE:
                log.warning("backtest %d was stored all the same: %s", job_id, ending.why or ending.status)
                ending = _Ending(JobStatus.DONE, child.run_id)
            log.info("backtest %d: %s", job_id, ending.why or ending.status, extra={"job": job_id})
            self._unwritten = job_id, ending
            self._finish(store, job_id, ending)
            self._unwritten = None

    def _finish(self, store: JobStore, job_id: int, ending: _Ending) -> None:
        store.finish(job_id, ending.status, run_id=ending.run_id, error=ending.why)

    def _follow(self, store: JobStore, job_id: int, child: _Child) -> _Ending:
        """Until the run ends by itself, or has to end now."""
        beat = _Every(BEAT_S, lambda: self._beat(store))
        try:
            while (told := child.next(LOOK_S)) is not None:
                beat.due()
                if store.progress(job_id, told):
                    return _Ending(JobStatus.CANCELLED)
                if self._stopping.is_set():
                    return _Ending(JobStatus.FAILED, why=STOPPED)
        except StoreLost as lost:
            return _Ending(JobStatus.FAILED, why=LOST.format(lost))
        if child.ended_well() and child.run_id is not None:
            return _Ending(JobStatus.DONE, child.run_id)
        return _Ending(JobStatus.FAILED, why=child.last_words)


class _Child:
    """`bifrost backtest` as a process; it ends with the block."""

    def __init__(self, words: list[str], folder: Path, env: Mapping[str, str] | None) -> None:
        self._words = words
        self._env = env
        self._folder = folder
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._said: deque[str] = deque(maxlen=40)
        self._newest: dict[str, Any] = {}
        self.run_id: UUID | None = None

    def __enter__(self) -> _Child:
        self._process = subprocess.Popen(
            self._words,
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # Its end is noticed by a run whose listener was killed: the next line it tells ends it.
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, name="backtest-lines", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(END_S)
        if self._process.stderr is not None:
            self._process.stderr.close()
        while not self._lines.empty():  # it may have stored its run before the end reached it
            line = self._lines.get_nowait()
            if line is not None:
                self._take(line)

    def next(self, limit_s: float) -> dict[str, Any] | None:
        """The newest that the run has told, after ``limit_s`` the same again; None at its end."""
        until = time.monotonic() + limit_s
        while (left_s := until - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left_s)
            except queue.Empty:
                break
            if line is None:
                return None
            if self._take(line):
                break
        return self._newest

    def ended_well(self) -> bool:
        return self._process.wait(END_S) == 0

    @property
    def last_words(self) -> str:
        """Why it failed, in the words it ended with."""
        said = list(self._said)
        if any(line.startswith("Traceback ") for line in said):
            log.error("a backtest broke: %s", "\n".join(said))
            return f"the run broke ({said[-1]}); the log of the backtest process has the rest"
        text = " ".join(line.strip() for line in said[-5:]).removeprefix("bifrost backtest: ")
        return text or f"the run ended with code {self._process.poll()} and without a word"

    def _take(self, line: str) -> bool:
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        if not isinstance(told, dict) or "stage" not in told:
            if line.strip():
                self._said.append(line.rstrip())
            return False
        if told["stage"] == "stored":
            self.run_id = UUID(str(told["run_id"]))
        self._newest = {**self._newest, **told}
        return True

    def _read(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(ValueError):  # closed while it was read
            for line in self._process.stderr:
                self._lines.put(line)
        self._lines.put(None)


class _Every:
    """Does something now and every ``period_s`` from then on, whenever it is asked."""

    def __init__(self, period_s: float, work: Callable[[], None]) -> None:
        self._period_s = period_s
        self._work = work
        self._at_s = -period_s

    def due(self) -> None:
        now_s = time.monotonic()
        if now_s - self._at_s >= self._period_s:
            self._at_s = now_s
            self._work()


def step_back() -> None:
    """Give every other process of this machine the way: processor and memory."""
    with contextlib.suppress(OSError):
        os.nice(LEAST_PRIORITY)
    with contextlib.suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, encoding="ascii")
