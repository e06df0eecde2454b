"""Keys below ``gates`` (engine.md, section 8)."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, Strict

from .base import (
    Count,
    CountOrZero,
    Flag,
    NotNegative,
    Positive,
    Seconds,
    SecondsOrZero,
    Section,
)
from .enums import AdoptMode, OnBreaker, StockScope, UnwindMode


class Structure(Section):
    """Which option legs are adopted and when they are left."""

    min_dte: CountOrZero = Field(default=21, description="calendar days to expiry, New York")
    max_dte: CountOrZero = Field(default=35, description="calendar days to expiry, New York")
    atm_band_pct: Annotated[float, Strict(), Field(gt=0, le=1)] = Field(
        default=0.03, description="|strike − spot| / spot, a fraction"
    )
    exit_dte: CountOrZero = Field(default=7, description="legs with fewer days raise a warning")
    adopt: AdoptMode = AdoptMode.AUTO
    unwind: UnwindMode = UnwindMode.AUTO
    unwind_after_s: SecondsOrZero = 300.0


class Earnings(Section):
    """Blackout around earnings, calendar days in New York, both ends included."""

    blackout_days_before: CountOrZero = 3
    blackout_days_after: CountOrZero = 1
    dates: tuple[date, ...] = ()
    allow_forced: Flag = False


class Session(Section):
    """Margins inside the exchange's session."""

    open_delay_s: SecondsOrZero = 5.0
    close_guard_s: SecondsOrZero = 30.0


class StrategyGates(Section):
    """When the strategy may trade at all."""

    structure: Structure = Structure()
    earnings: Earnings = Earnings()
    trading_hours_only: Flag = True
    session: Session = Session()


class DeltaBands(Section):
    """Bands of |net delta| in shares: 0 ≤ epsilon < threshold < limit."""

    epsilon_band: NotNegative = 10.0
    threshold_hedge_shares: Positive = 25.0
    max_delta_limit: Positive = 500.0


class MarketState(Section):
    """Regime and freshness of the market."""

    vol_window_min: Count = Field(default=5, description="one-minute bars in the volatility window")
    stale_ts_threshold_ms: Positive = Field(
        default=5000.0, description="data lag beyond which the market is stale (M5)"
    )
    gap_pct: Positive = Field(default=1.0, description="per cent; a jump of the mid of this size is a gap (M4)")


class Liquidity(Section):
    """Spread in per cent of the mid."""

    wide_spread_pct: Positive = 0.1
    extreme_spread_pct: Positive = 0.5


class SystemState(Section):
    """Limits on the feed."""

    data_lag_threshold_ms: Positive = 1000.0
    safe_debounce_s: SecondsOrZero = 2.0
    quiet_limit_s: Seconds = 300.0
    allow_delayed: Flag = False


class StateGates(Section):
    """Thresholds of the six dimensions."""

    delta: DeltaBands = DeltaBands()
    market: MarketState = MarketState()
    liquidity: Liquidity = Liquidity()
    system: SystemState = SystemState()


class HedgeIntent(Section):
    """What makes a hedge worth sending, and its size."""

    min_hedge_shares: Count = 10
    cooldown_seconds: SecondsOrZero = 60.0
    max_hedge_shares_per_order: Count = 500
    min_price_move_pct: NotNegative = Field(default=0.2, description="per cent of spot since the last hedge")
    stock_scope: StockScope = StockScope.STRATEGY


class IntentGates(Section):
    """Gates on the intent."""

    hedge: HedgeIntent = HedgeIntent()


class Risk(Section):
    """Limits that protect the account. ``None`` switches an optional limit off."""

    max_daily_hedge_count: Count = 50
    max_position_shares: Count = 2000
    max_daily_loss_usd: Positive = 5000.0
    breaker_confirm_s: SecondsOrZero = 5.0
    on_breaker: OnBreaker = OnBreaker.HALT
    max_net_delta_shares: Positive | None = None
    max_notional: Positive | None = Field(default=None, description="dollars")
    max_spread_pct: Positive | None = Field(default=None, description="per cent of the mid")
    max_orders_per_minute: Count = 10
    price_collar_pct: Positive = Field(default=1.0, description="per cent of the mid of one second ago")
    recon_grace_s: SecondsOrZero = 60.0
    paper_trade: Flag = True
    allow_live: Flag = False


class GuardGates(Section):
    """Gates that guard the account."""

    risk: Risk = Risk()


class Gates(Section):
    """All gates, by kind."""

    strategy: StrategyGates = StrategyGates()
    state: StateGates = StateGates()
    intent: IntentGates = IntentGates()
    guard: GuardGates = GuardGates()
