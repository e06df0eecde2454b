"""Who trades: one session advisory lock decides, the row ``engine_lease`` informs (contracts.md, "Who writes when").

The lock lives on a connection of its own, with short keep-alives on both sides, so that a dead host gives it up
within seconds. Gaining it raises the epoch by one; every engine connection then writes under that epoch
(:func:`bifrost.db.connect.set_epoch`), and the triggers of db/init.sql refuse what an older epoch still tries to write.

All methods block and belong on the database thread; one thread uses a :class:`Lease` at a time.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg2

from .connect import Connection, set_epoch
from .errors import (
    DatabaseError,
    DatabaseUnavailable,
    LeaseLost,
    first_line,
    is_connection_lost,
    is_lease_passed,
)

log = logging.getLogger(__name__)

#: Key of the advisory lock; one lease per database.
LEASE_LOCK_KEY = 0x4249_4652_4F53_5401
_CLASS, _OBJECT = LEASE_LOCK_KEY >> 32, LEASE_LOCK_KEY & 0xFFFF_FFFF


class LeaseState(StrEnum):
    """What an engine knows about the lease."""

    HELD = "held"
    CONNECTION_LOST = "connection_lost"
    """The lock's connection is gone: no new risk; cancel and flatten go on; :meth:`Lease.retake` tries again."""
    LOST = "lost"
    """Another engine holds it or the epoch has grown (or this engine never had it): standby."""
    STOPPED = "stopped"
    """The desk was stopped: standbys end, only a newly started engine clears it."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """The row ``engine_lease``."""

    owner: UUID | None
    epoch: int
    acquired_at: datetime | None
    beat_at: datetime | None
    stopped_at: datetime | None


class Lease:
    """One engine's hold on the right to trade.

    Parameters
    ----------
    open_connection : Callable[[], Connection]
        Opens an autocommit connection used for nothing else.
    """

    def __init__(self, open_connection: Callable[[], Connection]) -> None:
        self._open = open_connection
        self._conn: Connection | None = None
        # Session that carries the lock, and the session of the present connection: after a cut they differ.
        self._backend: tuple[int, datetime] | None = None
        self._new_backend: tuple[int, datetime] | None = None
        self._instance: str | None = None
        self._epoch: int | None = None

    @property
    def epoch(self) -> int | None:
        """The epoch this engine gained; None when it never held the lease or gave it up."""
        return self._epoch

    @property
    def instance_id(self) -> UUID | None:
        """The engine that asked for the lease."""
        return UUID(self._instance) if self._instance else None

    def try_acquire(self, instance_id: UUID | str) -> int | None:
        """Take the lease when nobody holds it.

        Returns
        -------
        int or None
            The new epoch; None while another engine holds the lock or the desk is stopped (:meth:`check` tells).

        Raises
        ------
        DatabaseUnavailable
            When the database cannot be reached.
        """
        self._instance = str(instance_id)
        try:
            if not self._lock():
                return None
            row = self._read()
            if row.stopped_at is not None:
                self._unlock()
                return None
            epoch = row.epoch + 1
            self._execute(
                "UPDATE engine_lease SET owner = %s, epoch = %s, acquired_at = now(), beat_at = now() WHERE id = 1",
                self._instance,
                epoch,
            )
            set_epoch(self._connection(), epoch)
        except psycopg2.Error as error:
            raise self._dropped(error) from error
        self._epoch = epoch
        log.info("lease taken", extra={"epoch": epoch, "instance_id": self._instance})
        return epoch

    def check(self) -> LeaseState:
        """Ask the database whether the lease is still ours."""
        try:
            return self._judge(self._read())
        except (psycopg2.Error, DatabaseUnavailable) as error:
            return self._failed(error)

    def beat(self) -> LeaseState:
        """Say that the leader lives; the answer is the same as :meth:`check`'s."""
        if self._epoch is None or self._conn is None or self._backend != self._new_backend:
            return self.check()
        try:
            changed = self._execute(
                "UPDATE engine_lease SET beat_at = now() WHERE id = 1 AND owner = %s AND epoch = %s",
                self._instance,
                self._epoch,
            )
            return self._judge(self._read()) if changed else LeaseState.LOST
        except (psycopg2.Error, DatabaseUnavailable) as error:
            return self._failed(error)

    def retake(self) -> LeaseState:
        """After :attr:`LeaseState.CONNECTION_LOST`: take the lock back under the same epoch if nobody had it since.

        The server may still count our own broken session as the holder; that session is ended, and the next call
        succeeds. ``CONNECTION_LOST`` means "not yet": call again.
        """
        if self._epoch is None:
            return LeaseState.LOST
        if self._conn is not None and not self._conn.closed and self.check() is LeaseState.HELD:
            return LeaseState.HELD
        try:
            if not self._lock():
                return self._wait_for_own_session()
            row = self._read()
            if row.epoch != self._epoch or str(row.owner) != self._instance:
                self._unlock()
                return LeaseState.LOST
            set_epoch(self._connection(), self._epoch)
        except (psycopg2.Error, DatabaseUnavailable) as error:
            return self._failed(error)
        log.info("lease taken back", extra={"epoch": self._epoch, "instance_id": self._instance})
        return self._judge(row)

    def release(self) -> None:
        """Give the lease up so that a standby may take over; never raises, a broken connection gave it up already."""
        if self._conn is not None and self._epoch is not None:
            with contextlib.suppress(psycopg2.Error):
                self._execute(
                    "UPDATE engine_lease SET owner = NULL, beat_at = now() WHERE id = 1 AND owner = %s AND epoch = %s",
                    self._instance,
                    self._epoch,
                )
                # Not left to the end of the session, which the server sees later than the next engine may ask.
                self._unlock()
        self._epoch = None
        self._drop()

    def mark_stopped(self) -> None:
        """Stop the desk: standbys end, and no engine leads until a newly started one clears the mark.

        Raises
        ------
        DatabaseUnavailable
            When it could not be written.
        LeaseLost
            When another engine leads: the desk is no longer this one's to stop.
        """
        try:
            self._execute("UPDATE engine_lease SET stopped_at = now() WHERE id = 1")
        except psycopg2.Error as error:
            raise self._dropped(error) from error

    def clear_stopped(self) -> bool:
        """A newly started engine takes the mark of an earlier `stop` away; return whether there was one."""
        try:
            return bool(
                self._execute("UPDATE engine_lease SET stopped_at = NULL WHERE id = 1 AND stopped_at IS NOT NULL")
            )
        except psycopg2.Error as error:
            raise self._dropped(error) from error

    def read(self) -> LeaseRow:
        """The row as it is now.

        Raises
        ------
        DatabaseUnavailable
            When the database cannot be reached.
        """
        try:
            return self._read()
        except psycopg2.Error as error:
            raise self._dropped(error) from error

    def close(self) -> None:
        """Close the connection; the server frees the lock with it."""
        self._drop()

    # -- inner workings

    def _connection(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = self._open()
            self._conn.autocommit = True
            ((pid, started),) = self._rows(
                "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
            )
            self._new_backend = (int(pid), started)
            if self._epoch is not None:
                set_epoch(self._conn, self._epoch)
        return self._conn

    def _rows(self, statement: str, *args: object) -> list[tuple[Any, ...]]:
        with self._connection().cursor() as cursor:
            cursor.execute(statement, args or None)
            return cursor.fetchall()

    def _execute(self, statement: str, *args: object) -> int:
        with self._connection().cursor() as cursor:
            cursor.execute(statement, args or None)
            return cursor.rowcount

    def _read(self) -> LeaseRow:
        rows = self._rows("SELECT owner, epoch, acquired_at, beat_at, stopped_at FROM engine_lease WHERE id = 1")
        if not rows:
            raise DatabaseUnavailable("table engine_lease has no row: run `bifrost db refresh`")
        owner, epoch, acquired_at, beat_at, stopped_at = rows[0]
        return LeaseRow(UUID(owner) if owner else None, int(epoch), acquired_at, beat_at, stopped_at)

    def _lock(self) -> bool:
        ((gained,),) = self._rows("SELECT pg_try_advisory_lock(%s)", LEASE_LOCK_KEY)
        if gained:
            self._backend = self._new_backend
        return bool(gained)

    def _unlock(self) -> None:
        self._rows("SELECT pg_advisory_unlock(%s)", LEASE_LOCK_KEY)
        self._backend = None

    def _judge(self, row: LeaseRow) -> LeaseState:
        if row.stopped_at is not None:
            return LeaseState.STOPPED
        ours = self._epoch is not None and row.epoch == self._epoch and str(row.owner) == self._instance
        if not ours:
            return LeaseState.LOST
        # A new connection made by this very question does not carry the lock of the broken one.
        return LeaseState.HELD if self._backend == self._new_backend else LeaseState.CONNECTION_LOST

    def _wait_for_own_session(self) -> LeaseState:
        row = self._read()
        holder = self._rows(
            "SELECT l.pid, a.backend_start FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
            "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND l.classid::bigint = %s AND l.objid::bigint = %s",
            _CLASS,
            _OBJECT,
        )
        if row.epoch != self._epoch or str(row.owner) != self._instance:
            return LeaseState.LOST
        if holder and self._backend is not None and (int(holder[0][0]), holder[0][1]) == self._backend:
            # Only a login of the same role may end it, and this is our own.
            self._rows("SELECT pg_terminate_backend(%s)", self._backend[0])
            return LeaseState.CONNECTION_LOST
        return LeaseState.LOST if holder else LeaseState.CONNECTION_LOST

    def _failed(self, error: Exception) -> LeaseState:
        if is_lease_passed(error):
            return LeaseState.LOST
        log.warning("lease cannot be read: %s", error)
        if is_connection_lost(error) or (self._conn is not None and self._conn.closed):
            self._drop()
        return LeaseState.CONNECTION_LOST

    def _dropped(self, error: psycopg2.Error) -> DatabaseError:
        if is_lease_passed(error):
            return LeaseLost(first_line(error))
        self._drop()
        return DatabaseUnavailable(f"lease: {first_line(error)}")

    def _drop(self) -> None:
        if self._conn is not None:
            with contextlib.suppress(psycopg2.Error):
                self._conn.close()
        self._conn = None
