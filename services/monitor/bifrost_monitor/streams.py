"""GET /stream: one hub per monitor turns what the view keeper reads into events, made once for all clients.

A client that connects gets the present status and all prices, then what changes. With Last-Event-ID it also gets the
operations, decisions and commands that came meanwhile, from the database: the monitor keeps nothing, so any monitor of
the desk can take a client over. A client that does not read is let go and comes back the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from bifrost.db import DatabaseError
from psycopg2.extensions import connection as Connection

from . import receipts
from .errors import ApiError
from .json_text import plain
from .keeper import ViewKeeper, one_line
from .price_changes import PriceBook
from .queries_stream import (
    COMMANDS_WATCHED,
    Marks,
    changed_us,
    decisions_after,
    newest_commands,
    operations_after,
)
from .sse import ALIVE, ALIVE_S, event, opening
from .trail_reader import NewRow
from .view import View

Found = dict[str, Any]
MAX_CLIENTS = 500
QUEUE_EVENTS = 2000
"""Events a client may be behind; more, and it connects again."""
REPLAY_LIMIT = 1000
"""Rows of a kind that a resumed client is sent; beyond them it reads again with GET."""
CONTROL_OVERLAP_US = 5_000_000
"""A command's times are those of its transaction's start: one that was under way is sent again, for it may be new."""
STATUS_PAUSE_S = 0.25
STATUS_AT_LEAST_S = 5.0
PRICES_PAUSE_S = 0.5
TICK_S = 1.0
"""A lamp can change because nothing happens: ages are judged again this often."""


@dataclass(eq=False, slots=True)
class Client:
    """One open stream."""

    queue: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_EVENTS))
    lost: bool = False


class Streams:
    """The hub. Everything but the two callbacks runs on the event loop.

    Parameters
    ----------
    build_desk
        The data of a ``status`` event for a view.
    """

    def __init__(
        self,
        keeper: ViewKeeper,
        connection: Callable[[], contextlib.AbstractContextManager[Connection]],
        build_desk: Callable[[View], Found],
        on_count: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._keeper = keeper
        self._connection = connection
        self._build_desk = build_desk
        self._on_count = on_count
        self._clients: set[Client] = set()
        self._others = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._prices = PriceBook()
        self._prices_version = -1
        self._prices_lock = asyncio.Lock()
        self._marks: Marks | None = None
        self._status: tuple[object, float] = (None, 0.0)

    def start(self) -> None:
        """Begin to send; call on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._keeper.on_change = self._from_thread(self._wake.set)
        self._keeper.on_rows = lambda rows, marks: self._from_thread(lambda: self._send_rows(rows, marks))()
        self._task = asyncio.create_task(self._run())

    def close_soon(self) -> None:
        """End every stream; safe from a signal handler."""
        self._from_thread(self._close)()

    async def stop(self) -> None:
        """End every stream and the hub."""
        self._close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _close(self) -> None:
        self._closed.set()
        for client in self._clients:
            self._put(client, None)

    def _from_thread(self, action: Callable[[], object]) -> Callable[[], None]:
        def call() -> None:
            loop = self._loop
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(action)

        return call

    # ------------------------------------------------------------------ clients

    @property
    def count(self) -> int:
        """Open streams, those that follow a log included."""
        return len(self._clients) + self._others

    def _admit(self) -> None:
        if self._closed.is_set():
            raise ApiError(503, "stopping", "this monitor is stopping")
        if self.count >= MAX_CLIENTS:
            reason = f"{MAX_CLIENTS} streams are open; close a page"
            raise ApiError(429, "too_many_streams", reason, headers={"Retry-After": "10"})

    def admitted(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """``content`` as one of the open streams: refused when there are too many, ended when the monitor stops."""
        self._admit()

        async def counted() -> AsyncIterator[bytes]:
            self._others += 1
            self._on_count(self.count)
            try:
                async for part in content:
                    yield part
                    if self._closed.is_set():
                        return
            finally:
                self._others -= 1
                self._on_count(self.count)

        return counted()

    def client(self, last_event_id: str | None) -> AsyncIterator[bytes]:
        """The events of a new client.

        Raises
        ------
        ApiError
            422 for a Last-Event-ID that is none of ours, 429 when too many streams are open.
        """
        self._admit()
        try:
            since = None if last_event_id is None else Marks.parse(last_event_id)
        except ValueError as error:
            raise ApiError(422, "invalid", str(error)) from None
        return self._events(since)

    async def _events(self, since: Marks | None) -> AsyncIterator[bytes]:
        client = Client()
        async with self._prices_lock:
            await self._send_prices()
            # From here on the client gets what is new; what came before follows, some of it perhaps twice.
            book, marks = self._prices, self._marks
            self._clients.add(client)
        self._on_count(self.count)
        try:
            yield opening()
            yield event("status", self._build_desk(self._keeper.view), since or marks)
            yield event("prices", await asyncio.to_thread(book.full))
            if since is not None:
                for part in await asyncio.to_thread(self._replay, since, marks):
                    yield part
            async for part in self._queued(client):
                yield part
        finally:
            self._clients.discard(client)
            self._on_count(self.count)

    async def _queued(self, client: Client) -> AsyncIterator[bytes]:
        while not client.lost:
            part: bytes | None = ALIVE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_S):
                    part = await client.queue.get()
            if part is None:
                return
            yield part

    def _replay(self, since: Marks, marks: Marks | None) -> list[bytes]:
        """Everything after ``since``, read from the database; or the word that the client must read again."""
        try:
            with self._connection() as conn:
                operations = operations_after(conn, since.operation, REPLAY_LIMIT + 1)
                decisions = decisions_after(conn, since.decision, REPLAY_LIMIT + 1)
                commands = newest_commands(conn)
        except (DatabaseError, psycopg2.Error) as error:
            return [event("reset", {"reason": f"what came meanwhile cannot be read: {one_line(error)}"})]
        if len(operations) > REPLAY_LIMIT or len(decisions) > REPLAY_LIMIT:
            reason = f"more than {REPLAY_LIMIT} rows came meanwhile"
            return [event("reset", {"reason": reason}, marks)]
        after_us = since.control_us - CONTROL_OVERLAP_US
        changed = [row for row in commands if changed_us(row) > after_us]
        found, reached = [], since
        rows = [("operation", operations), ("decision", decisions), ("control", changed[-COMMANDS_WATCHED:])]
        for kind, read in rows:
            for row in read:
                reached = reached.with_row(kind, row)
                found.append(row_event(NewRow(kind, row, reached)))
        return found

    # ------------------------------------------------------------------ sending

    def _put(self, client: Client, part: bytes | None) -> None:
        try:
            client.queue.put_nowait(part)
        except asyncio.QueueFull:
            client.lost = True

    def _broadcast(self, part: bytes) -> None:
        for client in self._clients:
            self._put(client, part)

    def _send_rows(self, rows: list[NewRow], marks: Marks) -> None:
        # Kept here and not asked of the reader: an id must not be ahead of what has been sent.
        self._marks = marks
        if self._clients:
            for row in rows:
                self._broadcast(row_event(row))

    async def _run(self) -> None:
        prices_at = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            self._wake.clear()
            if self._clients:
                self._send_status()
                if time.monotonic() - prices_at >= PRICES_PAUSE_S:
                    async with self._prices_lock:
                        await self._send_prices()
                    prices_at = time.monotonic()
            await asyncio.sleep(STATUS_PAUSE_S)

    def _send_status(self) -> None:
        told = self._build_desk(self._keeper.view)
        now, what = time.monotonic(), lasting(told)
        if what != self._status[0] or now - self._status[1] >= STATUS_AT_LEAST_S:
            self._status = (what, now)
            self._broadcast(event("status", told, self._marks))

    async def _send_prices(self) -> None:
        """Bring the book to the present view and send what changed. Under the lock."""
        view = self._keeper.view
        # Without the database the last good prices stay; the status says since when nothing is known.
        if view.version == self._prices_version or view.error is not None or view.desk is None:
            return
        self._prices_version = view.version
        following = await asyncio.to_thread(self._prices.following, view)
        changes = following.changes
        self._prices = following
        if changes is not None:
            self._broadcast(event("prices", changes))


def row_event(new: NewRow) -> bytes:
    """The event of a new row."""
    row = new.row
    if new.kind == "decision":
        row = receipts.decision(row)
    elif new.kind == "control":
        row = receipts.command(row)
    return event(new.kind, plain(row), new.marks)


_AGES = frozenset({"age_s", "read_at", "status_age_s", "now", "seconds_until_retry"})
_AGEING_CHECKS = frozenset({"database", "heartbeat", "status_row"})


def lasting(told: Mapping[str, Any]) -> object:
    """What of a status would still be the same a second later if nothing happened: the rest is not worth an event."""
    return {name: _lasting(value) for name, value in told.items() if name not in _AGES}


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        left_out = _AGES | {"observed"} if value.get("name") in _AGEING_CHECKS else _AGES
        return {name: _lasting(inner) for name, inner in value.items() if name not in left_out}
    return [_lasting(inner) for inner in value] if isinstance(value, list) else value
