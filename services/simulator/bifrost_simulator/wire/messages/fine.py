"""Order book, tick-by-tick data and historical ticks: both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bifrost_simulator.wire.layout import Counted, Field, Item, Kind, MessageSpec, When
from bifrost_simulator.wire.messages.groups import C12, REQ_ID, version

_PRICE, _SIZE = Field("price", Kind.FLOAT, 0.0), Field("size", Kind.SIZE, 0)
_MASK = Field("attrMask", Kind.INT, 0)
_TRADE: tuple[Item, ...] = (_PRICE, _SIZE, _MASK, Field("exchange"), Field("specialConditions"))
_QUOTE: tuple[Item, ...] = (
    Field("bidPrice", Kind.FLOAT, 0.0),
    Field("askPrice", Kind.FLOAT, 0.0),
    Field("bidSize", Kind.SIZE, 0),
    Field("askSize", Kind.SIZE, 0),
)
_TIME = Field("time", Kind.ID)
_DONE = Field("done", Kind.BOOL, True)

FINE_REQUESTS: tuple[MessageSpec, ...] = (
    MessageSpec(
        10,
        "reqMktDepth",
        version(5),
        REQ_ID,
        *C12,
        Field("numRows", Kind.INT, 1),
        Field("isSmartDepth", Kind.BOOL),
        Field("mktDepthOptions", Kind.TAGS),
    ),
    MessageSpec(11, "cancelMktDepth", version(1), REQ_ID, Field("isSmartDepth", Kind.BOOL)),
    MessageSpec(82, "reqMktDepthExchanges"),
    MessageSpec(
        96,
        "reqHistoricalTicks",
        REQ_ID,
        *C12,
        Field("includeExpired", Kind.BOOL),
        Field("startDateTime"),
        Field("endDateTime"),
        Field("numberOfTicks", Kind.INT, 0),
        Field("whatToShow"),
        Field("useRth", Kind.BOOL),
        Field("ignoreSize", Kind.BOOL),
        Field("miscOptions", Kind.TAGS),
    ),
    MessageSpec(
        97,
        "reqTickByTickData",
        REQ_ID,
        *C12,
        Field("tickType"),
        Field("numberOfTicks", Kind.INT, 0),
        Field("ignoreSize", Kind.BOOL),
    ),
    MessageSpec(98, "cancelTickByTickData", REQ_ID),
)


def _type_is(*kinds: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda values: values.get("tickType") in kinds


FINE_RESPONSES: tuple[MessageSpec, ...] = (
    MessageSpec(
        12,
        "updateMktDepth",
        version(1),
        REQ_ID,
        Field("position", Kind.INT, 0),
        Field("operation", Kind.INT, 0),
        Field("side", Kind.INT, 0),
        _PRICE,
        _SIZE,
    ),
    MessageSpec(
        13,
        "updateMktDepthL2",
        version(1),
        REQ_ID,
        Field("position", Kind.INT, 0),
        Field("marketMaker"),
        Field("operation", Kind.INT, 0),
        Field("side", Kind.INT, 0),
        _PRICE,
        _SIZE,
        Field("isSmartDepth", Kind.BOOL),
    ),
    MessageSpec(
        80,
        "mktDepthExchanges",
        Counted(
            "descriptions",
            (
                Field("exchange"),
                Field("secType"),
                Field("listingExch"),
                Field("serviceDataType"),
                Field("aggGroup", Kind.INT, 1),
            ),
        ),
    ),
    # The field after the time is not used by any client.
    MessageSpec(96, "historicalTicks", REQ_ID, Counted("ticks", (_TIME, Field("unused"), _PRICE, _SIZE)), _DONE),
    MessageSpec(97, "historicalTicksBidAsk", REQ_ID, Counted("ticks", (_TIME, _MASK, *_QUOTE)), _DONE),
    MessageSpec(
        98,
        "historicalTicksLast",
        REQ_ID,
        Counted("ticks", (_TIME, _MASK, _PRICE, _SIZE, Field("exchange"), Field("specialConditions"))),
        _DONE,
    ),
    MessageSpec(
        99,
        "tickByTick",
        REQ_ID,
        Field("tickType", Kind.ID),
        _TIME,
        When(_type_is(1, 2), _TRADE),
        When(_type_is(3), (*_QUOTE, _MASK)),
        When(_type_is(4), (Field("midPoint", Kind.FLOAT, 0.0),)),
    ),
)
