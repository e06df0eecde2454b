"""GET /status (contracts.md, "GET /status"); tests/contract/status.schema.json says the same with its rules."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from bifrost.config.enums import IbPortType
from pydantic import ConfigDict, Field

from .base import Answer, GateKind, Lamp, Mode, PriceSource, Scalar, SelfCheckState, Side, UtcTime


class Check(Answer):
    """One line of the self-check."""

    name: str
    state: SelfCheckState
    observed: Scalar
    limit: Scalar
    reason: str | None
    kind: GateKind
    remaining_s: float | None = Field(default=None, description="seconds until a pacing gate passes by itself")


class Heartbeat(Answer):
    """The engine's sign of life, judged against 3 × interval + 5 s."""

    last_ts: UtcTime | None = Field(description="null when no engine has ever beaten")
    daemon_alive: bool
    hedge_running: bool
    ib_connected: bool
    ib_client_id: int | None
    next_retry_ts: UtcTime | None
    seconds_until_retry: int | None = Field(ge=0)
    graceful_shutdown_at: UtcTime | None
    heartbeat_interval_sec: float | None
    age_s: float | None
    limit_s: float | None
    ib_address: str | None
    ib_connected_since: UtcTime | None
    last_error: str | None


class Snapshot(Answer):
    """The 14 fields of R-M1, and whose they are."""

    daemon_state: str | None
    trading_state: str | None
    symbol: str | None
    spot: float | None = Field(description="dollars")
    bid: float | None
    ask: float | None
    net_delta: float | None = Field(description="shares")
    stock_position: int | None = Field(description="shares in scope")
    option_legs_count: int | None
    daily_hedge_count: int | None
    daily_pnl: float | None = Field(description="dollars, of the trading day")
    data_lag_ms: float | None
    config_summary: str | None = Field(description="hash of the configuration")
    ts: UtcTime | None = Field(description="market time")
    hedge_state: str | None
    account: str | None
    mode: Mode | None
    epoch: int | None
    written_at: UtcTime | None = Field(description="wall time")


class WorkingOrder(Answer):
    """The engine's own order that is not finished."""

    order_ref: str
    side: Side
    quantity: int
    filled: float
    order_type: str
    limit_price: float | None
    status: str
    why_held: str
    purpose: str
    probes: int
    state: str


class LastHedge(Answer):
    """The reference of min_price_move."""

    ts: UtcTime
    spot: float | None
    delta: float | None
    gamma: float | None


class Leg(Answer):
    """A managed option leg as the engine's model values it."""

    contract_key: str
    quantity: float
    multiplier: float
    delta: float | None = Field(description="per share")
    gamma: float | None
    theta_usd_per_day: float | None
    vega_usd_per_vol: float | None
    iv_annual: float | None
    iv_source: str
    iv_age_s: float | None
    mark: float | None
    dte: int


