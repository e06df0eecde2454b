"""The life of the process: wait for the lease, lead, stop. SIGTERM frees the lease; the stop command ends the desk."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import replace

from bifrost_engine.domain.effects import Severity
from bifrost_engine.domain.events import Event
from bifrost_engine.domain.machines.daemon import DaemonEvent, DaemonState
from bifrost_engine.domain.state import Rules

from .daemon_state import DaemonStatus
from .parts import Parts
from .service_ports import LeaseHolder
from .tenure import Tenure

log = logging.getLogger(__name__)


class Daemon:
    """Runs until stopped.

    Parameters
    ----------
    make_lease : callable
        Given a callable for the lease's news (``(word, detail)``), the holder of the lease.
    """

    def __init__(self, parts: Parts, make_lease: Callable[[Callable[[str, str], None]], LeaseHolder]) -> None:
        self._parts = parts
        self._status = DaemonStatus()
        self._lease = make_lease(self._on_news)
        self._tenure: Tenure | None = None
        self._news = asyncio.Event()
        self._gained = False
        self._stop_reason = ""
        self._failed = False
        self._desk_stopped = False
        self._commands: list[int] = []
        self.on_hangup: Callable[[], None] = lambda: None
        """What SIGHUP asks for: the configuration to be loaded again."""

    def sink(self, event: Event) -> None:
        """Where the gateway puts its events: to whoever leads now."""
        if self._tenure is not None:
            self._tenure.sink(event)

    async def run(self) -> int:
        """Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number.name)
        loop.add_signal_handler(signal.SIGHUP, self.on_hangup)
        self._lease.start()
        self._status.listeners.append(lambda state: self._lease.beat_now(str(state)))
        self._status.step(DaemonEvent.AWAIT_LEASE)
        try:
            while not self._stop_reason:
                await self._news.wait()
                self._news.clear()
                if self._gained and not self._stop_reason:
                    await self._lead()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)
        self._end()
        await self._lease.close(stop_desk=self._desk_stopped)
        log.info("stopped: %s", self._stop_reason)
        return 1 if self._failed else 0

    def _end(self) -> None:
        self._status.step(DaemonEvent.STOP)
        if self._status.state is DaemonState.STOPPING:
            self._status.step(DaemonEvent.STOPPED)

    async def _lead(self) -> None:
        """From the lease gained to its loss or the stop."""
        epoch = self._lease.epoch
        if epoch is None:
            return
        self._gained = False
        self._tenure = tenure = Tenure(self._parts, epoch, self._status, stop=self._stop_desk)
        self._status.step(DaemonEvent.LEASE_GAINED)
        await tenure.lead()
        if tenure.failed:
            self._failed = True
            self._stop(tenure.failed)
        stopping = bool(self._stop_reason)
        self._status.step(DaemonEvent.STOP if stopping else DaemonEvent.LEASE_LOST)
        reason = self._stop_reason or "the lease was lost"
        await tenure.end(reason)
        if stopping:
            self._end()
        result = {"stopped": True, "reason": reason}
        await tenure.close(graceful=stopping and not self._failed, finished=dict.fromkeys(self._commands, result))
        self._tenure = None

    # -- what changes it

    def take_rules(self, rules: Rules) -> None:
        """A reloaded configuration: for whoever leads now and for later tenures."""
        self._parts = replace(self._parts, rules=replace(rules, calendar=self._parts.rules.calendar))
        self._parts.configure(rules.config)
        if self._tenure is not None:
            self._tenure.take_rules(rules)
            self._tenure.alert(Severity.INFO, "config_reloaded", f"configuration {rules.config_hash} is in force")

    def config_refused(self, reason: str) -> None:
        """The new configuration cannot be taken; the one in force stays."""
        if self._tenure is not None:
            self._tenure.alert(Severity.WARNING, "config_refused", reason)

    # -- what ends it

    def _stop(self, reason: str) -> None:
        if not self._stop_reason:
            log.info("stopping: %s", reason)
            self._stop_reason = reason
        self._news.set()
        if self._tenure is not None:
            self._tenure.leave()

    def _stop_desk(self, reason: str, command_id: int) -> None:
        """The stop command is for the desk: standbys end too, and only a newly started engine leads again."""
        self._desk_stopped = True
        self._commands.append(command_id)
        self._stop(reason)

    def _on_news(self, news: str, detail: str) -> None:
        match news:
            case "gained":
                self._gained = True
            case "stopped":
                self._stop(detail)
            case "interrupted" | "retaken":
                if self._tenure is not None:
                    self._tenure.lease_interrupted(news == "interrupted")
            case "lost":
                self._gained = False
                if self._tenure is not None:
                    self._tenure.lease_lost()
        self._news.set()
