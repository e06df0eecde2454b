"""Comparing the broker with what we know, and explaining every difference (engine.md section 4.6).

A difference counts when two comparisons some seconds apart agree; a failed query is "unknown", never "flat".
Explained in this order: own executions, foreign executions of the contract, exercise and assignment, expiry.
"""

from __future__ import annotations

from bifrost.contract import ContractKey

from ..effects import RecordReconciliation, Severity
from ..events import BrokerTruth, PositionsReported
from ..evolve import evolve
from ..execution import facts, probes
from ..machines.hedge import LIVE, HedgeState
from ..portfolio import legs
from ..state import Difference
from ..turn import Turn
from ..words import Mode, Trigger
from . import explain

#: Two comparisons that agree must lie this far apart, and no comparison counts sooner after an execution (wall s).
AGREE_S = 5.0
#: New hedges wait for the comparison when there was none for so many times `reconcile_interval_s`.
LATE_INTERVALS = 3.0
#: An order of ours is under way: positions are moving and say nothing.
_BUSY = LIVE | {HedgeState.SEND, HedgeState.RECOVER}


def due(turn: Turn) -> None:
    """Ask for the broker's truth when it is time: none yet, a suspicion to confirm, or the regular comparison."""
    state, recon = turn.state, turn.state.recon
    if not state.link.usable or not state.leading:
        return
    now = turn.at.wall_s
    if recon.read_s is None:
        turn.ask_truth(recon.trigger)
    elif state.hedge in _BUSY or (state.executed_s is not None and now - state.executed_s < AGREE_S):
        return
    elif recon.compared_s is None:
        turn.ask_truth(recon.trigger)
    elif recon.suspects_s is not None:
        if now - recon.suspects_s >= AGREE_S:
            turn.ask_truth(Trigger.PERIODIC)
    elif now - recon.compared_s >= turn.rules.config.daemon.reconcile_interval_s:
        turn.ask_truth(Trigger.PERIODIC)


def late_s(turn: Turn) -> float | None:
    """Wall seconds for which an overdue comparison could have been made; None while none is overdue.

    The time of an order under way and the seconds after a fill do not count: nothing can be compared then.
    """
    compared_s = turn.state.recon.compared_s
    if compared_s is None:
        return None
    due_s = compared_s + LATE_INTERVALS * turn.rules.config.daemon.reconcile_interval_s
    if turn.at.wall_s < due_s:
        return None
    filled_s = turn.state.executed_s + AGREE_S if turn.state.executed_s is not None else due_s
    return max(0.0, turn.at.wall_s - max(due_s, filled_s, turn.state.hedge_since_s))


def broker_truth(turn: Turn, truth: BrokerTruth) -> None:
    """Fold what the broker tells, then compare."""
    failed_s = None if truth.ok else turn.at.wall_s
    turn.change(recon=evolve(turn.state.recon, asked_s=None, failed_s=failed_s))
    if not truth.ok:
        turn.alert(Severity.WARNING, "broker_query_failed", f"reading the broker's truth failed: {truth.failure}")
        probes.recovered(turn, truth)
        return
    turn.change(recon=evolve(turn.state.recon, read_s=turn.at.wall_s), positions=truth.positions)
    folded = tuple(e.exec_id for e in sorted(truth.executions, key=lambda e: e.time_s) if facts.fold(turn, e))
    legs.adopt_orders(turn, truth.open_orders, truth.asked_wall_s)
    probes.answer(turn, truth)
    probes.recovered(turn, truth)
    if turn.state.hedge not in _BUSY:
        _compare(turn, truth, folded)


def positions_reported(turn: Turn, event: PositionsReported) -> None:
    """A pushed position. A managed leg that differs is looked into at once, and blocks until it is explained."""
    turn.change(positions=event.positions)
    if any(d.key.is_option for d in _leg_differences(turn)) and turn.state.recon.done:
        _suspend_trust(turn, "a managed leg changed at the broker")
        turn.ask_truth(Trigger.PERIODIC)


def _suspend_trust(turn: Turn, reason: str) -> None:
    turn.change(recon=evolve(turn.state.recon, done=False, reason=reason))


def _compare(turn: Turn, truth: BrokerTruth, folded: tuple[str, ...]) -> None:
    notes: list[dict[str, object]] = []
    stock = turn.state.stock
    if turn.state.external_shares is None and not (
        legs.observed_quantity(turn, stock) - turn.state.live_ledger.position(stock)
    ):
        explain.set_external(turn, 0.0, "first observation")
    explain.foreign_executions(turn, notes)
    explain.exercise(turn, notes)
    explain.expiry(turn, notes)
    differences = (*_leg_differences(turn), *_stock_differences(turn))
    recon = turn.state.recon
    same = bool(differences) and differences == recon.suspects
    agreed = same and turn.at.wall_s - (recon.suspects_s or turn.at.wall_s) >= _patience_s(turn, differences)
    blocked: tuple[Difference, ...] = ()
    if agreed:
        blocked = _settle(turn, differences, notes)
        differences = ()
    reason = _why_not(turn, blocked, differences)
    suspects_s = recon.suspects_s if same else turn.at.wall_s
    turn.change(
        recon=evolve(
            recon,
            done=not reason,
            reason=reason,
            compared_s=turn.at.wall_s,
            suspects=differences,
            suspects_s=suspects_s if differences else None,
            blocked=blocked,
        )
    )
    if notes or folded or blocked or differences or not recon.done:
        rows = (*notes, *(d.as_row() for d in (*blocked, *differences)))
        turn.emit(RecordReconciliation(turn.at, truth.trigger, not reason, rows, folded))
    if not reason:
        legs.consider(turn)


