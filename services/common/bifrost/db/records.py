"""The one way from a record to its row, for direct writing and for the replay of a spool alike.

``write`` is safe to repeat: append-only rows are unique by their own key, keyed rows move only forwards by ``seq``.
The order of direct writes and replays must follow ``seq``; a writer with records in the spool replays those first.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2 import sql
from psycopg2.extras import Json

from .connect import Connection, Cursor
from .errors import LeaseLost, RecordRefused, first_line, is_lease_passed
from .spool import SpoolRecord, plain
from .tables import TABLES, TableKind, TableRule

SEQ_BITS = 40


class SeqCounter:
    """Sequence numbers that rise through the whole life of the desk: ``(epoch << 40) | n``. Safe across threads."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self._next = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        """The next number; never repeats under one epoch."""
        with self._lock:
            self._next += 1
            return (self.epoch << SEQ_BITS) | self._next


def epoch_of(seq: int) -> int:
    """The lease epoch inside a sequence number."""
    return seq >> SEQ_BITS


def record_for(table: str, row: Mapping[str, Any], counter: SeqCounter) -> SpoolRecord:
    """A record of ``row`` with a fresh sequence number; its ``record_id`` is the row's own when it has one."""
    named = row.get("record_id")
    seq = counter.next()
    if named is None:
        return SpoolRecord(table, dict(row), seq, counter.epoch)
    return SpoolRecord(table, dict(row), seq, counter.epoch, record_id=str(named))


def write_record(cursor: Cursor, record: SpoolRecord, *, replayed: bool = False) -> bool:
    """Write one record; see :func:`write`.

    A replayed record keeps its own wall time, so that an old snapshot does not look fresh; a direct one gets the
    database's clock, against which ages are measured.
    """
    row = dict(record.row)
    rule = _rule(record.table)
    if rule.kind is TableKind.KEYED:
        row["seq"] = record.seq
        if "epoch" in rule.key:
            # What each life of the engine counted stands apart: the next one adds to it and never overwrites it.
            row.setdefault("epoch", record.epoch)
    elif rule.key == ("record_id",):
        row["record_id"] = record.record_id
    return write(
        cursor, record.table, row, origin_epoch=record.epoch, written_at=record.written_at if replayed else None
    )


def write(
    cursor: Cursor,
    table: str,
    row: Mapping[str, Any],
    *,
    origin_epoch: int | None = None,
    written_at: datetime | str | None = None,
) -> bool:
    """Write a row.

    Parameters
    ----------
    table : str
        One of :data:`bifrost.db.tables.TABLES`.
    row : Mapping[str, Any]
        Columns to write. A keyed row needs its key and ``seq``; when it lacks a required column it changes only
        the columns given, of a row that must exist.
    origin_epoch : int, optional
        Epoch of the engine that made the record (append-only tables keep it).
    written_at : datetime or str, optional
        Wall time of the writing; the database's own when None.

    Returns
    -------
    bool
        Whether the row was written; False when it was there already or is newer.

    Raises
    ------
    RecordRefused
        For a table, column or update that cannot be.
    """
    rule = _rule(table)
    values = dict(row)
    if rule.kind is TableKind.KEYED and table == "status_current":
        values.setdefault("id", 1)
    unknown = sorted(set(values) - rule.all_columns)
    if unknown:
        raise RecordRefused(f"table {table} has no column {', '.join(unknown)}")
    if rule.origin and origin_epoch is not None:
        values.setdefault(rule.origin, origin_epoch)
    if rule.stamp and written_at is not None:
        values.setdefault(rule.stamp, written_at)
    adapted = {name: _adapt(rule, name, value) for name, value in values.items()}
    if rule.kind is TableKind.APPEND:
        return _append(cursor, table, adapted)
    missing_key = [name for name in (*rule.key, "seq") if values.get(name) is None]
    if missing_key:
        raise RecordRefused(f"a row of {table} needs {', '.join(missing_key)}")
    if all(values.get(name) is not None for name in rule.required):
        return _upsert(cursor, table, rule, adapted)
    return _update(cursor, table, rule, adapted)


