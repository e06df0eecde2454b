"""Orders of the broker, open and done, and the numbers it gives out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bifrost_simulator.api import Commission, Contract, Execution, ExecutionFilter, OrderRequest, OrderStatus, OrderView
from bifrost_simulator.broker.order_states import OrderEvent, next_status
from bifrost_simulator.broker.order_types import ORDER_TYPES, TRAIL_LIMIT, Terms

FIRST_PERM_ID = 1_825_000_001
_EXECUTION_PREFIX = "0000e0d5"
_FIRST_EXECUTION = 0x6A100001


@dataclass(slots=True)
class BookOrder:
    """One order. Times are market epoch seconds, except ``routed_wall_s``."""

    client_id: int
    order_id: int
    perm_id: int
    contract: Contract
    request: OrderRequest
    status: OrderStatus
    placed_s: float
    filled: float = 0.0
    value: float = 0.0
    """Σ quantity × price × multiplier of its fills, dollars."""
    last_fill_price: float = 0.0
    why_held: str = ""
    warning: str = ""
    triggered: bool = False
    working_price: float | None = None
    """A price that follows the market: what a trailing stop waits for, the limit of a pegged order."""
    hit_mark: float | None = None
    """The first of the two publications or trades in a row that a "double" trigger method wants."""
    released: bool = True
    """False while it is held without transmit: nothing of it has left the gateway."""
    waits_for_parent: bool = False
    """A bracket's child whose parent has not filled yet."""
    parent_perm_id: int = 0
    conditions_met: bool = False
    leg_values: dict[str, float] = field(default_factory=dict)
    """Of a combination: conId (as text) → Σ quantity × price × multiplier of the leg's fills, dollars."""
    session_end_s: float = 0.0
    """When its time in force ends it; 0 for an order that lasts until cancelled, or is not transmitted yet."""
    routed_wall_s: float = 0.0
    completed_s: float | None = None
    completed_status: str = ""
    manual: bool = False
    """Entered by hand at TWS: client 0's, and without an order id until client 0 binds it."""

    @property
    def is_buy(self) -> bool:
        return self.request.action == "BUY"

    @property
    def remaining(self) -> float:
        return self.request.quantity - self.filled

    @property
    def average_price(self) -> float:
        return self.value / self.filled / self.contract.multiplier_units if self.filled else 0.0

    @property
    def is_open(self) -> bool:
        return not self.status.is_done

    @property
    def terms(self) -> Terms:
        """Where the order trades now."""
        kind, request = ORDER_TYPES[self.request.order_type], self.request
        if kind.trails:
            return Terms(self.is_buy, self._trailing_limit(), self.working_price)
        if kind.pegged:
            return Terms(self.is_buy, self.working_price)
        return Terms(self.is_buy, request.limit_price, request.aux_price)

    def _trailing_limit(self) -> float | None:
        """Limit of a trailing stop limit order: as far from the stop as ``lmtPriceOffset``, else the prices, say."""
        request, stop = self.request, self.working_price
        if request.order_type != TRAIL_LIMIT or stop is None:
            return None
        offset = request.attributes.get("lmtPriceOffset")
        if not isinstance(offset, int | float):
            given, first = request.limit_price, request.trail_stop_price
            offset = abs(first - given) if given and first else 0.0
        return round(stop + offset if self.is_buy else stop - offset, 6)

    def _request_now(self) -> OrderRequest:
        """The request with the prices that follow the market as they stand."""
        kind = ORDER_TYPES[self.request.order_type]
        if not kind.trails or self.working_price is None:
            return self.request
        limit = self._trailing_limit()
        shown = self.request.limit_price if limit is None else limit
        return replace(self.request, trail_stop_price=self.working_price, limit_price=shown)

    def apply(self, event: OrderEvent) -> None:
        self.status = next_status(self.status, event)

    def view(self) -> OrderView:
        """The order as it is now, for the wire."""
        return OrderView(
            client_id=self.client_id,
            order_id=self.order_id,
            perm_id=self.perm_id,
            contract=self.contract,
            request=self._request_now(),
            status=self.status,
            filled=self.filled,
            remaining=0.0 if self.status.is_done and self.status is OrderStatus.FILLED else self.remaining,
            avg_fill_price=round(self.average_price, 8),
            last_fill_price=self.last_fill_price,
            why_held=self.why_held,
            warning_text=self.warning,
            submitted_at=datetime.fromtimestamp(self.placed_s, UTC),
            completed_at=None if self.completed_s is None else datetime.fromtimestamp(self.completed_s, UTC),
            completed_status=self.completed_status,
            parent_perm_id=self.parent_perm_id,
        )