def _patience_s(turn: Turn, differences: tuple[Difference, ...]) -> float:
    """How long a difference must stand: in account scope one of the shares alone gets `recon_grace_s`."""
    config = turn.rules.config.gates
    if config.intent.hedge.stock_scope == "account" and not any(d.key.is_option for d in differences):
        return max(AGREE_S, config.guard.risk.recon_grace_s)
    return AGREE_S


def _why_not(turn: Turn, blocked: tuple[Difference, ...], differences: tuple[Difference, ...]) -> str:
    """Why trading may not go on; empty when broker and ledger agree, or differ in others' shares only."""
    if blocked:
        return "; ".join(_sentence(d) for d in blocked)
    if differences and (not turn.state.recon.done or any(d.key.is_option for d in differences)):
        return "confirming: " + "; ".join(_sentence(d) for d in differences)
    if turn.rules.config.gates.intent.hedge.stock_scope == "account" and not turn.state.external_confirmed:
        return "external_stock_unconfirmed: confirm the shares that are not ours with accept_positions"
    return ""


def _sentence(difference: Difference) -> str:
    return f"{difference.key}: {difference.what}, expected {difference.expected:g}, broker {difference.observed:g}"


def _leg_differences(turn: Turn) -> tuple[Difference, ...]:
    found = []
    for leg in turn.state.legs.values():
        if not leg.managed:
            continue
        quantity = legs.observed_quantity(turn, leg.key)
        if quantity != leg.quantity:
            found.append(Difference(leg.key, leg.quantity, quantity, "managed leg"))
            continue
        position = legs.observed(turn, leg.key)
        if position is not None and position.multiplier != leg.multiplier:
            found.append(Difference(leg.key, leg.multiplier, position.multiplier, "multiplier"))
        elif position is not None and position.con_id and leg.con_id and position.con_id != leg.con_id:
            # A corporate action leaves another contract under the same name.
            found.append(Difference(leg.key, leg.con_id, position.con_id, "contract id"))
    return tuple(found)


def _stock_differences(turn: Turn) -> tuple[Difference, ...]:
    state = turn.state
    quantity = legs.observed_quantity(turn, state.stock)
    expected = state.live_ledger.position(state.stock) + (state.external_shares or 0.0)
    if abs(quantity - expected) > 1e-9:
        return (Difference(state.stock, expected, quantity, "shares"),)
    return ()


def _settle(turn: Turn, differences: tuple[Difference, ...], notes: list[dict[str, object]]) -> tuple[Difference, ...]:
    """What two comparisons agree on: shares become external where the scope allows it, the rest blocks.

    A leg that has expired without a price to say how is released as worthless. While another leg is unexplained, shares
    wait with it: they may be what its exercise delivered.
    """
    differences = tuple(d for d in differences if not explain.died_unseen(turn, d, differences, notes))
    blocked: list[Difference] = []
    account_scope = turn.rules.config.gates.intent.hedge.stock_scope == "account"
    legs_differ = any(d.key.is_option for d in differences)
    for difference in differences:
        first = difference.key == turn.state.stock and turn.state.external_shares is None
        if difference.key.is_option or (account_scope and not first) or (legs_differ and not first):
            blocked.append(difference)
            turn.alert(Severity.CRITICAL, "unexplained_difference", _sentence(difference), key=str(difference.key))
            continue
        shares = difference.observed - turn.state.live_ledger.position(turn.state.stock)
        reason = "first observation" if first else "unexplained change of shares that are not ours"
        explain.set_external(turn, shares, reason)
        notes.append({"contract_key": str(difference.key), "what": reason, "shares": shares})
        if shares or not first:
            turn.alert(Severity.WARNING, "external_baseline", f"{shares:g} shares of {turn.state.stock.symbol} "
                       f"in {turn.state.account} are taken as not ours: {reason}")  # fmt: skip
    return tuple(blocked)


def accept(turn: Turn, expected: dict[ContractKey, float], named_by: str) -> str:
    """The operator takes the broker's positions as they are. Returns why not, when they are no longer what was seen."""
    if turn.state.positions is None:
        return "the broker's positions are not known now"
    for key, quantity in expected.items():
        if abs(legs.observed_quantity(turn, key) - quantity) > 1e-9:
            return f"{key}: you expected {quantity:g}, the broker shows {legs.observed_quantity(turn, key):g}"
    for leg in tuple(turn.state.legs.values()):
        now = legs.observed_quantity(turn, leg.key)
        if not leg.managed:
            continue
        position = legs.observed(turn, leg.key)
        if position is not None:
            leg = legs.follow_contract(turn, leg, position)
        if now != leg.quantity:
            legs.change_quantity(turn, leg, now, f"accepted by {named_by}")
    live = turn.state.live_ledger.position(turn.state.stock)
    explain.set_external(turn, legs.observed_quantity(turn, turn.state.stock) - live, "accepted", named_by)
    turn.change(recon=evolve(turn.state.recon, blocked=(), suspects=(), suspects_s=None))
    turn.ask_truth(Trigger.COMMAND)
    return ""


def shares_in_scope(turn: Turn) -> float:
    """The stock that counts towards the delta: our own, or all of the account's once it is confirmed.

    Own executions count at once, others when a comparison has seen them, so that a fill is never counted twice.
    """
    state = turn.state
    shares = state.live_ledger.position(state.stock)
    if state.mode is Mode.PAPER:
        shares += state.ledger.position(state.stock)
    if turn.rules.config.gates.intent.hedge.stock_scope == "account":
        shares += state.external_shares or 0.0
    return shares
