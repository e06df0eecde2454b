"""SQL of the stream: rows that came after a mark, oldest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extras import RealDictCursor

from .queries import CONTROL_COLUMNS, DECISION_COLUMNS, OPERATION_COLUMNS, fetched

Found = dict[str, Any]
COMMANDS_WATCHED = 200
"""Commands older than the newest so many have come to their end long ago: they expire after a minute."""
_OPERATIONS = (
    f"SELECT {OPERATION_COLUMNS} FROM operations o "
    "LEFT JOIN execution_costs c ON c.exec_id = o.exec_id AND o.type = 'fill' "
    "WHERE o.id > %s ORDER BY o.id LIMIT %s"
)
_DECISIONS = f"SELECT {DECISION_COLUMNS} FROM decisions WHERE id > %s ORDER BY id LIMIT %s"
_COMMANDS = f"SELECT {CONTROL_COLUMNS} FROM daemon_control ORDER BY id DESC LIMIT {COMMANDS_WATCHED}"
_MARKS = """
SELECT (SELECT coalesce(max(id), 0) FROM operations) AS operation,
    (SELECT coalesce(max(id), 0) FROM decisions) AS decision,
    (SELECT coalesce(extract(epoch FROM max(greatest(created_at, accepted_at, finished_at))) * 1000000, 0)::bigint
     FROM daemon_control) AS control_us
"""


@dataclass(frozen=True, slots=True)
class Marks:
    """How far somebody has read: ids of the newest operation and decision, time of the newest change of a command.

    As text it is an event's id: ``17-204-1774017840500000``. Any monitor of the desk can go on from there, because it
    counts rows of the database and nothing of one process.
    """

    operation: int = 0
    decision: int = 0
    control_us: int = 0

    def __str__(self) -> str:
        return f"{self.operation}-{self.decision}-{self.control_us}"

    @classmethod
    def parse(cls, text: str) -> Marks:
        """Raises `ValueError` for what is no event id of ours."""
        parts = text.strip().split("-")
        if len(parts) != 3 or not all(part.isdecimal() and part.isascii() and len(part) < 19 for part in parts):
            raise ValueError(f"Last-Event-ID = {text!r} is none of ours; leave it out to begin anew")
        return cls(*(int(part) for part in parts))

    def with_row(self, kind: str, row: Found) -> Marks:
        """The marks after ``row`` has been read."""
        if kind == "operation":
            return replace(self, operation=max(self.operation, row["id"]))
        if kind == "decision":
            return replace(self, decision=max(self.decision, row["id"]))
        return replace(self, control_us=max(self.control_us, changed_us(row)))


def changed_us(command: Found) -> int:
    """Microseconds since the epoch of the last change of a command."""
    times = [command[name] for name in ("created_at", "accepted_at", "finished_at") if command[name] is not None]
    newest: datetime = max(times)
    return round(newest.timestamp() * 1_000_000)


def read_marks(conn: Connection) -> Marks:
    """The newest rows there are."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return Marks(**fetched(reader, _MARKS)[0])


def operations_after(conn: Connection, row_id: int, limit: int) -> list[Found]:
    """Operations with a larger id, oldest first."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, _OPERATIONS, [row_id, limit])


def decisions_after(conn: Connection, row_id: int, limit: int) -> list[Found]:
    """Decisions with a larger id, oldest first."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, _DECISIONS, [row_id, limit])


def newest_commands(conn: Connection) -> list[Found]:
    """The commands that can still change, oldest first."""
    with conn.cursor(cursor_factory=RealDictCursor) as reader:
        return fetched(reader, _COMMANDS)[::-1]
