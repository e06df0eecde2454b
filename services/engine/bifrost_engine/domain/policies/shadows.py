"""Shadow hedgers: policies that hedge a book of their own on what the core sees, and send nothing. Pure but for itself.

Each pays the touch and the same commissions, at once and whole: what differs between them is when they hedge. They
trade where the market lets anybody trade (session, halt, quote, safe mode), without the core's pacing gates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bifrost.calendar import SECONDS_A_YEAR

from ..view import GateResult
from .policy import Policy, Situation

#: Gates that speak of the market, not of the core's own pace or orders.
MARKET_GATES = frozenset(
    {"outside_session", "halted", "safe_mode", "no_quote", "no_legs", "earnings_blackout", "spread_too_wide"}
)
Commission = Callable[[float, float], float]
"""Dollars for an order of so many shares, worth so many dollars."""


@dataclass(slots=True)
class Moments:
    """Mean and variance of a stream (Welford 1962)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self.squares += step * (value - self.mean)

    @property
    def std(self) -> float | None:
        """Of the sample (n − 1); None below two values."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else None


@dataclass(slots=True)
class Line:
    """A P&L from minute to minute, dollars."""

    pnl_usd: float = 0.0
    minutes: Moments = field(default_factory=Moments)
    """Changes from minute to minute."""
    minute: int | None = None
    minute_usd: float = 0.0

    def at(self, minute: int, pnl_usd: float) -> None:
        self.pnl_usd = pnl_usd
        if minute != self.minute:
            if self.minute is not None:
                self.minutes.add(pnl_usd - self.minute_usd)
            self.minute, self.minute_usd = minute, pnl_usd

    def book(self) -> dict[str, Any]:
        moments = {"count": self.minutes.count, "mean": self.minutes.mean, "squares": self.minutes.squares}
        return {"pnl_usd": self.pnl_usd, "minute": self.minute, "minute_usd": self.minute_usd, **moments}


@dataclass(frozen=True, slots=True)
class Seen:
    """One evaluation as shadow hedgers need it: epoch seconds of the market's clock, dollars, signed shares."""

    market_s: float
    bid: float
    ask: float
    option_delta_shares: float | None
    gamma_shares: float | None
    """Both None while the greeks are not known: then nobody hedges."""
    options_usd: float
    """P&L of the legs, from wherever it is counted."""
    expiry_s: float
    """Of the first leg that expires."""

    @property
    def spot(self) -> float:
        return (self.bid + self.ask) / 2


@dataclass(slots=True)
class Shadow:
    """One policy and its book."""

    policy: Policy
    shares: float = 0.0
    cash_usd: float = 0.0
    commissions_usd: float = 0.0
    slippage_usd: float = 0.0
    hedges: int = 0
    traded: float = 0.0
    last_hedge_s: float | None = None
    base_usd: float = 0.0
    """P&L of the legs before this book began."""
    line: Line = field(default_factory=Line)

    @property
    def cost_usd(self) -> float:
        return self.slippage_usd + self.commissions_usd

    def take(self, shares: float, price: float) -> None:
        """Begin with ``shares`` that cost ``price`` each and no commission."""
        self.shares += shares
        self.cash_usd -= shares * price

    def see(self, seen: Seen, rate: float, least: int, commission: Commission) -> None:
        """Hedge if the policy says so, and mark the book.

        Parameters
        ----------
        rate : float
            Annual, continuous.
        least : int
            A smaller trade is none.
        """
        if seen.option_delta_shares is not None and seen.gamma_shares is not None:
            years = max(0.0, (seen.expiry_s - seen.market_s) / SECONDS_A_YEAR)
            situation = Situation(
                seen.market_s,
                seen.spot,
                seen.option_delta_shares,
                seen.gamma_shares,
                self.shares,
                self.last_hedge_s,
                math.exp(-rate * years),
            )
            shares = self.policy.shares(situation)
            if abs(shares) >= max(1, least):
                self._trade(shares, seen, commission)
        self.line.at(int(seen.market_s // 60), self._value(seen) - self.base_usd)

    def legs_changed(self, seen: Seen) -> None:
        """Legs came, went or changed: what that does to their P&L is none of this book's."""
        self.base_usd = self._value(seen) - self.line.pnl_usd

    def _value(self, seen: Seen) -> float:
        return seen.options_usd + self.cash_usd + self.shares * seen.spot - self.commissions_usd

    def _trade(self, shares: int, seen: Seen, commission: Commission) -> None:
        price = seen.ask if shares > 0 else seen.bid
        self.take(shares, price)
        self.commissions_usd += commission(abs(shares), abs(shares) * price)
        self.slippage_usd += shares * (price - seen.spot)
        self.hedges += 1
        self.traded += abs(shares)
        self.last_hedge_s = seen.market_s

    def as_row(self) -> dict[str, Any]:
        """What it came to: cost against the standard deviation of the hedged P&L by minute, dollars."""
        return {
            "policy": self.policy.name,
            "hedges": self.hedges,
            "shares_traded": self.traded,
            "slippage_usd": self.slippage_usd,
            "commissions_usd": self.commissions_usd,
            "cost_usd": self.cost_usd,
            "pnl_usd": self.line.pnl_usd,
            "std_by_minute_usd": self.line.minutes.std,
        }

    def book(self) -> dict[str, Any]:
        """All that `shadow_from` needs to go on from here; JSON takes it."""
        numbers = {name: getattr(self, name) for name in _BOOK}
        return {**numbers, "line": self.line.book()}


_BOOK = ("shares", "cash_usd", "commissions_usd", "slippage_usd", "hedges", "traded", "last_hedge_s", "base_usd")


def shadow_from(policy: Policy, book: Mapping[str, Any]) -> Shadow:
    """The shadow whose `Shadow.book` that was; raises KeyError or TypeError for anything else."""
    return Shadow(policy, **{name: book[name] for name in _BOOK}, line=line_from(book["line"]))


def line_from(book: Mapping[str, Any]) -> Line:
    """The line whose `Line.book` that was."""
    moments = Moments(book["count"], book["mean"], book["squares"])
    return Line(book["pnl_usd"], moments, book["minute"], book["minute_usd"])


def market_open(gates: Iterable[GateResult]) -> bool:
    """Whether anybody may trade in this market now."""
    return all(gate.passed or gate.name not in MARKET_GATES for gate in gates)


def first_expiry_s(expiries: Sequence[date]) -> float:
    """Midnight UTC after the first of them: near enough for a discount factor."""
    first = min(expiries)
    return (datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(days=1)).timestamp()
