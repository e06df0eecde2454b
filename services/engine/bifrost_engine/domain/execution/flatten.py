"""Working our own shares down: the operator's flatten, and the unwinding of an orphan hedge (engine.md sections 1, 7).

Reduce-only against our own ledger, never beyond the target, never through zero.
"""

from __future__ import annotations

from dataclasses import replace

from .. import gates
from ..effects import FinishCommand, RecordTradingDay, Severity
from ..ledger import reconcile
from ..machines.hedge import IDLE, HedgeEvent, HedgeState
from ..portfolio import legs
from ..state import FlattenTask
from ..trading_day import trading_day
from ..turn import Turn
from ..view import View
from ..words import OrderType, Purpose, Side
from . import orders, repricing, sizing

#: The order before the next slice has no known end: it is being found out.
_NOT_KNOWN = frozenset({HedgeState.UNKNOWN, HedgeState.RECOVER, HedgeState.FAIL})
#: A flatten that no gate lets through for this long (wall seconds) is reported as failed; the hold stays.
PATIENCE_S = 120.0


def own_shares(turn: Turn) -> float:
    """Shares our own orders have left us with."""
    return turn.state.ledger.position(turn.state.stock)


def target_shares(turn: Turn, target: str) -> int:
    """Where own shares shall end: 0, or what the option delta wants, never more than we hold and never across zero."""
    own = round(own_shares(turn))
    exposure = turn.state.exposure
    if target == "zero" or exposure is None or exposure.option_delta_shares is None:
        return 0
    wanted = -round(exposure.option_delta_shares)
    return max(0, min(own, wanted)) if own >= 0 else min(0, max(own, wanted))


def command(turn: Turn, command_id: int, target: str, force: bool) -> None:
    """The operator's flatten: refuse with the numbers, or latch hedging off and begin."""
    own = round(own_shares(turn))
    preview = {"own_shares": own, "target_shares": target_shares(turn, target), "target": target}
    if turn.state.flatten is not None:
        running = turn.state.flatten
        finish(turn, command_id, "refused", {"reason": "a flatten is under way", "command_id": running.command_id})
        return
    refusal = _refusal(turn, target, force, own)
    if refusal:
        finish(turn, command_id, "refused", {"reason": refusal, **preview})
        return
    day = trading_day.hold(turn.state.day, turn.at, "flatten", f"flatten to {target} by command {command_id}")
    turn.change(day=day)
    turn.emit(RecordTradingDay(day.as_row()))
    orders.withdraw(turn, HedgeEvent.MANUAL_CANCEL, "flatten")
    turn.change(flatten=FlattenTask(command_id, target, force, Purpose.FLATTEN, turn.at.wall_s, own_shares(turn)))
    turn.alert(Severity.WARNING, "flatten", f"flatten {own:+d} own shares to {preview['target_shares']:+d}", preview)


def _refusal(turn: Turn, target: str, force: bool, own: int) -> str:
    state = turn.state
    if state.stopping:
        return f"the engine is stopping: {state.stopping}"
    if not state.leading:
        return "this engine does not lead: the leader takes the command"
    if not state.link.usable:
        return f"IB is not connected: {state.link.reason}"
    if turn.at.market_s is None:
        return "market time is not known yet"
    if not turn.rules.calendar.is_open_s(turn.at.market_s):
        return "outside the session: flatten again when it is open, it is not queued"
    if target == "delta" and (state.exposure is None or state.exposure.option_delta_shares is None):
        return "the option delta is not known: greeks are invalid"
    if force:
        return ""
    if not state.recon.done:
        return f"not reconciled: {state.recon.reason}; repeat with force to trade all the same"
    if state.positions is None:
        return "the broker's position cannot be read; repeat with force to trade all the same"
    moved = target_shares(turn, target) - own
    broker = _broker_shares(turn)
    opposite_now = abs(min(0.0, broker * _sign(own)))
    if state.mode == "live" and own * (broker + moved) < 0 and abs(broker + moved) > opposite_now:
        return (
            f"the broker shows {broker:+g} shares, our ledger {own:+d}: trading {moved:+d} would open or enlarge "
            "the opposite position; repeat with force to trade all the same"
        )
    return ""


