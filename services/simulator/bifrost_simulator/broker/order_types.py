"""Order types: what each needs and at which price it trades. A new type is a new row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bifrost_simulator.api import OrderRequest
from bifrost_simulator.market.base import Quote


def touch(is_buy: bool, quote: Quote) -> float | None:
    """The price an incoming order meets: the ask for a buyer, the bid for a seller; None where nobody stands."""
    price = quote.ask if is_buy else quote.bid
    return price if price > 0 else None


def displayed(is_buy: bool, quote: Quote) -> float:
    """Size shown at the touch."""
    return quote.ask_size if is_buy else quote.bid_size


def _market(request: OrderRequest, is_buy: bool, quote: Quote) -> float | None:
    return touch(is_buy, quote)


def _limit(request: OrderRequest, is_buy: bool, quote: Quote) -> float | None:
    price, limit = touch(is_buy, quote), request.limit_price
    if price is None or limit is None:
        return None
    return price if (price <= limit if is_buy else price >= limit) else None


def _stop_hit(request: OrderRequest, is_buy: bool, quote: Quote) -> bool:
    """Stops trigger at the last trade; an option that has none triggers at the touch."""
    price = quote.last if quote.last > 0 else touch(is_buy, quote)
    if price is None or request.aux_price is None:
        return False
    return price >= request.aux_price if is_buy else price <= request.aux_price


def _touched(request: OrderRequest, is_buy: bool, quote: Quote) -> bool:
    price = quote.last if quote.last > 0 else touch(is_buy, quote)
    if price is None or request.aux_price is None:
        return False
    return price <= request.aux_price if is_buy else price >= request.aux_price


def _at_once(request: OrderRequest, is_buy: bool, quote: Quote) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class OrderType:
    """One order type: the prices it needs, when it becomes active, and at which price it then trades."""

    needs_limit: bool
    needs_aux: bool
    triggered: Callable[[OrderRequest, bool, Quote], bool]
    price: Callable[[OrderRequest, bool, Quote], float | None]


ORDER_TYPES: dict[str, OrderType] = {
    "MKT": OrderType(False, False, _at_once, _market),
    "LMT": OrderType(True, False, _at_once, _limit),
    "STP": OrderType(False, True, _stop_hit, _market),
    "STP LMT": OrderType(True, True, _stop_hit, _limit),
    "MIT": OrderType(False, True, _touched, _market),
    "LIT": OrderType(True, True, _touched, _limit),
}

TIMES_IN_FORCE = frozenset({"DAY", "GTC", "IOC", "FOK", "OPG", "GTD"})
