"""Managed legs: adopted once, kept until closed, expired or released by command (engine.md section 1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bifrost.contract import ContractKey

from ..effects import RecordLeg, RecordTradingDay, RequestLine, Severity
from ..execution import orders
from ..machines.hedge import IDLE, HedgeEvent
from ..state import OrderInFlight
from ..trading_day import trading_day
from ..turn import Turn
from ..words import BrokerOrder, BrokerPosition, Mode, OrderIntent, OrderType, Purpose
from . import portfolio
from .portfolio import Leg, ReleaseReason


def _store(turn: Turn, leg: Leg) -> None:
    turn.change(legs={**turn.state.legs, leg.key: leg})
    turn.emit(RecordLeg(leg.as_row(turn.state.account)))


def mark(turn: Turn, key: ContractKey) -> float | None:
    """The leg's newest two-sided mid, dollars a share."""
    quote = turn.state.book.quotes.get(key)
    return quote.mid if quote is not None else None


def consider(turn: Turn) -> None:
    """Adopt the broker's option positions that qualify, once their strikes can be held against a spot."""
    state, rules = turn.state, turn.rules
    if not state.recon.done or state.book.mid is None or turn.at.market_s is None:
        return
    for position in state.positions or ():
        known = state.legs.get(position.key)
        if position.account != state.account or (known is not None and known.managed) or position.quantity == 0:
            continue
        if position.key.symbol != state.stock.symbol or not position.key.is_option:
            continue
        if portfolio.may_adopt(position, known, state.book.mid, turn.at, rules.config, rules.calendar):
            reason = portfolio.adoption_reason(position, state.book.mid, turn.at, rules.calendar)
            adopt(turn, position, reason)


def adopt(turn: Turn, position: BrokerPosition, reason: str) -> None:
    """Take a position under management at its current mark."""
    price = mark(turn, position.key)
    leg = portfolio.adopt(position, turn.at, reason, price)
    _store(turn, leg)
    day = trading_day.take_in(turn.state.day, leg.key, leg.quantity, leg.multiplier, price)
    turn.change(day=day)
    turn.emit(RequestLine(leg.key), RecordTradingDay(day.as_row()))
    warning = portfolio.reach_warning(turn.state.legs, turn.rules.config)
    if warning:
        turn.alert(Severity.WARNING, "limit_below_reach", warning)
    turn.alert(Severity.INFO, "leg_adopted", f"{leg.quantity:+g} {leg.key} is managed now: {reason}", key=str(leg.key))


def release(turn: Turn, leg: Leg, reason: ReleaseReason, why: str) -> None:
    """Stop managing a leg; one released by command is adopted again only by command."""
    _store(turn, portfolio.release(leg, turn.at, reason))
    day = trading_day.let_go(turn.state.day, leg.key, mark(turn, leg.key))
    turn.change(day=day)
    turn.emit(RecordTradingDay(day.as_row()))
    turn.alert(Severity.INFO, "leg_released", f"{leg.key} is no longer managed: {why}", key=str(leg.key))


def change_quantity(
    turn: Turn,
    leg: Leg,
    quantity: float,
    why: str,
    price: float | None = None,
    ended: ReleaseReason = ReleaseReason.CLOSED,
) -> None:
    """Follow the broker's quantity of a managed leg, for a reason that was found.

    ``price`` is what the change was done at, dollars a share; the current mark when it is not known. ``ended`` says why
    a leg of which nothing is left is managed no more.
    """
    done_at = price if price is not None else mark(turn, leg.key)
    if done_at is not None:
        moved = quantity - leg.quantity
        turn.change(day=trading_day.trade(turn.state.day, leg.key, moved, done_at, leg.multiplier))
    if quantity == 0.0:
        release(turn, replace(leg, quantity=0.0), ended, why)
        return
    _store(turn, replace(leg, quantity=quantity))
    turn.emit(RecordTradingDay(turn.state.day.as_row()))
    message = f"{leg.key}: {leg.quantity:+g} to {quantity:+g}, {why}"
    turn.alert(Severity.INFO, "leg_changed", message, key=f"{leg.key}:{quantity:g}")