def _rule(table: str) -> TableRule:
    rule = TABLES.get(table)
    if rule is None:
        raise RecordRefused(f"no records go into a table {table!r}")
    return rule


def _adapt(rule: TableRule, name: str, value: object) -> object:
    if name in rule.json and value is not None:
        return Json(value, dumps=_json)
    if isinstance(value, float):
        # A numpy number is a float whose repr is no SQL.
        return float(value)
    simple = value if isinstance(value, datetime) else plain(value)
    return Json(simple, dumps=_json) if isinstance(simple, dict | list) else simple


def _json(value: object) -> str:
    """JSON text. A snapshot is large and plain already: walking it in Python cost more than the database."""
    try:
        return json.dumps(value, allow_nan=False, default=plain)
    except (ValueError, TypeError):
        return json.dumps(plain(value), allow_nan=False)


#: Statements by what they are made of: composing one costs more than sending it.
_STATEMENTS: dict[tuple[object, ...], str] = {}


def _statement(cursor: Cursor, made_of: tuple[object, ...], compose: Callable[[], sql.Composable]) -> str:
    text = _STATEMENTS.get(made_of)
    if text is None:
        text = _STATEMENTS[made_of] = compose().as_string(cursor)
    return text


def _insert(table: str, values: Mapping[str, object]) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
    )


def _append(cursor: Cursor, table: str, values: Mapping[str, object]) -> bool:
    statement = _statement(
        cursor, ("append", table, *values), lambda: _insert(table, values) + sql.SQL(" ON CONFLICT DO NOTHING")
    )
    cursor.execute(statement, list(values.values()))
    return cursor.rowcount == 1


def _assignments(rule: TableRule, values: Mapping[str, object]) -> tuple[list[str], sql.Composable]:
    """Columns to change, and what sets the stamp when the values do not: the database's clock."""
    changed = [name for name in values if name not in rule.key]
    if not rule.stamp or rule.stamp in values:
        return changed, sql.SQL("")
    return changed, sql.SQL(", {} = clock_timestamp()").format(sql.Identifier(rule.stamp))


def _upsert(cursor: Cursor, table: str, rule: TableRule, values: Mapping[str, object]) -> bool:
    def compose() -> sql.Composable:
        changed, stamp = _assignments(rule, values)
        sets = sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in changed)
        key = sql.SQL(", ").join(map(sql.Identifier, rule.key))
        return _insert(table, values) + sql.SQL(
            " ON CONFLICT ({}) DO UPDATE SET {}{} WHERE {}.seq < EXCLUDED.seq"
        ).format(key, sets, stamp, sql.Identifier(table))

    cursor.execute(_statement(cursor, ("upsert", table, *values), compose), list(values.values()))
    return cursor.rowcount == 1


def _update(cursor: Cursor, table: str, rule: TableRule, values: Mapping[str, object]) -> bool:
    changed, stamp = _assignments(rule, values)
    where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in rule.key)
    key = [values[name] for name in rule.key]

    def compose() -> sql.Composable:
        sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changed)
        return sql.SQL("UPDATE {} SET {}{} WHERE {} AND seq < %s").format(sql.Identifier(table), sets, stamp, where)

    statement = _statement(cursor, ("update", table, *values), compose)
    cursor.execute(statement, [*(values[name] for name in changed), *key, values["seq"]])
    if cursor.rowcount == 1:
        return True
    cursor.execute(sql.SQL("SELECT 1 FROM {} WHERE {}").format(sql.Identifier(table), where), key)
    if cursor.fetchone() is None:
        lacking = ", ".join(sorted(rule.required - set(values)))
        named = ", ".join(f"{name}={value}" for name, value in zip(rule.key, key, strict=True))
        raise RecordRefused(f"{table} has no row {named} to update, and a new one needs {lacking}")
    return False


