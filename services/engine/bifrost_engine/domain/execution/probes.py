"""UNKNOWN: what became of an order whose outcome nobody told us (engine.md section 3).

A probe is one reading of the broker's truth, taken on a link that has been up for a while. It looks for the order by
order_ref, then by permId. "Gone" needs two such probes and a broker position that agrees with the ledger without it.
"""

from __future__ import annotations

from ..effects import RecordIntentState, Severity
from ..events import BrokerTruth
from ..machines.hedge import HedgeEvent, HedgeState
from ..state import OrderInFlight
from ..turn import Turn
from ..words import BrokerOrder, Execution, IntentState, Mode, Origin, Trigger
from . import facts, orders

#: A probe counts only on a connection this old, and two of them only this far apart (wall seconds).
SETTLED_S = 5.0
#: After `order.unknown_probes` probes the operator is asked and probing goes on this often.
SLOW_S = 30.0
#: Statuses of a finished order that filled nothing more.
_ENDED = frozenset({"Cancelled", "ApiCancelled", "Inactive"})


def past_probes(turn: Turn) -> bool:
    """Whether the order in flight has used up its probes: the operator is asked, new risk stays blocked."""
    order = turn.state.order
    return (
        turn.state.hedge is HedgeState.UNKNOWN
        and order is not None
        and order.probes >= turn.rules.config.order.unknown_probes
    )


def settled(turn: Turn) -> bool:
    """The link has been up long enough, with IB behind it, for an absence to mean something."""
    link = turn.state.link
    return link.usable and link.up_since_s is not None and turn.at.wall_s - link.up_since_s >= SETTLED_S


def ask(turn: Turn) -> None:
    """Probe again when it is time."""
    order = turn.state.order
    if order is None or not settled(turn):
        return
    pause_s = SLOW_S if past_probes(turn) else SETTLED_S
    if order.probe_s is None or turn.at.wall_s - order.probe_s >= pause_s:
        turn.ask_truth(Trigger.PROBE)


def answer(turn: Turn, truth: BrokerTruth) -> None:
    """Read the order's fate out of the broker's truth; executions in it are folded already."""
    order = turn.state.order
    if order is None or turn.state.hedge is not HedgeState.UNKNOWN:
        return
    link = turn.state.link
    if link.up_since_s is None or truth.asked_wall_s - link.up_since_s < SETTLED_S or link.lost_1100:
        return
    order = turn.change_order(probes=order.probes + 1, probe_s=truth.asked_wall_s)
    found = _find(order, truth.open_orders)
    if found is not None:
        _still_working(turn, order, found)
    else:
        _not_open(turn, order, _find(order, truth.completed_orders))
    if past_probes(turn):
        _ask_operator(turn)


def _find(order: OrderInFlight, candidates: tuple[BrokerOrder, ...]) -> BrokerOrder | None:
    for candidate in candidates:
        if candidate.order_ref == order.order_ref:
            return candidate
    for candidate in candidates:
        if order.perm_id and candidate.perm_id == order.perm_id:
            return candidate
    return None


def _still_working(turn: Turn, order: OrderInFlight, found: BrokerOrder) -> None:
    turn.change_order(
        perm_id=found.perm_id or order.perm_id,
        order_id=found.order_id or order.order_id,
        status=found.status,
        acknowledged=True,
    )
    if order.sent_s is None:
        turn.change_order(sent_s=turn.at.wall_s)
        orders.sent(turn, order)
    orders.count_once(turn)
    why = "locating" if order.why_held == "locate" else "found working at the broker"
    turn.emit(RecordIntentState(turn.at, order.order_ref, IntentState.WORKING, why))
    orders.step(turn, HedgeEvent.PARTIAL_FILL if order.filled else HedgeEvent.FOUND_WORKING)
    orders.record_view(turn, found.status, found.quantity - found.filled, found.avg_fill_price)


def _not_open(turn: Turn, order: OrderInFlight, completed: BrokerOrder | None) -> None:
    """Not in the open orders: finished, or never there. The position must agree before we believe it."""
    missing = _unexplained_shares(turn)
    if completed is not None:
        if order.sent_s is None:
            turn.change_order(sent_s=turn.at.wall_s)
            orders.sent(turn, order)
        orders.count_once(turn)
    if missing == 0.0 and completed is not None and completed.status in _ENDED:
        orders.record_view(turn, completed.status, completed.quantity - completed.filled, completed.avg_fill_price)
        _gone(turn, _ending(order))
        return
    if order.gone_s is None:
        turn.change_order(gone_s=turn.at.wall_s)
        return
    if turn.at.wall_s - order.gone_s < SETTLED_S or missing is None:
        return
    if missing == 0.0:
        seen = completed is not None or order.filled > 0 or order.acknowledged
        _gone(turn, _ending(order) if seen else _untraced(order))
    elif missing * order.intent.side.sign > 0 and abs(missing) <= order.remaining:
        _book_missing_fill(turn, order, abs(missing), completed)


