"""Orders whose prices follow the market: trailing stops and orders pegged to the touch, and what triggers a stop.

The trigger methods are IB's (trigger method of an order): "double" ones want two publications, or two trades, in a row.
"""

from __future__ import annotations

import math

from bifrost_simulator.broker.book import BookOrder
from bifrost_simulator.broker.order_types import ORDER_TYPES, TriggerMethod, Waits, touch
from bifrost_simulator.market.base import Quote
from bifrost_simulator.universe import increment_at

_EXACT = 1e-9


def trigger_method(order: BookOrder) -> TriggerMethod:
    """The order's method; the default is the last trade of a stock and twice the touch of an option."""
    given = order.request.attributes.get("triggerMethod")
    if isinstance(given, int) and given in tuple(TriggerMethod) and given:
        return TriggerMethod(given)
    return TriggerMethod.LAST if order.contract.sec_type == "STK" else TriggerMethod.DOUBLE_BID_ASK


def follow(order: BookOrder, quote: Quote) -> bool:
    """Move the price that a trailing stop waits for; True when it moved. It never moves against its owner."""
    request = order.request
    if not ORDER_TYPES[request.order_type].trails:
        return False
    market = _seen(order, quote)
    stop = order.working_price if order.working_price is not None else request.trail_stop_price
    if market is not None:
        distance = request.aux_price or market * (request.trailing_percent or 0.0) / 100.0
        wanted = _on_tick(order, market + distance if order.is_buy else market - distance, up=order.is_buy)
        if stop is None or (wanted < stop if order.is_buy else wanted > stop):
            stop = wanted
    moved = stop != order.working_price
    order.working_price = stop
    return moved


def peg(order: BookOrder, quote: Quote) -> None:
    """Set the limit of a pegged order: the touch of its own side, ``auxPrice`` better, capped by ``lmtPrice``."""
    request = order.request
    own = touch(not order.is_buy, quote)
    if own is None:
        return
    offset = request.aux_price or 0.0
    price = _on_tick(order, own + offset if order.is_buy else own - offset, up=not order.is_buy)
    cap = request.limit_price
    if cap:
        price = min(price, cap) if order.is_buy else max(price, cap)
    order.working_price = price


def is_hit(order: BookOrder, quote: Quote) -> bool:
    """True once the market was where the order waits for it; remembers the first of two publications or trades."""
    kind, trigger = ORDER_TYPES[order.request.order_type], order.terms.trigger
    if kind.waits is Waits.NOTHING:
        return True
    if trigger is None:
        return False
    rising = order.is_buy == (kind.waits is Waits.STOP)
    method = trigger_method(order)
    double = method in (TriggerMethod.DOUBLE_BID_ASK, TriggerMethod.DOUBLE_LAST)
    if not any(price >= trigger if rising else price <= trigger for price in _prices(method, rising, quote)):
        order.hit_mark = None
        return False
    if not double:
        return True
    mark = quote.last_time_s if method is TriggerMethod.DOUBLE_LAST else float(quote.version)
    if order.hit_mark is None:
        order.hit_mark = mark
    return order.hit_mark != mark


def _prices(method: TriggerMethod, rising: bool, quote: Quote) -> list[float]:
    """What the method looks at: a rise is believed from the bid, a fall from the ask."""
    side = quote.bid if rising else quote.ask
    last = quote.last if quote.last > 0 else side
    match method:
        case TriggerMethod.LAST | TriggerMethod.DOUBLE_LAST:
            found = [last]
        case TriggerMethod.LAST_OR_BID_ASK:
            found = [last, side]
        case TriggerMethod.MIDPOINT:
            found = [quote.mid or 0.0]
        case _:
            found = [side]
    return [price for price in found if price > 0]


def _seen(order: BookOrder, quote: Quote) -> float | None:
    """The price that a trailing stop trails."""
    prices = _prices(trigger_method(order), order.is_buy, quote)
    return prices[0] if prices else None


def _on_tick(order: BookOrder, price: float, *, up: bool) -> float:
    step = increment_at(order.contract, max(price, 0.0))
    steps = price / step
    return round(max(step, (math.ceil(steps - _EXACT) if up else math.floor(steps + _EXACT)) * step), 6)
