"""Statistics from the database: every row of one account and mode, read in one snapshot (R-H2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from bifrost.calendar import TradingCalendar
from bifrost.stats import (
    BlockCount,
    By,
    DayRow,
    FillRow,
    OperationRow,
    Recorded,
    StateSpan,
    Statistics,
    StatsError,
    Window,
    statistics,
    window,
)

from ..connect import Connection
from .status import fetch_all, fetch_one

#: A running engine writes a row of history at each heartbeat (every 120 s at most); longer without: it was not there.
ABSENT_WALL_S = 300
#: Stretches of history that reach into the span asked for begin or end at most so far outside of it.
_MARGIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Book:
    account: str
    mode: str
    always_open: bool


def read_statistics(
    conn: Connection,
    *,
    first: date | None = None,
    last: date | None = None,
    by: By = By.DAY,
    account: str | None = None,
    mode: str | None = None,
) -> Statistics:
    """Figures of one account and mode; paper and live money are never added up.

    Parameters
    ----------
    conn : Connection
        In autocommit; read within one transaction of its own.
    first, last : date, optional
        New York dates, both included; by default the first and the last day of which anything is recorded.
    by : By
        Length of a period.
    account, mode : str, optional
        By default those of the newest trading day.

    Raises
    ------
    StatsError
        When nothing is recorded of what was asked, or the dates hold no trading day.
    """
    with _one_snapshot(conn):
        book = _book(conn, account, mode)
        calendar = TradingCalendar(always_open=book.always_open)
        lowest, highest = _recorded_days(conn, book)
        asked = window(first or lowest, last or max(highest, first or highest), by, calendar)
        recorded = Recorded(
            book.account,
            book.mode,
            book.always_open,
            operations=_operations(conn, book, asked),
            fills=_fills(conn, book, asked),
            days=_days(conn, book, asked),
            blocks=_blocks(conn, book, asked),
            spans=_spans(conn, book, asked),
        )
    return statistics(recorded, asked)


@contextmanager
def _one_snapshot(conn: Connection) -> Iterator[None]:
    """All reads see the same moment; nothing can be written by mistake."""
    with conn.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            if not conn.closed:
                cursor.execute("ROLLBACK")


def _book(conn: Connection, account: str | None, mode: str | None) -> _Book:
    clock = fetch_one(conn, "SELECT market_clock->>'always_open' = 'true' AS open FROM status_current WHERE id = 1")
    row = fetch_one(
        conn,
        "SELECT account, mode FROM trading_days WHERE (%s::text IS NULL OR account = %s) "
        "AND (%s::text IS NULL OR mode = %s) ORDER BY trading_day DESC, updated_at DESC LIMIT 1",
        account,
        account,
        mode,
        mode,
    )
    if row is None:
        known = fetch_all(conn, "SELECT DISTINCT account, mode FROM trading_days ORDER BY account, mode")
        listed = ", ".join(f"{item['account']} ({item['mode']})" for item in known)
        asked = " ".join(text for text in (account, mode) if text)
        there = f"recorded are {listed}" if listed else "the engine has not recorded a trading day yet"
        raise StatsError(f"no trading day of {asked or 'any account'}: {there}")
    return _Book(row["account"], row["mode"], bool(clock and clock["open"]))


def _recorded_days(conn: Connection, book: _Book) -> tuple[date, date]:
    (days,) = fetch_all(
        conn,
        "SELECT min(trading_day) AS first, max(trading_day) AS last FROM trading_days WHERE account = %s AND mode = %s",
        book.account,
        book.mode,
    )
    return days["first"], days["last"]


def _moments(asked: Window) -> tuple[datetime, datetime]:
    return datetime.fromtimestamp(asked.start_s, UTC), datetime.fromtimestamp(asked.stop_s, UTC)


def _operations(conn: Connection, book: _Book, asked: Window) -> tuple[OperationRow, ...]:
    rows = fetch_all(
        conn,
        "SELECT extract(epoch FROM o.ts)::double precision AS ts_s, o.type, coalesce(i.purpose, 'hedge') AS purpose "
        "FROM operations o LEFT JOIN order_intents i USING (order_ref) "
        "WHERE o.type <> 'fill' AND o.account = %s AND o.mode = %s AND o.ts >= %s AND o.ts < %s",
        book.account,
        book.mode,
        *_moments(asked),
    )
    return tuple(OperationRow(**row) for row in rows)


def _fills(conn: Connection, book: _Book, asked: Window) -> tuple[FillRow, ...]:
    rows = fetch_all(
        conn,
        "SELECT e.exec_id, coalesce(e.order_ref, '') AS order_ref, e.contract_key, e.side, e.quantity, e.price, "
        "e.multiplier, extract(epoch FROM e.exec_time)::double precision AS ts_s, e.mid_at_decision AS mid, "
        "c.commission, coalesce(i.purpose, '') AS purpose, coalesce(e.replaces_exec_id, '') AS replaces_exec_id "
        "FROM executions e LEFT JOIN execution_costs c USING (exec_id) LEFT JOIN order_intents i USING (order_ref) "
        "WHERE e.account = %s AND e.mode = %s AND e.origin <> 'external' AND e.contract_key LIKE '%%|STK|%%' "
        "AND e.exec_time < %s ORDER BY e.exec_time, e.exec_id",
        book.account,
        book.mode,
        _moments(asked)[1],
    )
    return tuple(FillRow(**row) for row in rows)


def _days(conn: Connection, book: _Book, asked: Window) -> tuple[DayRow, ...]:
    rows = fetch_all(
        conn,
        "SELECT trading_day AS day, coalesce(daily_pnl, 0) AS pnl_usd, partial_day AS partial FROM trading_days "
        "WHERE account = %s AND mode = %s AND trading_day BETWEEN %s AND %s ORDER BY trading_day",
        book.account,
        book.mode,
        asked.periods[0].days[0],
        asked.periods[-1].days[-1],
    )
    return tuple(DayRow(**row) for row in rows)


def _blocks(conn: Connection, book: _Book, asked: Window) -> tuple[BlockCount, ...]:
    """Summed up by New York date: a trading day begins at midnight there."""
    rows = fetch_all(
        conn,
        "SELECT extract(epoch FROM min(minute))::double precision AS minute_s, reason, sum(count)::bigint AS count "
        "FROM decision_counts WHERE account = %s AND mode = %s AND minute >= %s AND minute < %s "
        "GROUP BY (minute AT TIME ZONE 'America/New_York')::date, reason ORDER BY 1, 2",
        book.account,
        book.mode,
        *_moments(asked),
    )
    return tuple(BlockCount(row["minute_s"], row["reason"], int(row["count"])) for row in rows)


_SPANS = """
WITH seen AS (
    SELECT ts, id, coalesce(daemon_state, '') AS daemon, coalesce(trading_state, '') AS trading,
        coalesce(details->'machines'->>'hedge', '') AS hedge, lead(ts) OVER o AS stop,
        lead(written_at) OVER o - written_at <= make_interval(secs => %s) AS recorded
    FROM status_history WHERE account = %s AND mode = %s AND ts >= %s AND ts < %s WINDOW o AS (ORDER BY ts, id)
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY ts, id)
        - row_number() OVER (PARTITION BY daemon, trading, hedge, recorded ORDER BY ts, id) AS island
    FROM seen WHERE stop IS NOT NULL
)
SELECT extract(epoch FROM min(ts))::double precision AS start_s,
    extract(epoch FROM max(stop))::double precision AS stop_s, daemon, trading, hedge, recorded
FROM numbered GROUP BY daemon, trading, hedge, recorded, island ORDER BY 1, 2
"""


def _spans(conn: Connection, book: _Book, asked: Window) -> tuple[StateSpan, ...]:
    start, stop = _moments(asked)
    rows = fetch_all(conn, _SPANS, ABSENT_WALL_S, book.account, book.mode, start - _MARGIN, stop + _MARGIN)
    return tuple(StateSpan(**row) for row in rows)
