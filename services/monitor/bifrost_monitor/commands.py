"""Writes a command for the engine: one INSERT, whose trigger notifies (contracts.md, "Commands")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bifrost.control import RUN_STATUS_COMMANDS, Command
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

INSERT_SQL = """
INSERT INTO daemon_control (command, args, requested_by, idempotency_key) VALUES (%s, %s, %s, %s)
ON CONFLICT (idempotency_key) DO NOTHING RETURNING id, status
"""
EARLIER_SQL = "SELECT id, status, command, args FROM daemon_control WHERE idempotency_key = %s"


class KeyReused(Exception):
    """The idempotency key belongs to another command or to other arguments."""

    def __init__(self, command_id: int, command: str) -> None:
        super().__init__(f"the Idempotency-Key was used for command {command_id} ({command}) with another body")
        self.command_id = command_id


@dataclass(frozen=True, slots=True)
class Submitted:
    """A command's row; ``created`` is False when the key had named it before."""

    id: int
    status: str
    created: bool


def submit(
    conn: Connection, command: Command, args: dict[str, Any], requested_by: str, idempotency_key: str | None
) -> Submitted:
    """Insert the command; suspend, resume and set_heartbeat_interval change `daemon_run_status` with it.

    Raises
    ------
    KeyReused
        When the key was used with another body.
    """
    conn.autocommit = command not in RUN_STATUS_COMMANDS
    try:
        with conn.cursor() as cursor:
            cursor.execute(INSERT_SQL, (str(command), Json(args), requested_by, idempotency_key))
            row = cursor.fetchone()
            if row is None:
                return _earlier(cursor, command, args, idempotency_key)
            if command in RUN_STATUS_COMMANDS:
                _change_run_status(cursor, command, args)
                conn.commit()
        return Submitted(int(row[0]), str(row[1]), True)
    finally:
        if not conn.closed:
            if not conn.autocommit:
                conn.rollback()
            conn.autocommit = True


def _earlier(cursor: Cursor, command: Command, args: dict[str, Any], key: str | None) -> Submitted:
    cursor.execute(EARLIER_SQL, (key,))
    found = cursor.fetchone()
    if found is None:
        raise RuntimeError("a command was refused for its key, but no row holds that key")
    command_id, status, earlier_command, earlier_args = found
    if earlier_command != str(command) or earlier_args != args:
        raise KeyReused(int(command_id), str(earlier_command))
    return Submitted(int(command_id), str(status), False)


def _change_run_status(cursor: Cursor, command: Command, args: dict[str, Any]) -> None:
    if command is Command.SET_HEARTBEAT_INTERVAL:
        cursor.execute(
            "UPDATE daemon_run_status SET heartbeat_interval_sec = %s, updated_at = now() WHERE id = 1",
            (args["seconds"],),
        )
        return
    cursor.execute(
        "UPDATE daemon_run_status SET suspended = %s, updated_at = now() WHERE id = 1", (command is Command.SUSPEND,)
    )
