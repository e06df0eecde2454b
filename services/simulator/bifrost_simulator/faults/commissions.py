"""Faults of commission reports."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bifrost_simulator.faults.base import Counted, Fault, counted_strike
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.broker.book import BookOrder


class LateParameters(Counted):
    delay_s: float = Field(default=30.0, gt=0, le=86400, description="wall seconds from the execution to its report")


@register
class CommissionLate(Fault):
    """The commission report of an execution comes late; until then reqExecutions has none either.

    The count is of executions. A report under way keeps its delay when the fault ends; a restart brings it at once.
    """

    name: ClassVar[str] = "commission_late"
    parameters_type = LateParameters

    def commission_delay_s(self, order: BookOrder) -> float | None:
        struck = counted_strike(self, order.request.order_ref, order.client_id)
        return self.given(LateParameters).delay_s if struck else None


@register
class CommissionNever(Fault):
    """The commission of an execution is charged and never reported, in this run of the simulator."""

    name: ClassVar[str] = "commission_never"
    parameters_type = Counted

    def commission_delay_s(self, order: BookOrder) -> float | None:
        return math.inf if counted_strike(self, order.request.order_ref, order.client_id) else None
