"""A grid on a Dask cluster that somebody else runs: the same jobs, the same results, nothing of it started or stopped.

Dask is no part of the runtime's environment. Whoever has a cluster installs `requirements/cluster.lock` beside it.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import re
import threading
import time
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from .grid import GridError, Job, SetError, run_job

INSTALL = "pip install --require-hashes -r requirements/cluster.lock"
CONNECT_S = 15.0
#: So long a cluster may be without any worker before a grid on it ends: it may be growing.
NO_WORKER_S = 60.0
LOOK_S = 1.0
_ADDRESS = re.compile(r"(tcp|tls)://[^\s:/]+:\d{1,5}|(tcp|tls)://\[[0-9a-fA-F:.]+\]:\d{1,5}")
_SHOWN = 3
_GOES_ON = "what is finished is kept: the same command goes on, on this cluster, on another one or on local processes"
#: Python runs one backtest at a time in a process however many threads a worker has, and none of it expects another.
_ONE_AT_A_TIME = threading.Lock()


def run_far(job: Job) -> dict[str, Any]:
    """`run_job` on a worker of a cluster."""
    with _ONE_AT_A_TIME:
        return run_job(job)


def standing(job: Job) -> dict[str, str]:
    """What a worker's results would depend on besides the job: its code, and the data as it sees it."""
    from .market import market_of
    from .summary import code_version
    from .tape import rules_from

    task = job.task
    market = market_of(task.data, rules_from(job.rules).config.symbol, task.first, task.last)
    return {"code": code_version(), "data": market.data_hash()}


class DaskWorkers:
    """The workers of an existing cluster.

    Parameters
    ----------
    address : str
        Of its scheduler, ``tcp://host:8786``.
    no_worker_s : float
        Seconds without a single worker after which the grid ends.

    Raises
    ------
    GridError
        When that is no address, or Dask is not installed.
    """

    def __init__(self, address: str, no_worker_s: float = NO_WORKER_S) -> None:
        if not _ADDRESS.fullmatch(address):
            raise GridError(f"--scheduler {address!r} is no scheduler's address: write it as tcp://127.0.0.1:8786")
        self._address = address
        self._no_worker_s = no_worker_s
        self._dask = _dask()

    def run(self, jobs: Iterator[Job], count: int) -> Iterator[tuple[Job, dict[str, Any]]]:
        first = next(jobs, None)
        if first is None:
            return
        _quiet()
        client = self._connect()
        try:
            self._check_workers(client, first)
            yield from self._results(client, itertools.chain((first,), jobs))
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=2)

    def _connect(self) -> Any:
        try:
            return self._dask.Client(self._address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise GridError(
                f"no Dask scheduler answers at {self._address} ({_short(error)}); nothing was run. "
                "Start one with `dask scheduler`, and workers with `dask worker ADDRESS`"
            ) from None

    def _check_workers(self, client: Any, job: Job) -> None:
        """Before anything runs every worker has this code and this data; one that comes later is held to it too."""
        try:
            client.wait_for_workers(1, timeout=self._no_worker_s)
            found: Mapping[str, Any] = client.run(standing, job, on_error="return")
        except (OSError, TimeoutError) as error:
            raise GridError(
                f"the cluster at {self._address} has no worker that answers ({_short(error)}); nothing was run. "
                f"Start some with `dask worker {self._address}`"
            ) from None
        here = standing(job)
        wrong = [f"{worker}: {text}" for worker, told in sorted(found.items()) if (text := _differs(told, here))]
        if wrong:
            more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
            raise GridError(
                f"{len(wrong)} of {len(found)} workers of {self._address} cannot run this grid; nothing was run. "
                f"{'; '.join(wrong[:_SHOWN])}{more}"
            )

    def _results(self, client: Any, jobs: Iterator[Job]) -> Iterator[tuple[Job, dict[str, Any]]]:
        running: dict[Any, Job] = {}
        finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        while True:
            for job in itertools.islice(jobs, max(0, self._window(client) - len(running))):
                future = self._submit(client, job)
                running[future] = job
                future.add_done_callback(finished.put)
            if not running:
                return
            done = self._next(client, finished)
            job = running.pop(done)
            yield job, self._result(client, job, done)

    def _window(self, client: Any) -> int:
        """Two jobs for each process of the cluster, so that nobody waits for us."""
        return 2 * max(1, len(self._workers(client)))

    def _submit(self, client: Any, job: Job) -> Any:
        try:
            return client.submit(run_far, job, key=f"bifrost-{job.run_id}", pure=False)
        except Exception as error:
            raise self._gone(error) from None

    def _next(self, client: Any, finished: queue.SimpleQueue[Any]) -> Any:
        """The next job that is done in one way or the other, while there is a cluster to do it."""
        alone_since_s: float | None = None
        while True:
            with contextlib.suppress(queue.Empty):
                return finished.get(timeout=LOOK_S)
            if self._workers(client):
                alone_since_s = None
            elif alone_since_s is None:
                alone_since_s = time.monotonic()
            elif time.monotonic() - alone_since_s >= self._no_worker_s:
                raise GridError(
                    f"the cluster at {self._address} has been without a worker for {self._no_worker_s:g} seconds; "
                    f"{_GOES_ON}"
                )

    def _workers(self, client: Any) -> Mapping[str, Any]:
        try:
            workers: Mapping[str, Any] = client.nthreads()
        except Exception as error:
            raise self._gone(error) from None
        return workers

    def _result(self, client: Any, job: Job, future: Any) -> dict[str, Any]:
        if future.cancelled() or client.status != "running":
            raise self._gone("its connection is lost")
        try:
            result: dict[str, Any] = future.result()
        except self._dask.KilledWorker:
            raise SetError(job.task, f"the workers that ran it died, one after the other; {_GOES_ON}") from None
        except (ValueError, ImportError, RuntimeError) as error:
            raise SetError(job.task, _short(error)) from None
        except Exception as error:
            raise self._gone(error) from None
        return result

    def _gone(self, why: object) -> GridError:
        return GridError(f"the cluster at {self._address} is gone ({_short(why)}); {_GOES_ON}")


def _dask() -> ModuleType:
    try:
        import distributed
    except ImportError as error:
        raise GridError(f"--scheduler needs Dask, which is not installed here ({error}): {INSTALL}") from None
    module: ModuleType = distributed
    return module


def _quiet() -> None:
    """Dask's own lines about a lost connection would stand between ours, which say what follows from it."""
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _differs(told: object, here: Mapping[str, str]) -> str:
    """What keeps a worker from giving the results that this process would; empty when nothing does."""
    if isinstance(told, ModuleNotFoundError):
        return f"{told}: install Bifrost's services/common and services/engine of this version there"
    if isinstance(told, BaseException) or not isinstance(told, Mapping):
        return f"{_short(told)}: the data must lie at the same path on every worker"
    if told.get("code") != here["code"]:
        return f"runs code {told.get('code')}, here is {here['code']}"
    if told.get("data") != here["data"]:
        return f"its data is {told.get('data')}, here it is {here['data']}: other files lie at that path"
    return ""


def _short(error: object) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]} ..."
