"""Orders, executions and commissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bifrost_simulator.api.contracts import Contract, ContractQuery


class OrderStatus(StrEnum):
    """IB's order statuses."""

    API_PENDING = "ApiPending"
    PENDING_SUBMIT = "PendingSubmit"
    PENDING_CANCEL = "PendingCancel"
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    API_CANCELLED = "ApiCancelled"
    CANCELLED = "Cancelled"
    FILLED = "Filled"
    INACTIVE = "Inactive"

    @property
    def is_done(self) -> bool:
        return self in _DONE


_DONE = frozenset({OrderStatus.API_CANCELLED, OrderStatus.CANCELLED, OrderStatus.FILLED, OrderStatus.INACTIVE})


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as a client sends it. Unset numbers are None.

    ``attributes`` holds every field of the placeOrder layout that the world gives no meaning to, by the wire's own
    names; the world stores it untouched (JSON values: text, numbers, booleans, None, lists, maps) so that the wire can
    echo the order exactly, also after a restart.
    """

    contract: ContractQuery
    action: str
    quantity: float
    order_type: str
    limit_price: float | None = None
    aux_price: float | None = None
    tif: str = ""
    account: str = ""
    order_ref: str = ""
    oca_group: str = ""
    oca_type: int = 0
    parent_id: int = 0
    transmit: bool = True
    outside_rth: bool = False
    what_if: bool = False
    all_or_none: bool = False
    min_quantity: int | None = None
    trail_stop_price: float | None = None
    trailing_percent: float | None = None
    good_after_time: str = ""
    good_till_date: str = ""
    cash_quantity: float | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderView:
    """One order of the book as openOrder, orderStatus and completedOrder need it.

    ``client_id`` is the *owner's* (0 for the human at TWS); ``order_id`` is 0 for an order no API client placed.
    """

    client_id: int
    order_id: int
    perm_id: int
    contract: Contract
    request: OrderRequest
    status: OrderStatus
    filled: float
    remaining: float
    avg_fill_price: float
    last_fill_price: float
    why_held: str = ""
    warning_text: str = ""
    reject_reason: str = ""
    submitted_at: datetime | None = None
    completed_at: datetime | None = None
    completed_status: str = ""
    parent_perm_id: int = 0
    market_cap_price: float = 0.0


@dataclass(frozen=True, slots=True)
class OrderState:
    """The answer to what-if, dollars."""

    init_margin_before: float
    maint_margin_before: float
    equity_before: float
    init_margin_change: float
    maint_margin_change: float
    equity_change: float
    init_margin_after: float
    maint_margin_after: float
    equity_after: float
    commission: float
    min_commission: float | None
    max_commission: float | None
    commission_currency: str = "USD"
    warning_text: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """Message 11. ``side`` is ``BOT`` or ``SLD``; ``cumulative``/``avg_price`` are of the order after this fill."""

    exec_id: str
    contract: Contract
    account: str
    side: str
    quantity: float
    price: float
    time: datetime
    exchange: str
    client_id: int
    order_id: int
    perm_id: int
    order_ref: str
    cumulative: float
    avg_price: float
    liquidation: int = 0
    ev_rule: str = ""
    ev_multiplier: float = 0.0
    model_code: str = ""
    last_liquidity: int = 2


@dataclass(frozen=True, slots=True)
class Commission:
    """Message 59. ``realized_pnl`` None goes out as IB's unset double."""

    exec_id: str
    commission: float
    currency: str
    realized_pnl: float | None


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Message 7 of the client: empty or 0 means any. ``time`` is the client's text, executions at or after it."""

    client_id: int = 0
    account: str = ""
    time: str = ""
    symbol: str = ""
    sec_type: str = ""
    exchange: str = ""
    side: str = ""
