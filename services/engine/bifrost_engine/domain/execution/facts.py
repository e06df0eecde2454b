"""What the broker says, taken as facts: statuses, errors, executions, commissions (engine.md section 4.5).

Executions reach the ledger in every state of every machine, once per exec_id.
"""

from __future__ import annotations

from dataclasses import replace

from ..effects import OperationType, RecordCost, RecordExecution, RecordHistory, RecordOperation, RecordTradingDay
from ..events import CommissionReported, ExecutionReported, OrderErrorReported, OrderPlaced, OrderStatusReported
from ..ledger import ledger as ledgers
from ..state import Foreign, OrderInFlight
from ..trading_day import trading_day
from ..turn import Turn
from ..words import Execution, Mode, OrderErrorKind, Origin
from . import orders

_WORKING = frozenset({"PreSubmitted", "Submitted"})
_CANCELLED = frozenset({"Cancelled", "ApiCancelled"})
PREFIX = "BF"


def order_placed(turn: Turn, event: OrderPlaced) -> None:
    order = turn.state.order
    if order is not None and order.order_ref == event.order_ref:
        turn.change_order(order_id=event.order_id)


def order_status(turn: Turn, event: OrderStatusReported) -> None:
    """orderStatus drives acknowledgement and end; its quantities only cross-check the executions."""
    order = turn.state.order
    if order is None or order.order_ref != event.order_ref:
        return
    order = turn.change_order(
        status=event.status,
        why_held=event.why_held,
        perm_id=event.perm_id or order.perm_id,
        order_id=event.order_id or order.order_id,
    )
    if event.status in _WORKING:
        orders.acknowledged(turn)
    elif event.status == "Inactive":
        _inactive(turn, order)
    elif event.status in _CANCELLED:
        orders.cancelled(turn, order.last_error or event.status)
    orders.record_view(turn, event.status, event.remaining, event.avg_fill_price)


def _inactive(turn: Turn, order: OrderInFlight) -> None:
    """A reject before anything worked. Of an order that had worked it does not tell the outcome."""
    if order.acknowledged:
        orders.uncertain(turn, "Inactive after it had worked")
    else:
        orders.rejected(turn, order.last_error or "Inactive")


def order_error(turn: Turn, event: OrderErrorReported) -> None:
    """An error frame on our order: information, a reject before anything worked, or something to find out."""
    order = turn.state.order
    if order is None or order.order_ref != event.order_ref:
        return
    reason = f"{event.code}: {event.text}"
    if event.kind is OrderErrorKind.INFORMATION:
        return
    if event.kind is OrderErrorKind.HELD:
        orders.held(turn, reason)
    elif event.kind is OrderErrorKind.REJECT and not order.acknowledged and order.status not in _WORKING:
        orders.rejected(turn, reason)
    else:
        # A refused modify, a refused cancel (10147, 10148) or a code we have no rule for: the order may still work.
        orders.uncertain(turn, reason)


def execution_reported(turn: Turn, event: ExecutionReported) -> None:
    fold(turn, event.execution)


def is_own(turn: Turn, execution: Execution) -> bool:
    """Our order reference on our client id, or on an order the ledger already knows."""
    if execution.origin is Origin.SYNTHETIC:
        return True
    reference = execution.order_ref
    if not reference.startswith(PREFIX):
        return False
    order = turn.state.order
    return (
        execution.client_id == turn.state.link.client_id
        or (order is not None and order.order_ref == reference)
        or turn.state.live_ledger.fills(reference).quantity > 0
    )


def fold(turn: Turn, execution: Execution) -> bool:
    """Take one execution into the books. Returns whether it was new.

    Ours go to the ledger of the account's mode; foreign ones of contracts that matter explain differences later.
    """
    if execution.account != turn.state.account:
        return False
    if not is_own(turn, execution):
        return _fold_external(turn, execution)
    if execution.exec_id in _book_of(turn, execution).executions:
        # Each reading of the broker's truth tells the whole day again.
        return False
    order = turn.state.order
    ours = order is not None and order.order_ref == execution.order_ref
    if execution.mid_at_decision is None and ours and order is not None:
        execution = replace(execution, mid_at_decision=order.intent.mid)
    if execution.origin is Origin.EXTERNAL:
        execution = replace(execution, origin=Origin.OWN)
    before = turn.state.ledger
    execution, inferred = _naming_what_it_replaces(turn, execution)
    if not _enter(turn, execution):
        return False
    rest = _rest_of(turn, inferred, execution)
    if execution.paper or turn.state.mode is Mode.LIVE:
        day = trading_day.book_fill(turn.state.day, execution, before, turn.state.ledger, turn.rules.calendar)
        turn.change(day=day)
        turn.emit(RecordTradingDay(day.as_row()))
    _remember_fill(turn, execution)
    reason = order.intent.reason if ours and order is not None else (execution.note or "late or recovered")
    turn.emit(
        # The execution's own row comes last: once it is there, a restarted engine takes the fill for told.
        RecordOperation(
            turn.at,
            OperationType.FILL,
            execution.side,
            round(execution.quantity),
            execution.price,
            reason,
            execution.key,
            execution.order_ref,
            execution.exec_id,
        ),
        RecordExecution(turn.at, execution),
        *(RecordExecution(turn.at, still_inferred) for still_inferred in rest),
        RecordHistory(turn.at, "fill"),
    )
    if ours:
        orders.filled(turn, round(turn.state.ledger.fills(execution.order_ref).quantity))
    return True


