"""Everything a rule may look at in one evaluation, worked out once. Gates and the self-check read nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bifrost.config import Config

from .machines.hedge import HedgeState
from .machines.trading import TradingState
from .words import Dimensions, Mode, OrderType, Purpose, Times


@dataclass(frozen=True, slots=True)
class LastHedge:
    """The reference of min_price_move, stored when an order ends with fills (engine.md section 4.1)."""

    market_s: float
    spot: float
    delta_shares: float
    """Net delta after it."""
    gamma_shares: float
    """Portfolio gamma then, shares per dollar."""
    residue: bool
    """The order was capped or filled in part: what remains needs no cooldown."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """Where market time stands in the exchange's session; instants in epoch seconds of the market's clock."""

    in_session: bool
    """Open to close, no guards."""
    open_s: float | None
    """Open of the current session, else of the next one."""
    close_s: float | None
    always_open: bool


@dataclass(frozen=True, slots=True)
class OrderView:
    """The order under way, if any."""

    order_ref: str
    signed_remaining: int
    age_s: float
    """Wall seconds in the present machine state."""
    within_timeouts: bool
    """Its present state has not outlived its time-out: pacing, not a fault."""
    probes: int
    unresolved: bool
    """UNKNOWN past `order.unknown_probes`: the operator is asked."""


@dataclass(frozen=True, slots=True)
class View:
    """One evaluation. Shares are signed: positive buys. Prices in dollars."""

    at: Times
    config: Config
    mode: Mode
    account: str
    simulated_account: bool
    """The account begins with DU: paper or simulator."""
    session: SessionView
    dimensions: Dimensions
    trading_state: TradingState
    safe_cause: str
    hedge_state: HedgeState
    # what blocks from outside
    suspended: bool
    suspension_known: bool
    hold: str
    leading: bool
    database_available: bool
    database_reason: str
    reconciled: bool
    not_reconciled_reason: str
    comparison_late_s: float | None
    """Wall seconds since a comparison with the broker was due at the latest; None while it is not."""
    breaker_reason: str
    """Why the daily-loss breaker is latched; empty when it is not."""
    link_up: bool
    link_up_since_s: float | None
    live_orders_allowed: bool
    """paper, or DU account, or allow_live; and the gateway is the one we trust."""
    # market
    bid: float | None
    ask: float | None
    spot: float | None
    mid_1s_ago: float | None
    spread_pct: float | None
    halted: bool
    data_lag_ms: float | None
    stale_cause: str
    # book
    legs_count: int
    net_delta_shares: float | None
    option_delta_shares: float | None
    gamma_shares: float | None
    greeks_reason: str
    flat_volatility: bool
    """Some leg is priced with the configured flat volatility: valid, but degraded."""
    stock_in_scope: float
    own_shares: float
    last_hedge: LastHedge | None
    last_fill_s: float | None
    """Market time of the last own fill; None before the first."""
    # the order that would go out
    purpose: Purpose
    need_shares: int
    """-net_delta rounded half to even."""
    order_shares: int
    """What would be sent after sizing; at least one share is assumed when nothing is needed (self-check)."""
    forced: bool
    order_type: OrderType
    limit_price: float | None
    order: OrderView | None
    order_times_s: tuple[float, ...]
    """Wall times of the orders sent in the last minute."""
    hedges_today: int
    buying_power: float | None
    shortable_shares: float | None


class GateKind(StrEnum):
    BLOCKING = "blocking"
    PACING = "pacing"


@dataclass(frozen=True, slots=True)
class GateResult:
    """One rule's answer: what it saw, where its limit stands and why it says no."""

    name: str
    passed: bool
    observed: object
    limit: object
    reason: str
    kind: GateKind = GateKind.BLOCKING
    remaining_s: float | None = None
    """Seconds until it passes by itself, where that is known."""

    def as_row(self) -> dict[str, object]:
        return {
            "name": self.name,
            "passed": self.passed,
            "observed": self.observed,
            "limit": self.limit,
            "reason": self.reason,
            "kind": str(self.kind),
            "remaining_s": self.remaining_s,
        }
