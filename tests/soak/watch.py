"""What a desk of real processes holds, sampled from outside: memory, threads, descriptors, lines, rows and bytes."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import psycopg2
from bifrost_simulator.journal import TICK_MESSAGES

from tests.support.desk_checks import DeskView
from tests.support.desk_process import DeskProcess

from .rules import Series

SERVICES = ("simulator", "engine", "pricer", "monitor")
#: Retention removes their rows after some days.
RETAINED = ("status_history", "decisions", "decision_counts")
#: A row for each thing that happened to an order, an account or an operator: never removed.
KEPT = ("operations", "order_intents", "orders", "executions", "execution_costs", "reconciliations", "alerts")
_MESSAGES = "bifrost_simulator_messages_total{"
_MB = 1024.0 * 1024.0
_SIZES = """SELECT c.relname, pg_total_relation_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r'"""


@dataclass(frozen=True)
class Remembering(DeskView):
    """A view that reads the wire's journal on and on: the simulator's memory forgets what is 100,000 messages old."""

    kept: list[dict[str, Any]] = field(default_factory=list)

    def read_on(self) -> None:
        """Take in the orders and executions that crossed the wire since this was called last."""
        since = self.kept[-1]["seq"] if self.kept else 0
        self.kept.extend(self.world(f"/journal?message=placeOrder,execDetails&limit=100000&since={since}")["entries"])

    def journal(self, message: str) -> list[dict[str, Any]]:
        self.read_on()
        return [
            dict(entry["fields"]) | {"_direction": entry["direction"], "_market": entry["market"]}
            for entry in self.kept
            if entry["message"] == message
        ]


@dataclass
class Watch:
    """Samples of every figure, by name.

    Memory is what a process has of its own (USS, MB); what it shares with others is only reported (RSS).
    """

    desk: DeskProcess
    view: Remembering
    begun_s: float = field(default_factory=time.monotonic)
    at_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    pids: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    misses: int = 0

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.begun_s

    def series(self, name: str) -> Series:
        return Series(name, self.at_s[name], self.values[name])

    def names(self, ending: str) -> list[str]:
        return sorted(name for name in self.values if name.endswith(ending))

    def _add(self, name: str, value: float) -> None:
        self.at_s[name].append(round(self.elapsed_s, 1))
        self.values[name].append(value)

    # -- sampling

    def sample(self) -> None:
        """Everything once; what cannot be read just now is missed and counted."""
        self._processes()
        for look in (self.view.read_on, self._simulator, self._database, self._page):
            try:
                look()
            except (httpx.HTTPError, psycopg2.Error, AssertionError):
                self.misses += 1

    def _processes(self) -> None:
        groups: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for process in self._all():
            with contextlib.suppress(psutil.Error):
                name = self._name_of(process)
                memory = process.memory_full_info()
                group = groups[name]
                group["memory MB"] += memory.uss / _MB
                group["resident MB"] += memory.rss / _MB
                group["threads"] += process.num_threads()
                group["descriptors"] += process.num_fds()
                group["processes"] += 1
                self.pids[name].add(process.pid)
        for name, group in groups.items():
            for figure, value in group.items():
                self._add(f"{name}: {figure}", round(value, 2))

    def _all(self) -> set[psutil.Process]:
        """The desk's processes and the database's sessions, which are known by their parent."""
        found = set(self.desk.processes())
        for process in tuple(found):
            with contextlib.suppress(psutil.Error):
                found |= set(process.children(recursive=True))
        return found

    @staticmethod
    def _name_of(process: psutil.Process) -> str:
        words = process.cmdline()
        if "backtests" in words:
            return "backtest"
        for name in SERVICES:
            if f"bifrost_{name}" in words:
                return name
        if "postgres" in process.name():
            return "postgres"
        return "supervisor" if any("supervisor" in word for word in words) else "launcher"

    def _simulator(self) -> None:
        text, kept = httpx.get(f"{self.view.admin}/metrics", timeout=10, trust_env=False).text, 0.0
        for line in text.splitlines():
            name, _, value = line.rpartition(" ")
            kept += (
                float(value) if name.startswith(_MESSAGES) and not any(tick in name for tick in TICK_MESSAGES) else 0.0
            )
            if name in ("bifrost_simulator_lines", "bifrost_simulator_clients"):
                self._add(f"simulator: {name.removeprefix('bifrost_simulator_')}", float(value))
        self._add("simulator: journal", kept)

    def _database(self) -> None:
        for table, size in self.view.rows(_SIZES):
            self._add(f"table {table}: bytes", float(size))
        for table in (*RETAINED, "order_intents"):
            self._add(f"table {table}: rows", float(self.view.value(f"SELECT count(*) FROM {table}")))
        self._add("database: bytes", float(self.view.value("SELECT pg_database_size(current_database())")))

    def _page(self) -> None:
        """What an open page asks for, so that the monitor has something to do."""
        for path in ("/status", "/operations", "/decisions", "/metrics"):
            self.view._ask("GET", f"{self.view.address}{path}").raise_for_status()
