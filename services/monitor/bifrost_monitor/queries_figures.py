"""SQL of figures: the trading day's attribution."""

from __future__ import annotations

from datetime import date, timedelta

from bifrost.db.queries.attribution import (
    DayAttribution,
    IntervalAttribution,
    daily_attribution,
    interval_attribution,
)
from psycopg2.extensions import connection as Connection

from .queries import snapshot

INTERVALS_AT_ONCE = 1000


def read_attribution(
    conn: Connection, day: date | None, account: str | None, mode: str | None
) -> tuple[DayAttribution, list[IntervalAttribution]] | None:
    """The newest trading day that fits with its intervals, oldest first, as of one moment; None when there is none."""
    with snapshot(conn):
        return _read_attribution(conn, day, account, mode)


def _read_attribution(
    conn: Connection, day: date | None, account: str | None, mode: str | None
) -> tuple[DayAttribution, list[IntervalAttribution]] | None:
    days = daily_attribution(conn, account=account, mode=mode, since_day=day, until_day=day, limit=1)
    if not days:
        return None
    found: list[IntervalAttribution] = []
    until = None
    while True:
        part = interval_attribution(
            conn,
            trading_day=days[0].trading_day,
            account=days[0].account,
            mode=days[0].mode,
            until_ts=until,
            limit=INTERVALS_AT_ONCE,
        )
        found = part + found
        if len(part) < INTERVALS_AT_ONCE:
            return days[0], found
        until = part[0].end_ts - timedelta(microseconds=1)
