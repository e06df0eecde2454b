"""The risk memory of one (account, mode, trading day): counters, marks, P&L, breaker, hold (engine.md section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from bifrost.calendar import TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey

from .marks import Marks
from .view import LastHedge
from .words import Execution, Mode, Times


@dataclass(frozen=True, slots=True)
class DayPosition:
    """One contract of the managed book in one day: P&L against its day-start mark. Prices in dollars a share."""

    multiplier: float
    start_quantity: float = 0.0
    start_mark: float | None = None
    """None until the first good mark when no mark of the day before is known."""
    quantity: float = 0.0
    basis: float | None = None
    """Average price the open quantity is measured from; None until the first good mark."""
    realized_usd: float = 0.0
    mark: float | None = None
    """Last good mark."""


@dataclass(frozen=True, slots=True)
class TradingDay:
    """One trading day. ``*_market_s`` are epoch seconds of the market's clock, ``*_wall_s`` of ours; P&L in dollars."""

    account: str
    mode: Mode
    day: date | None = None
    """None until market time is known."""
    positions: Mapping[ContractKey, DayPosition] = field(default_factory=dict)
    hedge_count: int = 0
    partial_day: bool = False
    dividends_usd: float = 0.0
    commissions_usd: float = 0.0
    breaker_market_s: float | None = None
    breaker_reason: str = ""
    breaker_reset_market_s: float | None = None
    breach_since_wall_s: float | None = None
    """The loss has stood at or beyond the limit since then."""
    loss_reference_usd: float = 0.0
    """Daily P&L from which the breaker measures: 0, or what stood when the operator reset it."""
    hold: str = ""
    hold_market_s: float | None = None
    hold_reason: str = ""
    last_hedge: LastHedge | None = None

    @property
    def realized_usd(self) -> float:
        """Realised today against day-start marks, dividends included, gross of commissions."""
        raise NotImplementedError

    @property
    def unrealized_usd(self) -> float:
        """Open quantity against its basis, at last good marks."""
        raise NotImplementedError

    @property
    def daily_pnl_usd(self) -> float:
        """Realised + unrealised − commissions."""
        raise NotImplementedError

    @property
    def breaker_latched(self) -> bool:
        raise NotImplementedError

    def as_row(self) -> dict[str, object]:
        """Columns of `trading_days` (times as aware UTC datetimes, marks as JSON-ready mappings)."""
        raise NotImplementedError


def from_row(row: Mapping[str, object], at: Times) -> tuple[TradingDay, tuple[str, ...]]:
    """The day as stored, and notes for alerts: ``clock_regression`` when the last hedge is later than now (ignored)."""
    raise NotImplementedError


def replay_own(
    day: TradingDay, executions: Iterable[Execution], costs: Mapping[str, float], calendar: TradingCalendar
) -> TradingDay:
    """After a restart: own executions of the day that the stored row may not hold yet are worked in from day start.

    ``executions`` are the ledger's that count; those of other trading days are passed over.
    """
    raise NotImplementedError


def roll(day: TradingDay, at: Times, config: Config, calendar: TradingCalendar, stock: ContractKey) -> TradingDay:
    """The trading day of ``at``: the same one, or the next with day-start = last good marks, hold carried over."""
    raise NotImplementedError


def mark_to_market(day: TradingDay, marks: Marks) -> TradingDay:
    """Take over good marks; a position without a basis gets it from its first good mark (``partial_day``)."""
    raise NotImplementedError


def trade(day: TradingDay, key: ContractKey, signed_quantity: float, price: float, multiplier: float) -> TradingDay:
    """A quantity of the managed book changed at an execution price (exercise: the leg at 0, the stock at the strike)."""
    raise NotImplementedError


def take_in(day: TradingDay, key: ContractKey, quantity: float, multiplier: float, mark: float | None) -> TradingDay:
    """Adoption: ``quantity`` joins the book at the current mark, without P&L."""
    raise NotImplementedError


def let_go(day: TradingDay, key: ContractKey, mark: float | None) -> TradingDay:
    """Release: the whole position leaves at the current mark (last good one when None)."""
    raise NotImplementedError


def assess_breaker(day: TradingDay, at: Times, config: Config) -> tuple[TradingDay, bool]:
    """Latch the breaker when the loss has stood for `breaker_confirm_s`. The second value is True when it latches now."""
    raise NotImplementedError


def reset_breaker(day: TradingDay, at: Times) -> TradingDay:
    """Release the breaker; a further loss of `max_daily_loss_usd` from here latches it again."""
    raise NotImplementedError


def hold(day: TradingDay, at: Times, why: str, reason: str) -> TradingDay:
    """Latch hedging off (``why`` = flatten); carried into each new trading day until `unhold`."""
    raise NotImplementedError


def unhold(day: TradingDay) -> TradingDay:
    """Resume: hedging may go on."""
    raise NotImplementedError
