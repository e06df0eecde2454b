"""Market data between the world's dataclasses and the wire's field names."""

from __future__ import annotations

from bifrost_simulator.api import Bar, GenericTick, OptionTick, PriceTick, SizeTick, StringTick, Tick
from bifrost_simulator.wire.layout import Values
from bifrost_simulator.wire.times import bar_text


def tick_message(req_id: int, tick: Tick) -> tuple[str, Values]:
    """Return the message name and fields of one tick."""
    match tick:
        case PriceTick():
            return "tickPrice", {
                "reqId": req_id,
                "tickType": tick.tick_type,
                "price": tick.price,
                "size": tick.size,
                "attrMask": tick.attributes,
            }
        case SizeTick():
            return "tickSize", {"reqId": req_id, "tickType": tick.tick_type, "size": tick.size}
        case GenericTick():
            return "tickGeneric", {"reqId": req_id, "tickType": tick.tick_type, "value": tick.value}
        case StringTick():
            return "tickString", {"reqId": req_id, "tickType": tick.tick_type, "value": tick.value}
        case OptionTick():
            return "tickOptionComputation", option_values(req_id, tick)


def option_values(req_id: int, tick: OptionTick) -> Values:
    """Message 21; ``tickAttrib`` 1 says that it is computed from prices, 0 from returns."""
    return {
        "reqId": req_id,
        "tickType": tick.tick_type,
        "tickAttrib": 1 if tick.price_based else 0,
        "impliedVol": tick.iv_annual,
        "delta": tick.delta,
        "optPrice": tick.option_price,
        "pvDividend": tick.pv_dividend,
        "gamma": tick.gamma,
        "vega": tick.vega,
        "theta": tick.theta,
        "undPrice": tick.underlying_price,
    }


def bar_values(bar: Bar, format_date: int) -> Values:
    """One bar of messages 17 and 90."""
    return {
        "date": bar_text(bar.start, format_date),
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "wap": bar.wap,
        "count": bar.count,
    }