def _broker_shares(turn: Turn) -> float:
    """The account's shares. A position is pushed a moment after its fill: until then the ledger says it."""
    state = turn.state
    if state.executed_s is not None and turn.at.wall_s - state.executed_s < reconcile.AGREE_S:
        return state.live_ledger.position(state.stock) + (state.external_shares or 0.0)
    return legs.observed_quantity(turn, state.stock)


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def advance(turn: Turn, view: View) -> None:
    """Send the next slice when the last one has ended, or report that all is done."""
    task = turn.state.flatten
    if task is None:
        return
    if turn.state.hedge not in IDLE:
        if turn.state.hedge in _NOT_KNOWN and turn.state.order is not None:
            _wait(turn, task, f"order {turn.state.order.order_ref} is {turn.state.hedge}: its end is not known yet")
        return
    own = round(own_shares(turn))
    left = target_shares(turn, task.target) - own
    if left == 0 or left * own > 0:
        _done(turn, task)
        return
    shares = sizing.order_size(left, turn.rules.config)
    order_type = OrderType(turn.rules.config.order.order_type)
    # The view's limit is that of the hedge wanted, which may be on the other side.
    limit = repricing.limit_price(turn, Side.of(shares)) if order_type is OrderType.LIMIT else None
    asked = replace(view, purpose=task.purpose, need_shares=left, order_shares=shares, limit_price=limit)
    results = gates.evaluate(asked, _gates(task))
    failing = gates.first_failing(results)
    if failing is not None or turn.at.wall_s < turn.state.retry_after_s:
        _wait(turn, task, failing.reason if failing is not None else "back-off after a failed order")
        return
    intent = orders.start(
        turn,
        shares=shares,
        purpose=task.purpose,
        order_type=order_type,
        limit_price=limit,
        reason=f"{task.purpose}:{task.target}",
        forced=True,
        gates=results,
        context={"own_shares": own, "target_shares": own + left},
    )
    if intent is not None:
        turn.change(flatten=replace(task, orders=(*task.orders, intent.order_ref)))


def _gates(task: FlattenTask) -> tuple[gates.Gate, ...]:
    return gates.UNWIND_GATES if task.purpose is Purpose.UNWIND else gates.flatten_gates(task.force)


def _wait(turn: Turn, task: FlattenTask, reason: str) -> None:
    if task.purpose is Purpose.FLATTEN and turn.at.wall_s - task.started_s > PATIENCE_S:
        turn.change(flatten=None)
        finish(turn, task.command_id, "failed", {"reason": reason, **_report(turn, task)})


def _done(turn: Turn, task: FlattenTask) -> None:
    turn.change(flatten=None, orphan_since_s=None)
    report = _report(turn, task)
    finish(turn, task.command_id, "done", report)
    turn.alert(Severity.INFO, f"{task.purpose}_done", f"own shares are {report['own_shares']:+d}", report)


def _report(turn: Turn, task: FlattenTask) -> dict[str, object]:
    return {
        "own_shares_before": round(task.start_shares),
        "own_shares": round(own_shares(turn)),
        "target_shares": target_shares(turn, task.target),
        "orders": list(task.orders),
        "hold": turn.state.day.hold,
    }


def abandon(turn: Turn, reason: str) -> None:
    """The engine stops or loses the lease: what is left stays as it is, and the command says so."""
    task = turn.state.flatten
    if task is not None:
        turn.change(flatten=None)
        finish(turn, task.command_id, "failed", {"reason": reason, **_report(turn, task)})


def finish(turn: Turn, command_id: int, status: str, result: dict[str, object]) -> None:
    """Report what came of a command; the engine's own tasks have number 0 and report by alert alone."""
    if command_id:
        turn.emit(FinishCommand(command_id, status, result))


def watch_orphan(turn: Turn) -> None:
    """Own shares without managed legs. Unwound when the legs' end is explained and two comparisons far enough apart
    agree; an unexplained end blocks reconciliation and waits for the operator."""
    state, structure = turn.state, turn.rules.config.gates.strategy.structure
    if legs.managed(turn):
        _end_unwind(turn)
    if not is_orphan(turn):
        if state.orphan_since_s is not None:
            turn.change(orphan_since_s=None)
        return
    compared = state.recon.compared_s
    if state.orphan_since_s is None or compared is None:
        turn.change(orphan_since_s=compared)
        turn.alert(Severity.CRITICAL, "orphan_hedge", f"{own_shares(turn):+g} own shares and no managed legs")
        return
    due = compared - state.orphan_since_s >= structure.unwind_after_s
    if due and structure.unwind == "auto" and state.flatten is None and not state.day.hold and not state.suspended:
        task = FlattenTask(0, "zero", False, Purpose.UNWIND, turn.at.wall_s, own_shares(turn))
        turn.change(flatten=task)
        turn.alert(Severity.WARNING, "unwind", f"unwinding {own_shares(turn):+g} own shares: their legs are gone")


def _end_unwind(turn: Turn) -> None:
    """Legs are managed again: the shares hedge something, and hedging decides what becomes of them."""
    task, order = turn.state.flatten, turn.state.order
    if task is None or task.purpose is not Purpose.UNWIND:
        return
    turn.change(flatten=None)
    if order is not None and order.intent.purpose is Purpose.UNWIND:
        orders.withdraw(turn, HedgeEvent.MANUAL_CANCEL, "legs are managed again")
    turn.alert(Severity.INFO, "unwind_ended", f"{own_shares(turn):+g} own shares are kept: legs are managed again")


def is_orphan(turn: Turn) -> bool:
    """Reconciled, own shares, and every leg we ever managed has ended."""
    state = turn.state
    return state.recon.done and bool(state.legs) and not legs.managed(turn) and round(own_shares(turn)) != 0
