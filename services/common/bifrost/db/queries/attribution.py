"""Where the P&L came from, by day and by interval (engine.md section 5, "Attribution")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from ..connect import Connection
from .operations import MAX_LIMIT
from .status import fetch_all


@dataclass(frozen=True, slots=True)
class PnlParts:
    """Contributions to P&L in dollars and cents, a cost negative. The first eight add up to ``total`` to the cent."""

    delta: float
    gamma: float
    theta: float
    vega: float
    slippage: float
    commissions: float
    dividends: float
    residual: float
    total: float


@dataclass(frozen=True, slots=True)
class DayAttribution:
    """A trading day of one account and mode; ``parts`` is None where nothing was attributed yet."""

    account: str
    mode: str
    trading_day: date
    partial_day: bool
    """P&L began with the first good marks of the day, not with those of the day before."""
    daily_pnl: float | None
    hedge_count: int
    parts: PnlParts | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class IntervalAttribution:
    """One interval: at most a market minute; the night before a trading day is one. Times are market time."""

    account: str
    mode: str
    trading_day: date
    start_ts: datetime
    end_ts: datetime
    spot_start: float
    spot_end: float
    parts: PnlParts


def daily_attribution(
    conn: Connection,
    *,
    account: str | None = None,
    mode: str | None = None,
    since_day: date | None = None,
    until_day: date | None = None,
    limit: int = 100,
) -> list[DayAttribution]:
    """The newest ``limit`` trading days, newest first.

    Parameters
    ----------
    mode : str, optional
        ``paper`` or ``live``.
    since_day, until_day : date, optional
        Trading days, both ends included.
    limit : int
        1 to 1000 rows.
    """
    rows = fetch_all(
        conn,
        "SELECT account, mode, trading_day, partial_day, daily_pnl, hedge_count, attribution -> 'parts' AS parts, "
        "updated_at FROM trading_days "
        "WHERE (%s::text IS NULL OR account = %s) AND (%s::text IS NULL OR mode = %s) "
        "AND (%s::date IS NULL OR trading_day >= %s) AND (%s::date IS NULL OR trading_day <= %s) "
        "ORDER BY trading_day DESC, account, mode LIMIT %s",
        *(value for given in (account, mode, since_day, until_day) for value in (given, given)),
        max(1, min(MAX_LIMIT, limit)),
    )
    return [DayAttribution(**{**row, "parts": parts_of(row["parts"])}) for row in rows]


def interval_attribution(
    conn: Connection,
    *,
    trading_day: date | None = None,
    account: str | None = None,
    mode: str | None = None,
    since_ts: datetime | None = None,
    until_ts: datetime | None = None,
    limit: int = MAX_LIMIT,
) -> list[IntervalAttribution]:
    """The newest ``limit`` intervals that end in the span of market time (both ends included), oldest first."""
    rows = fetch_all(
        conn,
        "SELECT * FROM (SELECT * FROM pnl_attribution "
        "WHERE (%s::date IS NULL OR trading_day = %s) AND (%s::text IS NULL OR account = %s) "
        "AND (%s::text IS NULL OR mode = %s) AND (%s::timestamptz IS NULL OR end_ts >= %s) "
        "AND (%s::timestamptz IS NULL OR end_ts <= %s) ORDER BY end_ts DESC, start_ts DESC LIMIT %s) newest "
        "ORDER BY end_ts, start_ts, account, mode",
        *(value for given in (trading_day, account, mode, since_ts, until_ts) for value in (given, given)),
        max(1, min(MAX_LIMIT, limit)),
    )
    return [_interval(row) for row in rows]


def _interval(row: Mapping[str, Any]) -> IntervalAttribution:
    parts = _to_cents({name: row[f"{name}_usd"] for name in _NAMES})
    names = ("account", "mode", "trading_day", "start_ts", "end_ts", "spot_start", "spot_end")
    return IntervalAttribution(**{name: row[name] for name in names}, parts=parts)


_NAMES = tuple(field.name for field in fields(PnlParts))
_EXACT = tuple(name for name in _NAMES if name not in ("residual", "total"))


def parts_of(stored: Mapping[str, Any] | None) -> PnlParts | None:
    """The parts that a day's row holds; None where it holds none."""
    if not stored or any(stored.get(name) is None for name in _NAMES):
        return None
    return _to_cents(stored)


def _to_cents(dollars: Mapping[str, Any]) -> PnlParts:
    """Rounded to the cent, the residual so that the sum is right: it is what the others leave of the total."""
    cents = {name: round(100.0 * float(dollars[name])) for name in (*_EXACT, "total")}
    cents["residual"] = cents["total"] - sum(cents[name] for name in _EXACT)
    return PnlParts(**{name: cents[name] / 100.0 for name in _NAMES})
