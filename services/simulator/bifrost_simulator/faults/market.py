"""Faults that move the market itself: a gap, a split, a dividend."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from bifrost_simulator.broker.corporate import pay_dividend, split_positions
from bifrost_simulator.faults.base import BadParameters, Fault, FaultParameters
from bifrost_simulator.faults.registry import register
from bifrost_simulator.market.generated import GeneratedMarket

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld


def _made_market(world: SimulatedWorld, name: str) -> GeneratedMarket:
    if not isinstance(world.market, GeneratedMarket):
        raise BadParameters(f"fault {name}: only a generated market can be moved, this one replays recorded quotes")
    return world.market


class GapParameters(FaultParameters):
    pct: float = Field(default=-5.0, ge=-90, le=500, description="move of the underlying, per cent of its price")


@register
class Gap(Fault):
    """The underlying jumps and stays there; options follow by their smile. The move belongs to the tape for good."""

    name: ClassVar[str] = "gap"
    parameters_type = GapParameters

    def begin(self, world: SimulatedWorld) -> None:
        self.struck, self.finished = 1, True
        _made_market(world, self.name).move(1.0 + self.given(GapParameters).pct / 100.0)
        world.board.publish(world.board.watched())
        world.changed = True


class CorporateParameters(FaultParameters):
    kind: Literal["split", "dividend"] = Field(default="split", description="new shares for old, or cash")
    ratio: int = Field(default=2, ge=2, le=100, description="split: so many shares for one")
    usd_per_share: float | None = Field(default=None, gt=0, description="dividend: cash for each share held")

    @model_validator(mode="after")
    def _paid(self) -> CorporateParameters:
        if (self.kind == "dividend") != (self.usd_per_share is not None):
            raise ValueError("usd_per_share belongs to kind dividend, and a dividend needs it")
        return self


@register
class CorporateAction(Fault):
    """A split or a dividend takes effect: positions, contracts, cash and price change without an execution.

    A split of n for one turns a share into n and an option into n at an n-th of the strike, ends the orders of the
    underlying and its options, and divides the price. A dividend moves cash by the shares held and the price down.
    """

    name: ClassVar[str] = "corporate_action"
    parameters_type = CorporateParameters

    def begin(self, world: SimulatedWorld) -> None:
        self.struck, self.finished = 1, True
        p = self.given(CorporateParameters)
        market = _made_market(world, self.name)
        if p.usd_per_share is not None:
            spot = world.board.quote(world.universe.stock.con_id).mark or 0.0
            if p.usd_per_share >= spot:
                raise BadParameters(
                    f"fault {self.name}: usd_per_share {p.usd_per_share:g} is not below the price {spot:g}"
                )
            pay_dividend(world.settlement, world.universe.stock, p.usd_per_share)
            market.move(1.0 - p.usd_per_share / spot)
        else:
            for order in list(world.book.open()):
                world.broker.end(order, "the contract has changed by a corporate action")
            market.move(1.0 / p.ratio)
            split_positions(world.settlement, world.universe, market, p.ratio)
        world.board.publish(world.board.watched())
        world.changed = True
