"""GET /shadows: what hedging policies came to beside the engine in one trading day."""

from __future__ import annotations

from pydantic import Field

from .base import Answer, Day, Mode, UtcTime


class ShadowHedger(Answer):
    """One policy with a book of its own, or the engine itself (``policy`` is "the engine"). Costs are positive."""

    policy: str
    since_ts: UtcTime = Field(description="market time at which it began, with the engine's shares at the mid")
    ts: UtcTime = Field(description="market time of these figures; they are written once a market minute")
    shares: float = Field(description="what it holds of the stock")
    hedges: int
    shares_traded: float | None = Field(description="null for the engine")
    slippage_usd: float = Field(description="against the mid at its hedges")
    commissions_usd: float
    cost_usd: float
    pnl_usd: float = Field(description="of the hedged book since then")
    std_by_minute_usd: float | None = Field(description="standard deviation of the changes of that P&L by minute")


class ShadowHedgers(Answer):
    """The engine first, then by cost. Empty, with nulls, where no shadow hedger has run."""

    day: Day | None
    account: str | None
    mode: Mode | None
    hedgers: list[ShadowHedger]
