"""Delayed market data: what an account without a subscription is shown instead of the live quotes."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from bifrost_simulator.api import (
    BrokerError,
    Contract,
    GenericTick,
    MarketDataType,
    OptionTick,
    PriceTick,
    SizeTick,
    Tick,
    TickType,
)
from bifrost_simulator.faults.base import Fault, OfContracts
from bifrost_simulator.faults.registry import register
from bifrost_simulator.market.base import Quote

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld

T = TickType
DELAYED_TYPES: dict[TickType, TickType] = {
    T.BID: T.DELAYED_BID, T.ASK: T.DELAYED_ASK, T.LAST: T.DELAYED_LAST,
    T.BID_SIZE: T.DELAYED_BID_SIZE, T.ASK_SIZE: T.DELAYED_ASK_SIZE, T.LAST_SIZE: T.DELAYED_LAST_SIZE,
    T.HIGH: T.DELAYED_HIGH, T.LOW: T.DELAYED_LOW, T.VOLUME: T.DELAYED_VOLUME,
    T.CLOSE: T.DELAYED_CLOSE, T.OPEN: T.DELAYED_OPEN,
}  # fmt: skip


def delayed_ticks(ticks: list[Tick]) -> list[Tick]:
    """The same under the delayed tick types; what has none (computations, shortable, time stamps) is left out."""
    told: list[Tick] = []
    for tick in ticks:
        if isinstance(tick, GenericTick) and tick.tick_type is T.HALTED:
            told.append(tick)
        elif isinstance(tick, PriceTick | SizeTick) and tick.tick_type in DELAYED_TYPES:
            told.append(replace(tick, tick_type=DELAYED_TYPES[tick.tick_type]))
        elif isinstance(tick, OptionTick):
            continue  # it would tell today's spot
    return told


class DelayedParameters(OfContracts):
    delay_s: float = Field(default=900.0, ge=0, le=86400, description="market seconds that quotes are old")


@register
class DelayedOnly(Fault):
    """10167: only delayed data is permitted: lines get type 3 and the delayed ticks of a quarter of an hour ago.

    Quotes from before the fault are not shown: until it is old enough the first quote stands. Orders trade live.
    """

    name: ClassVar[str] = "delayed_only_10167"
    parameters_type = DelayedParameters
    error: ClassVar[BrokerError] = BrokerError(
        10167, "Requested market data is not subscribed. Displaying delayed market data."
    )

    def __init__(self, parameters: DelayedParameters) -> None:
        super().__init__(parameters)
        self._past: dict[int, deque[tuple[float, Quote]]] = {}
        self._world: SimulatedWorld | None = None

    def begin(self, world: SimulatedWorld) -> None:
        self._world = world
        for line in world.feed.requests():
            data_type = self.data_type(world, line.client_id, line.req_id, line.contract)
            if data_type is not None:
                self.quote(line.contract, world.board.quote(line.contract.con_id))
                world.dispatcher.market_data_type(line.client_id, line.req_id, data_type)
                line.sent = None

    def end(self, world: SimulatedWorld) -> None:
        for line in world.feed.requests():
            if self.given(DelayedParameters).covers(line.contract):
                world.dispatcher.market_data_type(line.client_id, line.req_id, MarketDataType.LIVE)
                line.sent = None

    def data_type(
        self, world: SimulatedWorld, client_id: int, req_id: int, contract: Contract
    ) -> MarketDataType | None:
        if not self.given(DelayedParameters).covers(contract):
            return None
        self.struck += 1
        world.dispatcher.error(client_id, req_id, self.error)
        return MarketDataType.DELAYED

    def quote(self, contract: Contract, quote: Quote) -> Quote:
        p = self.given(DelayedParameters)
        if p.covers(contract) and self._world is not None:
            past = self._past.setdefault(contract.con_id, deque())
            now_s = self._world.clock.market_s
            past.append((now_s, quote))
            while len(past) > 1 and past[1][0] <= now_s - p.delay_s:
                past.popleft()
        return quote

    def shown(self, contract: Contract, quote: Quote) -> Quote:
        past = self._past.get(contract.con_id)
        return past[0][1] if past else quote

    def ticks(self, contract: Contract, generics: frozenset[int], ticks: list[Tick]) -> list[Tick]:
        return delayed_ticks(ticks) if self.given(DelayedParameters).covers(contract) else ticks
