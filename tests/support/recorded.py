"""A few recorded days of which every figure can be worked out by hand, for the command line and for the API."""

from __future__ import annotations

import json
from typing import Any

from tests.support.postgres import Database

ACCOUNT, STOCK = "DU1000001", "NVDA|STK|||"
CALL = "NVDA|OPT|20260417|140|C"


def put(database: Database, table: str, **row: Any) -> None:
    values = [json.dumps(value) if isinstance(value, dict) else value for value in row.values()]
    marks = ", ".join(["%s"] * len(row))
    database.query(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *values)


def fill(
    database: Database,
    exec_id: str,
    order: str | None,
    at: str,
    side: str,
    shares: float,
    price: float,
    mid: float | None,
    commission: float | None,
    **more: Any,
) -> None:
    row = {"account": ACCOUNT, "mode": "live", "contract_key": STOCK, "order_ref": order, "exec_time": at} | more
    put(database, "executions", exec_id=exec_id, side=side, quantity=shares, price=price, mid_at_decision=mid, **row)
    if commission is not None:
        put(database, "execution_costs", exec_id=exec_id, commission=commission, currency="USD")


def intent(database: Database, order: str, number: int, at: str, purpose: str = "hedge") -> None:
    book = {"account": ACCOUNT, "mode": "live", "order_ref": order, "contract_key": STOCK}
    put(
        database, "order_intents", decision_seq=number, side="SELL", quantity=1, order_type="market", purpose=purpose,
        epoch=1, ts=at, state="filled", **book,
    )  # fmt: skip
    for kind in ("hedge_intent", "order_sent"):
        put(database, "operations", ts=at, type=kind, side="SELL", quantity=1, **book)


def record_days(database: Database) -> None:
    """Friday 6 March 2026, Monday 9 March (clocks went forward between them), Friday 27 November (closes at 13:00).

    The clocks went back on Sunday 1 November: counts of both sides of that night are there too.
    """
    for day, pnl, partial in (
        ("2026-03-06", 120.25, True),
        ("2026-03-09", -45.1, False),
        ("2026-11-27", 10.004999, False),
    ):
        put(database, "trading_days", account=ACCOUNT, mode="live", trading_day=day, daily_pnl=pnl, partial_day=partial)
    put(database, "trading_days", account=ACCOUNT, mode="paper", trading_day="2026-03-06", daily_pnl=7777.0)
    intent(database, "A", 1, "2026-03-06T15:00:00Z")
    intent(database, "B", 2, "2026-03-06T20:30:00Z")
    intent(database, "C", 3, "2026-03-09T13:31:00Z")
    intent(database, "D", 4, "2026-11-27T17:59:00Z", "flatten")
    intent(database, "R", 5, "2026-03-09T14:00:00Z")
    put(database, "operations", ts="2026-03-09T14:00:01Z", type="reject", account=ACCOUNT, mode="live", order_ref="R")
    fill(database, "0001.a.01", "A", "2026-03-06T15:00:00Z", "SELL", 100, 140.10, 140.12, 1.0)
    fill(database, "0001.b.01", "B", "2026-03-06T20:30:00Z", "BUY", 60, 139.0, 138.995, 1.0)
    fill(database, "0001.c.01", "C", "2026-03-09T13:31:00Z", "BUY", 90, 141.0, 141.0, 5.0)
    fill(
        database, "0001.c.02", "C", "2026-03-09T13:31:00Z", "BUY", 80, 141.02, 141.0, 1.0, replaces_exec_id="0001.c.01"
    )
    fill(database, "0001.d.01", "D", "2026-11-27T17:59:00Z", "SELL", 40, 141.52, 141.50, 0.5)
    # None of these is a hedge of this account and mode.
    fill(database, "0002.x.01", None, "2026-03-06T16:00:00Z", "SELL", 500, 100.0, None, 9.0, origin="external")
    fill(database, "paper:A:1", "P", "2026-03-06T16:00:00Z", "SELL", 500, 100.0, 101.0, 9.0, mode="paper")
    fill(database, "exer:" + CALL, None, "2026-03-06T16:00:00Z", "SELL", 1, 0.0, None, None,
         contract_key=CALL, multiplier=100, origin="synthetic")  # fmt: skip
    for minute, reason, count in (
        ("2026-03-06T15:01:00Z", "blocked:cooldown", 40),
        ("2026-03-06T15:01:00Z", "none:in_band", 100),
        ("2026-03-09T03:59:00Z", "blocked:outside_session", 7),  # Sunday 23:59 in New York: still Friday's
        ("2026-03-09T04:00:00Z", "blocked:outside_session", 11),  # Monday 00:00 by summer time
        ("2026-11-02T04:59:00Z", "blocked:outside_session", 3),  # Sunday 23:59 by winter time
        ("2026-11-02T05:00:00Z", "blocked:outside_session", 5),
    ):
        put(database, "decision_counts", account=ACCOUNT, mode="live", minute=minute, reason=reason, count=count)
    for at, written, trading in (
        ("2026-03-06T14:00:00Z", "2026-12-01T00:00:00Z", "NO_TRADE"),
        ("2026-03-06T14:30:00Z", "2026-12-01T00:01:00Z", "NO_TRADE"),
        ("2026-03-06T14:45:00Z", "2026-12-01T00:02:00Z", "HEDGING"),
        ("2026-03-06T14:46:00Z", "2026-12-01T00:03:00Z", "NO_TRADE"),
        ("2026-03-06T20:00:00Z", "2026-12-01T00:20:00Z", "NO_TRADE"),  # 17 minutes of the wall without a row
        ("2026-03-09T04:10:00Z", "2026-12-01T00:21:00Z", "NO_TRADE"),
        ("2026-11-27T17:30:00Z", "2026-12-02T00:00:00Z", "SAFE"),
        ("2026-11-27T18:30:00Z", "2026-12-02T00:01:00Z", "SAFE"),
    ):
        put(database, "status_history", ts=at, written_at=written, trading_state=trading, daemon_state="running",
            account=ACCOUNT, mode="live", details={"machines": {"hedge": "EXEC_IDLE"}})  # fmt: skip