def follow_contract(turn: Turn, leg: Leg, position: BrokerPosition) -> Leg:
    """Take over multiplier and identity of the broker's contract: the book goes on at the current mark."""
    changed = replace(
        leg,
        multiplier=position.multiplier,
        con_id=position.con_id or leg.con_id,
        trading_class=position.trading_class or leg.trading_class,
    )
    if changed == leg:
        return leg
    if changed.multiplier != leg.multiplier:
        day = trading_day.change_multiplier(turn.state.day, leg.key, changed.multiplier, mark(turn, leg.key))
        turn.change(day=day)
        turn.emit(RecordTradingDay(day.as_row()))
    _store(turn, changed)
    return changed


def observed(turn: Turn, key: ContractKey) -> BrokerPosition | None:
    """The broker's position of ``key`` in the trading account."""
    for position in turn.state.positions or ():
        if position.key == key and position.account == turn.state.account:
            return position
    return None


def observed_quantity(turn: Turn, key: ContractKey) -> float:
    """The broker's quantity of ``key``, signed; 0 when it shows none."""
    position = observed(turn, key)
    return position.quantity if position is not None else 0.0


def managed(turn: Turn) -> tuple[Leg, ...]:
    """The legs under management, in the order of their keys."""
    return portfolio.managed(turn.state.legs)


def adopt_by_command(turn: Turn, key: ContractKey) -> str:
    """Adopt ``key`` because the operator says so. Returns why not."""
    known = turn.state.legs.get(key)
    if known is not None and known.managed:
        return f"{key} is managed already"
    if turn.state.positions is None:
        return "the broker's positions are not known now"
    position = observed(turn, key)
    if position is None or position.quantity == 0:
        return f"{turn.state.account} holds no {key}"
    if not key.is_option or key.symbol != turn.state.stock.symbol:
        return f"{key} is not an option of {turn.state.stock.symbol}"
    adopt(turn, position, "by command")
    return ""


def release_by_command(turn: Turn, key: ContractKey) -> str:
    """Release ``key`` because the operator says so. Returns why not."""
    known = turn.state.legs.get(key)
    if known is None or not known.managed:
        return f"{key} is not a managed leg"
    release(turn, known, ReleaseReason.COMMAND, "by command")
    return ""


def adopt_orders(turn: Turn, open_orders: Iterable[BrokerOrder], asked_wall_s: float) -> None:
    """A live order of ours that we do not know of (a database restored from a backup): take it over and find out.

    Open orders are read before executions, so one that filled in between is shown as open: its end, learned after the
    reading began at ``asked_wall_s``, is the newer truth.
    """
    state = turn.state
    known = {order.order_ref for order in state.restored}
    for found in open_orders:
        current = turn.state.order
        if not found.order_ref.startswith("BF") or found.client_id != state.link.client_id:
            continue
        if found.account != state.account or found.key != state.stock:
            continue
        if found.order_ref in known or (current is not None and current.order_ref == found.order_ref):
            continue
        ended_s = state.ended.get(found.order_ref)
        if ended_s is not None and ended_s >= asked_wall_s:
            continue
        if turn.state.live_ledger.fills(found.order_ref).quantity >= found.quantity:
            continue
        if state.mode is Mode.PAPER:
            text = f"order {found.order_ref} of ours works at the broker, and this is paper mode: look at TWS"
            turn.alert(Severity.CRITICAL, "live_order_in_paper_mode", text, key=found.order_ref)
            continue
        if turn.state.hedge not in IDLE:
            continue
        turn.change(order=_restore(turn, found), hedge_since_s=turn.at.wall_s)
        turn.alert(
            Severity.WARNING, "order_adopted", f"order {found.order_ref} of ours was at the broker unknown to us"
        )
        orders.step(turn, HedgeEvent.RESTORED)


def _restore(turn: Turn, found: BrokerOrder) -> OrderInFlight:
    intent = OrderIntent(
        order_ref=found.order_ref,
        decision_seq=0,
        account=found.account,
        mode=turn.state.mode,
        key=found.key,
        side=found.side,
        quantity=round(found.quantity),
        order_type=OrderType.LIMIT if found.limit_price else OrderType.MARKET,
        limit_price=found.limit_price,
        tif="DAY",
        purpose=Purpose.HEDGE,
        reason="found at the broker",
        forced=False,
        mid=None,
        at=turn.at,
    )
    return OrderInFlight(
        intent,
        order_type=intent.order_type,
        limit_price=found.limit_price,
        order_id=found.order_id,
        perm_id=found.perm_id,
        status=found.status,
        acknowledged=True,
        sent_s=turn.at.wall_s,
        counted=found.order_ref in turn.state.ended,
        filled=round(turn.state.ledger.fills(found.order_ref).quantity),
    )
