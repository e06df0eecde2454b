"""Faults that follow single orders: each order that is struck is remembered until the fault is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from bifrost_simulator.faults.base import Counted, Fault, FaultParameters, counted_strike

if TYPE_CHECKING:
    from bifrost_simulator.broker.book import BookOrder

T = TypeVar("T")


class PerOrder(Fault, Generic[T]):
    """The count is of orders; the fault itself stays until it is done with each of them.

    ``T`` is what is remembered of an order, by permId in `followed`.
    """

    parameters_type: ClassVar[type[FaultParameters]] = Counted

    def __init__(self, parameters: FaultParameters) -> None:
        super().__init__(parameters)
        self.followed: dict[int, T] = {}
        self._exhausted = False

    def strikes(self, order: BookOrder) -> bool:
        """Count a strike when the fault is meant for this order and its count allows."""
        if self._exhausted or not counted_strike(self, order.request.order_ref, order.client_id):
            return False
        self._exhausted, self.finished = self.finished, False
        return True

    def finish_when_done(self) -> None:
        """End the fault once its count is used up and no order is followed any more."""
        if self._exhausted and not self.followed:
            self.finished = True
