"""`make run`: bring the desk up, say where it is, wait for Ctrl-C, take it down in order."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from . import ports
from .database import DeskDatabase
from .home import home_lock, token
from .plan import FOREIGN_PREFIXES, DeskPlan
from .supervision import Supervisor, program
from .terminal import ENDING, own_foreground, say

#: How long the page may take to answer on a slow machine's first start.
READY_S = 90.0
#: The engine retries a missing gateway every 30 s only: a moment's patience shows the first hedge half a minute sooner.
GATEWAY_S = 20.0
#: How long a new desk waits for what a killed one left behind.
TAKE_OVER_S = 45.0


def token_link(plan: DeskPlan) -> str:
    """The address that signs the browser in."""
    return f"{plan.address}/?token={token(plan.place)}"


def run(plan: DeskPlan) -> int:
    """Run the desk until a signal. Returns the exit code: 0 when it came down as asked.

    Raises
    ------
    PlanError, PortError, SupervisionError, DatabaseError
        When it cannot be brought up.
    """
    for name in [name for name in os.environ if name.startswith(FOREIGN_PREFIXES)]:
        del os.environ[name]  # libpq would read them in this process, too
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in ENDING:
        signal.signal(number, on_signal)
    with own_foreground(), home_lock(plan.place.home, TAKE_OVER_S) as lock:
        ports.check_free(plan.ports)
        say(f"{_subject(plan)}, state in {plan.place.home}")
        if plan.place.ignored:
            say(f"ignored from your environment: {', '.join(plan.place.ignored)}")
        return _supervise(plan, stop, lock.fileno())


def _subject(plan: DeskPlan) -> str:
    if plan.place.scenario is not None:
        return f"scenario {plan.place.name}"
    return f"TWS or IB Gateway at {plan.config.ib.host}:{plan.config.ib.port}"


def _supervise(plan: DeskPlan, stop: threading.Event, lock: int) -> int:
    token(plan.place)
    plan.place.logs.mkdir(parents=True, exist_ok=True)
    database = DeskDatabase(plan)
    database.make()
    supervisor = Supervisor(plan.place.logs, plan.place.env, [database.section(), *_sections(plan)])
    try:
        supervisor.start(lock)
        if database.prepare(stop, lambda: supervisor.alive):
            _wait_for_gateway(plan, supervisor, stop)
            for service in plan.services:
                supervisor.start_program(service.name)
            if _wait_for_page(plan, supervisor, stop):
                say(f"the page is at {plan.address}")
                say(f"sign in with {token_link(plan)}")
                say("Ctrl-C stops everything")
        return _watch(plan, supervisor, stop)
    finally:
        say("stopping")
        say("stopped" if supervisor.stop() else "stopped; some process had to be killed")


def _sections(plan: DeskPlan) -> list[str]:
    return [
        program(
            service.name,
            plan.command_of(service),
            plan.env_of(service),
            order=service.order,
            log=plan.place.logs / f"{service.name}.out",
            # The simulator needs no database and is the slowest to start: it begins at once.
            autostart=not service.role,
        )
        for service in plan.services
    ]


def _wait_for_gateway(plan: DeskPlan, supervisor: Supervisor, stop: threading.Event) -> None:
    if "simulator" not in plan.without:
        _answers(f"{plan.simulator_address}/livez", GATEWAY_S, supervisor, stop)


def _wait_for_page(plan: DeskPlan, supervisor: Supervisor, stop: threading.Event) -> bool:
    if _answers(f"{plan.address}/livez", READY_S, supervisor, stop):
        return True
    if not stop.is_set():
        say(f"the page does not answer yet; see {plan.place.logs / 'monitor.out'}")
    return False


def _answers(url: str, limit_s: float, supervisor: Supervisor, stop: threading.Event) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and supervisor.alive and not stop.is_set():
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2.0, trust_env=False).status_code == 200:
                return True
        stop.wait(0.1)
    return False


def _watch(plan: DeskPlan, supervisor: Supervisor, stop: threading.Event) -> int:
    """Tell of processes that end and come back, until asked to stop."""
    watch = Watch(plan.place.logs)
    while not stop.is_set():
        if not supervisor.alive:
            say(f"supervisord ended; see {plan.place.logs / 'supervisord.log'}")
            return 1
        for sentence in watch.news(supervisor.states()):
            say(sentence)
        stop.wait(0.5)
    return 0


class Watch:
    """Turns supervisord's states into news worth a line: each failure once, until the process runs again."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._pids: dict[str, int] = {}
        self._told: dict[str, str] = {}

    def news(self, states: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Sentences on what has changed since the last call."""
        found = (self._sentence(name, info) for name, info in states.items())
        return [sentence for sentence in found if sentence]

    def _sentence(self, name: str, info: Mapping[str, Any]) -> str:
        state, pid = str(info["statename"]), int(info["pid"])
        if state == "RUNNING":
            before, self._pids[name] = self._pids.get(name, pid), pid
            self._told.pop(name, None)
            return f"{name} was restarted (pid {before} is gone, pid {pid} runs)" if before != pid else ""
        if state == "EXITED" and info["exitstatus"] == 0:
            return self._once(name, "ended well and stays down; Ctrl-C and the same `make run` start it again")
        if state in ("BACKOFF", "EXITED", "FATAL", "UNKNOWN"):
            return self._once(name, f"fails and is tried again: {self._last_words(name)}")
        return ""

    def _once(self, name: str, what: str) -> str:
        if self._told.get(name) == what:
            return ""
        self._told[name] = what
        return f"{name} {what}"

    def _last_words(self, name: str) -> str:
        file = self._logs / (f"{name}.out" if name != "postgres" else "postgres.log")
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                last = deque((line.strip() for line in lines if line.strip()), maxlen=1)
        except OSError:
            last = deque()
        return f"{last[0][:300]} ({file})" if last else f"see {file}"