def _ending(order: OrderInFlight) -> str:
    return "cancelled" if order.cancel_asked else "cancelled_by_broker"


def _untraced(order: OrderInFlight) -> str:
    """Of an order that the broker does not know: it never got there, or was refused with a code that left it open."""
    return "rejected" if order.refusal and not order.cancel_asked else "never_sent"


def _gone(turn: Turn, ending: str) -> None:
    failed = ending in ("cancelled_by_broker", "rejected")
    order = turn.change_order(ending=ending, failed=failed)
    if failed:
        turn.change(failures=turn.state.failures + 1)
    reason = order.last_error or ("no trace of it at the broker" if ending == "never_sent" else "no longer open")
    turn.change_order(last_error=reason)
    if ending == "rejected":
        orders.record_reject(turn, reason)
    elif ending != "never_sent":
        orders.record_cancel(turn, reason)
    orders.step(turn, HedgeEvent.GONE)


def _unexplained_shares(turn: Turn) -> float | None:
    """Broker's shares minus what the ledger and the others' shares make; None when it cannot be known."""
    state = turn.state
    if state.mode is Mode.PAPER:
        return 0.0
    if state.positions is None or state.external_shares is None:
        return None
    observed = sum(p.quantity for p in state.positions if p.key == state.stock and p.account == state.account)
    pending = state.external_pending.get(state.stock)
    external = state.external_shares + (pending.quantity if pending is not None else 0.0)
    return observed - external - state.live_ledger.position(state.stock)


def _book_missing_fill(turn: Turn, order: OrderInFlight, shares: float, completed: BrokerOrder | None) -> None:
    """A fill that no execution tells of (one before midnight): the position proves it."""
    price = completed.avg_fill_price if completed is not None else None
    price = price or turn.state.book.mid or order.intent.mid
    if not price or turn.at.market_s is None:
        return
    execution = Execution(
        exec_id=f"recon:{order.order_ref}",
        account=turn.state.account,
        key=order.intent.key,
        side=order.intent.side,
        quantity=shares,
        price=price,
        time_s=turn.at.market_s,
        order_ref=order.order_ref,
        perm_id=order.perm_id,
        order_id=order.order_id,
        client_id=turn.state.link.client_id,
        origin=Origin.SYNTHETIC,
        mid_at_decision=order.intent.mid,
        note="the broker's position moved by this order and no execution is to be had",
    )
    turn.alert(
        Severity.WARNING,
        "synthetic_fill",
        f"order {order.order_ref}: {shares:g} shares booked at {price:.2f} from the broker's position",
        {"order_ref": order.order_ref, "shares": shares, "price": price},
        key=order.order_ref,
    )
    if order.sent_s is None:
        turn.change_order(sent_s=turn.at.wall_s)
        orders.sent(turn, order)
    facts.fold(turn, execution)
    if turn.state.hedge in (HedgeState.PARTIAL, HedgeState.UNKNOWN):
        turn.change_order(ending="cancelled", last_error="the rest is no longer open")
        if turn.state.hedge is HedgeState.PARTIAL:
            orders.step(turn, HedgeEvent.OUTCOME_UNCERTAIN)


def _ask_operator(turn: Turn) -> None:
    order = turn.state.order
    if order is None or order.asked_operator:
        return
    turn.change_order(asked_operator=True)
    turn.alert(
        Severity.CRITICAL,
        "order_unresolved",
        f"order {order.order_ref}: outcome unknown after {order.probes} probes; "
        "look at TWS and answer with resolve_order",
        {"order_ref": order.order_ref, "side": str(order.intent.side), "quantity": order.intent.quantity},
        key=order.order_ref,
    )


def recovered(turn: Turn, truth: BrokerTruth) -> None:
    """RECOVER ends when the broker's truth has been read after the order's end."""
    if turn.state.hedge is HedgeState.RECOVER and truth.asked_wall_s >= turn.state.hedge_since_s - 1e-9:
        orders.step(turn, HedgeEvent.POSITIONS_RESYNCED if truth.ok else HedgeEvent.CANNOT_RECOVER)
