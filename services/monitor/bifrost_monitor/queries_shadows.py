"""SQL of GET /shadows."""

from __future__ import annotations

from datetime import date
from typing import Any

from psycopg2.extensions import connection as Connection

from .queries import fetched, snapshot

_FIGURES = (
    "policy, since_ts, ts, shares, hedges, shares_traded, slippage_usd, commissions_usd, "
    "slippage_usd + commissions_usd AS cost_usd, pnl_usd, std_by_minute_usd"
)


def read_shadows(conn: Connection, day: date | None, account: str | None, mode: str | None) -> dict[str, Any]:
    """The newest trading day that fits, with its hedgers; nulls and none when there is none."""
    given = [value for value in (day, account, mode) for _ in range(2)]
    with snapshot(conn) as reader:
        found = fetched(
            reader,
            "SELECT trading_day AS day, account, mode FROM shadow_hedgers WHERE (%s::date IS NULL OR trading_day = %s) "
            "AND (%s::text IS NULL OR account = %s) AND (%s::text IS NULL OR mode = %s) "
            "ORDER BY trading_day DESC, updated_at DESC LIMIT 1",
            given,
        )
        if not found:
            return {"day": None, "account": None, "mode": None, "hedgers": []}
        book = found[0]
        rows = fetched(
            reader,
            f"SELECT {_FIGURES} FROM shadow_hedgers WHERE trading_day = %s AND account = %s AND mode = %s "
            "ORDER BY (policy = 'the engine') DESC, slippage_usd + commissions_usd, policy",
            [book["day"], book["account"], book["mode"]],
        )
    return {**book, "hedgers": rows}
