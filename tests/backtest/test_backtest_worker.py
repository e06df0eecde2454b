"""The backtest process: what it offers, how a request becomes a command, how a run is followed, ended, and fails."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from bifrost import paths
from bifrost.backtest import BacktestRequest, JobStatus, RequestError, request_of, without_scenario
from bifrost.cli import parse_overrides
from bifrost.config.load import load_config
from bifrost.config.yaml_tree import scalar, written
from bifrost.db import connect
from bifrost.db.alive import silent_s
from bifrost_engine.adapters.postgres.backtest_jobs import PostgresJobs, jobs
from bifrost_engine.backtest.offer import command_line, folders, offer
from bifrost_engine.backtest.worker import LOST, STOPPED, StoreLost, Worker

from tests.support.postgres import Database
from tests.support.waiting import wait_until

SHIPPED = {"source": "shipped/NVDA"}
RUN = "7d0fd0f4-6c0c-4b42-9d5c-2a0f4e2d6f11"
#: Stands for `bifrost backtest`: says what that says, and stores what it says.
TELL = "import sys, json, time; tell = lambda **row: (sys.stderr.write(json.dumps(row) + '\\n'), sys.stderr.flush()); "


def test_the_offer_is_what_is_recorded(tmp_path: Path) -> None:
    """No folder, no source; the day that ships with the project is always there."""
    known = folders({"BIFROST_DATA": str(tmp_path)})
    assert set(known) == {"shipped"}
    made = offer(load_config(env={}).config, known)
    (source,) = made["sources"]
    assert (source["id"], source["symbol"], source["days"]) == ("shipped/NVDA", "NVDA", 1)
    assert source["first"] == source["last"] and set(made["defaults"]) == {"min_dte", "max_dte"}
    (tmp_path / "lean" / "equity" / "usa" / "minute").mkdir(parents=True)
    assert folders({"BIFROST_DATA": str(tmp_path)})["recorded"] == tmp_path / "lean"


def test_a_request_becomes_one_command_and_nothing_else_is_read(tmp_path: Path) -> None:
    request = BacktestRequest.model_validate(
        {**SHIPPED, "from": "2026-05-07", "quantity": -5, "set": {"gates.intent.hedge.cooldown_seconds": 30}}
    )
    words = command_line(request, folders({}), tmp_path)
    root = paths.repository_root() / "config" / "scenarios" / "tape" / "lean"
    assert words[:4] == [sys.executable, "-m", "bifrost.cli", "backtest"]
    for word in (
        f"--data={root}",
        "--from=2026-05-07",
        "--quantity=-5",
        "--set=gates.intent.hedge.cooldown_seconds=30",
    ):
        assert word in words
    assert words[-1] == "--set=symbol=NVDA" and "--to" not in " ".join(words)
    with pytest.raises(RequestError, match="no recorded data recorded/TWX here; there is: shipped/NVDA"):
        command_line(BacktestRequest.model_validate({"source": "recorded/TWX"}), {"shipped": root}, tmp_path)


def test_a_folder_that_no_request_can_name_is_not_offered(tmp_path: Path) -> None:
    day = MarketDay(tmp_path, ("TRUE", "TOO-ODD"))
    assert [source["id"] for source in offer(load_config(env={}).config, day.known)["sources"]] == ["recorded/TRUE"]
    with pytest.raises(RequestError, match=r"there is: recorded/TRUE$"):
        command_line(BacktestRequest.model_validate({"source": "recorded/TWX"}), day.known, tmp_path)


@pytest.mark.parametrize("symbol", ["TRUE", "NULL", "1E5", "007", "NVDA"])
def test_a_symbol_reaches_the_run_as_it_is_called(tmp_path: Path, symbol: str) -> None:
    """YAML would read some of them as a truth, as nothing, as a number."""
    request = BacktestRequest.model_validate({"source": f"recorded/{symbol}"})
    *_, last = command_line(request, MarketDay(tmp_path, (symbol,)).known, tmp_path)
    assert parse_overrides([last.removeprefix("--set=")]) == {"symbol": symbol}


@pytest.mark.parametrize(
    "value", [True, 30, 1e-7, 1e22, "word", "true", "~", "# no", "a: b", '"', "{", "[1]", "ü 😀", ""]
)
def test_a_value_is_read_as_it_was_written(value: bool | int | float | str) -> None:
    read = scalar(written(value))
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("field", "row"), [("entry", {"entry": "09:45\n"}), ("set", {"set": {"gates.intent.hedge.cooldown_seconds\n": 30}})]
)
def test_a_line_break_is_no_part_of_a_value(field: str, row: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=field):
        request_of({**SHIPPED, **row})


def test_a_run_knows_nothing_of_the_desks_scenario() -> None:
    """But it finds the passwords of that scenario's home."""
    env = without_scenario({"BIFROST_SCENARIO": "config/scenarios/tape.yaml", "PGHOST": "db"})
    home = paths.repository_root() / ".bifrost" / "scenarios" / "tape"
    assert env == {"PGHOST": "db", "BIFROST_HOME": str(home), "BIFROST_SECRETS": str(home / "secrets")}


