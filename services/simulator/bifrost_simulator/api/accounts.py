"""Accounts: values, positions, profit and loss."""

from __future__ import annotations

from dataclasses import dataclass

from bifrost_simulator.api.contracts import Contract


@dataclass(frozen=True, slots=True)
class AccountValue:
    """Messages 6, 63, 73: ``value`` is text as sent (numbers with two decimals), ``currency`` empty for plain texts."""

    account: str
    tag: str
    value: str
    currency: str


@dataclass(frozen=True, slots=True)
class Position:
    """Message 61: signed quantity; ``avg_cost`` per contract *including* the multiplier."""

    account: str
    contract: Contract
    quantity: float
    avg_cost: float


@dataclass(frozen=True, slots=True)
class PortfolioItem:
    """Message 7."""

    account: str
    contract: Contract
    quantity: float
    market_price: float
    market_value: float
    avg_cost: float
    unrealized_pnl: float
    realized_pnl: float


@dataclass(frozen=True, slots=True)
class Pnl:
    """Message 94, dollars. None where not known yet."""

    daily: float | None
    unrealized: float | None
    realized: float | None


@dataclass(frozen=True, slots=True)
class PnlSingle:
    """Message 95."""

    quantity: float
    daily: float | None
    unrealized: float | None
    realized: float | None
    value: float | None
