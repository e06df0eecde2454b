"""Faults of clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bifrost_simulator.faults.base import Fault, Timed
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld


class SkewParameters(Timed):
    offset_s: float = Field(default=90.0, ge=-86400, le=86400, description="seconds the gateway's clock is fast")


@register
class ClockSkew(Fault):
    """The gateway's clock is wrong: its current time, connection time and the times of new executions are off."""

    name: ClassVar[str] = "clock_skew"
    parameters_type = SkewParameters

    def begin(self, world: SimulatedWorld) -> None:
        self.struck = 1
        world.clock.told_offset_s += self.given(SkewParameters).offset_s

    def end(self, world: SimulatedWorld) -> None:
        world.clock.told_offset_s -= self.given(SkewParameters).offset_s
