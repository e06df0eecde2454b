"""Faults of fills: in part, twice, and after a cancel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from bifrost_simulator.api import Execution, OrderStatus
from bifrost_simulator.broker.order_states import OrderEvent
from bifrost_simulator.faults.base import Counted
from bifrost_simulator.faults.per_order import PerOrder
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.broker.book import BookOrder
    from bifrost_simulator.world import SimulatedWorld


class PartialParameters(Counted):
    fraction: float | None = Field(default=None, gt=0, lt=1, description="of the order's quantity that fills")
    shares: float | None = Field(default=None, ge=0, description="units that fill, instead of fraction")
    then: Literal["hold", "rest", "cancel"] = Field(default="hold", description="what becomes of the remainder")
    rest_after_s: float = Field(default=2.0, ge=0, le=3600, description="wall seconds until the rest may fill")

    @model_validator(mode="after")
    def _one_of(self) -> PartialParameters:
        if (self.fraction is None) == (self.shares is None):
            raise ValueError("give either fraction or shares")
        return self


@dataclass(slots=True)
class _Partial:
    """One order under the fault: its limit, and when the limit was reached."""

    limit: float
    reached_wall_s: float | None = None


@register
class FillPartial(PerOrder[_Partial]):
    """Orders fill up to a part; the remainder stays working, fills later, or is cancelled by the broker."""

    name: ClassVar[str] = "fill_partial"
    parameters_type = PartialParameters

    def fill_limit(self, order: BookOrder) -> float | None:
        found = self.followed.get(order.perm_id)
        if found is None:
            if order.filled or not self.strikes(order):
                return None
            found = self.followed[order.perm_id] = _Partial(self._limit(order))
        return found.limit

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        p = self.given(PartialParameters)
        for perm_id, partial in list(self.followed.items()):
            order = world.book.orders.get(perm_id)
            if order is None or not order.is_open:
                del self.followed[perm_id]
                continue
            if order.filled < partial.limit:
                continue
            if partial.reached_wall_s is None:
                partial.reached_wall_s = wall_s
            if p.then == "cancel":
                world.broker.end(order, "the remainder was cancelled by the exchange")
            elif p.then == "rest" and wall_s - partial.reached_wall_s >= p.rest_after_s:
                partial.limit = order.request.quantity
        self.finish_when_done()

    def _limit(self, order: BookOrder) -> float:
        p = self.given(PartialParameters)
        if p.shares is not None:
            return min(p.shares, order.request.quantity)
        return max(1.0, float(int((p.fraction or 0.0) * order.request.quantity)))


class DuplicateParameters(Counted):
    copies: int = Field(default=1, ge=1, le=10, description="how often each message comes again")
    delay_s: float = Field(default=0.0, ge=0, le=3600, description="wall seconds until the copies come")
    commission: bool = Field(default=True, description="the commission report comes again too")


@dataclass(slots=True)
class _Again:
    due_wall_s: float
    execution: Execution


@register
class FillDuplicate(PerOrder[list[_Again]]):
    """Executions of an order come again with the same execId, as do its status and the commission report.

    The broker booked them once: position, cash and the answer to reqExecutions know one.
    """

    name: ClassVar[str] = "fill_duplicate"
    parameters_type = DuplicateParameters

    def filled(self, world: SimulatedWorld, order: BookOrder, execution: Execution) -> None:
        if order.perm_id not in self.followed and not self.strikes(order):
            return
        due = world.wall_s + self.given(DuplicateParameters).delay_s
        self.followed.setdefault(order.perm_id, []).append(_Again(due, execution))

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        for perm_id, waiting in list(self.followed.items()):
            for again in [one for one in waiting if self._is_due(world, one, wall_s)]:
                waiting.remove(again)
                self._repeat(world, again.execution)
            order = world.book.orders.get(perm_id)
            if not waiting and (order is None or not order.is_open):
                del self.followed[perm_id]
        self.finish_when_done()

    def _is_due(self, world: SimulatedWorld, again: _Again, wall_s: float) -> bool:
        if wall_s < again.due_wall_s:
            return False
        if not self.given(DuplicateParameters).commission:
            return True
        found = (done for done in world.book.executions if done.execution.exec_id == again.execution.exec_id)
        return all(done.reported or done.commission is None for done in found)  # a copy comes after its original

    def _repeat(self, world: SimulatedWorld, execution: Execution) -> None:
        p = self.given(DuplicateParameters)
        order = world.book.orders.get(execution.perm_id)
        for _ in range(p.copies):
            world.dispatcher.execution(execution)
            if order is not None:
                world.dispatcher.order_status(order.view())
            for done in world.book.executions if p.commission else ():
                if done.execution.exec_id == execution.exec_id and done.commission is not None:
                    world.dispatcher.commission(execution.client_id, execution.perm_id, done.commission)


class AfterCancelParameters(Counted):
    fraction: float = Field(default=1.0, gt=0, le=1, description="of what is open when the cancel comes")
    delay_s: float = Field(default=0.5, ge=0, le=3600, description="wall seconds from the cancel to the fill")
    mode: Literal["crossed", "late"] = Field(
        default="crossed",
        description="crossed: the cancel waits as PendingCancel and the fill beats it; "
        "late: the order is reported Cancelled, then its execution arrives",
    )


@register
class FillAfterCancel(PerOrder[float]):
    """A client cancels, and the order fills all the same: the fill crossed the cancel, or is told after it."""

    name: ClassVar[str] = "fill_after_cancel"
    parameters_type = AfterCancelParameters

    def takes_cancel(self, world: SimulatedWorld, order: BookOrder) -> bool:
        if order.perm_id in self.followed:
            return True  # a second cancel changes nothing: the first is under way
        if order.status is not OrderStatus.SUBMITTED or not self.strikes(order):
            return False
        p = self.given(AfterCancelParameters)
        self.followed[order.perm_id] = world.wall_s + p.delay_s
        if p.mode == "late":
            world.broker.end(order, "")
        else:
            order.apply(OrderEvent.CANCEL_ASKED)
            world.dispatcher.order_status(order.view())
        return True

    def fill_limit(self, order: BookOrder) -> float | None:
        return order.filled if order.perm_id in self.followed else None

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        for perm_id, due_s in list(self.followed.items()):
            if wall_s >= due_s:
                del self.followed[perm_id]
                self._fill(world, world.book.orders.get(perm_id))
        self.finish_when_done()

    def end(self, world: SimulatedWorld) -> None:
        for perm_id in list(self.followed):
            order = world.book.orders.get(perm_id)
            if order is not None and order.is_open:
                world.broker.end(order, "")
        self.followed.clear()

    def _fill(self, world: SimulatedWorld, order: BookOrder | None) -> None:
        if order is None:
            return
        open_units = order.remaining
        whole = order.request.quantity == int(order.request.quantity)
        quantity = open_units * self.given(AfterCancelParameters).fraction
        quantity = max(1.0, float(int(quantity))) if whole else quantity
        world.broker.fill(order, quantity, _price(world, order))
        if order.is_open:
            world.broker.end(order, "")


def _price(world: SimulatedWorld, order: BookOrder) -> float:
    """Where the order would trade: its limit, else the touch, else the last price seen."""
    if order.request.limit_price is not None:
        return order.request.limit_price
    world.board.watch(order.contract)
    quote = world.board.quote_of(order.contract)
    world.board.unwatch(order.contract)
    touch = quote.ask if order.is_buy else quote.bid
    return touch if touch > 0 else quote.mark or 0.01
