"""Finds the rows that came since it last looked: operations, decisions, commands. Used by the view keeper's thread."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as Connection

from .queries_stream import Marks, decisions_after, newest_commands, operations_after, read_marks

Found = dict[str, Any]
LATE_IDS = 64
"""Rows whose ids were taken this long before the newest one may be committed after it (two writers at once)."""
READ_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row that nobody has been shown yet. ``marks`` say how far the reader is with it."""

    kind: str
    row: Found
    marks: Marks


class TrailReader:
    """Remembers how far it has read; the first look remembers and shows nothing."""

    def __init__(self) -> None:
        self.marks: Marks | None = None
        self.behind = False
        self._seen: dict[str, deque[int]] = {
            kind: deque(maxlen=READ_AT_ONCE + 2 * LATE_IDS) for kind in ("operation", "decision")
        }
        self._commands: dict[int, tuple[str, Any]] = {}

    def read(self, conn: Connection) -> list[NewRow]:
        """What is new, in the order of each table; at most `READ_AT_ONCE` rows of one, the rest next time."""
        marks = self.marks
        if marks is None:
            self._begin(conn, read_marks(conn))
            return []
        found: list[NewRow] = []
        for kind, mark, read in (
            ("operation", marks.operation, operations_after),
            ("decision", marks.decision, decisions_after),
        ):
            found += self._fresh(kind, read(conn, max(0, mark - LATE_IDS), READ_AT_ONCE))
        found += self._changed(newest_commands(conn))
        # A burst or an outage left more than one reading holds.
        self.behind = len(found) >= READ_AT_ONCE - LATE_IDS
        return found

    def _begin(self, conn: Connection, marks: Marks) -> None:
        for kind, mark, read in (
            ("operation", marks.operation, operations_after),
            ("decision", marks.decision, decisions_after),
        ):
            rows = read(conn, max(0, mark - LATE_IDS), READ_AT_ONCE)
            self._seen[kind].extend(row["id"] for row in rows if row["id"] <= mark)
        self._commands = {row["id"]: _state(row) for row in newest_commands(conn)}
        self.marks = marks

    def _fresh(self, kind: str, rows: list[Found]) -> list[NewRow]:
        known = set(self._seen[kind])
        fresh = [row for row in rows if row["id"] not in known]
        self._seen[kind].extend(row["id"] for row in fresh)
        return [self._shown(kind, row) for row in fresh]

    def _changed(self, rows: list[Found]) -> list[NewRow]:
        changed = [row for row in rows if self._commands.get(row["id"]) != _state(row)]
        self._commands = {row["id"]: _state(row) for row in rows}
        return [self._shown("control", row) for row in changed]

    def _shown(self, kind: str, row: Found) -> NewRow:
        self.marks = (self.marks or Marks()).with_row(kind, row)
        return NewRow(kind, row, self.marks)


def _state(row: Found) -> tuple[str, Any]:
    return row["status"], row["finished_at"]