@pytest.mark.parametrize("source", ["../x", "recorded/..", "recorded/../../etc", "/etc/passwd", "recorded/TWX\n"])
def test_a_source_is_a_name_and_no_path(source: str) -> None:
    with pytest.raises(RequestError, match="source"):
        request_of({"source": source})


class MarketDay:
    """A recorded day of each symbol, by name: no rows."""

    def __init__(self, root: Path, symbols: tuple[str, ...]) -> None:
        for symbol in symbols:
            folder = root / "equity" / "usa" / "minute" / symbol.lower()
            folder.mkdir(parents=True)
            (folder / "20260507_quote.zip").touch()
        self.known = {"recorded": root}


class Store:
    """The jobs' table in memory, of one job; what ``fails`` names raises once."""

    def __init__(self, fails: str = "", cancel: bool = False) -> None:
        self.fails = fails
        self.cancel = cancel
        self.waiting: list[tuple[int, Any]] = [(1, SHIPPED)]
        self.ended: list[tuple[JobStatus | str, UUID | None, str | None]] = []
        self.given_up: list[str] = []
        self.beats: list[Mapping[str, Any]] = []
        self.idle = threading.Event()

    def lead(self) -> bool:
        return True

    def beat(self, offer: Mapping[str, Any]) -> None:
        self.beats.append(offer)

    def give_up(self, reason: str) -> None:
        self.given_up.append(reason)

    def take(self) -> tuple[int, Any] | None:
        return self.waiting.pop() if self.waiting else None

    def progress(self, job_id: int, progress: Mapping[str, Any]) -> bool:
        self._fail("progress")
        return self.cancel and progress.get("stage") == "storing"

    def finish(self, job_id: int, status: JobStatus, *, run_id: UUID | None = None, error: str | None = None) -> None:
        self._fail("finish")
        self.ended.append((status, run_id, error))

    def wait(self, limit_s: float) -> None:
        self.idle.set()

    def _fail(self, method: str) -> None:
        if self.fails == method:
            self.fails = ""
            raise StoreLost("the server is starting up")


def carried_out(store: Store, script: str, offer: Callable[[], Mapping[str, Any]] = dict) -> None:
    """Let a worker carry out the store's job, until it has nothing left to do."""
    worker = Worker(lambda: nullcontext(store), offer, lambda request, folder: [sys.executable, "-c", TELL + script])
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        assert store.idle.wait(20)
    finally:
        worker.stop()
        thread.join(20)
    assert not thread.is_alive()


#: A run whose end comes while it is being stored: it is stored, then it ends.
STORES = (
    f"import signal; signal.signal(signal.SIGTERM, lambda *_: (tell(stage='stored', run_id='{RUN}'), sys.exit(1))); "
    "tell(stage='storing'); time.sleep(600)"
)


def test_a_run_that_was_stored_is_done_even_when_cancelled() -> None:
    store = Store(cancel=True)
    carried_out(store, STORES)
    assert store.ended == [(JobStatus.DONE, UUID(RUN), None)]


def test_a_run_that_the_database_left_says_so() -> None:
    store = Store(fails="progress")
    carried_out(store, "tell(stage='running'); time.sleep(600)")
    assert store.ended == [(JobStatus.FAILED, None, LOST.format("the server is starting up"))]


def test_an_ending_that_could_not_be_written_is_written_later() -> None:
    """Before everything that still stands as running is given up."""
    store = Store(fails="finish")
    carried_out(store, f"tell(stage='stored', run_id='{RUN}')")
    assert store.ended == [(JobStatus.DONE, UUID(RUN), None)] and len(store.given_up) == 2


def test_data_that_cannot_be_listed_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def offer() -> Mapping[str, Any]:
        raise PermissionError("/data")

    store = Store()
    carried_out(store, f"tell(stage='stored', run_id='{RUN}')", offer)
    assert store.ended == [(JobStatus.DONE, UUID(RUN), None)] and store.beats[0] == {}
    assert len([line for line in caplog.messages if "cannot be listed" in line and "/data" in line]) == 1


