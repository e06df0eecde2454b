"""Keeps the lease on a thread of its own: waits for it, beats it, takes it back, says when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from uuid import UUID

import psycopg2
from bifrost.db import Backoff, Connection, DatabaseError
from bifrost.db.lease import Lease, LeaseState
from bifrost.db.live_rows import beat_instance, forget_instances

log = logging.getLogger(__name__)

CHECK_S = 1.0
BEAT_S = 5.0


class LeaseNews(StrEnum):
    """What the keeper tells the loop."""

    WAITING = "waiting"
    """Another engine leads, or the database cannot be reached."""
    GAINED = "gained"
    INTERRUPTED = "interrupted"
    """The lock's connection is gone: no new risk until it is taken back or lost."""
    RETAKEN = "retaken"
    LOST = "lost"
    STOPPED = "stopped"
    """The desk was stopped by command: standbys end."""


class LeaseKeeper:
    """Runs the lease and the beats of this instance.

    Parameters
    ----------
    open_connection : callable
        A connection for the lock alone, and another one for the beats.
    on_news : callable
        ``(news, detail)`` on the loop; of WAITING each new reason once.
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        instance_id: UUID,
        *,
        on_news: Callable[[LeaseNews, str], None],
        check_s: float = CHECK_S,
    ) -> None:
        self._lease = Lease(open_connection)
        self._open = open_connection
        self._instance_id = instance_id
        self._on_news = on_news
        self._check_s = check_s
        self._beat_conn: Connection | None = None
        self._last_beat = 0.0
        self._host = socket.gethostname()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._stop_desk = False
        self._told = ""
        self._held = False
        self._interrupted = False
        self._started_fresh = False
        self._backoff = Backoff(0.5, 5.0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.state_name = "idle"
        self.epoch: int | None = None
        self._thread = threading.Thread(target=self._run, name="engine-lease", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def beat_now(self, state_name: str) -> None:
        """Show a new daemon state in engine_instances without waiting for the next beat."""
        self.state_name = state_name
        self._last_beat = 0.0
        self._wake.set()

    async def close(self, *, stop_desk: bool = False, limit_s: float = 5.0) -> None:
        """Give the lease up: released for a standby, or marked stopped for everybody."""
        self._stop_desk = stop_desk
        self._ending.set()
        self._wake.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, limit_s)

    # -- the thread

    def _run(self) -> None:
        while not self._ending.is_set():
            pause_s = self._check_s
            try:
                self._hold() if self._held else self._seek()
                self._beat()
                self._backoff.reset()
            except (DatabaseError, psycopg2.Error) as error:
                pause_s = self._backoff.next_s()
                self._failed(error)
            except Exception as error:
                # A thread that dies would go on to be believed: an engine that cannot see its lease takes no new risk.
                log.critical("the lease cannot be kept: %s", error, exc_info=True)
                pause_s = self._backoff.next_s()
                self._failed(error)
            self._wake.wait(pause_s)
            self._wake.clear()
        self._end()

    def _seek(self) -> None:
        if not self._started_fresh:
            # Only a newly started engine takes the mark of an earlier stop away (contracts.md).
            self._lease.clear_stopped()
            self._started_fresh = True
        epoch = self._lease.try_acquire(self._instance_id)
        if epoch is not None:
            self._held, self.epoch, self._told = True, epoch, ""
            self._tell(LeaseNews.GAINED, f"epoch {epoch}")
            return
        row = self._lease.read()
        if row.stopped_at is not None:
            self._tell(LeaseNews.STOPPED, "the desk was stopped")
        else:
            self._tell_once(LeaseNews.WAITING, f"engine {row.owner} leads (epoch {row.epoch})")

    def _hold(self) -> None:
        due = time.monotonic() - self._last_beat >= BEAT_S
        if self._interrupted:
            state = self._lease.retake()
        else:
            state = self._lease.beat() if due else self._lease.check()
        if state is LeaseState.HELD:
            if self._interrupted:
                self._interrupted = False
                self._tell(LeaseNews.RETAKEN, f"epoch {self.epoch}")
        elif state is LeaseState.CONNECTION_LOST:
            self._interrupt("the lease's connection is lost")
        elif state is LeaseState.STOPPED:
            self._held = False
            self._tell(LeaseNews.STOPPED, "the desk was stopped")
        else:
            self._held = self._interrupted = False
            self.epoch = None
            self._lease.release()
            self._tell(LeaseNews.LOST, "another engine has taken the lease")

    def _interrupt(self, reason: str) -> None:
        if not self._interrupted:
            self._interrupted = True
            self._tell(LeaseNews.INTERRUPTED, reason)

    def _failed(self, error: Exception) -> None:
        reason = str(error).strip()
        if self._held:
            self._interrupt(reason)
        else:
            self._tell_once(LeaseNews.WAITING, reason)

    def _beat(self) -> None:
        if time.monotonic() - self._last_beat < BEAT_S:
            return
        if self._beat_conn is None or self._beat_conn.closed:
            self._beat_conn = self._open()
            forget_instances(self._beat_conn)
        self._last_beat = time.monotonic()
        try:
            beat_instance(
                self._beat_conn,
                self._instance_id,
                host=self._host,
                pid=os.getpid(),
                state=self.state_name,
                epoch=self.epoch,
            )
        except psycopg2.Error:
            self._drop_beats()
            raise

    def _drop_beats(self) -> None:
        if self._beat_conn is not None:
            with contextlib.suppress(psycopg2.Error):
                self._beat_conn.close()
        self._beat_conn = None

    def _end(self) -> None:
        with contextlib.suppress(DatabaseError, psycopg2.Error):
            self.state_name, self._last_beat = "stopped", 0.0
            self._beat()
        try:
            if self._stop_desk and self._held:
                self._lease.mark_stopped()
        except (DatabaseError, psycopg2.Error) as error:
            log.error("the desk could not be marked stopped: %s", error)
        self._lease.release()
        self._drop_beats()

    def _tell_once(self, news: LeaseNews, detail: str) -> None:
        if detail != self._told:
            self._told = detail
            self._tell(news, detail)

    def _tell(self, news: LeaseNews, detail: str) -> None:
        log.info("lease: %s (%s)", news, detail)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._on_news, news, detail)
