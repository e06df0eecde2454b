"""GET /stats, GET /attribution and the backtest's runs: figures of periods, days and parameter sets."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from .base import Answer, Day, Mode, UtcTime


class Period(StrEnum):
    """New York trading days, put together."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Distribution(Answer):
    """Of a sample of dollar figures; null where there is none."""

    count: int
    mean: float | None
    std: float | None
    min: float | None
    p05: float | None
    p25: float | None
    median: float | None
    p75: float | None
    p95: float | None
    max: float | None


class ReasonFigure(Answer):
    reason: str
    count: int


class StateFigure(Answer):
    """Market seconds spent in a state of a machine."""

    machine: str
    state: str
    seconds: float


class StatsPeriod(Answer):
    """R-H2 of one period. Money in dollars; slippage is a cost: positive is worse than mid at decision."""

    label: str = Field(description="2026-03-20, 2026-W12, 2026-03, or total")
    first_day: Day | None
    last_day: Day | None
    trading_days: int
    intents: int
    orders_sent: int
    hedges: int = Field(description="orders with at least one fill")
    fills: int
    rejects: int
    cancels: int
    shares_traded: float
    pnl_usd: float | None
    commissions_usd: float | None
    slippage_usd: float | None
    slippage_bps: float | None = Field(description="of the traded value at mid")
    round_trips: int
    win_rate: float | None = Field(description="share of round trips with a profit, 0 to 1")
    round_trip_pnl: Distribution
    day_win_rate: float | None
    day_pnl: Distribution
    blocked: list[ReasonFigure]
    states: list[StateFigure]


class EquityPoint(Answer):
    """Closing figures of a trading day."""

    day: Day
    pnl_usd: float
    equity_usd: float = Field(description="sum of the days' P&L up to here")
    drawdown_usd: float = Field(description="below the highest equity so far; 0 or negative")


class StatsAnswer(Answer):
    """Figures per period, oldest first."""

    from_day: Day | None
    until_day: Day | None
    by: Period
    account: str | None
    mode: Mode | None
    periods: list[StatsPeriod]
    total: StatsPeriod
    equity: list[EquityPoint]
    max_drawdown_usd: float | None


class AttributionPart(Answer):
    """Dollars. ``total`` = delta + gamma + theta + vega + slippage + commissions + residual."""

    total: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    slippage: float | None
    commissions: float | None
    residual: float | None


class AttributionPoint(AttributionPart):
    """Cumulative since the day's start."""

    ts: UtcTime = Field(description="market time")


class AttributionAnswer(Answer):
    """The P&L of one trading day by cause; ``available`` is false where the engine has stored none."""

    day: Day
    account: str | None
    mode: Mode | None
    available: bool
    totals: AttributionPart
    points: list[AttributionPoint]


class BacktestRun(Answer):
    """One run; ``summary`` holds the figures of the report."""

    run_id: str
    created_at: UtcTime
    config_hash: str
    data_hash: str
    code_version: str
    summary: dict[str, Any]


class BacktestRuns(Answer):
    """Newest first."""

    runs: list[BacktestRun]


class BacktestRunDetail(BacktestRun):
    config: dict[str, Any]
    reasons: list[ReasonFigure] = Field(description="ticks per block reason")
    ticks: int


class BacktestTick(Answer):
    """The decision of one tick."""

    seq: int
    ts: UtcTime
    decision: str
    side: str | None
    quantity: int | None
    block_reason: str | None
    net_delta: float | None
    spot: float | None


class BacktestTicks(Answer):
    """In order of ``seq``."""

    ticks: list[BacktestTick]
    next_seq: int | None = Field(description="pass it as after; null at the end")
