"""Blocks of fields on which the three order layouts agree (tws-protocol.md §6-§8)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bifrost_simulator.wire.layout import Counted, CountedByType, Field, Item, Kind, When
from bifrost_simulator.wire.messages.groups import DELTA_NEUTRAL_CONTRACT, FULL_LEGS

FA_PROFILE_UNTIL = 176

_CONJUNCTION = Field("conjunction", default="a")
_IS_MORE = Field("isMore", Kind.BOOL)
_CON_ID = Field("conId", Kind.INT, 0)
_EXCHANGE = Field("exch")

CONDITIONS = CountedByType(
    "conditions",
    "condType",
    {
        1: (
            _CONJUNCTION,
            _IS_MORE,
            Field("price", Kind.FLOAT, 0.0),
            _CON_ID,
            _EXCHANGE,
            Field("triggerMethod", Kind.INT, 0),
        ),
        3: (_CONJUNCTION, _IS_MORE, Field("time")),
        4: (_CONJUNCTION, _IS_MORE, Field("percent", Kind.INT, 0)),
        5: (_CONJUNCTION, Field("secType"), _EXCHANGE, Field("symbol")),
        6: (_CONJUNCTION, _IS_MORE, Field("volume", Kind.INT, 0), _CON_ID, _EXCHANGE),
        7: (_CONJUNCTION, _IS_MORE, Field("changePercent", Kind.FLOAT, 0.0), _CON_ID, _EXCHANGE),
    },
)


def has(name: str) -> Callable[[Mapping[str, Any]], bool]:
    """True where the field ``name`` is neither empty nor 0."""
    return lambda values: bool(values.get(name))


def _scales(values: Mapping[str, Any]) -> bool:
    increment = values.get("scalePriceIncrement")
    return increment is not None and increment > 0


def _is_pegged_to_benchmark(values: Mapping[str, Any]) -> bool:
    return values.get("orderType") in ("PEG BENCH", "PEGBENCH")


def is_peg_best(values: Mapping[str, Any]) -> bool:
    """Pegged to best; ib_async writes it without the space."""
    return values.get("orderType") in ("PEG BEST", "PEGBEST")


def needs_mid_offsets(values: Mapping[str, Any]) -> bool:
    """Offsets at whole and half ticks follow for PEG MID, and for PEG BEST that competes up to the mid."""
    if is_peg_best(values):
        return values.get("competeAgainstBestOffset") == math.inf
    return values.get("orderType") in ("PEG MID", "PEGMID")


def flag(name: str, default: bool = False, **versions: int) -> Field:
    """A yes/no field of an order."""
    return Field(name, Kind.BOOL, default, **versions)


def number(name: str, default: float | None = None, **versions: int) -> Field:
    """A number of an order, unset unless a default is given."""
    return Field(name, Kind.FLOAT, default, **versions)


def whole(name: str, default: int | None = None, **versions: int) -> Field:
    """A whole number of an order, unset unless a default is given."""
    return Field(name, Kind.INT, default, **versions)


ORDER_HEAD: tuple[Item, ...] = (
    Field("action"),
    number("totalQuantity", 0.0),
    Field("orderType"),
    number("lmtPrice"),
    number("auxPrice"),
    Field("tif"),
    Field("ocaGroup"),
    Field("account"),
    Field("openClose"),
    whole("origin", 0),
    Field("orderRef"),
)
FINANCIAL_ADVISOR: tuple[Item, ...] = (
    Field("faGroup"),
    Field("faMethod"),
    Field("faPercentage"),
    Field("faProfile", until=FA_PROFILE_UNTIL),
    Field("modelCode"),
)
STOCK_RANGE: tuple[Item, ...] = (
    number("startingPrice"),
    number("stockRefPrice"),
    number("delta"),
    number("stockRangeLower"),
    number("stockRangeUpper"),
)
VOLATILITY: tuple[Item, ...] = (
    number("volatility"),
    whole("volatilityType"),
    Field("deltaNeutralOrderType"),
    number("deltaNeutralAuxPrice"),
)
DELTA_NEUTRAL = When(
    has("deltaNeutralOrderType"),
    (
        whole("deltaNeutralConId", 0),
        Field("deltaNeutralSettlingFirm"),
        Field("deltaNeutralClearingAccount"),
        Field("deltaNeutralClearingIntent"),
        Field("deltaNeutralOpenClose"),
        flag("deltaNeutralShortSale"),
        whole("deltaNeutralShortSaleSlot", 0),
        Field("deltaNeutralDesignatedLocation"),
    ),
)
TRAIL: tuple[Item, ...] = (
    flag("continuousUpdate"),
    whole("referencePriceType"),
    number("trailStopPrice"),
    number("trailingPercent"),
)
COMBO: tuple[Item, ...] = (
    FULL_LEGS,
    Counted("orderComboLegs", (number("price"),)),
    Counted("smartComboRoutingParams", (Field("tag"), Field("value"))),
)
SCALE: tuple[Item, ...] = (
    whole("scaleInitLevelSize"),
    whole("scaleSubsLevelSize"),
    number("scalePriceIncrement"),
    When(
        _scales,
        (
            number("scalePriceAdjustValue"),
            whole("scalePriceAdjustInterval"),
            number("scaleProfitOffset"),
            flag("scaleAutoReset"),
            whole("scaleInitPosition"),
            whole("scaleInitFillQty"),
            flag("scaleRandomPercent"),
        ),
    ),
)
HEDGE: tuple[Item, ...] = (Field("hedgeType"), When(has("hedgeType"), (Field("hedgeParam"),)))
CLEARING: tuple[Item, ...] = (
    Field("clearingAccount"),
    Field("clearingIntent"),
    flag("notHeld"),
    DELTA_NEUTRAL_CONTRACT,
)
ALGO: tuple[Item, ...] = (
    Field("algoStrategy"),
    When(has("algoStrategy"), (Counted("algoParams", (Field("tag"), Field("value"))),)),
)
RANDOMIZE: tuple[Item, ...] = (flag("randomizeSize"), flag("randomizePrice"))
BENCHMARK = When(
    _is_pegged_to_benchmark,
    (
        whole("referenceContractId", 0),
        flag("isPeggedChangeAmountDecrease"),
        number("peggedChangeAmount", 0.0),
        number("referenceChangeAmount", 0.0),
        Field("referenceExchangeId"),
    ),
)
CONDITION_BLOCK: tuple[Item, ...] = (
    CONDITIONS,
    When(has("conditions"), (flag("conditionsIgnoreRth"), flag("conditionsCancelOrder"))),
)
PEG_LIMITS: tuple[Item, ...] = (
    whole("minTradeQty", since=170),
    whole("minCompeteSize", since=170),
    number("competeAgainstBestOffset", since=170),
    number("midOffsetAtWhole", since=170),
    number("midOffsetAtHalf", since=170),
)
