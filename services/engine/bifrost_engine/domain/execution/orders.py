"""The one order in flight: how it leaves, what the broker's frames mean, how it ends (engine.md sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping

from ..effects import (
    CancelOrder,
    OperationType,
    PersistIntent,
    PlaceOrder,
    RecordHistory,
    RecordIntentState,
    RecordOperation,
    RecordOrder,
    ReserveSequence,
)
from ..machines.hedge import HEDGE_MACHINE, IDLE, HedgeEvent, HedgeState
from ..machines.trading import TRADING_MACHINE, TradingEvent, TradingState
from ..state import INTENT_STATE_OF_ENDING, OrderInFlight, State, order_ref_of
from ..turn import Turn
from ..view import GateResult
from ..words import IntentState, OrderIntent, OrderType, Purpose, Side, Trigger

#: Ask for the next block of decision numbers when this few are left.
SEQUENCE_LOW = 20
_ENDED_KEPT = 50
#: First wait after a failed hedge; it doubles up to the last.
BACKOFF_FIRST_S, BACKOFF_LAST_S = 2.0, 60.0


def backoff_s(failures: int) -> float:
    """Seconds to wait after the ``failures``-th failure in a row: 2, 4, 8 ... 60."""
    return min(BACKOFF_FIRST_S * 2.0 ** max(failures - 1, 0), BACKOFF_LAST_S)


def step(turn: Turn, event: HedgeEvent) -> None:
    """Apply ``event`` to the order machine; on its return to rest tell the trading machine exactly once."""
    before = turn.state.hedge
    after = HEDGE_MACHINE.next(before, event)
    if after is before and not HEDGE_MACHINE.accepts(before, event):
        return
    turn.change(hedge=after, hedge_since_s=turn.at.wall_s)
    if after is HedgeState.FAIL:
        turn.change(failures=turn.state.failures + 1)
    if after in IDLE and before not in IDLE:
        _come_to_rest(turn)
    elif after in (HedgeState.UNKNOWN, HedgeState.RECOVER):
        _find_out(turn, after)


def _find_out(turn: Turn, state: HedgeState) -> None:
    order = turn.state.order
    if state is HedgeState.UNKNOWN:
        if order is not None:
            turn.change_order(probes=0, probe_s=None, gone_s=None, asked_operator=False)
            turn.emit(RecordIntentState(turn.at, order.order_ref, IntentState.UNKNOWN, "outcome not known: probing"))
    else:
        turn.ask_truth(Trigger.RECOVER)


def _come_to_rest(turn: Turn) -> None:
    """The order has a known end: write it, keep the price-move reference due, free the machine."""
    order = turn.state.order
    failed = order is not None and order.failed
    if order is not None and order.gave_up and not failed and order.filled == 0:
        failed = True
        turn.change(failures=turn.state.failures + 1)
    if order is not None:
        ending = order.ending or ("filled" if order.remaining == 0 else "cancelled")
        turn.emit(
            RecordIntentState(turn.at, order.order_ref, INTENT_STATE_OF_ENDING[ending], order.last_error or ending)
        )
        if order.filled > 0:
            capped = order.intent.quantity >= turn.rules.config.gates.intent.hedge.max_hedge_shares_per_order
            turn.change(ended_with_fills=True, ended_residue=order.remaining > 0 or capped)
        turn.emit(RecordHistory(turn.at, f"order {ending}"))
        _remember_end(turn, order.order_ref)
    turn.change(order=None)
    if failed:
        turn.change(retry_after_s=turn.at.wall_s + backoff_s(turn.state.failures))
        last = turn.state.failures >= turn.rules.config.order.hedge_retries
        event = TradingEvent.HEDGE_FAILED_LAST if last else TradingEvent.HEDGE_FAILED_RETRY
    else:
        turn.change(failures=0)
        event = TradingEvent.HEDGE_DONE
    _tell_trading(turn, event)


def _tell_trading(turn: Turn, event: TradingEvent) -> None:
    before = turn.state.trading
    after = TRADING_MACHINE.next(before, event)
    if after is before:
        return
    turn.change(trading=after, trading_since_s=turn.at.wall_s)
    if after is TradingState.SAFE:
        turn.change(safe_cause=f"exec_fault: hedges failed {turn.state.failures} times", safe_clear_s=None)


def _unused_number(state: State) -> int:
    """The next decision number whose order_ref the broker has not seen filled.

    A database that was restored or made anew counts from the past, and the broker remembers the day's orders.
    """
    number = state.sequence_next
    while number < state.sequence_stop and order_ref_of(state.account, state.mode, number) in state.ledger.orders:
        number += 1
    return number


def _remember_end(turn: Turn, order_ref: str) -> None:
    """A picture of the broker that was taken before the end may still show the order as open."""
    ended = {**turn.state.ended, order_ref: turn.at.wall_s}
    while len(ended) > _ENDED_KEPT:
        del ended[next(iter(ended))]
    turn.change(ended=ended)


def start(
    turn: Turn,
    *,
    shares: int,
    purpose: Purpose,
    order_type: OrderType,
    limit_price: float | None,
    reason: str,
    forced: bool,
    gates: tuple[GateResult, ...],
    context: Mapping[str, object],
) -> OrderIntent | None:
    """Take a target: give it a number that never repeats, make it durable. The order leaves when that is confirmed.

    Parameters
    ----------
    shares : int
        Signed; positive buys.

    Returns
    -------
    OrderIntent or None
        None when the block of numbers is used up: the next evaluation tries again.
    """
    state, config = turn.state, turn.rules.config
    number = _unused_number(state)
    left = state.sequence_stop - number
    if left <= SEQUENCE_LOW:
        turn.emit(ReserveSequence())
    if left <= 0:
        return None
    intent = OrderIntent(
        order_ref=order_ref_of(state.account, state.mode, number),
        decision_seq=number,
        account=state.account,
        mode=state.mode,
        key=state.stock,
        side=Side.of(shares),
        quantity=abs(shares),
        order_type=order_type,
        limit_price=limit_price,
        tif=config.order.tif,
        purpose=purpose,
        reason=reason,
        forced=forced,
        mid=state.book.mid,
        at=turn.at,
    )
    turn.change(sequence_next=number + 1, order=OrderInFlight(intent, order_type=order_type, limit_price=limit_price))
    step(turn, HedgeEvent.RECV_TARGET)
    step(turn, HedgeEvent.PLAN_SEND)
    turn.emit(PersistIntent(intent, tuple(gate.as_row() for gate in gates), context))
    _operation(turn, intent, OperationType.HEDGE_INTENT, intent.quantity, reason)
    turn.emit(RecordHistory(turn.at, "hedge_intent"))
    return intent


def intent_durable(turn: Turn, order_ref: str) -> None:
    """The intent is committed: send the order, unless the world has changed while we waited."""
    order, state = turn.state.order, turn.state
    if order is None or order.order_ref != order_ref or state.hedge is not HedgeState.SEND:
        return
    obstacle = _obstacle(turn, order)
    if obstacle:
        withdraw(turn, HedgeEvent.RISK_TRIP, obstacle)
        return
    turn.change_order(sent_s=turn.at.wall_s)
    turn.change(order_times_s=(*(t for t in state.order_times_s if t > turn.at.wall_s - 60.0), turn.at.wall_s))
    turn.emit(PlaceOrder(order.intent))
    step(turn, HedgeEvent.PLACE_ORDER)
    sent(turn, order)


def sent(turn: Turn, order: OrderInFlight) -> None:
    """Write that the order left (again after a restart that found it at the broker: the row is written once)."""
    _operation(turn, order.intent, OperationType.ORDER_SENT, order.intent.quantity, order.intent.reason)
    turn.emit(RecordIntentState(turn.at, order.order_ref, IntentState.SENT, ""), RecordHistory(turn.at, "order_sent"))


def _obstacle(turn: Turn, order: OrderInFlight) -> str:
    """What came between the decision and its durable intent and forbids sending now."""
    state = turn.state
    if not state.leading:
        return "lease lost"
    if not state.link.usable:
        return "IB gone"
    if state.stopping:
        return "stopping"
    waited_s = turn.at.wall_s - order.intent.at.wall_s
    if waited_s > turn.rules.config.order.ack_timeout_s:
        # A database that hangs answers in its own time: the market of the decision is gone, the next one is afresh.
        return f"the intent was durable only after {waited_s:.1f} s"
    if order.intent.purpose is Purpose.HEDGE:
        if state.suspended is not False:
            return "suspended"
        if state.day.hold:
            return f"hold: {state.day.hold}"
        if state.safe_cause:
            return f"safe: {state.safe_cause}"
        if not state.database_available:
            return "database gone"
        if not state.recon.done:
            return f"not reconciled: {state.recon.reason}"
    return ""


def intent_failed(turn: Turn, order_ref: str, reason: str) -> None:
    """Nothing left the house: the hedge failed, the next evaluation decides afresh after the back-off."""
    order = turn.state.order
    if order is None or order.order_ref != order_ref or turn.state.hedge is not HedgeState.SEND:
        return
    turn.change_order(ending="never_sent", failed=True, last_error=f"intent not durable: {reason}")
    step(turn, HedgeEvent.INTENT_FAILED)


def withdraw(turn: Turn, event: HedgeEvent, reason: str) -> None:
    """Want the order gone: before it left it is never sent, afterwards it is cancelled."""
    order, hedge = turn.state.order, turn.state.hedge
    if order is None:
        return
    if hedge in (HedgeState.PLAN, HedgeState.SEND):
        turn.change_order(ending="never_sent", last_error=reason)
        step(turn, event)
        return
    if not HEDGE_MACHINE.accepts(hedge, event):
        return
    step(turn, event)
    turn.change_order(last_error=reason, cancel_asked=True)
    turn.emit(CancelOrder(order.order_ref, order.order_id, reason))


def give_up(turn: Turn, reason: str) -> None:
    """A working order outlived its time: cancel the rest."""
    order = turn.state.order
    if order is None:
        return
    step(turn, HedgeEvent.TIMEOUT_WORKING_GIVE_UP)
    turn.change_order(last_error=reason, cancel_asked=True, gave_up=True)
    turn.emit(CancelOrder(order.order_ref, order.order_id, reason))


def count_once(turn: Turn) -> None:
    """The broker has taken the order: it counts against the day, once; rejects never do."""
    order = turn.state.order
    if order is None or order.counted or order.intent.purpose is not Purpose.HEDGE:
        return
    turn.change_order(counted=True)
    turn.change_day(hedge_count=turn.state.day.hedge_count + 1)


def acknowledged(turn: Turn) -> None:
    """The broker works the order."""
    order = turn.state.order
    if order is None:
        return
    if not order.acknowledged:
        turn.change_order(acknowledged=True)
        # whyHeld "locate": the broker looks for shares to borrow.
        reason = "locating" if order.why_held == "locate" else ""
        turn.emit(RecordIntentState(turn.at, order.order_ref, IntentState.WORKING, reason))
    count_once(turn)
    step(turn, HedgeEvent.ACK_OK)


def held(turn: Turn, reason: str) -> None:
    """404: the broker keeps the order back while it looks for shares to borrow. It may fill any time.

    Of an order that works that is news; of one that nobody acknowledged it tells no end: a probe looks, and what then
    works nowhere was rejected.
    """
    order = turn.state.order
    if order is None:
        return
    if order.acknowledged:
        turn.change_order(why_held="locate")
        if order.cancel_asked:
            return
        turn.emit(RecordIntentState(turn.at, order.order_ref, IntentState.WORKING, "locating"))
        return
    turn.change_order(refusal=reason)
    uncertain(turn, reason)


def rejected(turn: Turn, reason: str) -> None:
    """The broker refused the order: no position came of it."""
    order = turn.state.order
    if order is None or not HEDGE_MACHINE.accepts(turn.state.hedge, HedgeEvent.ACK_REJECT):
        return
    turn.change_order(ending="rejected", failed=True, last_error=reason)
    _operation(turn, order.intent, OperationType.REJECT, order.remaining, reason)
    # At once: the broker keeps no trace of it, so an engine that starts in the back-off could not find it out.
    turn.emit(RecordIntentState(turn.at, order.order_ref, IntentState.REJECTED, reason))
    step(turn, HedgeEvent.ACK_REJECT)
    turn.emit(RecordHistory(turn.at, "reject"))


def cancelled(turn: Turn, reason: str) -> None:
    """A Cancelled frame: ours when we asked for it, else the broker's doing."""
    order, hedge = turn.state.order, turn.state.hedge
    if order is None:
        return
    if hedge is HedgeState.CANCEL:
        count_once(turn)
        turn.change_order(ending="cancelled")
        _operation(turn, order.intent, OperationType.CANCEL, order.remaining, order.last_error or reason)
        step(turn, HedgeEvent.CANCEL_CONFIRMED)
    elif HEDGE_MACHINE.accepts(hedge, HedgeEvent.BROKER_CANCELLED):
        count_once(turn)
        turn.change_order(ending="cancelled_by_broker", failed=True, last_error=reason)
        turn.change(failures=turn.state.failures + 1)
        _operation(turn, order.intent, OperationType.CANCEL, order.remaining, reason)
        step(turn, HedgeEvent.BROKER_CANCELLED)


