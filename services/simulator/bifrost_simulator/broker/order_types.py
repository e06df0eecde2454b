"""Order types: what each needs, when it becomes active and at which price it trades. A new type is a new row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from bifrost_simulator.market.base import Quote


class TriggerMethod(IntEnum):
    """What a stop looks at (IB's numbers). `DEFAULT` is the last trade of a stock and twice the touch of an option."""

    DEFAULT = 0
    DOUBLE_BID_ASK = 1
    LAST = 2
    DOUBLE_LAST = 3
    BID_ASK = 4
    LAST_OR_BID_ASK = 7
    MIDPOINT = 8


class Waits(StrEnum):
    """What an order waits for before it goes to the exchange."""

    NOTHING = "nothing"
    STOP = "stop"
    """The market has come to its price from the side that hurts: a buyer's rises, a seller's falls."""
    TOUCH = "touch"
    """The market has come to its price from the side that helps."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Where an order trades now, dollars a unit. `BookOrder.terms` makes them of the request and what it follows."""

    is_buy: bool
    limit: float | None = None
    trigger: float | None = None


def touch(is_buy: bool, quote: Quote) -> float | None:
    """The price an incoming order meets: the ask for a buyer, the bid for a seller; None where nobody stands."""
    price = quote.ask if is_buy else quote.bid
    return price if price > 0 else None


def displayed(is_buy: bool, quote: Quote) -> float:
    """Size shown at the touch."""
    return quote.ask_size if is_buy else quote.bid_size


def _market(terms: Terms, quote: Quote) -> float | None:
    return touch(terms.is_buy, quote)


def _limit(terms: Terms, quote: Quote) -> float | None:
    price, limit = touch(terms.is_buy, quote), terms.limit
    if price is None or limit is None:
        return None
    return price if (price <= limit if terms.is_buy else price >= limit) else None


@dataclass(frozen=True, slots=True)
class OrderType:
    """One order type.

    Attributes
    ----------
    price : callable
        The price at which it trades against a quote, None while it does not.
    needs_limit, needs_trigger : bool
        Whether lmtPrice is its limit and auxPrice the price that it waits for.
    waits : Waits
        What it waits for.
    trails : bool
        The price that it waits for follows the market: auxPrice or trailingPercent is the distance.
    pegged : bool
        Its limit follows the touch of its own side: auxPrice is the distance, lmtPrice a cap.
    at_close : bool
        It trades at the closing price alone.
    """

    price: Callable[[Terms, Quote], float | None]
    needs_limit: bool = False
    needs_trigger: bool = False
    waits: Waits = Waits.NOTHING
    trails: bool = False
    pegged: bool = False
    at_close: bool = False


ORDER_TYPES: dict[str, OrderType] = {
    "MKT": OrderType(_market),
    "LMT": OrderType(_limit, needs_limit=True),
    "STP": OrderType(_market, needs_trigger=True, waits=Waits.STOP),
    "STP LMT": OrderType(_limit, needs_limit=True, needs_trigger=True, waits=Waits.STOP),
    "MIT": OrderType(_market, needs_trigger=True, waits=Waits.TOUCH),
    "LIT": OrderType(_limit, needs_limit=True, needs_trigger=True, waits=Waits.TOUCH),
    "TRAIL": OrderType(_market, waits=Waits.STOP, trails=True),
    "TRAIL LIMIT": OrderType(_limit, waits=Waits.STOP, trails=True),
    "MOC": OrderType(_market, at_close=True),
    "LOC": OrderType(_limit, needs_limit=True, at_close=True),
    "MTL": OrderType(_market),
    "REL": OrderType(_limit, pegged=True),
}
"""By the name that clients give. ``MTL`` is a market order whose remainder becomes a limit order at its first price."""

MARKET_TO_LIMIT = "MTL"
TRAIL_LIMIT = "TRAIL LIMIT"
TIMES_IN_FORCE = frozenset({"DAY", "GTC", "IOC", "FOK", "OPG", "GTD"})
CLOSING_TIMES_IN_FORCE = frozenset({"DAY", "GTC", "GTD"})