class Process:
    """A worker in a thread whose runs are scripts of the test."""

    def __init__(self, database: Database, script: str) -> None:
        self.database = database
        self.script = script
        self.worker = Worker(self._store, lambda: {"sources": []}, self._command)

    @contextmanager
    def _store(self) -> Iterator[PostgresJobs]:
        with jobs(lambda: connect(self.database.params("engine"), service="backtest")) as store:
            yield store

    def _command(self, request: BacktestRequest, folder: Path) -> list[str]:
        return [sys.executable, "-c", TELL + self.script]

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.worker.run)
        thread.start()
        try:
            yield
        finally:
            self.worker.stop()
            thread.join(20)
            assert not thread.is_alive()

    def launch(self, request: object = None) -> None:
        connection = self.database.connect("monitor")
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO backtest_jobs (request) VALUES (%s::jsonb)", [json.dumps(request or SHIPPED)])

    def job(self) -> dict[str, Any]:
        names = ("status", "progress", "run_id", "error")
        (row,) = self.database.query("SELECT status, progress, run_id::text, error FROM backtest_jobs")
        return dict(zip(names, row, strict=True))

    def until(self, status: str) -> dict[str, Any]:
        wait_until(lambda: self.job()["status"] == status, 20, what=f"a job that is {status}")
        return self.job()


@pytest.mark.integration
def test_a_run_is_followed_to_its_end(database: Database) -> None:
    """Its progress is what it told last, its row names the run it has stored; the process beats."""
    database.query(
        "INSERT INTO backtest_runs (run_id, config_hash, data_hash, code_version, config) "
        "VALUES (%s, 'c', 'd', 'v', '{}')",
        RUN,
    )
    script = f"tell(stage='running', fraction=0.5, hedges=3); time.sleep(0.1); tell(stage='stored', run_id='{RUN}')"
    process = Process(database, script)
    process.launch()
    with process.running():
        job = process.until("done")
        assert (job["run_id"], job["error"]) == (RUN, None)
        assert job["progress"] == {"stage": "stored", "fraction": 0.5, "hedges": 3, "run_id": RUN}
        (host,) = database.query("SELECT host FROM backtest_worker")[0]
        assert silent_s(database.params("engine"), host, "backtest") is not None


@pytest.mark.integration
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("sys.stderr.write('bifrost backtest: no expiry 21 to 35 days away\\n'); sys.exit(1)", "no expiry 21 to 35"),
        ("raise RuntimeError('a core that broke')", "the run broke (RuntimeError: a core that broke); the log"),
        ("sys.exit(3)", "ended with code 3 and without a word"),
    ],
    ids=["words", "traceback", "silence"],
)
def test_a_run_that_fails_says_why(database: Database, script: str, words: str) -> None:
    process = Process(database, script)
    process.launch()
    with process.running():
        error = process.until("failed")["error"]
    assert words in error and "Traceback" not in error


@pytest.mark.integration
def test_a_run_is_cancelled_and_the_next_waits_for_nobody(database: Database) -> None:
    process = Process(database, "tell(stage='running'); time.sleep(600)")
    process.launch()
    with process.running():
        process.until("running")
        database.query("UPDATE backtest_jobs SET cancel_requested_at = now()")
        assert process.until("cancelled")["error"] is None


@pytest.mark.integration
def test_a_stop_ends_the_run_and_a_killed_process_leaves_none_open(database: Database) -> None:
    """SIGTERM: the run ends with the process. A kill: the next process says what became of it."""
    process = Process(database, "tell(stage='running'); time.sleep(600)")
    process.launch()
    with process.running():
        process.until("running")
    assert process.job() | {"progress": {}} == {"status": "failed", "progress": {}, "run_id": None, "error": STOPPED}
    database.query("UPDATE backtest_jobs SET status = 'running', error = NULL")
    successor = Process(database, "sys.exit(0)")
    with successor.running():
        assert "launch it again" in successor.until("failed")["error"]


@pytest.mark.integration
def test_a_row_that_is_no_request_fails_alone(database: Database) -> None:
    process = Process(database, "sys.exit(0)")
    process.launch({"source": "recorded/TWX", "pathh": "/etc"})
    with process.running():
        assert "pathh" in process.until("failed")["error"]


@pytest.mark.integration
def test_two_processes_take_turns(database: Database) -> None:
    """A second one waits until the first is gone; no job runs twice."""
    first = PostgresJobs(connect(database.params("engine"), service="backtest"))
    second = PostgresJobs(connect(database.params("engine"), service="backtest"))
    assert (first.lead(), second.lead()) == (True, False)
    first._conn.close()
    assert wait_until(second.lead, 10, what="the second's turn")
    second._conn.close()
