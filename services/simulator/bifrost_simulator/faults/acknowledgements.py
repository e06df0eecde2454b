"""Faults of acknowledgements: lost, slow, out of order, and orders that are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bifrost_simulator.api import Execution
from bifrost_simulator.events import OrderWord
from bifrost_simulator.faults.base import Counted, Fault, counted_strike
from bifrost_simulator.faults.per_order import PerOrder
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.broker.book import BookOrder
    from bifrost_simulator.world import SimulatedWorld


@register
class AckLost(Fault):
    """The order is accepted and lives, but its client hears nothing of it until it asks.

    Open orders, completed orders and executions tell the truth; from then on its events flow.
    """

    name: ClassVar[str] = "ack_lost"
    parameters_type = Counted

    def mutes(self, order: BookOrder) -> bool:
        return counted_strike(self, order.request.order_ref, order.client_id)


class SlowParameters(Counted):
    delay_s: float = Field(default=5.0, gt=0, le=3600, description="wall seconds until the client hears of the order")


class _Held(PerOrder[float | None]):
    """Words about an order are held; `followed` has the wall second at which they go out, None while unknown."""

    words: ClassVar[frozenset[OrderWord]]

    def hold(self, world: SimulatedWorld, order: BookOrder, until_wall_s: float | None) -> None:
        world.dispatcher.hold(order.perm_id, self.words)
        self.followed[order.perm_id] = until_wall_s

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        for perm_id, until_s in list(self.followed.items()):
            if until_s is not None and wall_s >= until_s:
                del self.followed[perm_id]
                world.dispatcher.release(perm_id)
        self.finish_when_done()

    def end(self, world: SimulatedWorld) -> None:
        for perm_id in self.followed:
            world.dispatcher.release(perm_id)
        self.followed.clear()


@register
class AckSlow(_Held):
    """The order lives at once, its client hears of it late: all words about it wait and then come in order."""

    name: ClassVar[str] = "ack_slow"
    parameters_type = SlowParameters
    words = frozenset(OrderWord)

    def taken(self, world: SimulatedWorld, order: BookOrder) -> None:
        if self.strikes(order):
            self.hold(world, order, world.wall_s + self.given(SlowParameters).delay_s)


class FirstParameters(Counted):
    lag_s: float = Field(default=0.1, ge=0, le=60, description="wall seconds from the first word to the others")
    max_wait_s: float = Field(default=5.0, gt=0, le=3600, description="an order that does not fill is told after this")


@register
class ExecBeforeStatus(_Held):
    """The execution arrives before any openOrder or orderStatus of its order."""

    name: ClassVar[str] = "exec_before_status"
    parameters_type = FirstParameters
    words = frozenset({OrderWord.OPEN_ORDER, OrderWord.STATUS, OrderWord.ERROR})

    def taken(self, world: SimulatedWorld, order: BookOrder) -> None:
        if self.strikes(order):
            self.hold(world, order, world.wall_s + self.given(FirstParameters).max_wait_s)

    def filled(self, world: SimulatedWorld, order: BookOrder, execution: Execution) -> None:
        until_s = self.followed.get(order.perm_id)
        if until_s is not None:
            self.followed[order.perm_id] = min(until_s, world.wall_s + self.given(FirstParameters).lag_s)


class AfterParameters(Counted):
    lag_s: float = Field(default=1.0, ge=0, le=60, description="wall seconds from the last status to the executions")


@register
class ExecAfterStatus(_Held):
    """The statuses of a fill arrive first, its executions later."""

    name: ClassVar[str] = "exec_after_status"
    parameters_type = AfterParameters
    words = frozenset({OrderWord.EXECUTION, OrderWord.COMMISSION})

    def taken(self, world: SimulatedWorld, order: BookOrder) -> None:
        if self.strikes(order):
            self.hold(world, order, None)

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        for perm_id, until_s in self.followed.items():
            order = world.book.orders.get(perm_id)
            if until_s is None and (order is None or not order.is_open):
                self.followed[perm_id] = wall_s + self.given(AfterParameters).lag_s
        super().step(world, wall_s)


class LostParameters(Counted):
    after_s: float = Field(default=1.0, ge=0, le=3600, description="wall seconds from the acknowledgement to oblivion")


@register
class OrderLost(PerOrder[float]):
    """The order is accepted and acknowledged, then nobody knows it: not open, not completed, 10147 to a cancel.

    It fills nothing in between, and its id stays used.
    """

    name: ClassVar[str] = "order_lost"
    parameters_type = LostParameters

    def accepted(self, world: SimulatedWorld, order: BookOrder) -> None:
        if self.strikes(order):
            self.followed[order.perm_id] = world.wall_s + self.given(LostParameters).after_s

    def fill_limit(self, order: BookOrder) -> float | None:
        return order.filled if order.perm_id in self.followed else None

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        for perm_id, until_s in list(self.followed.items()):
            order = world.book.orders.get(perm_id)
            if order is None or not order.is_open:
                del self.followed[perm_id]
            elif wall_s >= until_s:
                del self.followed[perm_id]
                world.broker.forget(order)
                world.changed = True
        self.finish_when_done()
