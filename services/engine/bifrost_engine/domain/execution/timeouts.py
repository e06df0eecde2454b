"""What happens when nothing happens: acknowledgement, working, cancel and back-off times, all on wall time."""

from __future__ import annotations

from collections.abc import Callable

from ..machines.hedge import HedgeEvent, HedgeState
from ..turn import Turn
from ..words import OrderType, Trigger
from . import orders, probes, repricing


def check(turn: Turn) -> None:
    """Look at the age of the order machine's present state."""
    handler = _HANDLERS.get(turn.state.hedge)
    if handler is not None:
        handler(turn, turn.at.wall_s - turn.state.hedge_since_s)


def limit_s(turn: Turn) -> float | None:
    """How long the present state may last before it is looked into, wall seconds; None for states without a limit."""
    order, config = turn.state.order, turn.rules.config.order
    match turn.state.hedge:
        case HedgeState.SEND | HedgeState.WAIT_ACK:
            return config.ack_timeout_s
        case HedgeState.WORKING | HedgeState.PARTIAL:
            if order is not None and order.order_type is OrderType.LIMIT:
                return config.reprice_after_s
            return config.working_timeout_s
        case HedgeState.CANCEL:
            return config.cancel_timeout_s
    return None


def _wait_ack(turn: Turn, age_s: float) -> None:
    if age_s >= turn.rules.config.order.ack_timeout_s:
        orders.step(turn, HedgeEvent.TIMEOUT_ACK)
        turn.change_order(last_error=f"no acknowledgement within {turn.rules.config.order.ack_timeout_s:g} s")


def _working(turn: Turn, age_s: float) -> None:
    order, limit = turn.state.order, limit_s(turn)
    if order is None or limit is None or age_s < limit:
        return
    why = f"not filled within {limit:g} s"
    if repricing.attempts_left(order, turn.rules.config):
        # The evaluation of this turn gives it the next price, where one may be given.
        why = repricing.refused_for_too_long(turn, order, age_s)
    if why:
        orders.give_up(turn, why)


def _cancel(turn: Turn, age_s: float) -> None:
    if age_s >= turn.rules.config.order.cancel_timeout_s:
        orders.step(turn, HedgeEvent.TIMEOUT_CANCEL)


def _fail(turn: Turn, age_s: float) -> None:
    if age_s >= orders.backoff_s(turn.state.failures) and turn.state.link.usable:
        orders.step(turn, HedgeEvent.TRY_RESYNC)


def _recover(turn: Turn, age_s: float) -> None:
    turn.ask_truth(Trigger.RECOVER)


def _unknown(turn: Turn, age_s: float) -> None:
    probes.ask(turn)


_HANDLERS: dict[HedgeState, Callable[[Turn, float], None]] = {
    HedgeState.WAIT_ACK: _wait_ack,
    HedgeState.WORKING: _working,
    HedgeState.PARTIAL: _working,
    HedgeState.CANCEL: _cancel,
    HedgeState.FAIL: _fail,
    HedgeState.RECOVER: _recover,
    HedgeState.UNKNOWN: _unknown,
}
