"""Backtest runs, their ticks, and what the page launches."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from bifrost.backtest import JobStatus
from pydantic import Field

from .base import Answer, Day, UtcTime
from .figures import ReasonFigure


class BacktestRun(Answer):
    """One run; ``summary`` holds the figures of the report, in the list without its single days."""

    run_id: str
    created_at: UtcTime
    config_hash: str
    data_hash: str
    code_version: str
    summary: dict[str, Any]


class BacktestRuns(Answer):
    """Newest first."""

    runs: list[BacktestRun]


class BacktestCurve(Answer):
    """A line over market time, thinned to some 2,000 points."""

    times_s: list[int] = Field(description="Unix seconds")
    values: list[float]


class BacktestCurves(Answer):
    equity_usd: BacktestCurve = Field(description="hedged book at mid")
    net_delta_shares: BacktestCurve = Field(description="in session")
    spot: BacktestCurve = Field(description="in session")


class BacktestRunDetail(BacktestRun):
    config: dict[str, Any]
    curves: BacktestCurves | None = Field(description="null for a run that an older version has stored")
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


class BacktestStage(StrEnum):
    READING = "reading"
    RUNNING = "running"
    STORING = "storing"
    STORED = "stored"


class BacktestProgress(Answer):
    """How far the run itself says it is; keys come as it learns them."""

    stage: BacktestStage | None = None
    at: UtcTime | None = Field(default=None, description="market time that has been reached")
    days: int | None = Field(default=None, description="recorded days there are; the first expiry may end it earlier")
    days_done: int | None = None
    fraction: float | None = Field(default=None, ge=0, le=1, description="of the recorded days")
    ticks: int | None = None
    hedges: int | None = None


class BacktestJob(Answer):
    """A launched run: ``pending`` until the backtest process takes it up, then ``running``, then its end."""

    id: int = Field(ge=1)
    created_at: UtcTime
    requested_by: str | None
    request: dict[str, Any]
    status: JobStatus
    started_at: UtcTime | None
    finished_at: UtcTime | None
    cancel_requested_at: UtcTime | None
    running_s: float | None
    progress: BacktestProgress
    run_id: str | None = Field(description="of GET /backtests, once it is done; the same request is the same run")
    error: str | None = Field(description="why it failed, in words")


class SourcePlace(StrEnum):
    """``recorded``: the folder BIFROST_DATA. ``shipped``: the small day that comes with the project."""

    RECORDED = "recorded"
    SHIPPED = "shipped"


class BacktestSource(Answer):
    """Recorded quotes of one underlying. Its name is all that can be asked for; no path is taken."""

    id: str
    place: SourcePlace
    symbol: str
    first: Day
    last: Day
    days: int


class BacktestDefaults(Answer):
    """What is held unless told, from the configuration."""

    min_dte: int
    max_dte: int


class Obstacle(StrEnum):
    """Why nothing can be launched: the monitor is read-only, no backtest process runs, or it has no recorded data."""

    READ_ONLY = "read_only"
    NO_WORKER = "no_worker"
    NO_DATA = "no_data"


class BacktestJobs(Answer):
    """What can be launched and what was. ``reason`` says why nothing can be launched now; null when it can."""

    reason: str | None
    obstacle: Obstacle | None
    sources: list[BacktestSource]
    defaults: BacktestDefaults | None
    jobs: list[BacktestJob] = Field(description="newest first")
