"""What shall happen: the outputs of `decide`. Orders go to the broker, everything else to the recorder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from bifrost.contract import ContractKey

from .trading_day.attribution import Interval
from .words import Dimensions, Execution, IntentState, OrderIntent, OrderType, Side, Times, Trigger


class OperationType(StrEnum):
    HEDGE_INTENT = "hedge_intent"
    ORDER_SENT = "order_sent"
    FILL = "fill"
    REJECT = "reject"
    CANCEL = "cancel"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


# ---------------------------------------------------------------- to the broker


@dataclass(frozen=True, slots=True)
class PersistIntent:
    """Make the intent durable and answer with IntentDurable or IntentFailed; the order follows only then."""

    intent: OrderIntent
    gates: tuple[Mapping[str, object], ...]
    context: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    intent: OrderIntent


@dataclass(frozen=True, slots=True)
class ModifyOrder:
    """A modify of the same order id: new price or type, quantity = the original total."""

    intent: OrderIntent
    order_id: int
    order_type: OrderType
    limit_price: float | None


@dataclass(frozen=True, slots=True)
class CancelOrder:
    order_ref: str
    order_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class FetchTruth:
    """Read the broker's truth and answer with BrokerTruth."""

    trigger: Trigger


@dataclass(frozen=True, slots=True)
class RequestLine:
    """Ask again for a market-data line in error, or for a new one (a leg just adopted)."""

    key: ContractKey


@dataclass(frozen=True, slots=True)
class FetchAccounts:
    """Read summaries and positions of every managed account now (refresh_accounts)."""


# ---------------------------------------------------------------- to the recorder


@dataclass(frozen=True, slots=True)
class RecordOperation:
    at: Times
    type: OperationType
    side: Side
    quantity: int
    price: float | None
    reason: str
    key: ContractKey
    order_ref: str
    exec_id: str = ""


@dataclass(frozen=True, slots=True)
class RecordIntentState:
    at: Times
    order_ref: str
    state: IntentState
    reason: str


@dataclass(frozen=True, slots=True)
class RecordOrder:
    """The broker's view of an order of ours."""

    at: Times
    order_ref: str
    key: ContractKey
    side: Side
    quantity: float
    order_type: str
    limit_price: float | None
    status: str
    filled: float
    remaining: float
    avg_fill_price: float | None
    perm_id: int
    order_id: int
    client_id: int
    why_held: str = ""
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class RecordExecution:
    at: Times
    execution: Execution


@dataclass(frozen=True, slots=True)
class RecordCost:
    exec_id: str
    commission: float | None
    currency: str
    realized_pnl: float | None


@dataclass(frozen=True, slots=True)
class RecordHistory:
    """Append the current snapshot to status_history: something hedge-related happened, or a market minute passed."""

    at: Times
    why: str


@dataclass(frozen=True, slots=True)
class RecordDecision:
    """One row when the decision or its reason changes."""

    at: Times
    dimensions: Dimensions
    net_delta: float | None
    spot: float | None
    bid: float | None
    ask: float | None
    need_shares: int | None
    outcome: str
    """``hedge``, ``blocked`` or ``none``."""
    block_reason: str
    gates: tuple[Mapping[str, object], ...]
    machines: Mapping[str, str]
    order_ref: str = ""


@dataclass(frozen=True, slots=True)
class RecordCounts:
    """Evaluations per reason in one market minute; absolute numbers, written again as they grow."""

    minute_s: float
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RecordTradingDay:
    """The whole row of the trading day; keys are the columns of `trading_days`."""

    row: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RecordAttribution:
    """Where the P&L of one interval came from; recorded again under the same start it takes the place of the first."""

    trading_day: date
    interval: Interval


@dataclass(frozen=True, slots=True)
class RecordShadow:
    """One shadow hedger's day as it stands; ``row`` are figures of `shadow_hedgers`, ``book`` what it goes on from."""

    at: Times
    trading_day: date
    since_s: float
    """Market time at which it began."""
    row: Mapping[str, object]
    book: Mapping[str, object]
    legs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RecordLeg:
    """A managed leg as it stands; keys are the columns of `managed_legs`."""

    row: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RecordBaseline:
    at: Times
    shares: float
    origin: str
    named_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordReconciliation:
    at: Times
    trigger: Trigger
    reconciled: bool
    differences: tuple[Mapping[str, object], ...]
    folded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    at: Times
    severity: Severity
    code: str
    message: str
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FinishCommand:
    """What came of a command: done, refused or failed, with numbers."""

    command_id: int
    status: str
    result: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ReserveSequence:
    """The block of decision numbers is nearly used up: reserve the next one, answer with SequenceReserved."""


BrokerEffect = PlaceOrder | ModifyOrder | CancelOrder | FetchTruth | RequestLine | FetchAccounts
RecorderEffect = (
    PersistIntent | RecordOperation | RecordIntentState | RecordOrder | RecordExecution | RecordCost | RecordHistory
    | RecordDecision | RecordCounts | RecordTradingDay | RecordAttribution | RecordShadow | RecordLeg
    | RecordBaseline | RecordReconciliation | Alert | FinishCommand | ReserveSequence
)  # fmt: skip
Effect = BrokerEffect | RecorderEffect
