"""Depth and single ticks between the world's dataclasses and the wire's field names."""

from __future__ import annotations

from collections.abc import Sequence

from bifrost_simulator.api.fine import DepthRow, FineTick, MidTick, QuoteTick, TickByTickType, TradeTick
from bifrost_simulator.wire.layout import Values


def depth_message(req_id: int, row: DepthRow) -> tuple[str, Values]:
    """Message 12, or 13 with its market maker for the smart book."""
    values: Values = {
        "reqId": req_id,
        "position": row.position,
        "operation": int(row.operation),
        "side": 1 if row.is_bid else 0,
        "price": row.price,
        "size": row.size,
    }
    if not row.is_smart:
        return "updateMktDepth", values
    return "updateMktDepthL2", {**values, "marketMaker": row.market_maker, "isSmartDepth": True}


def tick_by_tick_values(req_id: int, kind: TickByTickType, tick: FineTick) -> Values:
    """Message 99."""
    return {"reqId": req_id, "tickType": int(kind), **_tick_values(tick, "midPoint")}


def historical_ticks_message(ticks: Sequence[FineTick]) -> tuple[str, list[Values]]:
    """Message 96, 97 or 98 by what the ticks are."""
    name = {MidTick: "historicalTicks", QuoteTick: "historicalTicksBidAsk", TradeTick: "historicalTicksLast"}
    return name[type(ticks[0])], [_tick_values(tick, "price") for tick in ticks]


def _tick_values(tick: FineTick, mid_name: str) -> Values:
    match tick:
        case TradeTick():
            return {"time": tick.time_s, "price": tick.price, "size": tick.size, "exchange": tick.exchange}
        case QuoteTick():
            return {
                "time": tick.time_s,
                "bidPrice": tick.bid,
                "askPrice": tick.ask,
                "bidSize": tick.bid_size,
                "askSize": tick.ask_size,
            }
        case MidTick():
            return {"time": tick.time_s, mid_name: tick.mid}
