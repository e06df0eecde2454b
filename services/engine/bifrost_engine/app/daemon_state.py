"""DaemonFSM applied: one present state, and whoever wants to hear of changes."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bifrost_engine.domain.machines.daemon import DAEMON_MACHINE, DaemonEvent, DaemonState

log = logging.getLogger(__name__)


class DaemonStatus:
    """The daemon's state; every change is logged and told."""

    def __init__(self) -> None:
        self.state = DaemonState.IDLE
        self.listeners: list[Callable[[DaemonState], None]] = []

    def step(self, event: DaemonEvent) -> None:
        before, after = self.state, DAEMON_MACHINE.next(self.state, event)
        if after is before:
            return
        self.state = after
        log.info("daemon %s -> %s (%s)", before, after, event)
        for listener in tuple(self.listeners):
            listener(after)

    def follow(self, reconciled: bool, suspended: bool | None) -> None:
        """Take over what the core says: reconciled, suspended (None: cannot be read, counts as suspended)."""
        if self.state is DaemonState.CONNECTED and reconciled:
            self.step(DaemonEvent.RECONCILED)
        if self.state is DaemonState.RUNNING and suspended is not False:
            self.step(DaemonEvent.SUSPENDED)
        elif self.state is DaemonState.RUNNING_SUSPENDED and suspended is False:
            self.step(DaemonEvent.RESUMED)
