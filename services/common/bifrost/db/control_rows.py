"""The life of a command in ``daemon_control`` (contracts.md, "Commands").

pending → accepted → done | failed; pending → refused | expired. ``consumed_at`` is set on leaving pending. Ages are
the database's own. What a command means is :mod:`bifrost.control`'s; here are its rows alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extras import Json

from bifrost.control import EXPIRY_S, NEXT_STATUS, Command, CommandStatus

from .connect import Connection, Cursor
from .errors import DatabaseError
from .records import transaction
from .spool import plain

_COLUMNS = (
    "id, command, args, status, created_at, consumed_at, accepted_at, finished_at, result, requested_by, "
    "idempotency_key, epoch, extract(epoch FROM now() - created_at)::double precision"
)


class IdempotencyConflict(DatabaseError):
    """The key was used before with another command or other arguments (HTTP 409)."""

    def __init__(self, key: str, first_id: int, first_command: str) -> None:
        super().__init__(
            f"idempotency key {key!r} was used for command {first_id} ({first_command}) with another body: "
            "take a new key for a new command"
        )
        self.first_id = first_id


@dataclass(frozen=True, slots=True)
class ControlRow:
    """One row of ``daemon_control``."""

    id: int
    command: str
    args: dict[str, Any]
    status: CommandStatus
    created_at: datetime
    consumed_at: datetime | None
    accepted_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None
    requested_by: str | None
    idempotency_key: str | None
    epoch: int | None
    age_s: float


def _row(values: tuple[Any, ...]) -> ControlRow:
    listed = list(values)
    listed[2] = listed[2] if isinstance(listed[2], dict) else {}
    listed[3] = CommandStatus(listed[3])
    return ControlRow(*listed)


def enqueue(
    conn: Connection,
    command: str,
    args: Mapping[str, Any] | None = None,
    requested_by: str | None = None,
    idempotency_key: str | None = None,
) -> tuple[int, bool]:
    """Insert a command.

    Returns
    -------
    tuple of int and bool
        Its id, and whether this call made it (False: the same key and body came before).

    Raises
    ------
    IdempotencyConflict
        When the key belongs to another body.
    """
    with transaction(conn) as cursor:
        return _enqueue(cursor, command, args, requested_by, idempotency_key)


def _enqueue(
    cursor: Cursor, command: str, args: Mapping[str, Any] | None, requested_by: str | None, key: str | None
) -> tuple[int, bool]:
    body = plain(dict(args or {}))
    cursor.execute(
        "INSERT INTO daemon_control (command, args, requested_by, idempotency_key) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (idempotency_key) DO NOTHING RETURNING id",
        (str(command), Json(body), requested_by, key),
    )
    made = cursor.fetchone()
    if made is not None:
        return int(made[0]), True
    cursor.execute("SELECT id, command, args FROM daemon_control WHERE idempotency_key = %s", (key,))
    found = cursor.fetchone()
    if found is None:
        raise DatabaseError(f"command {command} was not stored: its idempotency key {key!r} vanished meanwhile")
    first_id, first_command, first_args = found
    if first_command != command or json.dumps(first_args, sort_keys=True) != json.dumps(body, sort_keys=True):
        raise IdempotencyConflict(str(key), int(first_id), first_command)
    return int(first_id), False


def set_suspended(
    conn: Connection, suspended: bool, requested_by: str | None = None, idempotency_key: str | None = None
) -> tuple[int, bool]:
    """Set ``daemon_run_status.suspended`` and insert ``suspend`` or ``resume`` in one transaction."""
    with transaction(conn) as cursor:
        command = Command.SUSPEND if suspended else Command.RESUME
        command_id, made = _enqueue(cursor, command, None, requested_by, idempotency_key)
        if made:
            _change_run_status(cursor, "suspended", suspended)
        return command_id, made


def set_heartbeat_interval(
    conn: Connection, seconds: int, requested_by: str | None = None, idempotency_key: str | None = None
) -> tuple[int, bool]:
    """Set the heartbeat interval (5 to 120 s) and insert ``set_heartbeat_interval`` in one transaction.

    Raises
    ------
    ValueError
        For seconds outside 5 to 120.
    """
    if not 5 <= seconds <= 120:
        raise ValueError(f"heartbeat interval {seconds} s: 5 to 120 is possible")
    with transaction(conn) as cursor:
        args = {"seconds": seconds}
        command_id, made = _enqueue(cursor, Command.SET_HEARTBEAT_INTERVAL, args, requested_by, idempotency_key)
        if made:
            _change_run_status(cursor, "heartbeat_interval_sec", seconds)
        return command_id, made


def _change_run_status(cursor: Cursor, column: str, value: object) -> None:
    cursor.execute(f"UPDATE daemon_run_status SET {column} = %s, updated_at = now() WHERE id = 1", (value,))
    if cursor.rowcount != 1:
        raise DatabaseError("table daemon_run_status has no row: run `bifrost db refresh`")


def get(conn: Connection, command_id: int) -> ControlRow | None:
    """One command by its id."""
    with conn.cursor() as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM daemon_control WHERE id = %s", (command_id,))
        found = cursor.fetchone()
    return _row(found) if found else None


def pending(conn: Connection) -> list[ControlRow]:
    """Commands nobody has taken, oldest first, the expired ones among them (see :func:`expire`)."""
    with conn.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM daemon_control WHERE consumed_at IS NULL AND status = 'pending' ORDER BY id"
        )
        return [_row(found) for found in cursor.fetchall()]


def expire(conn: Connection) -> list[ControlRow]:
    """Consume every pending command older than :data:`EXPIRY_S` without carrying it out; return them."""
    with transaction(conn) as cursor:
        cursor.execute(
            "UPDATE daemon_control SET status = 'expired', consumed_at = now(), finished_at = now(), "
            "result = jsonb_build_object('reason', 'older than ' || %s || ' s when the engine saw it') "
            "WHERE consumed_at IS NULL AND status = 'pending' AND created_at < now() - make_interval(secs => %s) "
            f"RETURNING {_COLUMNS}",
            (f"{EXPIRY_S:g}", EXPIRY_S),
        )
        return sorted((_row(found) for found in cursor.fetchall()), key=lambda row: row.id)


def accept(conn: Connection, command_id: int, epoch: int) -> ControlRow | None:
    """Take a pending command; None when somebody else did, or it is gone or too old."""
    with transaction(conn) as cursor:
        cursor.execute(
            "UPDATE daemon_control SET status = 'accepted', accepted_at = now(), consumed_at = now(), epoch = %s "
            "WHERE id = %s AND status = 'pending' AND consumed_at IS NULL "
            f"AND created_at >= now() - make_interval(secs => %s) RETURNING {_COLUMNS}",
            (epoch, command_id, EXPIRY_S),
        )
        found = cursor.fetchone()
    return _row(found) if found else None


def finish(
    conn: Connection, command_id: int, status: CommandStatus | str, result: Mapping[str, Any] | None = None
) -> bool:
    """Record what came of a command; False when it was not in the status this end follows from.

    Raises
    ------
    ValueError
        For a status that ends nothing.
    """
    end = CommandStatus(status)
    if not end.final:
        raise ValueError(f"status {end} ends no command: write done, failed, refused or expired")
    before = [str(earlier) for earlier, following in NEXT_STATUS.items() if end in following]
    with transaction(conn) as cursor:
        cursor.execute(
            "UPDATE daemon_control SET status = %s, finished_at = now(), consumed_at = coalesce(consumed_at, now()), "
            "result = %s WHERE id = %s AND status = ANY(%s)",
            (str(end), Json(plain(dict(result))) if result is not None else None, command_id, before),
        )
        return cursor.rowcount == 1


def refuse(conn: Connection, command_id: int, reason: str) -> bool:
    """Consume a pending command without carrying it out, saying why."""
    return finish(conn, command_id, CommandStatus.REFUSED, {"reason": reason})


def fail_orphans(conn: Connection, epoch: int) -> list[int]:
    """A new leader sets what an older epoch left ``accepted`` to ``failed``; return the ids."""
    with transaction(conn) as cursor:
        cursor.execute(
            "UPDATE daemon_control SET status = 'failed', finished_at = now(), "
            """result = coalesce(result, '{}') || '{"reason": "engine restarted"}' """
            "WHERE status = 'accepted' AND coalesce(epoch, 0) < %s RETURNING id",
            (epoch,),
        )
        return sorted(int(found) for (found,) in cursor.fetchall())
