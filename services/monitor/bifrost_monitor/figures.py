"""Answers of GET /stats and GET /attribution. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from bifrost.db.queries.attribution import DayAttribution, IntervalAttribution, PnlParts
from bifrost.stats import Statistics
from bifrost.stats.money import ZERO, cents
from bifrost.stats.report import as_document

Found = dict[str, Any]
PARTS = tuple(field.name for field in fields(PnlParts))


def stats_answer(statistics: Statistics) -> Found:
    """The document of `bifrost stats`, with the equity curve that follows from its periods."""
    document: Found = dict(as_document(statistics))
    equity = highest = deepest = ZERO
    points = []
    # Summed as recorded and rounded once: the last point is the total to the cent.
    for item, period in zip(statistics.periods, document["periods"], strict=True):
        equity += item.figures.pnl_usd
        highest = max(highest, equity)
        deepest = min(deepest, equity - highest)
        points.append(
            {
                "period": period["period"],
                "last_day": period["last_day"],
                "pnl_usd": period["pnl_usd"],
                "equity_usd": cents(equity),
                "drawdown_usd": cents(equity - highest),
            }
        )
    return {**document, "equity": points, "max_drawdown_usd": cents(deepest)}


def attribution_answer(day: DayAttribution, intervals: Iterable[IntervalAttribution]) -> Found:
    """The P&L of a trading day by cause, and how it came about."""
    points, sums = [], dict.fromkeys(PARTS, 0.0)
    for interval in intervals:
        parts = asdict(interval.parts)
        sums = {name: round(sums[name] + parts[name], 2) for name in PARTS}
        points.append({"ts": interval.end_ts, "spot": interval.spot_end, **sums})
    return {
        "day": day.trading_day,
        "account": day.account,
        "mode": day.mode,
        "partial_day": day.partial_day,
        "daily_pnl": day.daily_pnl,
        "hedge_count": day.hedge_count,
        "totals": None if day.parts is None else asdict(day.parts),
        "points": points,
    }
