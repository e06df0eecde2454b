"""Locks of a dead engine: find who holds them, end only what is provably ours and past.

A session is ended when its ``application_name`` is a Bifrost engine's *and* it writes under an older lease epoch or
sits idle in a transaction (database.md, "Connections, locks, failure"). Sessions of other programs are only listed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import psycopg2

from .connect import EPOCH_LOCK_CLASS, Connection
from .errors import is_lock_timeout

log = logging.getLogger(__name__)

T = TypeVar("T")

ENGINE_APPLICATION = "bifrost-engine"
#: The single rows on which an engine waits for its dead predecessor.
HEARTBEAT_TABLES = ("daemon_heartbeat", "daemon_run_status")
#: Everything `bifrost db release-locks` looks at.
ALL_TABLES = (*HEARTBEAT_TABLES, "status_current", "daemon_control", "engine_lease", "engine_instances", "trading_days")

_HOLDERS = """
SELECT a.pid, a.backend_start, coalesce(a.application_name, ''), coalesce(a.usename::text, ''), coalesce(a.state, ''),
    extract(epoch FROM now() - a.xact_start)::double precision,
    extract(epoch FROM now() - a.state_change)::double precision,
    array_agg(DISTINCT c.relname::text ORDER BY c.relname::text),
    (SELECT max(e.objid::bigint) FROM pg_locks e WHERE e.pid = a.pid AND e.locktype = 'advisory'
        AND e.classid::bigint = %(epoch_class)s AND e.objsubid = 2),
    (SELECT epoch FROM engine_lease WHERE id = 1)
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = 'public'::regnamespace
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.mode <> 'AccessShareLock' AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND c.relname = ANY(%(tables)s)
GROUP BY a.pid, a.backend_start, a.application_name, a.usename, a.state, a.xact_start, a.state_change
ORDER BY a.pid
"""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that holds a lock on one of the tables, and whether it may be ended."""

    pid: int
    backend_start: datetime
    application: str
    user: str
    state: str
    transaction_age_s: float | None
    state_age_s: float | None
    tables: tuple[str, ...]
    epoch: int | None
    lease_epoch: int | None

    @property
    def is_engine(self) -> bool:
        """Whether the session is a Bifrost engine's."""
        return self.application == ENGINE_APPLICATION

    @property
    def may_end(self) -> bool:
        """Whether it is an engine's and past: an older epoch, or idle in a transaction."""
        return self.is_engine and (self._older or self._idle)

    @property
    def _older(self) -> bool:
        return self.epoch is not None and self.lease_epoch is not None and self.epoch < self.lease_epoch

    @property
    def _idle(self) -> bool:
        return self.state.startswith("idle in transaction")

    @property
    def reason(self) -> str:
        """Why it may be ended, or why not."""
        if not self.is_engine:
            return "not a Bifrost engine's session"
        if self._older:
            return f"writes under epoch {self.epoch}, the lease is at {self.lease_epoch}"
        if self._idle:
            return f"idle in a transaction for {self.state_age_s or 0:.0f} s"
        return "at work under the present epoch"

    def __str__(self) -> str:
        age = "" if self.transaction_age_s is None else f" for {self.transaction_age_s:.0f} s"
        named = self.application or "(no name)"
        return (
            f"pid {self.pid} {named} as {self.user}, {self.state}{age}, holds {', '.join(self.tables)}: {self.reason}"
        )


def lock_holders(conn: Connection, tables: Sequence[str] = ALL_TABLES) -> list[LockHolder]:
    """Sessions, other than this one, that hold more than a reader's lock on ``tables``."""
    with conn.cursor() as cursor:
        cursor.execute(_HOLDERS, {"epoch_class": EPOCH_LOCK_CLASS, "tables": list(tables)})
        rows = cursor.fetchall()
    return [_holder(row) for row in rows]


def _holder(row: Sequence[Any]) -> LockHolder:
    pid, started, application, user, state, transaction_s, state_s, names, epoch, lease_epoch = row
    return LockHolder(pid, started, application, user, state, transaction_s, state_s, tuple(names), epoch, lease_epoch)


def end_sessions(conn: Connection, holders: Iterable[LockHolder], timeout_s: float = 5.0) -> list[LockHolder]:
    """End those of ``holders`` that may be ended; return the ones that are gone.

    A pid that meanwhile belongs to another session is left alone.
    """
    ended: list[LockHolder] = []
    for holder in holders:
        if not holder.may_end:
            continue
        with conn.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s",
                (int(timeout_s * 1000), holder.pid, holder.backend_start),
            )
            row = cursor.fetchone()
        if row is None or row[0]:
            log.warning("ended a database session: %s", holder)
            ended.append(holder)
    return ended


def retry_past_dead_engine(
    conn: Connection,
    action: Callable[[], T],
    *,
    tables: Sequence[str] = HEARTBEAT_TABLES,
    spare_pids: Iterable[int] = (),
) -> T:
    """Run ``action``; on a lock time-out end what a dead engine left behind and run it once more.

    Parameters
    ----------
    conn : Connection
        Used to look and to end; ``action`` may use the same. Its transaction is rolled back before the second try.
    spare_pids : Iterable[int]
        Backends of this very process, which are never ended.

    Raises
    ------
    psycopg2.errors.LockNotAvailable
        When nobody could be ended, or the lock is still held.
    """
    try:
        return action()
    except psycopg2.Error as error:
        if not is_lock_timeout(error):
            raise
        if not conn.autocommit:
            conn.rollback()
        spared = set(spare_pids)
        holders = [holder for holder in lock_holders(conn, tables) if holder.pid not in spared]
        for holder in holders:
            log.warning("lock held: %s", holder)
        if not end_sessions(conn, holders):
            raise
        if not conn.autocommit:
            conn.commit()
    return action()