def _remember_fill(turn: Turn, execution: Execution) -> None:
    """When we traded last. A broker's clock that runs ahead of ours puts no fill into the future."""
    turn.change(executed_s=turn.at.wall_s)
    counts = execution.paper or turn.state.mode is Mode.LIVE
    if not (counts and execution.order_ref and execution.key.is_stock):
        return
    now_s, before_s = turn.at.market_s, turn.state.last_fill_s
    filled_s = execution.time_s if now_s is None else min(execution.time_s, now_s)
    turn.change(last_fill_s=filled_s if before_s is None else max(before_s, filled_s))


def _naming_what_it_replaces(turn: Turn, execution: Execution) -> tuple[Execution, Execution | None]:
    """The broker's report takes the place of what was inferred for its order, a correction that of what it corrects.

    The row says so, because the database's readers count only what no row replaces. The second value is the inferred
    execution.
    """
    book = _book_of(turn, execution)
    if execution.origin is Origin.SYNTHETIC or execution.replaces_exec_id or execution.exec_id in book.executions:
        return execution, None
    corrected = ledgers.corrected_by(book, execution.exec_id)
    if corrected:
        return replace(execution, replaces_exec_id=corrected), None
    inferred = ledgers.synthetic_for(book, execution.order_ref) if execution.order_ref else None
    if inferred is None:
        return execution, None
    return replace(execution, replaces_exec_id=inferred.exec_id), inferred


def _rest_of(turn: Turn, inferred: Execution | None, real: Execution) -> tuple[Execution, ...]:
    """The broker reports an order's fills one by one: what it has not reported yet stays inferred."""
    if inferred is None or inferred.quantity <= real.quantity:
        return ()
    rest = replace(
        inferred,
        exec_id=f"recon:{inferred.order_ref}:{real.exec_id}",
        quantity=inferred.quantity - real.quantity,
        note=f"what {real.exec_id} left of {inferred.exec_id}",
    )
    return (rest,) if _enter(turn, rest) else ()


def _book_of(turn: Turn, execution: Execution) -> ledgers.Ledger:
    live_in_paper = turn.state.mode is Mode.PAPER and not execution.paper
    return turn.state.live_ledger if live_in_paper else turn.state.ledger


def _enter(turn: Turn, execution: Execution) -> bool:
    """Fold into the ledger it belongs to. In paper mode a late live fill still belongs to the live one."""
    paper_engine = turn.state.mode is Mode.PAPER
    if paper_engine and not execution.paper:
        book, is_new = ledgers.fold(turn.state.live_ledger, execution)
        turn.change(live_ledger=book)
        return is_new
    book, is_new = ledgers.fold(turn.state.ledger, execution)
    turn.change(ledger=book)
    if not paper_engine:
        turn.change(live_ledger=book)
    return is_new


def _fold_external(turn: Turn, execution: Execution) -> bool:
    state = turn.state
    if execution.exec_id in state.external_seen or execution.key.symbol != state.stock.symbol:
        return False
    pending = dict(state.external_pending)
    before = pending.get(execution.key, Foreign())
    moved = execution.signed_quantity
    pending[execution.key] = Foreign(before.quantity + moved, before.amount + moved * execution.price)
    turn.change(external_seen=state.external_seen | {execution.exec_id}, external_pending=pending)
    turn.emit(RecordExecution(turn.at, replace(execution, origin=Origin.EXTERNAL)))
    return True


def commission_reported(turn: Turn, event: CommissionReported) -> None:
    """Costs come later than the execution and are joined by exec_id."""
    state = turn.state
    ours = event.exec_id in state.ledger.executions
    book = state.ledger if ours else state.live_ledger
    if event.commission is None or event.exec_id in book.commissions or event.exec_id not in book.executions:
        return
    book = ledgers.add_commission(book, event.exec_id, event.commission)
    if ours:
        turn.change(ledger=book)
        turn.change_day(commissions_usd=state.day.commissions_usd + event.commission)
    if not ours or state.mode is Mode.LIVE:
        turn.change(live_ledger=book)
    turn.emit(RecordCost(event.exec_id, event.commission, event.currency, event.realized_pnl))
