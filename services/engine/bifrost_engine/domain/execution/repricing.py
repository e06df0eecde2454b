"""Limit prices: the first one, and how an order follows the touch by modifies, the last one to market (engine.md 4.4).

A new price must pass what the first one had to pass. While it does not the order keeps its price, which passed; when
none has passed for another `reprice_after_s` the order is taken back with the reason.
"""

from __future__ import annotations

from dataclasses import replace

from bifrost.config import AfterReprices, Config

from .. import gates
from ..effects import ModifyOrder, RecordIntentState
from ..machines.hedge import HedgeEvent, HedgeState
from ..state import OrderInFlight
from ..turn import Turn
from ..view import View
from ..words import IntentState, OrderType, Side
from . import orders

#: US stocks at or above one dollar are quoted in cents (SEC Rule 612).
STOCK_TICK = 0.01
_WAITING = frozenset({HedgeState.WORKING, HedgeState.PARTIAL})


def limit_price(turn: Turn, side: Side) -> float | None:
    """The touch plus `pay_up_ticks`, in dollars; None without a touch. The adapter knows the contract's tick rules."""
    book, ticks = turn.state.book, turn.rules.config.order.pay_up_ticks
    touch = book.ask if side is Side.BUY else book.bid
    if touch is None:
        return None
    return round(touch + side.sign * ticks * STOCK_TICK, 2)


def attempts_left(order: OrderInFlight, config: Config) -> bool:
    """Whether the order may still get a new price: `max_reprices` limits, then the market where configured."""
    if order.order_type is not OrderType.LIMIT:
        return False
    return order.reprices < config.order.max_reprices or config.order.after_reprices is AfterReprices.MARKET


def refused_for_too_long(turn: Turn, order: OrderInFlight, age_s: float) -> str:
    """Why an order that has got no new price is given up; empty while it may wait. ``age_s``: in its present state."""
    wait_s = turn.rules.config.order.reprice_after_s
    # Without market time nothing is evaluated, so nobody gives it a price and nobody says why not.
    refusal = order.price_refused or ("" if turn.at.market_s is not None else "market time is not known")
    return f"no new price for {wait_s:g} s: {refusal}" if refusal and age_s >= 2 * wait_s else ""


def follow(turn: Turn, view: View) -> None:
    """Give the order in flight its next price when it has waited its time."""
    order, config = turn.state.order, turn.rules.config
    if order is None or turn.state.hedge not in _WAITING or not attempts_left(order, config):
        return
    if turn.at.wall_s - turn.state.hedge_since_s < config.order.reprice_after_s:
        return
    last = order.reprices >= config.order.max_reprices
    order_type = OrderType.MARKET if last else OrderType.LIMIT
    limit = None if last else limit_price(turn, order.intent.side)
    refusal = _refusal(view, order, order_type, limit)
    if refusal:
        _keep(turn, order, refusal)
        return
    if order.price_refused:
        turn.emit(RecordIntentState(turn.at, order.order_ref, IntentState.WORKING, ""))
    orders.step(turn, HedgeEvent.TIMEOUT_WORKING_REPRICE)
    order = turn.change_order(reprices=order.reprices + 1, order_type=order_type, limit_price=limit, price_refused="")
    turn.emit(ModifyOrder(order.intent, order.order_id, order_type, limit))
    orders.step(turn, HedgeEvent.PLACE_ORDER)


def _refusal(view: View, order: OrderInFlight, order_type: OrderType, limit: float | None) -> str:
    """The first gate that the new price does not pass, with its numbers; empty when it passes all."""
    rest = order.signed_remaining
    asked = replace(
        view,
        purpose=order.intent.purpose,
        need_shares=rest,
        order_shares=rest,
        order_type=order_type,
        limit_price=limit,
    )
    failing = gates.first_failing(gates.evaluate(asked, gates.reprice_gates(order.intent.purpose)))
    if failing is None:
        return ""
    return failing.reason if failing.reason.startswith(failing.name) else f"{failing.name}: {failing.reason}"


def _keep(turn: Turn, order: OrderInFlight, refusal: str) -> None:
    """The order stands where it stood; its receipt says why."""
    if not order.price_refused:
        turn.emit(RecordIntentState(turn.at, order.order_ref, IntentState.WORKING, f"price kept: {refusal}"))
    turn.change_order(price_refused=refusal)
