"""What the broker refuses, and with which of IB's codes."""

from __future__ import annotations

import math

from bifrost_simulator.api import BrokerError, Contract, OrderRequest
from bifrost_simulator.broker.book import BookOrder
from bifrost_simulator.broker.combos import BAG
from bifrost_simulator.broker.families import GROUP_REVISION
from bifrost_simulator.broker.order_types import CLOSING_TIMES_IN_FORCE, ORDER_TYPES, TIMES_IN_FORCE, OrderType
from bifrost_simulator.universe import increment_at

REJECTED = 201
PRICE_VARIATION = 110
VALIDATION = 321
UNSUPPORTED_TYPE = 387
DUPLICATE_ID = 103
FILLED_ORDER = 104
NOT_MATCHING = 105
UNKNOWN_ORDER = 10147
NOT_CANCELLABLE = 10148
INVALID_ORDER_ID = 10149
FRACTIONAL, CASH_QUANTITY = 10243, 10244
OUTSIDE_HOURS_WARNING = 399
CANCELLED = 202
OUTSIDE_ATTRIBUTE_IGNORED = BrokerError(
    2109,
    "Order Event Warning:Attribute 'Outside Regular Trading Hours' is ignored based on the order type and "
    "destination. PlaceOrder is now being processed.",
)
COMBO_TICK = 0.01  # the net price of a combination may be anything, also nothing or less
_COMBO_TYPES = frozenset({"MKT", "LMT"})


def rejected(reason: str) -> BrokerError:
    """Error 201 with IB's words before the reason."""
    return BrokerError(REJECTED, f"Order rejected - reason:{reason}")


def _invalid(cause: str) -> BrokerError:
    return BrokerError(VALIDATION, f"Error validating request:-'bN' : cause - {cause}")


def check_request(request: OrderRequest, contract: Contract, accounts: tuple[str, ...]) -> None:
    """Raise what IB would raise for an order that cannot be, before it gets a permId."""
    if request.action not in ("BUY", "SELL", "SSHORT"):
        raise _invalid(f"Please enter a valid order action: {request.action!r} is not BUY or SELL.")
    if request.account and request.account not in accounts:
        raise _invalid(f"Invalid account code '{request.account}'.")
    if not request.account and len(accounts) > 1:
        raise BrokerError(435, "You must specify an account.")
    if request.cash_quantity:
        raise BrokerError(CASH_QUANTITY, "Cash quantity cannot be used for this order.")
    if not math.isfinite(request.quantity) or request.quantity <= 0:
        raise rejected(f"The size value cannot be zero or negative: {request.quantity:g}.")
    if contract.sec_type != "STK" and request.quantity != int(request.quantity):
        raise rejected(f"Options and combinations trade in whole contracts: {request.quantity:g}.")
    kind = ORDER_TYPES.get(request.order_type)
    refused = kind is None or (contract.sec_type == BAG and request.order_type not in _COMBO_TYPES)
    if kind is None or refused or (kind.at_close and contract.sec_type != "STK"):
        raise BrokerError(UNSUPPORTED_TYPE, "Unsupported order type for this exchange and security type.")
    if not request.tif:
        raise _invalid("Missing time in force: tif must be set.")
    if request.tif not in TIMES_IN_FORCE:
        raise _invalid(f"Invalid time in force: {request.tif}.")
    if request.tif == "GTD" and not request.good_till_date:
        raise _invalid("A good-till-date order needs a good till date.")
    if kind.at_close and request.tif not in CLOSING_TIMES_IN_FORCE:
        raise _invalid(f"The time in force {request.tif} cannot be used with an order for the close.")
    _check_attributes(request)
    _check_prices(kind, request, contract)


def _check_prices(kind: OrderType, request: OrderRequest, contract: Contract) -> None:
    """Raise what a missing or impossible price of the type would raise."""
    if kind.needs_limit or (kind.pegged and request.limit_price):
        _check_price(contract, request.limit_price, "limit")
    if kind.needs_trigger:
        _check_price(contract, request.aux_price, "stop")
    if kind.pegged and not 0 <= (request.aux_price or 0.0) < math.inf:
        raise rejected(f"Invalid offset: {request.aux_price}.")
    if kind.trails:
        _check_trail(request, contract)


def _check_trail(request: OrderRequest, contract: Contract) -> None:
    amount, percent = request.aux_price, request.trailing_percent
    if bool(amount) == bool(percent):
        raise _invalid("A trailing order needs either a trailing amount (auxPrice) or a trailing percent, not both.")
    if amount and not 0 < amount < math.inf:
        raise rejected(f"Invalid trailing amount: {amount}.")
    if percent and not 0 < percent < 100:
        raise rejected(f"Invalid trailing percent: {percent}.")
    if request.trail_stop_price:
        _check_price(contract, request.trail_stop_price, "stop")
    if request.limit_price and request.attributes.get("lmtPriceOffset"):
        raise _invalid("A trailing stop limit order needs either a limit price or a limit price offset, not both.")


def _check_attributes(request: OrderRequest) -> None:
    """Refuse what would change how the order trades and is not simulated; anything else is only echoed."""
    for name in ("hedgeType", "scalePriceIncrement", "deltaNeutralOrderType"):
        if request.attributes.get(name):
            raise rejected(f"The simulator does not trade orders with {name} set.")


def check_whole(request: OrderRequest) -> None:
    """Raise 10243: parts of a share are for the desktop, never for an API client."""
    if math.isfinite(request.quantity) and request.quantity != int(request.quantity):
        text = "Fractional-sized order cannot be placed via API. Please use desktop version to place the order."
        raise BrokerError(FRACTIONAL, text)


def check_order_id(order_id: int) -> None:
    """Raise 10149 for an id that no API order can have."""
    if order_id <= 0:
        raise BrokerError(INVALID_ORDER_ID, f"Invalid order id: {order_id}")


def _check_price(contract: Contract, price: float | None, name: str) -> None:
    if price is None or not math.isfinite(price) or (price <= 0 and contract.sec_type != BAG):
        raise rejected(f"Invalid {name} price: {price}.")
    steps = price / (COMBO_TICK if contract.sec_type == BAG else increment_at(contract, price))
    if abs(steps - round(steps)) > 1e-6:
        raise BrokerError(
            PRICE_VARIATION, "The price does not conform to the minimum price variation for this contract."
        )


def check_modify(order: BookOrder, request: OrderRequest, contract: Contract) -> None:
    """Raise what IB raises for a change that is none, or comes too late."""
    if not order.is_open:
        if order.filled >= order.request.quantity:
            raise BrokerError(FILLED_ORDER, "Cannot modify a filled order.")
        raise BrokerError(DUPLICATE_ID, "Duplicate order id")
    same = (
        contract.con_id == order.contract.con_id
        and request.action == order.request.action
        and request.account in ("", order.request.account)
    )
    if not same:
        raise BrokerError(NOT_MATCHING, "Order being modified does not match original order.")
    if request.oca_group not in ("", order.request.oca_group):
        raise BrokerError(GROUP_REVISION, "OCA group revision is not allowed.")
    if request.parent_id not in (0, order.request.parent_id):
        raise BrokerError(NOT_MATCHING, "Order being modified does not match original order.")
    if request.quantity <= order.filled:
        raise rejected(f"Total quantity {request.quantity:g} is not above the filled {order.filled:g}.")
