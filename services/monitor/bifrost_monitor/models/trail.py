"""What happened and why: operations, history, decisions, receipts, alerts."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field

from .base import Answer, GateKind, Mode, Scalar, Side, UtcTime


class OperationType(StrEnum):
    """Types of table ``operations``."""

    HEDGE_INTENT = "hedge_intent"
    ORDER_SENT = "order_sent"
    FILL = "fill"
    REJECT = "reject"
    CANCEL = "cancel"


class Operation(Answer):
    """One row of the audit trail; ``ts`` is market time."""

    id: int
    ts: UtcTime | None
    type: OperationType
    side: Side | None
    quantity: int | None
    price: float | None
    state_reason: str | None
    account: str | None
    mode: Mode | None
    symbol: str | None
    contract_key: str | None
    order_ref: str | None = Field(description="the receipt is GET /orders/{order_ref}")
    exec_id: str | None
    config_hash: str | None
    written_at: UtcTime
    commission: float | None = Field(description="dollars; of a fill, once IB has reported it")
    realized_pnl: float | None


class OperationsPage(Answer):
    """Newest first."""

    operations: list[Operation]
    next_cursor: str | None = Field(description="null on the last page")


class HistoryPoint(Answer):
    """One step of market time: the last row in it, and the extremes so that no spike is lost."""

    ts: UtcTime = Field(description="market time of the last row in the step")
    spot: float | None
    spot_low: float | None
    spot_high: float | None
    bid: float | None
    ask: float | None
    net_delta: float | None
    net_delta_low: float | None
    net_delta_high: float | None
    stock_position: int | None
    option_legs_count: int | None
    daily_hedge_count: int | None
    daily_pnl: float | None
    daily_pnl_low: float | None
    daily_pnl_high: float | None
    data_lag_ms_high: float | None
    daemon_state: str | None
    trading_state: str | None
    rows: int = Field(ge=1, description="rows of status_history in this step")


class HistoryAnswer(Answer):
    """Oldest first, at most ``limit`` steps; steps without a row are left out."""

    from_ts: UtcTime | None
    until_ts: UtcTime | None
    step_s: float = Field(description="seconds of market time per point; larger than asked for when needed")
    points: list[HistoryPoint]


class Gate(Answer):
    """One gate's answer."""

    name: str
    passed: bool
    observed: Scalar
    limit: Scalar
    reason: str | None
    kind: GateKind
    remaining_s: float | None = None


class Decision(Answer):
    """Why a hedge went out or did not; a row when the decision or its reason changed."""

    id: int
    ts: UtcTime | None
    account: str | None
    mode: Mode | None
    symbol: str | None
    state_o: str | None
    state_d: str | None
    state_m: str | None
    state_l: str | None
    state_e: str | None
    state_s: str | None
    net_delta: float | None
    spot: float | None
    bid: float | None
    ask: float | None
    need_shares: int | None
    outcome: str = Field(description="hedge, blocked or none")
    block_reason: str | None
    gates: list[Gate]
    machines: dict[str, Any]
    order_ref: str | None
    config_hash: str | None
    written_at: UtcTime


class DecisionsPage(Answer):
    """Newest first."""

    decisions: list[Decision]
    next_cursor: str | None


class ReasonCount(Answer):
    reason: str
    count: int


class DecisionReceipt(Answer):
    """The receipt of a decision, a hedge not sent included."""

    decision: Decision
    text: str = Field(description="what was decided and why, in one sentence")
    until_ts: UtcTime | None = Field(description="market time of the next decision of this account; null: it stands")
    next_decision_id: int | None
    previous_decision_id: int | None
    counts: list[ReasonCount] = Field(description="evaluations of this market minute per reason")
    order: OrderReceipt | None = Field(description="what came of it, where an order was sent")


class Intent(Answer):
    """What was durable before the order left."""

    order_ref: str
    decision_seq: int
    account: str
    mode: Mode
    contract_key: str
    side: Side
    quantity: int
    order_type: str
    limit_price: float | None
    purpose: str
    reason: str | None
    config_hash: str | None
    epoch: int
    ts: UtcTime | None = Field(description="market time")
    created_at: UtcTime
    state: str
    state_reason: str | None
    updated_at: UtcTime


class ReceiptGreeks(Answer):
    """What the decision saw; shares unless named otherwise."""

    dimensions: str | None
    net_delta: float | None
    option_delta: float | None
    gamma: float | None
    need_shares: int | None
    forced: bool | None
    legs: list[ReceiptLeg]


class ReceiptLeg(Answer):
    model_config = ConfigDict(frozen=True, extra="allow")

    contract_key: str
    quantity: float | None
    delta: float | None
    iv_annual: float | None
    iv_source: str | None
    iv_age_s: float | None


class ReceiptQuote(Answer):
    """The underlying when it was decided."""

    spot: float | None
    bid: float | None
    ask: float | None
    mid: float | None
    data_lag_ms: float | None


class BrokerMessage(Answer):
    """One thing the broker said about the order."""

    status: str
    filled: float | None
    remaining: float | None
    at: UtcTime | None = Field(description="wall time")
    market_ts: UtcTime | None


class BrokerOrder(Answer):
    """The broker's view of the order."""

    perm_id: int | None
    order_id: int | None
    client_id: int | None
    order_type: str | None
    limit_price: float | None
    status: str
    filled: float
    remaining: float | None
    avg_fill_price: float | None
    why_held: str | None
    last_error: str | None
    messages: list[BrokerMessage]
    updated_at: UtcTime


class Fill(Answer):
    """One execution. ``counts`` is false for one that a correction superseded."""

    exec_id: str
    side: Side
    quantity: float
    price: float
    exec_time: UtcTime | None
    exchange: str | None
    origin: str
    mid_at_decision: float | None
    slippage_usd: float | None = Field(description="cost against mid at decision; negative is better than mid")
    commission: float | None
    commission_currency: str | None
    realized_pnl: float | None
    replaces_exec_id: str | None
    counts: bool
    note: str | None


class Latency(Answer):
    """Milliseconds of wall time from the intent; null where the step did not happen or is not known."""

    to_acknowledged_ms: float | None
    to_first_fill_ms: float | None
    to_done_ms: float | None


class ReceiptTotals(Answer):
    """Over the fills that count."""

    filled: float
    avg_price: float | None
    commission: float | None = Field(description="dollars; null while none is reported")
    commission_pending: int = Field(description="fills without a commission report")
    realized_pnl: float | None
    slippage_usd: float | None


class OrderReceipt(Answer):
    """Everything about one order of ours."""

    order_ref: str
    text: str = Field(description="what it was and what came of it, in one sentence")
    intent: Intent | None = Field(description="null for an order whose intent this database does not hold")
    gates: list[Gate]
    greeks: ReceiptGreeks | None
    quote: ReceiptQuote | None
    latency: Latency
    broker: BrokerOrder | None
    fills: list[Fill]
    totals: ReceiptTotals
    operations: list[Operation]
    decision_id: int | None


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Alert(Answer):
    """One row of table ``alerts``."""

    id: int
    ts: UtcTime | None
    severity: Severity
    code: str
    message: str
    details: dict[str, Any]
    written_at: UtcTime


class AlertsPage(Answer):
    """Newest first."""

    alerts: list[Alert]
    next_cursor: str | None


DecisionReceipt.model_rebuild()
ReceiptGreeks.model_rebuild()
