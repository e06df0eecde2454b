"""The engine's writer: one thread, one connection, records in order, nothing lost.

A record handed to `Store.put` is committed, or lies fdatasynced in the spool, before its callback is called. While the
database is away everything goes to the spool; when it comes back the spool is replayed in order before anything else
is written. The event loop never waits: it hands over and hears back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import psycopg2
from bifrost.db import (
    Backoff,
    Connection,
    Cursor,
    DatabaseError,
    DatabaseUnavailable,
    LeaseLost,
    RecordRefused,
    is_connection_lost,
    is_lease_passed,
    records,
)
from bifrost.db.locks import retry_past_dead_engine
from bifrost.db.spool import Spool, SpoolError, SpoolRecord

log = logging.getLogger(__name__)

T = TypeVar("T")
BACKLOG_LIMIT = 10_000
_BATCH = 500
_IDLE_CHECK_S = 1.0


@dataclass(slots=True)
class _Record:
    record: SpoolRecord
    on_durable: Callable[[], None] | None = None
    on_failed: Callable[[str], None] | None = None


@dataclass(slots=True)
class _Call:
    """Work on the connection in its place among the records."""

    work: Callable[[Connection], Any]
    done: Future[Any]


class Store:
    """Writes under one lease epoch.

    Parameters
    ----------
    open_connection : callable
        Opens an autocommit connection under this epoch; raises DatabaseUnavailable.
    spool : Spool
        Where records wait for the database.
    epoch : int
        The lease epoch of every record.
    on_change : callable
        ``(available, reason)`` on the loop, when the database goes or comes back.
    on_lease_lost : callable
        On the loop, once, when a write was refused because the lease has passed on.
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        spool: Spool,
        epoch: int,
        *,
        on_change: Callable[[bool, str], None],
        on_lease_lost: Callable[[], None],
        backlog_limit: int = BACKLOG_LIMIT,
    ) -> None:
        self._open = open_connection
        self._spool = spool
        self.epoch = epoch
        self._counter = records.SeqCounter(epoch)
        self._on_change = on_change
        self._on_lease_lost = on_lease_lost
        self._backlog_limit = backlog_limit
        self._queue: deque[_Record | _Call] = deque()
        self._latest: dict[str, Callable[[Cursor], object]] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._conn: Connection | None = None
        self._backoff = Backoff(0.2, 5.0)
        self._next_attempt = 0.0
        self._spilled = False
        self._lease_lost = False
        self._available: bool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="engine-store", daemon=True)

    # -- from the loop

    def start(self) -> None:
        """Begin to write; call on the loop that shall hear back."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def put(
        self,
        table: str,
        row: Mapping[str, Any],
        *,
        on_durable: Callable[[], None] | None = None,
        on_failed: Callable[[str], None] | None = None,
    ) -> None:
        """Hand over a row; `on_durable` or `on_failed` is called on the loop when its fate is known."""
        item = _Record(records.record_for(table, row, self._counter), on_durable, on_failed)
        with self._wake:
            if len(self._queue) < self._backlog_limit:
                self._queue.append(item)
                self._wake.notify()
                return
        # The writer hangs in the database: what comes now goes to the disk at once and is replayed later.
        self._to_spool([item])

    def put_snapshot(self, row: Mapping[str, Any]) -> None:
        """Replace status_current; a newer row takes the place of one not yet written."""
        record = records.record_for("status_current", row, self._counter)
        self.put_latest("status_current", lambda cursor: records.write_record(cursor, record, replayed=True))

    def put_latest(self, name: str, work: Callable[[Cursor], object]) -> None:
        """Hand over a write of which only the newest counts; those that wait together share a commit."""
        with self._wake:
            self._latest[name] = work
            self._wake.notify()

    async def call(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on the writer's connection, after every record handed over before.

        Raises
        ------
        DatabaseUnavailable
            While the database is away.
        """
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Queue ``work`` on the connection; any thread may wait for the future."""
        call = _Call(work, Future())
        with self._wake:
            self._queue.append(call)
            self._wake.notify()
        return call.done

    @property
    def backlog(self) -> int:
        return len(self._queue) + self._spool.records

    @property
    def available(self) -> bool:
        return self._available is True

    async def close(self, limit_s: float = 3.0) -> None:
        """Write or spool what is left, then end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join, limit_s)
        if self._thread.is_alive():
            log.error("the database did not take the last records within %g s: they go to the spool", limit_s)
            with self._wake:
                left = [item for item in self._queue if isinstance(item, _Record)]
                self._queue.clear()
            self._to_spool(left)

    # -- the writer thread

    def _run(self) -> None:
        while True:
            with self._wake:
                idle = not self._latest or self._available is False
                if not self._queue and idle and not self._stopping:
                    self._wake.wait(_IDLE_CHECK_S)
                stopping = self._stopping and not self._queue
            try:
                self._turn()
            except Exception as error:
                log.critical("writer: %s", error, exc_info=True)
                self._went_away(error)
                time.sleep(0.2)
            if stopping:
                break
        self._disconnect()
        self._spool.close()

    def _turn(self) -> None:
        connected = self._ready()
        while self._queue:
            item = self._queue[0]
            if isinstance(item, _Call):
                self._queue.popleft()
                self._call(item)
            elif connected and self._conn is not None:
                self._write(self._take_records())
            else:
                self._to_spool(self._take_records())
        if self._conn is not None and self._available and not self._lease_lost:
            self._write_latest(self._conn)

    def _take_records(self) -> list[_Record]:
        """The records up to the next call. They leave the queue now: their fate is commit or spool.

        A record that somebody waits for ends the batch: an order does not wait for the rows that tell of it.
        """
        taken: list[_Record] = []
        while self._queue and len(taken) < _BATCH and isinstance(self._queue[0], _Record):
            item = self._queue.popleft()
            assert isinstance(item, _Record)
            taken.append(item)
            if item.on_durable is not None:
                break
        return taken

    def _ready(self) -> bool:
        """Connected, with the spool replayed."""
        if self._lease_lost:
            return False
        if self._available is not True and time.monotonic() < self._next_attempt:
            return False
        if self._conn is None:
            try:
                self._conn = self._open()
            except (DatabaseError, psycopg2.Error) as error:
                self._went_away(error)
                return False
        if self._spilled or self._available is not True:
            return self._come_back()
        return True

    def _come_back(self) -> bool:
        conn = self._conn
        if conn is None:
            return False
        try:
            self._spilled = False
            report = self._spool.replay(lambda record: self._apply(conn, record))
            self._returned(conn)
        except LeaseLost as error:
            self._lose_lease(error)
            return False
        except (DatabaseError, psycopg2.Error, OSError) as error:
            self._spilled = True
            self._went_away(error)
            return False
        if report.applied:
            log.info("spool replayed: %d records from %d files", report.applied, report.files)
        self._backoff.reset()
        self._say(True, "")
        return True

    def _apply(self, conn: Connection, record: SpoolRecord) -> None:
        records.apply_record(conn, record)

    def _returned(self, conn: Connection) -> None:
        """The database is back and the spool replayed: what else waited for it may be written here."""

    def _write(self, batch: list[_Record]) -> None:
        conn = self._conn
        if conn is None:
            self._to_spool(batch)
            return
        try:
            retry_past_dead_engine(conn, lambda: records.write_all(conn, [item.record for item in batch]))
        except LeaseLost as error:
            # Told before the intent is called durable, so that no order leaves on what is only in the spool.
            self._lose_lease(error)
            self._to_spool(batch)
        except RecordRefused:
            self._write_one_by_one(conn, batch)
        except (psycopg2.Error, DatabaseError) as error:
            self._went_away(error)
            self._to_spool(batch)
        else:
            for item in batch:
                self._tell(item.on_durable)

    def _write_one_by_one(self, conn: Connection, batch: list[_Record]) -> None:
        """Find the record the schema does not take; the others are not held up by it."""
        for place, item in enumerate(batch):
            try:
                records.apply_record(conn, item.record)
            except RecordRefused as error:
                log.critical("a record was refused and set aside: %s", error)
                # The replay puts it into the file of refused records, where it stays for the operator.
                self._to_spool([_Record(item.record)])
                self._spilled = True
                self._tell_failed(item, str(error))
            except LeaseLost as error:
                self._lose_lease(error)
                self._to_spool(batch[place:])
                return
            except (psycopg2.Error, DatabaseError) as error:
                self._went_away(error)
                self._to_spool(batch[place:])
                return
            else:
                self._tell(item.on_durable)

    def _to_spool(self, batch: list[_Record]) -> None:
        for item in batch:
            try:
                self._spool.append(item.record)
            except (SpoolError, ValueError, TypeError) as error:
                log.critical("record for %s is lost: neither database nor spool took it: %s", item.record.table, error)
                self._tell_failed(item, str(error))
            else:
                self._tell(item.on_durable)
        if batch:
            self._spilled = True

    def _call(self, item: _Call) -> None:
        conn = self._conn
        if not item.done.set_running_or_notify_cancel():
            # Whoever asked has been cancelled meanwhile; an answer to nobody is an error of the future.
            return
        if conn is None or self._lease_lost:
            item.done.set_exception(DatabaseUnavailable("the database is not available"))
            return
        try:
            result = retry_past_dead_engine(conn, lambda: item.work(conn))
        except Exception as error:
            if is_lease_passed(error) or isinstance(error, LeaseLost):
                self._lose_lease(error)
            elif is_connection_lost(error):
                self._went_away(error)
                error = DatabaseUnavailable(str(error).strip())
            item.done.set_exception(error)
        else:
            item.done.set_result(result)

    def _write_latest(self, conn: Connection) -> None:
        with self._wake:
            waiting, self._latest = self._latest, {}
        together = [waiting] if waiting else []
        while together:
            some = together.pop()
            try:
                retry_past_dead_engine(conn, partial(records.write_together, conn, some.values()))
            except RecordRefused as error:
                if len(some) > 1:
                    # One that is refused takes no other with it.
                    together = [{name: work} for name, work in some.items()]
                else:
                    log.critical("%s was refused: %s", *some, error)
            except Exception as error:
                if is_lease_passed(error) or isinstance(error, LeaseLost):
                    self._lose_lease(error)
                    return
                self._went_away(error)
                return

    # -- coming and going

    def _went_away(self, error: Exception) -> None:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if self._conn is not None and (is_connection_lost(error) or self._conn.closed):
            self._disconnect()
        self._next_attempt = time.monotonic() + self._backoff.next_s()
        self._say(False, reason)

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            with contextlib.suppress(psycopg2.Error):
                conn.close()

    def _lose_lease(self, error: Exception) -> None:
        if not self._lease_lost:
            self._lease_lost = True
            log.error("%s", error)
            self._call_on_loop(self._on_lease_lost)
            self._say(False, "the lease has passed to another engine")

    def _say(self, available: bool, reason: str) -> None:
        if self._available is not available:
            self._available = available
            if available:
                log.info("database available")
            else:
                log.error("database not available, records go to the spool: %s", reason)
            self._call_on_loop(lambda: self._on_change(available, reason))

    def _tell(self, callback: Callable[[], None] | None) -> None:
        if callback is not None:
            self._call_on_loop(callback)

    def _tell_failed(self, item: _Record, reason: str) -> None:
        if item.on_failed is not None:
            failed = item.on_failed
            self._call_on_loop(lambda: failed(reason))

    def _call_on_loop(self, callback: Callable[[], None]) -> None:
        if self._loop is not None:
            # The loop may have ended first, at the very end of the process.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(callback)
