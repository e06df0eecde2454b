"""GET /stats and GET /attribution: figures of periods and days."""

from __future__ import annotations

from bifrost.stats import By
from pydantic import ConfigDict, Field

from .base import Answer, Day, Mode, UtcTime


class ReasonFigure(Answer):
    """How often a reason blocked."""

    reason: str
    count: int


class Distribution(Answer):
    """How amounts in dollars are spread; null where there are too few."""

    count: int
    total_usd: float
    wins: int
    losses: int
    win_rate: float | None = Field(description="part above zero, 0 to 1")
    mean_usd: float | None
    std_usd: float | None
    min_usd: float | None
    p05_usd: float | None
    p25_usd: float | None
    median_usd: float | None
    p75_usd: float | None
    p95_usd: float | None
    max_usd: float | None


class StateTime(Answer):
    """Market seconds in a state, in the exchange's sessions and outside."""

    session_s: float
    outside_s: float


class StatsFigures(Answer):
    """The figures of `bifrost stats`. Slippage is a cost: positive is worse than the mid at decision."""

    hedges: int = Field(description="hedge orders with at least one fill")
    hedge_shares: float
    flattens: int
    intents: int
    orders_sent: int
    rejects: int
    cancels: int
    fills: int
    fills_without_mid: int
    slippage_usd: float
    slippage_bps: float | None = Field(description="of the value traded at mid")
    slippage_per_fill: Distribution
    commissions_usd: float
    commissions_missing: int = Field(description="fills the broker has reported no commission for")
    pnl_usd: float
    partial_days: int = Field(description="days whose P&L begins with the first good marks of the day")
    pnl_by_day: Distribution
    pnl_by_round_trip: Distribution
    evaluations: int
    blocked: dict[str, int] = Field(description="evaluations by the reason that blocked a wanted hedge, most first")
    states: dict[str, dict[str, StateTime]] = Field(description="machine → state → time")


class StatsPeriod(StatsFigures):
    """One day, week or month."""

    period: str = Field(description="2026-03-20, 2026-W12 or 2026-03")
    first_day: Day
    last_day: Day
    trading_days: int
    half_days: int


class EquityPoint(Answer):
    """Closing figures of a period."""

    period: str
    last_day: Day
    pnl_usd: float
    equity_usd: float = Field(description="sum of the P&L up to here, from 0 at the beginning of the span")
    drawdown_usd: float = Field(description="below the highest equity so far; 0 or negative")


class StatsAnswer(Answer):
    """Figures per period, oldest first."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    account: str
    mode: Mode
    by: By
    from_: Day = Field(alias="from")
    to: Day
    total: StatsFigures
    periods: list[StatsPeriod]
    equity: list[EquityPoint]
    max_drawdown_usd: float


class AttributionParts(Answer):
    """Dollars, a cost negative. The others add up to ``total`` to the cent."""

    delta: float
    gamma: float
    theta: float
    vega: float
    slippage: float
    commissions: float
    dividends: float
    residual: float
    total: float


class AttributionPoint(AttributionParts):
    """Since the day's start, at the end of an interval of at most a market minute; the night before is one."""

    ts: UtcTime = Field(description="market time")
    spot: float


class AttributionAnswer(Answer):
    """The P&L of one trading day by cause; ``totals`` is null where the engine has attributed nothing yet."""

    day: Day
    account: str
    mode: Mode
    partial_day: bool = Field(description="P&L began with the first good marks of the day")
    daily_pnl: float | None
    hedge_count: int
    totals: AttributionParts | None
    points: list[AttributionPoint]
