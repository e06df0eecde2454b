"""Golden samples of the order book, of ticks one by one and of historical ticks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.simulator.wire_ib import ib_insync

SECOND = 1_772_463_600
MOMENT = datetime.fromtimestamp(SECOND, UTC)
_ROW = {"reqId": 7, "position": 0, "operation": 1, "side": 1, "price": 140.05, "size": 300.0}
_SIDES = {"bidPrice": 140.05, "askPrice": 140.1, "bidSize": 300.0, "askSize": 200.0}
_TRADE = {"price": 140.05, "size": 100.0, "exchange": "NASDAQ"}
_PLAIN_TRADE = ib_insync.TickAttribLast(pastLimit=False, unreported=False)
_PLAIN_QUOTE = ib_insync.TickAttribBidAsk(bidPastLow=False, askPastHigh=False)

FINE_SAMPLES: list[tuple[str, dict[str, Any], str, tuple[Any, ...]]] = [
    ("updateMktDepth", _ROW, "updateMktDepth", (7, 0, 1, 1, 140.05, 300.0)),
    (
        "updateMktDepthL2",
        {**_ROW, "marketMaker": "NASDAQ", "isSmartDepth": True},
        "updateMktDepthL2",
        (7, 0, "NASDAQ", 1, 1, 140.05, 300.0, True),
    ),
    (
        "mktDepthExchanges",
        {"descriptions": [{"exchange": "NASDAQ", "secType": "STK", "serviceDataType": "Deep"}]},
        "mktDepthExchanges",
        ([ib_insync.DepthMktDataDescription("NASDAQ", "STK", "", "Deep", 1)],),
    ),
    (
        "tickByTick",
        {"reqId": 7, "tickType": 1, "time": SECOND, **_TRADE},
        "tickByTickAllLast",
        (7, 1, SECOND, 140.05, 100.0, _PLAIN_TRADE, "NASDAQ", ""),
    ),
    (
        "tickByTick",
        {"reqId": 7, "tickType": 3, "time": SECOND, **_SIDES},
        "tickByTickBidAsk",
        (7, SECOND, 140.05, 140.1, 300.0, 200.0, _PLAIN_QUOTE),
    ),
    (
        "tickByTick",
        {"reqId": 7, "tickType": 4, "time": SECOND, "midPoint": 140.075},
        "tickByTickMidPoint",
        (7, SECOND, 140.075),
    ),
    (
        "historicalTicks",
        {"reqId": 7, "ticks": [{"time": SECOND, "price": 140.05}], "done": True},
        "historicalTicks",
        (7, [ib_insync.HistoricalTick(MOMENT, 140.05, 0.0)], True),
    ),
    (
        "historicalTicksBidAsk",
        {"reqId": 7, "ticks": [{"time": SECOND, **_SIDES}], "done": True},
        "historicalTicksBidAsk",
        (7, [ib_insync.HistoricalTickBidAsk(MOMENT, _PLAIN_QUOTE, 140.05, 140.1, 300.0, 200.0)], True),
    ),
    (
        "historicalTicksLast",
        {"reqId": 7, "ticks": [{"time": SECOND, **_TRADE}], "done": True},
        "historicalTicksLast",
        (7, [ib_insync.HistoricalTickLast(MOMENT, _PLAIN_TRADE, 140.05, 100.0, "NASDAQ", "")], True),
    ),
]
