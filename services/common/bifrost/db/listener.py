"""LISTEN on an asyncio loop: notifications within a millisecond, reconnection with back-off.

A notification is a hint, the row is the truth: after every (re)connection the owner reads again, and polls slowly
besides (contracts.md, "Commands").
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import psycopg2
from psycopg2 import sql

from .connect import Backoff, Connection
from .errors import DatabaseUnavailable, first_line

log = logging.getLogger(__name__)


class Channel(StrEnum):
    """Channels that db/init.sql notifies."""

    CONTROL = "bifrost_control"
    RUN_STATUS = "bifrost_run_status"
    STATUS = "bifrost_status"
    OPERATIONS = "bifrost_operations"
    DECISIONS = "bifrost_decisions"
    POSITIONS = "bifrost_positions"
    PRICES = "bifrost_prices"


class Listener:
    """Listens until cancelled or :meth:`stop`.

    Parameters
    ----------
    open_connection : Callable[[], Connection]
        Blocking; called in a thread. The connection is used for nothing else.
    channels : Iterable[str]
        Channels to listen on.
    on_notify : Callable[[str, dict], None]
        Called on the loop with channel and decoded payload (``{}`` when it is no JSON object).
    on_reconnect : Callable[[], None]
        Called on the loop after each successful connection, the first one included.
    on_lost : Callable[[str], None], optional
        Called on the loop with the reason when the connection is lost.
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        channels: Iterable[str],
        on_notify: Callable[[str, dict[str, Any]], None],
        on_reconnect: Callable[[], None],
        on_lost: Callable[[str], None] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._open = open_connection
        self._channels = tuple(channels)
        self._on_notify = on_notify
        self._on_reconnect = on_reconnect
        self._on_lost = on_lost
        self._backoff = backoff or Backoff()
        self._stopping = asyncio.Event()
        self._connected = False

    @property
    def connected(self) -> bool:
        """Whether notifications arrive now."""
        return self._connected

    def stop(self) -> None:
        """End :meth:`run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Listen, reconnect, listen again."""
        while not self._stopping.is_set():
            try:
                conn = await asyncio.to_thread(self._connect)
            except (DatabaseUnavailable, psycopg2.Error) as error:
                await self._pause(first_line(error))
                continue
            self._backoff.reset()
            reason = await self._listen(conn)
            if reason is not None:
                await self._pause(reason)

    def _connect(self) -> Connection:
        conn = self._open()
        try:
            conn.autocommit = True
            with conn.cursor() as cursor:
                for channel in self._channels:
                    cursor.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        except psycopg2.Error:
            conn.close()
            raise
        return conn

    async def _listen(self, conn: Connection) -> str | None:
        """Deliver until the connection breaks (its reason) or :meth:`stop` (None)."""
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[str] = loop.create_future()
        descriptor = conn.fileno()

        def readable() -> None:
            try:
                conn.poll()
            except psycopg2.Error as error:
                loop.remove_reader(descriptor)
                if not lost.done():
                    lost.set_result(first_line(error))
                return
            self._deliver(conn)

        loop.add_reader(descriptor, readable)
        stopping = asyncio.create_task(self._stopping.wait())
        self._connected = True
        try:
            self._on_reconnect()
            self._deliver(conn)
            waiting: set[asyncio.Future[Any]] = {lost, stopping}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connected = False
            loop.remove_reader(descriptor)
            stopping.cancel()
            with contextlib.suppress(psycopg2.Error):
                conn.close()
        return lost.result() if lost.done() else None

    def _deliver(self, conn: Connection) -> None:
        while conn.notifies:
            notice = conn.notifies.pop(0)
            try:
                payload = json.loads(notice.payload) if notice.payload else {}
            except ValueError:
                payload = {}
            self._on_notify(notice.channel, payload if isinstance(payload, dict) else {})

    async def _pause(self, reason: str) -> None:
        pause_s = self._backoff.next_s()
        log.warning("no notifications from the database (%s); trying again in %.1f s", reason, pause_s)
        if self._on_lost is not None:
            self._on_lost(reason)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()
