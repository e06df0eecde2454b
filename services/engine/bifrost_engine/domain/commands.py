"""The operator's commands that concern trading; each is carried out or refused with a reason (engine.md section 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bifrost.contract import parse_contract_key

from .effects import RecordTradingDay, Severity
from .events import CommandReceived
from .execution import facts, flatten, orders
from .ledger import reconcile
from .machines.hedge import HedgeEvent, HedgeState
from .machines.trading import TRADING_MACHINE, TradingEvent, TradingState
from .portfolio import legs
from .trading_day import trading_day
from .turn import Turn
from .words import Execution, Origin

Args = Mapping[str, object]


def received(turn: Turn, event: CommandReceived) -> None:
    """Carry out one command; it is finished here, except a flatten, which reports when it has ended."""
    handler = _HANDLERS.get(event.command)
    if handler is None:
        flatten.finish(turn, event.command_id, "refused", {"reason": f"{event.command} is not the hedger's to do"})
    else:
        handler(turn, event.command_id, event.args)


def _close(turn: Turn, command_id: int, refusal: str, done: dict[str, object] | None = None) -> None:
    if refusal:
        flatten.finish(turn, command_id, "refused", {"reason": refusal})
    else:
        flatten.finish(turn, command_id, "done", done or {})


def _flatten(turn: Turn, command_id: int, args: Args) -> None:
    flatten.command(turn, command_id, str(args.get("target", "zero")), bool(args.get("force", False)))


def _resume(turn: Turn, command_id: int, args: Args) -> None:
    """Resume also ends the hold that a flatten left."""
    held = turn.state.day.hold
    if held:
        day = trading_day.unhold(turn.state.day)
        turn.change(day=day)
        turn.emit(RecordTradingDay(day.as_row()))
    _close(turn, command_id, "", {"suspended": False, "hold_cleared": held})


def _suspend(turn: Turn, command_id: int, args: Args) -> None:
    _close(turn, command_id, "", {"suspended": True})


def _reset_breaker(turn: Turn, command_id: int, args: Args) -> None:
    if not turn.state.day.breaker_latched:
        _close(turn, command_id, "the breaker is not latched")
        return
    reason = turn.state.day.breaker_reason
    day = trading_day.reset_breaker(turn.state.day, turn.at)
    turn.change(day=day)
    turn.emit(RecordTradingDay(day.as_row()))
    turn.alert(Severity.WARNING, "breaker_reset", f"the operator released the breaker: {reason}")
    _close(turn, command_id, "", {"was": reason})


def _resume_safe(turn: Turn, command_id: int, args: Args) -> None:
    """Leave SAFE now instead of waiting; a cause that still holds leads straight back."""
    if turn.state.trading is not TradingState.SAFE:
        _close(turn, command_id, f"the trading machine is in {turn.state.trading}, not in SAFE")
        return
    cause = turn.state.safe_cause
    state = TRADING_MACHINE.next(turn.state.trading, TradingEvent.SAFE_OVER)
    turn.change(trading=state, trading_since_s=turn.at.wall_s, safe_cause="", safe_clear_s=None)
    _close(turn, command_id, "", {"was": cause})


def _adopt_leg(turn: Turn, command_id: int, args: Args) -> None:
    key = parse_contract_key(str(args["contract_key"]))
    _close(turn, command_id, legs.adopt_by_command(turn, key), {"contract_key": str(key)})


def _release_leg(turn: Turn, command_id: int, args: Args) -> None:
    key = parse_contract_key(str(args["contract_key"]))
    _close(turn, command_id, legs.release_by_command(turn, key), {"contract_key": str(key)})


def _accept_positions(turn: Turn, command_id: int, args: Args) -> None:
    given = args.get("expected")
    expected = {parse_contract_key(str(k)): float(v) for k, v in given.items()} if isinstance(given, Mapping) else {}
    refusal = reconcile.accept(turn, expected, str(args.get("requested_by") or "operator"))
    _close(turn, command_id, refusal, {"external_shares": turn.state.external_shares})


def _resolve_order(turn: Turn, command_id: int, args: Args) -> None:
    """The operator looked at TWS and says what became of an order that no probe could find out about."""
    order = turn.state.order
    reference = str(args["order_ref"])
    if order is None or order.order_ref != reference or turn.state.hedge is not HedgeState.UNKNOWN:
        _close(turn, command_id, f"order {reference} is not waiting to be resolved")
        return
    outcome, price = str(args["outcome"]), args.get("price")
    quantity = args.get("quantity")
    shares = order.filled if outcome == "not_filled" else int(str(quantity or 0))
    if outcome == "filled" and quantity is None:
        shares = order.intent.quantity
    if not order.filled <= shares <= order.intent.quantity:
        told = f"{order.filled} of {order.intent.quantity} shares are known to be filled"
        _close(turn, command_id, f"{shares} filled cannot be: {told}")
        return
    new = shares - order.filled
    if outcome != "not_filled" and new > 0:
        if price is None:
            _close(turn, command_id, "a fill needs its price")
            return
        _book(turn, _price_of_the_rest(turn, order.order_ref, shares, float(str(price))), new)
    _end_resolved(turn)
    _close(turn, command_id, "", {"order_ref": reference, "outcome": outcome, "filled": shares})


def _price_of_the_rest(turn: Turn, order_ref: str, shares: int, average: float) -> float:
    """Price of what the ledger lacks, from the average of all ``shares``; that average where it is absurd."""
    known = turn.state.ledger.fills(order_ref)
    rest = (average * shares - known.average_price * known.quantity) / (shares - known.quantity)
    return rest if rest > 0 else average


def _end_resolved(turn: Turn) -> None:
    """Whatever the operator did not name as filled will not fill."""
    if turn.state.hedge is HedgeState.PARTIAL:
        orders.step(turn, HedgeEvent.OUTCOME_UNCERTAIN)
    if turn.state.hedge is HedgeState.UNKNOWN:
        turn.change_order(ending="resolved", last_error="resolved by the operator")
        orders.record_cancel(turn, "resolved by the operator")
        orders.step(turn, HedgeEvent.RESOLVED)


def _book(turn: Turn, price: float, shares: int) -> None:
    order = turn.state.order
    if order is None:
        return
    execution = Execution(
        exec_id=f"resolve:{order.order_ref}",
        account=turn.state.account,
        key=order.intent.key,
        side=order.intent.side,
        quantity=shares,
        price=price,
        time_s=turn.at.market_s or turn.at.wall_s,
        order_ref=order.order_ref,
        perm_id=order.perm_id,
        order_id=order.order_id,
        client_id=turn.state.link.client_id,
        origin=Origin.SYNTHETIC,
        note="named by the operator",
    )
    facts.fold(turn, execution)


_HANDLERS: dict[str, Callable[[Turn, int, Args], None]] = {
    "flatten": _flatten,
    "suspend": _suspend,
    "resume": _resume,
    "reset_breaker": _reset_breaker,
    "resume_safe": _resume_safe,
    "adopt_leg": _adopt_leg,
    "release_leg": _release_leg,
    "accept_positions": _accept_positions,
    "resolve_order": _resolve_order,
}