def filled(turn: Turn, quantity: int) -> None:
    """``quantity`` shares of the order in flight are filled in all."""
    order = turn.state.order
    if order is None or quantity <= order.filled:
        return
    if order.sent_s is None:
        turn.change_order(sent_s=turn.at.wall_s)
        sent(turn, order)
    turn.change_order(filled=quantity)
    count_once(turn)
    if quantity >= order.intent.quantity:
        turn.change_order(ending="filled")
        step(turn, HedgeEvent.FULL_FILL)
    else:
        step(turn, HedgeEvent.PARTIAL_FILL)


def uncertain(turn: Turn, reason: str) -> None:
    """Something was said that does not tell the outcome: find out."""
    if turn.state.order is not None and HEDGE_MACHINE.accepts(turn.state.hedge, HedgeEvent.OUTCOME_UNCERTAIN):
        turn.change_order(last_error=reason)
        step(turn, HedgeEvent.OUTCOME_UNCERTAIN)


def record_view(turn: Turn, status: str, remaining: float, avg_fill_price: float | None) -> None:
    """Keep the broker's view of the order in flight."""
    order = turn.state.order
    if order is None:
        return
    turn.emit(
        RecordOrder(
            at=turn.at,
            order_ref=order.order_ref,
            key=order.intent.key,
            side=order.intent.side,
            quantity=order.intent.quantity,
            order_type=str(order.order_type),
            limit_price=order.limit_price,
            status=status,
            filled=order.filled,
            remaining=remaining,
            avg_fill_price=avg_fill_price,
            perm_id=order.perm_id,
            order_id=order.order_id,
            client_id=turn.state.link.client_id,
            why_held=order.why_held,
            last_error=order.last_error,
        )
    )


def _operation(turn: Turn, intent: OrderIntent, kind: OperationType, quantity: int, reason: str) -> None:
    """Every step of an order has a price: the limit it stands at, for a market order the mid it was decided on."""
    order = turn.state.order
    price = (order.limit_price if order is not None and order.intent is intent else None) or intent.limit_price
    price = price or intent.mid or turn.state.book.mid
    turn.emit(RecordOperation(turn.at, kind, intent.side, quantity, price, reason, intent.key, intent.order_ref))


def record_cancel(turn: Turn, reason: str) -> None:
    """Write that the rest of the order in flight will not fill."""
    order = turn.state.order
    if order is not None and order.remaining > 0:
        _operation(turn, order.intent, OperationType.CANCEL, order.remaining, reason)


def record_reject(turn: Turn, reason: str) -> None:
    """Write that the broker refused the order in flight."""
    order = turn.state.order
    if order is not None:
        _operation(turn, order.intent, OperationType.REJECT, order.remaining, reason)


def record_intent_again(turn: Turn, order: OrderInFlight) -> None:
    """After a restart: the operations row of the intent is written if the crash took it."""
    intent = order.intent
    _operation(turn, intent, OperationType.HEDGE_INTENT, intent.quantity, intent.reason)