def apply_record(conn: Connection, record: SpoolRecord) -> bool:
    """Write one record in a transaction of its own; the callable for :meth:`bifrost.db.spool.Spool.replay`.

    Raises
    ------
    LeaseLost
        When the epoch of this connection has passed: another engine leads, the file stays.
    RecordRefused
        When the schema will never take the record.
    psycopg2.OperationalError
        When the connection broke or a lock was not free: try again.
    """
    try:
        with transaction(conn) as cursor:
            return write_record(cursor, record, replayed=True)
    except (psycopg2.Error, *_UNFIT) as error:
        raise _judged(error, record.table) from error


class _Message(psycopg2.extensions.cursor):
    """Collects statements and sends them at once: the server runs a message as one transaction, in one round trip."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._statements: list[bytes] = []

    def execute(self, query: Any, args: Any = None) -> None:
        self._statements.append(self.mogrify(query, args))

    def send(self) -> None:
        super().execute(b";".join(self._statements))


def write_together(conn: Connection, writes: Iterable[Callable[[Cursor], object]]) -> None:
    """Carry out writes that ask for no answer as one transaction on an autocommit connection, in one round trip.

    Raises
    ------
    LeaseLost, RecordRefused, psycopg2.OperationalError
        As :func:`apply_record`; nothing was written.
    """
    try:
        with conn.cursor(cursor_factory=_Message) as message:
            for write_rows in writes:
                write_rows(message)
            message.send()
    except (psycopg2.Error, *_UNFIT) as error:
        raise _judged(error, "rows written together") from error


#: What the driver raises for a value that no column takes, such as a text with a NUL in it.
_UNFIT = (ValueError, TypeError)


def _judged(error: Exception, table: str) -> Exception:
    if is_lease_passed(error):
        return LeaseLost(first_line(error))
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return error
    return RecordRefused(f"{table}: {first_line(error)}")


class transaction:
    """A block in one transaction on ``conn``, autocommit or not; yields a cursor."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._autocommit = conn.autocommit

    def __enter__(self) -> Cursor:
        if self._autocommit:
            self._conn.autocommit = False
        self._cursor = self._conn.cursor()
        return self._cursor

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._cursor.close()
            if kind is None:
                self._conn.commit()
            elif not self._conn.closed:
                self._conn.rollback()
        finally:
            if self._autocommit and not self._conn.closed:
                self._conn.autocommit = True


def write_all(conn: Connection, records: Sequence[SpoolRecord]) -> int:
    """Write records in one transaction, all or none; return how many changed something.

    One record on an autocommit connection is one round trip: an order waits for its intent (engine.md section 4).

    Raises
    ------
    LeaseLost, RecordRefused, psycopg2.OperationalError
        As :func:`apply_record`; nothing of the batch was written.
    """
    written = 0
    current: SpoolRecord | None = None
    alone = conn.autocommit and len(records) == 1
    try:
        with conn.cursor() if alone else transaction(conn) as cursor:
            for current in records:
                written += write_record(cursor, current)
    except (psycopg2.Error, *_UNFIT) as error:
        raise (_judged(error, current.table) if current is not None else error) from error
    return written


def reserve_decision_seqs(conn: Connection, count: int) -> list[int]:
    """Take ``count`` decision numbers that nobody else ever gets (gaps are allowed)."""
    with conn.cursor() as cursor:
        cursor.execute("SELECT nextval('decision_seq') FROM generate_series(1, %s)", (count,))
        return [int(value) for (value,) in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days of history and of decisions are kept."""

    history_days: int
    decisions_days: int

    def run(self, conn: Connection) -> int:
        """Remove what is older; return the number of rows removed."""
        with conn.cursor() as cursor:
            cursor.execute("SELECT bifrost_retention(%s, %s)", (self.history_days, self.decisions_days))
            row = cursor.fetchone()
        if not conn.autocommit:
            conn.commit()
        return int(row[0]) if row else 0