class Details(Answer):
    """What the engine says besides the 14 fields; a key is missing while the engine cannot say it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    one_line: str | None = None
    machines: dict[str, str] | None = None
    dims: dict[str, str] | None = Field(default=None, description="O, D, M, L, E, S")
    safe_cause: str | None = None
    epsilon_band: float | None = None
    threshold_hedge_shares: float | None = None
    max_delta_limit: float | None = None
    ledger_shares: int | None = None
    external_shares: float | None = None
    reconciled: bool | None = None
    trading_day: str | None = None
    breaker: str | None = None
    hold: str | None = None
    failures: int | None = None
    working_order: WorkingOrder | None = None
    last_hedge: LastHedge | None = None
    legs: list[Leg] | None = None
    option_delta: float | None = Field(default=None, description="shares")
    gamma: float | None = Field(default=None, description="shares per dollar")
    stock_in_scope: float | None = None
    need_shares: int | None = None
    order_shares: int | None = None
    spread_pct: float | None = None
    forced: bool | None = None
    outcome: str | None = None
    block_reason: str | None = None


class MarketClock(Answer):
    """Market time as the engine last read it, and carried forward to now."""

    now: UtcTime | None
    market: UtcTime | None = None
    wall: UtcTime | None = None
    speed: float | None = None
    paused: bool | None = None
    always_open: bool | None = None
    scenario_over: bool | None = None


class Moneyness(StrEnum):
    ITM = "ITM"
    ATM = "ATM"
    OTM = "OTM"


class PositionGreeks(Answer):
    """Per share of the underlying; ``theta`` per day, ``vega`` per point of volatility."""

    iv: float | None = Field(description="annual")
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    und_price: float | None


class Position(Answer):
    """One position with its price."""

    contract_key: str
    symbol: str | None
    sec_type: str | None
    currency: str | None
    position: float | None
    avg_cost: float | None = Field(description="as IB reports it: per share, or per contract with the multiplier")
    expiry: str | None
    strike: float | None
    option_right: str | None
    multiplier: float | None
    trading_class: str | None
    price: float | None = Field(description="mid, else last; null when there is none")
    bid: float | None
    ask: float | None
    price_source: PriceSource | None
    price_error: str | None
    price_age_s: float | None = Field(description="wall seconds since the pricer last changed the row")
    price_updated_at: UtcTime | None
    quote_ts: UtcTime | None = Field(description="market time")
    quote_age_s: float | None = Field(description="market seconds")
    market_value: float | None = Field(description="dollars")
    unrealized_pnl: float | None = Field(description="dollars")
    intrinsic: float | None = Field(description="dollars per share; null for a stock")
    moneyness: Moneyness | None
    greeks: PositionGreeks | None
    managed: bool = Field(description="a leg the engine has adopted")


class AccountSummary(Answer):
    """Dollars, as the broker reports them."""

    net_liquidation: float | None
    total_cash: float | None
    buying_power: float | None
    extra: dict[str, Any] | None


class Account(Answer):
    """One account the broker ever reported."""

    account_id: str
    reported: bool = Field(description="false once IB no longer names it")
    fetched_at: UtcTime | None
    updated_at: UtcTime | None
    summary: AccountSummary
    positions: list[Position]


class IbSource(StrEnum):
    ENV = "env"
    SCENARIO = "scenario"
    SETTINGS = "settings"
    FILE = "file"


class IbConfig(Answer):
    """Which gateway the engine uses, and who decides it."""

    ib_host: str
    ib_port_type: IbPortType | None = Field(description="null for a port of one's own")
    port: int
    source: IbSource
    overridden: bool = Field(description="true when a saved address has no effect")
    overridden_by: str | None
    applies: str = Field(description="next_connect or never")


class RunStatus(Answer):
    suspended: bool
    heartbeat_interval_sec: int | None
    updated_at: UtcTime | None


class Lease(Answer):
    """Who trades."""

    owner: str | None
    epoch: int
    acquired_at: UtcTime | None
    beat_at: UtcTime | None
    stopped_at: UtcTime | None
    age_s: float | None


class Instance(Answer):
    """One engine process, leader or standby."""

    instance_id: str
    host: str
    pid: int
    state: str
    epoch: int | None
    started_at: UtcTime
    beat_at: UtcTime
    age_s: float | None


class MonitorInfo(Answer):
    version: str
    read_only: bool


class DeskStatus(Answer):
    """The verdict and what it is made of; also the data of the stream's ``status`` events."""

    self_check: SelfCheckState
    status_lamp: Lamp
    block_reasons: list[str]
    checks: list[Check]
    one_line: str = Field(description="the verdict in one sentence")
    daemon_self_check: SelfCheckState
    daemon_lamp: Lamp
    daemon_block_reasons: list[str]
    trading_suspended: bool | None = Field(description="null while the database cannot be read")
    daemon_heartbeat: Heartbeat
    status: Snapshot | None = Field(description="null before the engine's first row")
    status_age_s: float | None
    details: Details
    market_clock: MarketClock | None
    ib_config: IbConfig
    run_status: RunStatus | None
    lease: Lease | None
    instances: list[Instance]
    latest_operation_id: int | None
    read_at: UtcTime | None = Field(description="the database's now() of this view")
    monitor: MonitorInfo


class StatusAnswer(DeskStatus):
    """GET /status."""

    accounts: list[Account]
    accounts_fetched_at: float | None = Field(description="Unix seconds at which IB answered")
