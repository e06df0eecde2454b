"""Faults of market data: none, unreadable, crossed, wide, halted."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from bifrost_simulator.api import Contract, OptionTick, PriceTick, Tick, TickType
from bifrost_simulator.faults.base import Fault, OfContracts
from bifrost_simulator.faults.registry import register
from bifrost_simulator.market.base import NO_QUOTE, Quote
from bifrost_simulator.universe import increment_at

_TOUCH_PRICES = frozenset({TickType.BID, TickType.ASK, TickType.DELAYED_BID, TickType.DELAYED_ASK})


@register
class QuotesStop(Fault):
    """No tick comes any more, the connection says nothing; nothing is matched on what is not published."""

    name: ClassVar[str] = "quotes_stop"
    parameters_type = OfContracts

    def holds_quotes(self, contract: Contract) -> bool:
        return self.given(OfContracts).covers(contract)


class NanParameters(OfContracts):
    value: Literal["nan", "zero", "absent"] = Field(
        default="nan", description="what stands for the price: NaN, 0, or -1 as IB writes no quote"
    )


@register
class QuotesNan(Fault):
    """Bid and ask are no numbers (or 0, or -1) with size 0, option computations likewise; nothing is matched."""

    name: ClassVar[str] = "quotes_nan"
    parameters_type = NanParameters

    def quote(self, contract: Contract, quote: Quote) -> Quote:
        if not self.given(NanParameters).covers(contract):
            return quote
        return replace(quote, bid=NO_QUOTE, ask=NO_QUOTE, bid_size=0.0, ask_size=0.0)

    def ticks(self, contract: Contract, generics: frozenset[int], ticks: list[Tick]) -> list[Tick]:
        p = self.given(NanParameters)
        if p.value == "absent" or not p.covers(contract):
            return ticks
        price = math.nan if p.value == "nan" else 0.0
        return [_spoiled(tick, price) for tick in ticks]


def _spoiled(tick: Tick, price: float) -> Tick:
    if isinstance(tick, PriceTick) and tick.tick_type in _TOUCH_PRICES:
        return PriceTick(tick.tick_type, price, 0.0)
    if isinstance(tick, OptionTick):
        return OptionTick(tick.tick_type, price, price, price, 0.0, price, price, price, tick.underlying_price)
    return tick


class CrossedParameters(OfContracts):
    by_pct: float = Field(default=0.1, ge=0, le=50, description="bid above ask, per cent of the middle; 0: locked")


@register
class QuotesCrossed(Fault):
    """The bid stands above the ask (or on it); orders are matched at what is published."""

    name: ClassVar[str] = "quotes_crossed"
    parameters_type = CrossedParameters

    def quote(self, contract: Contract, quote: Quote) -> Quote:
        p = self.given(CrossedParameters)
        middle = quote.mid
        if middle is None or not p.covers(contract):
            return quote
        tick = increment_at(contract, middle)
        ask = round(max(tick, round(middle / tick) * tick), 4)
        ticks = max(1, round(middle * p.by_pct / 100.0 / tick)) if p.by_pct else 0
        return replace(quote, bid=round(ask + ticks * tick, 4), ask=ask)


class WideParameters(OfContracts):
    factor: float | None = Field(default=None, gt=1, le=10_000, description="times the spread there is; 20 if neither")
    spread_pct: float | None = Field(
        default=None, gt=0, le=190, description="per cent of the middle, instead of factor"
    )


@register
class SpreadWide(Fault):
    """The spread is many times what it was, around the same middle."""

    name: ClassVar[str] = "spread_wide"
    parameters_type = WideParameters

    def quote(self, contract: Contract, quote: Quote) -> Quote:
        p = self.given(WideParameters)
        middle = quote.mid
        if middle is None or not p.covers(contract):
            return quote
        if p.spread_pct is not None:
            half = 0.5 * middle * p.spread_pct / 100.0
        else:
            half = 0.5 * (quote.ask - quote.bid) * (p.factor or 20.0)
        tick = increment_at(contract, middle)
        bid = math.floor((middle - half) / tick + 1e-9) * tick
        ask = math.ceil((middle + half) / tick - 1e-9) * tick
        if bid < tick:
            return replace(quote, bid=NO_QUOTE, bid_size=0.0, ask=round(ask, 4))
        return replace(quote, bid=round(bid, 4), ask=round(ask, 4))


@register
class Halt(Fault):
    """Trading is halted: tick 49 says so, quotes are withdrawn, orders rest; afterwards quotes are back."""

    name: ClassVar[str] = "halt"
    parameters_type = OfContracts

    def quote(self, contract: Contract, quote: Quote) -> Quote:
        if not self.given(OfContracts).covers(contract):
            return quote
        return replace(quote, bid=NO_QUOTE, ask=NO_QUOTE, bid_size=0.0, ask_size=0.0, halted=True)
