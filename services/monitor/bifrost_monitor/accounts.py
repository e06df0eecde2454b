"""Accounts and positions with price, value, profit and moneyness (R-A1, R-M6). Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .times import rfc3339, seconds_between
from .view import AccountRows, Row

ATM_BAND = 0.005
"""A strike within half a percent of spot is at the money; an options trader reads it as such whichever side it is."""
DEFAULT_MULTIPLIER = {"STK": 1.0, "OPT": 100.0}
"""For rows of a database from before the column existed; other types without one have no value."""


def account_list(
    rows: AccountRows, now: datetime, market_now: datetime | None, spot: tuple[str, float] | None
) -> list[dict[str, Any]]:
    """Every account with its summary and positions; a position of an account without a summary row is kept too."""
    spots = spots_by_symbol(rows, spot)
    by_account: dict[str, list[dict[str, Any]]] = {str(row["account_id"]): [] for row in rows.accounts}
    for row in rows.positions:
        by_account.setdefault(str(row["account_id"]), []).append(position(row, spots, now, market_now))
    summaries = {str(row["account_id"]): row for row in rows.accounts}
    return [_account(account_id, summaries.get(account_id), positions) for account_id, positions in by_account.items()]


def fetched_at_unix(rows: AccountRows) -> float | None:
    """Unix seconds at which IB answered for the account that was fetched longest ago, None before the first answer."""
    times = [row["fetched_at"] for row in rows.accounts if row.get("fetched_at") and row.get("reported", True)]
    return min(times).timestamp() if times else None


def spots_by_symbol(rows: AccountRows, spot: tuple[str, float] | None) -> dict[str, float]:
    """The underlying's price per symbol: a held stock's own price, else what an option row was priced with."""
    spots: dict[str, float] = {}
    for row in rows.positions:
        if row.get("sec_type") == "OPT" and row.get("und_price"):
            spots[str(row["symbol"])] = float(row["und_price"])
    for row in rows.positions:
        price = price_of(row)
        if row.get("sec_type") == "STK" and price:
            spots[str(row["symbol"])] = price
    if spot is not None:
        spots.setdefault(*spot)
    return spots


def price_of(row: Row) -> float | None:
    """Dollars per share: mid, else last, None where the pricer has neither."""
    value = row.get("mid") if row.get("mid") is not None else row.get("last")
    return None if value is None else float(value)


def position(row: Row, spots: dict[str, float], now: datetime, market_now: datetime | None) -> dict[str, Any]:
    """One position. ``avg_cost`` is IB's: for options it already includes the multiplier."""
    price, quantity, cost = price_of(row), row.get("position"), row.get("avg_cost")
    multiplier = row.get("multiplier") or DEFAULT_MULTIPLIER.get(str(row.get("sec_type")))
    value = None if price is None or quantity is None or multiplier is None else price * quantity * multiplier
    profit = None if value is None or cost is None else value - cost * float(quantity or 0.0)
    underlying = spots.get(str(row.get("symbol")))
    intrinsic, moneyness = _moneyness(row, underlying)
    quote_ts = row.get("quote_ts")
    return {
        "contract_key": row["contract_key"],
        "symbol": row.get("symbol"),
        "sec_type": row.get("sec_type"),
        "currency": row.get("currency"),
        "position": quantity,
        "avg_cost": cost,
        "expiry": row.get("expiry"),
        "strike": row.get("strike"),
        "option_right": row.get("option_right"),
        "multiplier": multiplier,
        "trading_class": row.get("trading_class"),
        "price": price,
        "bid": row.get("bid"),
        "ask": row.get("ask"),
        "price_source": row.get("source"),
        "price_error": row.get("error"),
        "price_updated_at": rfc3339(row.get("price_updated_at")),
        "price_age_s": _rounded(seconds_between(now, row.get("price_updated_at"))),
        "quote_ts": rfc3339(quote_ts),
        "quote_age_s": _rounded(seconds_between(market_now, quote_ts)) if market_now else None,
        "market_value": value,
        "unrealized_pnl": profit,
        "intrinsic": intrinsic,
        "moneyness": moneyness,
        "greeks": _greeks(row),
        "managed": bool(row.get("managed")),
    }


def _account(account_id: str, row: Row | None, positions: list[dict[str, Any]]) -> dict[str, Any]:
    known = row or {}
    return {
        "account_id": account_id,
        "reported": bool(known.get("reported", True)),
        "fetched_at": rfc3339(known.get("fetched_at")),
        "updated_at": rfc3339(known.get("updated_at")),
        "summary": {
            "net_liquidation": known.get("net_liquidation"),
            "total_cash": known.get("total_cash"),
            "buying_power": known.get("buying_power"),
            "extra": known.get("summary_extra"),
        },
        "positions": positions,
    }


def _greeks(row: Row) -> dict[str, Any] | None:
    if row.get("sec_type") != "OPT":
        return None
    return {name: row.get(name) for name in ("iv", "delta", "gamma", "theta", "vega", "und_price")}


def _moneyness(row: Row, underlying: float | None) -> tuple[float | None, str | None]:
    strike, right = row.get("strike"), row.get("option_right")
    if row.get("sec_type") != "OPT" or not strike or right not in ("C", "P") or not underlying:
        return None, None
    signed = underlying - strike if right == "C" else strike - underlying
    if abs(strike - underlying) <= ATM_BAND * underlying:
        return max(signed, 0.0), "ATM"
    return max(signed, 0.0), "ITM" if signed > 0 else "OTM"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
