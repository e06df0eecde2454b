"""From two publications of a quote to the ticks that a subscriber gets."""

from __future__ import annotations

from bifrost_simulator.api import GenericTick, OptionTick, PriceTick, SizeTick, StringTick, Tick, TickType
from bifrost_simulator.market.base import EMPTY_QUOTE, Quote, Statistics
from bifrost_simulator.market.greeks import ModelValues

OPEN_INTEREST_GENERIC, HISTORICAL_VOLATILITY_GENERIC, IMPLIED_VOLATILITY_GENERIC = 101, 104, 106
STATISTICS_GENERICS = frozenset({OPEN_INTEREST_GENERIC, HISTORICAL_VOLATILITY_GENERIC, IMPLIED_VOLATILITY_GENERIC})
SHORTABLE_GENERIC, MARK_GENERIC, RT_VOLUME_GENERIC = 236, 221, 233
KNOWN_GENERICS = frozenset(
    {
        *(100, 101, 104, 105, 106, 162, 165, 221, 225, 232, 233, 236, 256, 258, 291, 292, 293, 294, 295, 318, 375, 411),
        *(456, 460, 499, 506, 511, 512, 576, 577, 578, 586, 587, 588, 595, 614, 619, 623),
    }
)
"""Generic ticks that IB documents; those without a name here are taken and bring nothing."""
_SHORTABLE_EASY = 3.0  # above 2.5: at least 1000 shares to borrow
SHORTABLE_SHARES = 5_000_000.0
_CAN_AUTO_EXECUTE = 1
_NOT_COMPUTED, _NO_GREEK = -1.0, -2.0

_TOUCHES = (
    ("bid", "bid_size", TickType.BID, TickType.BID_SIZE),
    ("ask", "ask_size", TickType.ASK, TickType.ASK_SIZE),
)
_STATISTICS = (
    ("high", TickType.HIGH),
    ("low", TickType.LOW),
    ("open", TickType.OPEN),
    ("close", TickType.CLOSE),
)


def quote_ticks(before: Quote | None, now: Quote, generics: frozenset[int]) -> list[Tick]:
    """Ticks of what changed since ``before``; of everything known when it is None."""
    first = before is None
    old = before if before is not None else EMPTY_QUOTE
    ticks: list[Tick] = []
    for price_name, size_name, price_type, size_type in _TOUCHES:
        price, size = getattr(now, price_name), getattr(now, size_name)
        if first or price != getattr(old, price_name):
            ticks.append(PriceTick(price_type, price, size, _CAN_AUTO_EXECUTE if price > 0 else 0))
        elif size != getattr(old, size_name):
            ticks.append(SizeTick(size_type, size))
    ticks += _last_ticks(old, now, first, generics)
    for name, tick_type in _STATISTICS:
        value = getattr(now, name)
        if value > 0 and (first or value != getattr(old, name)):
            ticks.append(PriceTick(tick_type, value, 0.0))
    if first or now.halted != old.halted:
        ticks.append(GenericTick(TickType.HALTED, 1.0 if now.halted else 0.0))
    if MARK_GENERIC in generics and now.mark is not None and (first or now.mark != old.mark):
        ticks.append(PriceTick(TickType.MARK_PRICE, round(now.mark, 4), 0.0))
    if first and SHORTABLE_GENERIC in generics:
        ticks.append(GenericTick(TickType.SHORTABLE, _SHORTABLE_EASY))
        ticks.append(SizeTick(TickType.SHORTABLE_SHARES, SHORTABLE_SHARES))
    return ticks


def _last_ticks(old: Quote, now: Quote, first: bool, generics: frozenset[int]) -> list[Tick]:
    ticks: list[Tick] = []
    if now.last > 0 and (first or (now.last, now.last_time_s) != (old.last, old.last_time_s)):
        ticks.append(StringTick(TickType.LAST_TIMESTAMP, str(int(now.last_time_s))))
        ticks.append(PriceTick(TickType.LAST, now.last, now.last_size))
        if RT_VOLUME_GENERIC in generics:
            text = f"{now.last:g};{now.last_size:g};{int(now.last_time_s * 1000)};{now.volume:g};{now.last:g};true"
            ticks.append(StringTick(TickType.RT_VOLUME, text))
    if now.volume > 0 and (first or now.volume != old.volume):
        ticks.append(SizeTick(TickType.VOLUME, now.volume))
    return ticks


def statistics_ticks(before: Statistics | None, now: Statistics, generics: frozenset[int]) -> list[Tick]:
    """Ticks of what the generic ticks asked for say of volatilities and open interest, where it changed."""
    ticks: list[Tick] = []
    old = before if before is not None else Statistics()
    if HISTORICAL_VOLATILITY_GENERIC in generics and now.historical_volatility not in (None, old.historical_volatility):
        ticks.append(GenericTick(TickType.HISTORICAL_VOLATILITY, now.historical_volatility or 0.0))
    if IMPLIED_VOLATILITY_GENERIC in generics and now.implied_volatility not in (None, old.implied_volatility):
        ticks.append(GenericTick(TickType.IMPLIED_VOLATILITY, now.implied_volatility or 0.0))
    if OPEN_INTEREST_GENERIC in generics:
        for tick_type, was, interest in (
            (TickType.CALL_OPEN_INTEREST, old.call_open_interest, now.call_open_interest),
            (TickType.PUT_OPEN_INTEREST, old.put_open_interest, now.put_open_interest),
        ):
            if interest is not None and interest != was:
                ticks.append(SizeTick(tick_type, interest))
    return ticks


def heartbeat_ticks(quote: Quote) -> list[Tick]:
    """Ticks that change nothing and show that the line is alive: volume, and the halt flag."""
    return [SizeTick(TickType.VOLUME, quote.volume), GenericTick(TickType.HALTED, 1.0 if quote.halted else 0.0)]


def model_ticks(model: ModelValues, quote: Quote) -> list[Tick]:
    """Option computations: bid, ask and last at their own volatility, and the model's."""
    ticks: list[Tick] = []
    for tick_type, iv, price in (
        (TickType.BID_OPTION, model.bid_iv, quote.bid),
        (TickType.ASK_OPTION, model.ask_iv, quote.ask),
        (TickType.LAST_OPTION, model.last_iv, quote.last),
    ):
        if price > 0:
            ticks.append(_computation(tick_type, model, iv, price))
    ticks.append(_computation(TickType.MODEL_OPTION, model, model.iv_annual, model.price))
    return ticks


def _computation(tick_type: TickType, model: ModelValues, iv: float | None, price: float) -> OptionTick:
    if iv is None:
        no = _NO_GREEK
        return OptionTick(tick_type, _NOT_COMPUTED, no, price, _NOT_COMPUTED, no, no, no, round(model.spot, 4))
    return OptionTick(
        tick_type=tick_type,
        iv_annual=round(iv, 6),
        delta=round(model.delta, 6),
        option_price=round(price, 6),
        pv_dividend=0.0,
        gamma=round(model.gamma, 6),
        vega=round(model.vega, 6),
        theta=round(model.theta, 6),
        underlying_price=round(model.spot, 4),
    )


def option_answer(tick_type: TickType, model: ModelValues, iv_annual: float, price: float) -> OptionTick:
    """Answer to a calculation request."""
    return _computation(tick_type, model, iv_annual, price)
