"""Field groups that many messages share (tws-protocol.md §3)."""

from __future__ import annotations

from bifrost_simulator.wire.layout import Constant, Counted, Field, Flagged, Item, Kind

REQ_ID = Field("reqId", Kind.ID)
ORDER_ID = Field("orderId", Kind.ID)


def version(number: int) -> Constant:
    """The message's own constant version field."""
    return Constant(str(number))


C12: tuple[Item, ...] = (
    Field("conId", Kind.INT, 0),
    Field("symbol"),
    Field("secType"),
    Field("lastTradeDateOrContractMonth"),
    Field("strike", Kind.FLOAT, 0.0),
    Field("right"),
    Field("multiplier"),
    Field("exchange"),
    Field("primaryExchange"),
    Field("currency"),
    Field("localSymbol"),
    Field("tradingClass"),
)
"""A contract as a client describes it."""

C11: tuple[Item, ...] = tuple(item for item in C12 if item.names() != {"primaryExchange"})
"""A contract as the gateway names it: without the primary exchange."""

SHORT_LEGS = Counted(
    "comboLegs",
    (Field("conId", Kind.INT, 0), Field("ratio", Kind.INT, 0), Field("action"), Field("exchange")),
)
"""BAG legs of market data and history requests."""

FULL_LEGS = Counted(
    "comboLegs",
    (
        Field("conId", Kind.INT, 0),
        Field("ratio", Kind.INT, 0),
        Field("action"),
        Field("exchange"),
        Field("openClose", Kind.INT, 0),
        Field("shortSaleSlot", Kind.INT, 0),
        Field("designatedLocation"),
        Field("exemptCode", Kind.INT, -1),
    ),
)
"""BAG legs of orders."""

DELTA_NEUTRAL_CONTRACT = Flagged(
    "deltaNeutralContract",
    (Field("conId", Kind.INT, 0), Field("delta", Kind.FLOAT, 0.0), Field("price", Kind.FLOAT, 0.0)),
)


def is_bag(values: object) -> bool:
    """True for a combination order or request."""
    return isinstance(values, dict) and str(values.get("secType", "")).upper() == "BAG"
