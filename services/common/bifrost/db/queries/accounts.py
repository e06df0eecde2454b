"""Accounts with their positions and prices, as GET /status and the page show them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..connect import Connection
from .status import fetch_all, fetch_one


@dataclass(frozen=True, slots=True)
class PositionWithPrice:
    """One position, its quote and what it is worth.

    ``price`` is mid, else last. ``unrealized_pnl`` is in dollars: broker's ``avg_cost`` of an option is per contract
    (multiplier included), of a stock per share.
    """

    account_id: str
    contract_key: str
    symbol: str | None
    sec_type: str | None
    exchange: str | None
    currency: str | None
    position: float | None
    avg_cost: float | None
    expiry: str | None
    strike: float | None
    option_right: str | None
    updated_at: datetime | None
    con_id: int | None
    multiplier: float | None
    trading_class: str | None
    price: float | None
    last: float | None
    bid: float | None
    ask: float | None
    mid: float | None
    price_source: str | None
    price_error: str | None
    quote_ts: datetime | None
    price_updated_at: datetime | None
    price_age_s: float | None
    iv: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    und_price: float | None
    unrealized_pnl: float | None


@dataclass(frozen=True, slots=True)
class Account:
    """One account with its positions."""

    account_id: str
    updated_at: datetime | None
    fetched_at: datetime | None
    net_liquidation: float | None
    total_cash: float | None
    buying_power: float | None
    summary_extra: dict[str, Any] | None
    reported: bool
    positions: tuple[PositionWithPrice, ...] = ()


_POSITIONS = """
SELECT p.account_id, p.contract_key, p.symbol, p.sec_type, p.exchange, p.currency, p.position, p.avg_cost, p.expiry,
    p.strike, p.option_right, p.updated_at, p.con_id, p.multiplier, p.trading_class,
    coalesce(i.mid, i.last) AS price, i.last, i.bid, i.ask, i.mid, i.source AS price_source, i.error AS price_error,
    i.quote_ts, i.updated_at AS price_updated_at,
    extract(epoch FROM now() - i.updated_at)::double precision AS price_age_s,
    i.iv, i.delta, i.gamma, i.theta, i.vega, i.und_price,
    p.position * (coalesce(i.mid, i.last) * coalesce(p.multiplier, 1) - p.avg_cost) AS unrealized_pnl
FROM account_positions p LEFT JOIN instrument_prices i USING (contract_key)
ORDER BY p.account_id, p.sec_type DESC, p.contract_key
"""


def positions(conn: Connection) -> list[PositionWithPrice]:
    """Every position of every account with its price, stock before options."""
    return [PositionWithPrice(**row) for row in fetch_all(conn, _POSITIONS)]


def accounts(conn: Connection) -> list[Account]:
    """Every account the broker ever reported, with its positions."""
    held: dict[str, list[PositionWithPrice]] = defaultdict(list)
    for row in positions(conn):
        held[row.account_id].append(row)
    rows = fetch_all(
        conn,
        "SELECT account_id, updated_at, fetched_at, net_liquidation, total_cash, buying_power, summary_extra, reported "
        "FROM accounts ORDER BY account_id",
    )
    return [Account(**row, positions=tuple(held[row["account_id"]])) for row in rows]


def accounts_fetched_at(conn: Connection) -> float | None:
    """Unix seconds at which the broker last answered, for GET /status; None before the first answer."""
    row = fetch_one(
        conn, "SELECT extract(epoch FROM max(coalesce(fetched_at, updated_at)))::double precision AS at FROM accounts"
    )
    return row["at"] if row else None
