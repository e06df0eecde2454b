"""Faults of orders: rejected, unacknowledged, partly filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from bifrost_simulator.api import BrokerError, OrderRequest
from bifrost_simulator.broker.checks import rejected
from bifrost_simulator.faults.base import Counted, Fault, counted_strike
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.broker.book import BookOrder
    from bifrost_simulator.world import SimulatedWorld


class RejectParameters(Counted):
    reason: str = Field(default="simulated reject", min_length=1, max_length=500)


@register
class OrderRejected(Fault):
    """201: new orders are refused; they never reach the book."""

    name: ClassVar[str] = "order_rejected_201"
    parameters_type = RejectParameters

    def refusal(self, client_id: int, request: OrderRequest) -> BrokerError | None:
        assert isinstance(self.parameters, RejectParameters)
        if not counted_strike(self, request.order_ref, client_id):
            return None
        return rejected(self.parameters.reason)


@register
class AckLost(Fault):
    """The order is accepted and lives, but its client hears nothing of it until it asks.

    Open orders, completed orders and executions tell the truth; from then on its events flow.
    """

    name: ClassVar[str] = "ack_lost"
    parameters_type = Counted

    def mutes(self, order: BookOrder) -> bool:
        return counted_strike(self, order.request.order_ref, order.client_id)


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


class _Partial:
    """One order under the fault: its limit, and when the limit was reached."""

    __slots__ = ("limit", "reached_wall_s")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.reached_wall_s: float | None = None


@register
class FillPartial(Fault):
    """Orders fill up to a part; the remainder stays working, fills later, or is cancelled by the broker."""

    name: ClassVar[str] = "fill_partial"
    parameters_type = PartialParameters

    def __init__(self, parameters: PartialParameters) -> None:
        super().__init__(parameters)
        self._orders: dict[int, _Partial] = {}
        self._exhausted = False

    def fill_limit(self, order: BookOrder) -> float | None:
        found = self._orders.get(order.perm_id)
        if found is None:
            # The count is of orders; the fault itself stays until each of them has ended.
            if self._exhausted or order.filled or not counted_strike(self, order.request.order_ref, order.client_id):
                return None
            self._exhausted, self.finished = self.finished, False
            found = self._orders[order.perm_id] = _Partial(self._limit(order))
        return found.limit

    def step(self, world: SimulatedWorld, wall_s: float) -> None:
        assert isinstance(self.parameters, PartialParameters)
        for perm_id, partial in list(self._orders.items()):
            order = world.book.orders.get(perm_id)
            if order is None or not order.is_open:
                del self._orders[perm_id]
                continue
            if order.filled < partial.limit:
                continue
            if partial.reached_wall_s is None:
                partial.reached_wall_s = wall_s
            if self.parameters.then == "cancel":
                world.broker.end(order, "the remainder was cancelled by the exchange")
            elif self.parameters.then == "rest" and wall_s - partial.reached_wall_s >= self.parameters.rest_after_s:
                partial.limit = order.request.quantity
        if self._exhausted and not self._orders:
            self.finished = True

    def _limit(self, order: BookOrder) -> float:
        assert isinstance(self.parameters, PartialParameters)
        if self.parameters.shares is not None:
            return min(self.parameters.shares, order.request.quantity)
        return max(1.0, float(int((self.parameters.fraction or 0.0) * order.request.quantity)))
