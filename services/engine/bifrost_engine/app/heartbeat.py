"""The leader's beat: its sign of life, a sample of history, a poll of the commands, fresh accounts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from bifrost.config import Config
from bifrost.db import DatabaseError
from bifrost.db.live_rows import Heartbeat

from .link import LinkKeeper
from .service_ports import Desk

log = logging.getLogger(__name__)
RETENTION_EVERY_S = 6 * 3600.0
#: Less often would let a page believe the engine dead; more often only costs.
INTERVAL_LIMITS_S = (5.0, 120.0)


class Beater:
    """Beats every ``interval_s`` wall seconds, and at once when something changed.

    Parameters
    ----------
    on_beat : callable
        Done with each regular beat: snapshot, history, poll, accounts.
    """

    def __init__(
        self,
        desk: Desk,
        link: LinkKeeper,
        *,
        interval_s: float,
        hedging: Callable[[], bool],
        on_beat: Callable[[], None],
        keep_days: tuple[int, int],
    ) -> None:
        self._desk = desk
        self._link = link
        self._hedging = hedging
        self._on_beat = on_beat
        self.keep_days = keep_days
        self.interval_s = interval_s
        self._changed = asyncio.Event()
        self._retention_at = time.monotonic() + 60.0

    def configure(self, config: Config, *, keep_interval: bool) -> None:
        """Take over a reloaded configuration; an interval that the operator set is kept."""
        self.keep_days = (config.retention.history_days, config.retention.decisions_days)
        if not keep_interval:
            self.set_interval(config.daemon.heartbeat_interval)

    def set_interval(self, seconds: float) -> None:
        low, high = INTERVAL_LIMITS_S
        if low <= seconds <= high and seconds != self.interval_s:
            log.info("heartbeat every %g s", seconds)
            self.interval_s = seconds
            self._changed.set()

    def changed(self) -> None:
        """Show a change of state without waiting for the next beat."""
        self._changed.set()

    def beat(self, *, graceful_shutdown: bool = False) -> None:
        link = self._link
        login = link.login
        self._desk.beat(
            Heartbeat(
                hedge_running=self._hedging() and not graceful_shutdown,
                ib_connected=link.connected and not graceful_shutdown,
                ib_client_id=login.client_id if login else None,
                seconds_until_retry=None if graceful_shutdown else link.seconds_until_retry(),
                heartbeat_interval_sec=round(self.interval_s),
                ib_connected_since=link.since,
                ib_address=link.where or None,
                last_error=link.last_error or None,
                graceful_shutdown=graceful_shutdown,
            )
        )

    async def run(self) -> None:
        due = time.monotonic()
        while True:
            if time.monotonic() >= due:
                due = time.monotonic() + self.interval_s
                self._on_beat()
                await self._keep_house()
            self.beat()
            self._changed.clear()
            try:
                # Not wait_for: before Python 3.12 it may swallow a cancellation that meets the event.
                async with asyncio.timeout(max(0.05, due - time.monotonic())):
                    await self._changed.wait()
            except TimeoutError:
                continue
            due = min(due, time.monotonic() + self.interval_s)

    async def _keep_house(self) -> None:
        if time.monotonic() < self._retention_at:
            return
        self._retention_at = time.monotonic() + RETENTION_EVERY_S
        try:
            removed = await self._desk.retention(*self.keep_days)
        except DatabaseError as error:
            log.warning("old rows were not removed: %s", error)
        else:
            log.info("%d old rows of history and decisions removed", removed)
