"""Faults of new orders: refused, accepted with a remark, held for shares to borrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bifrost_simulator.api import (
    BrokerError,
    Contract,
    GenericTick,
    OrderRequest,
    SizeTick,
    Tick,
    TickType,
)
from bifrost_simulator.broker.checks import rejected
from bifrost_simulator.faults.base import Counted, Fault, Timed, counted_strike
from bifrost_simulator.faults.registry import register
from bifrost_simulator.ticks import SHORTABLE_GENERIC

if TYPE_CHECKING:
    from bifrost_simulator.broker.book import BookOrder
    from bifrost_simulator.world import SimulatedWorld

TIF_SET_BY_PRESET, ORDER_MESSAGE, HELD_FOR_LOCATE = 10349, 399, 404
LOCATE = "locate"


class RejectParameters(Counted):
    reason: str = Field(default="simulated reject", min_length=1, max_length=500, description="IB's words after 201")


@register
class OrderRejected(Fault):
    """201: new orders are refused; they never reach the book."""

    name: ClassVar[str] = "order_rejected_201"
    parameters_type = RejectParameters

    def refusal(self, client_id: int, request: OrderRequest) -> BrokerError | None:
        if not counted_strike(self, request.order_ref, client_id):
            return None
        return rejected(self.given(RejectParameters).reason)


@register
class TifInformation(Fault):
    """10349 under the id of a live order: a remark on its time in force that reads like an error.

    The order works on; client libraries that take every code for a reject believe that it is gone.
    """

    name: ClassVar[str] = "order_info_10349"
    parameters_type = Counted

    def accepted(self, world: SimulatedWorld, order: BookOrder) -> None:
        if counted_strike(self, order.request.order_ref, order.client_id):
            text = f"Order TIF was set to {order.request.tif} based on order preset."
            error = BrokerError(TIF_SET_BY_PRESET, text)
            world.dispatcher.order_error(order.client_id, order.order_id, order.perm_id, error)


class MessageParameters(Counted):
    text: str = Field(
        default="Warning: your order will not be placed at the exchange until 09:30:00 US/Eastern",
        min_length=1,
        max_length=500,
        description="the warning behind the order's description",
    )


@register
class OrderMessage(Fault):
    """399 under the id of a live order: a warning, the order works on."""

    name: ClassVar[str] = "order_info_399"
    parameters_type = MessageParameters

    def accepted(self, world: SimulatedWorld, order: BookOrder) -> None:
        if counted_strike(self, order.request.order_ref, order.client_id):
            request = order.request
            head = f"{request.action} {request.quantity:g} {order.contract.local_symbol}"
            error = BrokerError(ORDER_MESSAGE, f"Order Message:\n{head}\n{self.given(MessageParameters).text}")
            world.dispatcher.order_error(order.client_id, order.order_id, order.perm_id, error)


class LocateParameters(Timed):
    shortable: float = Field(default=1.0, ge=0, le=3, description="tick 46 meanwhile; 1.5 and below: not available")
    shares: float = Field(default=0.0, ge=0, description="tick 89 meanwhile")


@register
class NotShortable(Fault):
    """404: sales that would go short wait as PreSubmitted (whyHeld locate); ticks 46 and 89 say that none are there.

    When it ends the waiting orders go to the exchange.
    """

    name: ClassVar[str] = "not_shortable_404"
    parameters_type = LocateParameters

    def __init__(self, parameters: LocateParameters) -> None:
        super().__init__(parameters)
        self._waiting: set[int] = set()

    def begin(self, world: SimulatedWorld) -> None:
        p = self.given(LocateParameters)
        self._tell(world, p.shortable, p.shares)

    def end(self, world: SimulatedWorld) -> None:
        self._waiting.clear()
        for line in world.feed.requests():
            line.sent = None  # the next publication tells everything anew, the shares to borrow among it

    def taken(self, world: SimulatedWorld, order: BookOrder) -> None:
        if order.contract.sec_type != "STK" or order.is_buy:
            return
        account = world.settlement.accounts[order.request.account]
        held = account.holdings.get(order.contract.con_id)
        if order.request.quantity > (held.quantity if held is not None else 0.0):
            self._waiting.add(order.perm_id)
            self.struck += 1

    def accepted(self, world: SimulatedWorld, order: BookOrder) -> None:
        if order.perm_id in self._waiting:
            error = BrokerError(HELD_FOR_LOCATE, "Order held while securities are located.")
            world.dispatcher.order_error(order.client_id, order.order_id, order.perm_id, error)

    def keeps_back(self, order: BookOrder) -> str:
        return LOCATE if order.perm_id in self._waiting else ""

    def ticks(self, contract: Contract, generics: frozenset[int], ticks: list[Tick]) -> list[Tick]:
        p = self.given(LocateParameters)
        told: list[Tick] = []
        for tick in ticks:
            if isinstance(tick, GenericTick) and tick.tick_type is TickType.SHORTABLE:
                tick = GenericTick(TickType.SHORTABLE, p.shortable)
            elif isinstance(tick, SizeTick) and tick.tick_type is TickType.SHORTABLE_SHARES:
                tick = SizeTick(TickType.SHORTABLE_SHARES, p.shares)
            told.append(tick)
        return told

    @staticmethod
    def _tell(world: SimulatedWorld, shortable: float, shares: float) -> None:
        ticks: list[Tick] = [
            GenericTick(TickType.SHORTABLE, shortable),
            SizeTick(TickType.SHORTABLE_SHARES, shares),
        ]
        for line in world.feed.requests():
            if SHORTABLE_GENERIC in line.generics and line.contract.sec_type == "STK":
                world.dispatcher.ticks(line.client_id, line.req_id, ticks)
