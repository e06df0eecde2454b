"""Keeps the current view in memory: LISTEN, read again on every notification, and on a slow timer besides.

One thread with one connection. GET /status therefore costs no query however many pages are open, and a notification
lost with a connection costs one slow poll, not the news.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import psycopg2
from bifrost.db import Backoff, DatabaseError
from psycopg2.extensions import connection as Connection

from .queries import read_accounts, read_desk
from .queries_stream import Marks
from .trail_reader import NewRow, TrailReader
from .view import View

log = logging.getLogger(__name__)

DESK_CHANNELS = ("bifrost_status", "bifrost_run_status", "bifrost_operations")
ACCOUNT_CHANNELS = ("bifrost_positions", "bifrost_prices")
TRAIL_CHANNELS = ("bifrost_operations", "bifrost_decisions", "bifrost_control")
SLOW_POLL_S = 2.0
"""Also the longest time after which a lost notification, or a table without a trigger, is seen."""
TRAIL_PAUSE_S = 0.02
"""What an operator asked for and what came of it should be seen when it happens."""
DESK_PAUSE_S = 0.05
ACCOUNTS_PAUSE_S = 0.5
"""Bursts of notifications are read once per pause; accounts may hold thousands of rows."""


class ViewKeeper:
    """Owns the thread that refreshes `view`.

    Parameters
    ----------
    connect
        Opens a connection or raises `DatabaseError`; called again, with back-off, whenever it breaks.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._view = View()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="view-keeper", daemon=True)
        self._backoff = Backoff(0.2, 5.0)
        self._trail = TrailReader()
        self.on_change: Callable[[], None] = lambda: None
        """Called in the reader's thread after each new view."""
        self.on_rows: Callable[[list[NewRow], Marks], None] = lambda rows, marks: None
        """Called in the reader's thread with operations, decisions and commands as they come, and how far that is."""

    @property
    def view(self) -> View:
        """The newest view; safe from any thread."""
        return self._view

    def start(self) -> None:
        """Begin to read; returns at once, whether or not the database answers."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it is a daemon, so the process need not wait for a connection attempt."""
        self._stopping.set()
        os.write(self._wake_write, b".")
        self._thread.join(timeout=0.3)

    def wait_for(self, condition: Callable[[View], bool], timeout_s: float) -> bool:
        """Block until a view fulfils ``condition``; False when none did in time."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self._view), timeout_s)

    def _publish(self, view: View) -> None:
        with self._changed:
            self._view = replace(view, version=self._view.version + 1)
            self._changed.notify_all()
        self.on_change()

    def _run(self) -> None:
        told: str | None = None
        while not self._stopping.is_set():
            try:
                conn = self._connect()
                try:
                    self._listen(conn)
                    told = None
                finally:
                    conn.close()
            except (DatabaseError, psycopg2.Error, OSError) as error:
                reason = one_line(error)
                self._publish(replace(self._view, error=reason))
                if reason != told:
                    log.warning("waiting for the database: %s", reason)
                    told = reason
                self._stopping.wait(self._backoff.next_s())
            except Exception as error:
                # A row we did not expect must be shown as trouble, not end the reader and leave an old picture.
                log.exception("the view cannot be read")
                self._publish(replace(self._view, error=f"a row cannot be read ({type(error).__name__}: {error})"))
                self._stopping.wait(self._backoff.next_s())

    def _listen(self, conn: Connection) -> None:
        with conn.cursor() as cursor:
            for channel in sorted({*DESK_CHANNELS, *ACCOUNT_CHANNELS, *TRAIL_CHANNELS}):
                cursor.execute(f"LISTEN {channel}")
        dirty_desk = dirty_accounts = dirty_trail = True
        desk_at = accounts_at = trail_at = 0.0
        while not self._stopping.is_set():
            now = time.monotonic()
            if dirty_trail and now - trail_at >= TRAIL_PAUSE_S:
                self._read_trail(conn)
                trail_at, dirty_trail = now, self._trail.behind
            if dirty_desk and now - desk_at >= DESK_PAUSE_S:
                self._read_desk(conn)
                desk_at, dirty_desk = now, False
            if dirty_accounts and now - accounts_at >= ACCOUNTS_PAUSE_S:
                self._publish(replace(self._view, accounts=read_accounts(conn)))
                accounts_at, dirty_accounts = now, False
            due = (
                desk_at + (DESK_PAUSE_S if dirty_desk else SLOW_POLL_S),
                accounts_at + (ACCOUNTS_PAUSE_S if dirty_accounts else SLOW_POLL_S),
                trail_at + (TRAIL_PAUSE_S if dirty_trail else SLOW_POLL_S),
            )
            self._wait(conn, max(0.0, min(due) - time.monotonic()))
            channels = {notify.channel for notify in _taken(conn)}
            overdue = time.monotonic()
            dirty_desk |= bool(channels.intersection(DESK_CHANNELS)) or overdue - desk_at >= SLOW_POLL_S
            dirty_accounts |= bool(channels.intersection(ACCOUNT_CHANNELS)) or overdue - accounts_at >= SLOW_POLL_S
            dirty_trail |= bool(channels.intersection(TRAIL_CHANNELS)) or overdue - trail_at >= SLOW_POLL_S

    def _read_trail(self, conn: Connection) -> None:
        rows = self._trail.read(conn)
        if self._trail.marks is not None:
            self.on_rows(rows, self._trail.marks)

    def _read_desk(self, conn: Connection) -> None:
        before = time.monotonic()
        desk = read_desk(conn)
        if self._view.error is not None:
            log.info("reading the database")
        self._backoff.reset()
        # now() was taken after `before`: ages come out too long by at most the read's duration, never too short.
        self._publish(replace(self._view, desk=desk, read_monotonic=before, error=None))

    def _wait(self, conn: Connection, timeout_s: float) -> None:
        readable, _, _ = select.select([conn.fileno(), self._wake_read], [], [], timeout_s)
        if conn.fileno() in readable:
            conn.poll()


def _taken(conn: Connection) -> list[psycopg2.extensions.Notify]:
    """Notifications that have arrived, also those that came along with a query's answer."""
    taken = list(conn.notifies)
    conn.notifies.clear()
    return taken


def one_line(error: BaseException) -> str:
    """The first line of a database error, without libpq's continuation lines."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