@dataclass(slots=True)
class BookExecution:
    """An execution with its commission; ``reported`` once the commission report went out.

    The summary of a combination has no commission: its legs have theirs.
    """

    execution: Execution
    commission: Commission | None
    reported: bool = False


class Book:
    """All orders and executions of the current and the previous market day."""

    def __init__(self) -> None:
        self.orders: dict[int, BookOrder] = {}
        self.executions: list[BookExecution] = []
        self._by_client: dict[tuple[int, int], BookOrder] = {}
        self.next_perm_id = FIRST_PERM_ID
        self.next_execution = _FIRST_EXECUTION
        self.highest_order_id: dict[int, int] = {}

    def add(self, order: BookOrder) -> None:
        self.orders[order.perm_id] = order
        if order.order_id:
            self._by_client[order.client_id, order.order_id] = order
            highest = self.highest_order_id.get(order.client_id, 0)
            self.highest_order_id[order.client_id] = max(highest, order.order_id)

    def remove(self, order: BookOrder) -> None:
        """Know nothing of ``order`` any more; its ids are not given out again."""
        del self.orders[order.perm_id]
        self._by_client.pop((order.client_id, order.order_id), None)

    def find(self, client_id: int, order_id: int) -> BookOrder | None:
        """The order that the client knows by ``order_id``."""
        return self._by_client.get((client_id, order_id))

    def open(self) -> Iterator[BookOrder]:
        """Open orders in the order in which they were placed (price-time priority is by the touch alone)."""
        return (order for order in list(self.orders.values()) if order.is_open)

    def completed(self) -> Iterator[BookOrder]:
        return (order for order in self.orders.values() if not order.is_open)

    def take_perm_id(self) -> int:
        perm_id = self.next_perm_id
        self.next_perm_id += 1
        return perm_id

    def take_exec_id(self) -> str:
        """Unique for ever: the counter is part of the stored state."""
        number = self.next_execution
        self.next_execution += 1
        return f"{_EXECUTION_PREFIX}.{number:08x}.01.01"

    def take_combo_exec_ids(self, legs: int) -> list[str]:
        """One id for the combination and one for each leg, told apart by their third part, as at IB."""
        first = self.take_exec_id()
        stem = first.rsplit(".", 2)[0]
        return [first, *(f"{stem}.{number:02d}.01" for number in range(2, legs + 2))]

    def bind(self, order: BookOrder) -> None:
        """Give a manual order the next negative id of client 0, so that client 0 can change and cancel it."""
        if not order.order_id:
            order.order_id = min((known for client, known in self._by_client if client == 0), default=0) - 1
            order.order_id = min(order.order_id, -1)
            self._by_client[order.client_id, order.order_id] = order

    def next_order_id(self, client_id: int) -> int:
        return self.highest_order_id.get(client_id, 0) + 1

    def forget_before(self, market_s: float) -> None:
        """Drop what was done before an epoch second; open orders stay."""
        for perm_id, order in list(self.orders.items()):
            if not order.is_open and (order.completed_s or 0.0) < market_s:
                del self.orders[perm_id]
                self._by_client.pop((order.client_id, order.order_id), None)
        self.executions = [done for done in self.executions if done.execution.time.timestamp() >= market_s]


def fits(filter_: ExecutionFilter, execution: Execution, since_s: float) -> bool:
    """True when an execution filter asks for ``execution``; ``since_s`` is its time as an epoch second."""
    side = {"BUY": "BOT", "SELL": "SLD"}.get(filter_.side.upper(), filter_.side.upper())
    return (
        filter_.client_id in (0, execution.client_id)
        and filter_.account in ("", execution.account)
        and filter_.symbol.upper() in ("", execution.contract.symbol)
        and filter_.sec_type.upper() in ("", execution.contract.sec_type)
        and filter_.exchange.upper() in ("", "SMART", execution.exchange)
        and side in ("", execution.side)
        and execution.time.timestamp() >= since_s
    )
