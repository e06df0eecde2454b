"""Answers of GET /stats and GET /attribution. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bifrost.stats import Statistics
from bifrost.stats.report import as_document

Found = dict[str, Any]
PARTS = ("total", "delta", "gamma", "theta", "vega", "slippage", "commissions", "residual")


def stats_answer(statistics: Statistics) -> Found:
    """The document of `bifrost stats`, with the equity curve that follows from its periods."""
    document: Found = dict(as_document(statistics))
    equity = highest = deepest = 0.0
    points = []
    for period in document["periods"]:
        equity += period["pnl_usd"]
        highest = max(highest, equity)
        deepest = min(deepest, equity - highest)
        points.append(
            {
                "period": period["period"],
                "last_day": period["last_day"],
                "pnl_usd": period["pnl_usd"],
                "equity_usd": round(equity, 2),
                "drawdown_usd": round(equity - highest, 2),
            }
        )
    return {**document, "equity": points, "max_drawdown_usd": round(deepest, 2)}


def attribution_answer(row: Mapping[str, Any]) -> Found:
    """The P&L of a trading day by cause, as the engine stored it."""
    stored = row.get("attribution")
    told = stored if isinstance(stored, dict) else {}
    points = told.get("points")
    return {
        "day": row["trading_day"],
        "account": row["account"],
        "mode": row["mode"],
        "available": bool(told),
        "totals": _parts(told),
        "points": [
            {"ts": point["ts"], **_parts(point)}
            for point in (points if isinstance(points, list) else ())
            if isinstance(point, dict) and point.get("ts")
        ],
    }


def _parts(told: Mapping[str, Any]) -> Found:
    return {name: told.get(name) if isinstance(told.get(name), int | float) else None for name in PARTS}
