"""The desk that chaos is brought over: real engine processes, the simulator's process, a PostgreSQL of its own."""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from bifrost.db import DatabaseUnavailable
from bifrost.db.ephemeral import EphemeralPostgres

from tests.support.engine import EngineProcess, frozen
from tests.support.postgres import Database, Databases, EmbeddedServer
from tests.support.simulator import SimulatorProcess
from tests.support.waiting import free_port

SCENARIO = Path(__file__).with_name("busy.yaml")


@dataclass
class Journal:
    """The simulator's journal as far as orders go, read on from where it was read last."""

    simulator: SimulatorProcess
    placed: list[dict[str, Any]] = field(default_factory=list)
    executed: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejected_ids: set[int] = field(default_factory=set)
    """Order ids that the broker refused (201)."""
    _seen: dict[str, int] = field(default_factory=dict)

    def read(self) -> None:
        """Take in what is new."""
        self.placed += [entry for entry in self._new("placeOrder") if entry["direction"] == "in"]
        for entry in self._new("execDetails"):
            if entry["fields"]["orderRef"].startswith("BF"):
                self.executed.setdefault(entry["fields"]["execId"], entry)

        for entry in self._new("error"):
            if entry["fields"]["code"] == 201:
                self.rejected_ids.add(int(entry["fields"]["reqId"]))

    def _new(self, message: str) -> list[dict[str, Any]]:
        since = self._seen.get(message, 0)
        entries = self.simulator.get(f"/journal?message={message}&limit=100000&since={since}")["entries"]
        if entries:
            self._seen[message] = entries[-1]["seq"]
        return list(entries)

    def order_ids(self) -> dict[str, set[int]]:
        """The order ids under which each order_ref was placed: a modification keeps its id."""
        found: dict[str, set[int]] = {}
        for entry in self.placed:
            found.setdefault(entry["fields"]["orderRef"], set()).add(int(entry["fields"]["orderId"]))
        return found


class World:
    """Everything that runs, and how to break it.

    Parameters
    ----------
    folder : Path
        For homes and logs; kept for the post-mortem.
    environment : dict
        Further variables of the engines.
    """

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self._extra = environment or {}
        # Not below a private folder: the server's own user has to enter it.
        self._pg_folder = Path(tempfile.mkdtemp(prefix="bifrost-chaos-"))
        self._pg_folder.chmod(0o755)
        self.server = EphemeralPostgres(
            self._pg_folder / "data",
            free_port(),
            self._pg_folder / "owner-password",
            log_file=folder / "postgres.log",
            settings={"shared_buffers": "32MB"},
            stop_with_parent=True,
        )
        self.simulator = SimulatorProcess(folder / "world", SCENARIO)
        self.journal = Journal(self.simulator)
        self.database: Database
        self.engines: list[EngineProcess] = []
        self._made = 0

    def __enter__(self) -> World:
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise FileExistsError(f"{self.folder} is not empty: an old world beside a new database would confuse both")
        self.server.start()
        self.database = Databases(EmbeddedServer(self._pg_folder, self.server)).create()
        self.simulator.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for engine in self.engines:
            if engine.running:
                engine.kill()
        self.simulator.stop()
        self.server.remove()
        shutil.rmtree(self._pg_folder, ignore_errors=True)

    # -- engines

    def start_engine(self, **environment: str) -> EngineProcess:
        """One more engine; all share the home and so the spool, as after a restart on one machine."""
        self._made += 1
        shared = {"BIFROST_HOME": str(self.folder / "engine")}
        engine = EngineProcess(
            self.database,
            self.folder / f"engine-{self._made:03d}",
            self.simulator.environment() | shared | self._extra | environment,
        )
        self.engines.append(engine.start())
        return engine

    @property
    def alive(self) -> list[EngineProcess]:
        return [engine for engine in self.engines if engine.running]

    def kill_all(self) -> None:
        """SIGKILL to every engine."""
        for engine in self.alive:
            engine.kill()

    def kill_leader(self) -> None:
        """SIGKILL to the one that leads, or to all when that is not known."""
        leader = "SELECT pid FROM engine_instances i JOIN engine_lease l ON l.owner = i.instance_id"
        pids = {pid for (pid,) in self.rows(leader)}
        leading = [engine for engine in self.alive if engine.pid in pids]
        for engine in leading or self.alive:
            engine.kill()

    @contextlib.contextmanager
    def frozen_engines(self) -> Iterator[None]:
        """SIGSTOP, and SIGCONT at the end: a machine that sleeps; sockets stand meanwhile."""
        with contextlib.ExitStack() as stack:
            for engine in self.alive:
                stack.enter_context(frozen(engine.pid))
            yield

    # -- the database

    def stop_database(self, how: str) -> None:
        """``stopped`` in order, ``crashed``, or ``frozen``: it keeps its connections and answers nobody."""
        if how == "frozen":
            self._signal_database(signal.SIGSTOP)
        elif how == "crashed":
            self.server.kill()
        else:
            self.server.stop()

    def start_database(self, how: str) -> None:
        """Undo `stop_database`."""
        if how == "frozen":
            self._signal_database(signal.SIGCONT)
        else:
            self.server.start()

    def _signal_database(self, number: int) -> None:
        """To the server and each of its sessions, which lead process groups of their own."""
        if self.server.pid is None:
            return
        server = psutil.Process(self.server.pid)
        for process in (server, *server.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def rows(self, statement: str, *args: object) -> list[tuple[Any, ...]]:
        """Rows of a query; none while the database is away."""
        with contextlib.suppress(psycopg2.OperationalError, psycopg2.InterfaceError, DatabaseUnavailable):
            return self.database.query(statement, *args)
        return []

    def value(self, statement: str, *args: object) -> Any:
        rows = self.rows(statement, *args)
        return rows[0][0] if rows else None

    # -- what the broker has

    def broker_shares(self) -> float:
        positions = [p for account in self.simulator.get("/state")["accounts"] for p in account["positions"]]
        return float(sum(p["quantity"] for p in positions if "|STK|" in p["contract_key"]))

    def open_orders(self) -> list[dict[str, Any]]:
        return [order for order in self.simulator.get("/state")["open_orders"] if order["order_ref"].startswith("BF")]
