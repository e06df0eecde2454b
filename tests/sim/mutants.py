"""Planted mistakes: the product with one of its safeguards taken out, so that the referee is seen to see it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from itertools import count
from typing import Any
from unittest.mock import patch

from bifrost_engine.app import tenure
from bifrost_engine.app.recorder import RecordKeeper
from bifrost_engine.domain import facts, gates, ledger, look, orders, probes, restore, timeouts
from bifrost_engine.domain.effects import PersistIntent
from bifrost_engine.domain.events import IntentDurable
from bifrost_engine.domain.machines.hedge import HedgeEvent
from bifrost_engine.domain.state import OrderInFlight, State
from bifrost_engine.domain.turn import Turn
from bifrost_engine.domain.view import GateResult, View
from bifrost_engine.domain.words import Execution

Mutant = Callable[[], AbstractContextManager[Any]]


def _blind(*names: str, looks_again: bool = False) -> ExitStack:
    """Gates that let everything through, and nobody who looks again before the order leaves."""

    def evaluate(view: View, asked: tuple[gates.Gate, ...] = gates.GATES) -> tuple[GateResult, ...]:
        return tuple(
            GateResult(gate.__name__, True, None, None, "ok") if gate.__name__ in names else gate(view)
            for gate in asked
        )

    both = ExitStack()
    both.enter_context(patch.object(gates, "evaluate", evaluate))
    if not looks_again:
        both.enter_context(patch.object(orders, "_obstacle", lambda turn, order: ""))
    return both


def _unreconciled() -> AbstractContextManager[Any]:
    """Everything that waits for a comparison is told that it has been made."""
    view_of = look.view_of

    def reconciled(*args: Any) -> View:
        return replace(view_of(*args), reconciled=True, safe_cause="")

    obstacle = orders._obstacle

    def overlooked(turn: Turn, order: OrderInFlight) -> str:
        found = obstacle(turn, order)
        return "" if found.startswith(("not reconciled", "safe")) else found

    all_three = _blind("safe_mode", looks_again=True)
    all_three.enter_context(patch.object(orders, "_obstacle", overlooked))
    all_three.enter_context(patch.object(look, "view_of", reconciled))
    return all_three


def _sent_before_durable() -> AbstractContextManager[Any]:
    keep = RecordKeeper._persist

    def persist(self: RecordKeeper, effect: PersistIntent) -> None:
        self._sink(IntentDurable(self._clock.now(), effect.intent.order_ref))
        keep(self, effect)

    return patch.object(RecordKeeper, "_persist", persist)


def _counted_twice() -> AbstractContextManager[Any]:
    fold, numbers = ledger.fold, count()

    def again(book: ledger.Ledger, execution: Execution) -> tuple[ledger.Ledger, bool]:
        return fold(book, replace(execution, exec_id=f"{execution.exec_id}x{next(numbers)}"))

    return patch.object(facts.ledgers, "fold", again)


def _intents_forgotten() -> AbstractContextManager[Any]:
    initial = restore.initial_state

    def forget(restored: restore.Restored, *rest: Any) -> tuple[State, tuple[str, ...]]:
        return initial(replace(restored, open_intents=()), *rest)

    return patch.object(tenure, "initial_state", forget)


def _breaker_forgotten() -> AbstractContextManager[Any]:
    initial = restore.initial_state

    def forget(restored: restore.Restored, *rest: Any) -> tuple[State, tuple[str, ...]]:
        row = restored.trading_day
        return initial(replace(restored, trading_day={**row, "breaker_at": None} if row else None), *rest)

    return patch.object(tenure, "initial_state", forget)


def _silence_is_a_reject() -> AbstractContextManager[Any]:
    def wait_ack(turn: Turn, age_s: float) -> None:
        if age_s >= turn.rules.config.order.ack_timeout_s:
            orders.rejected(turn, "no acknowledgement")

    return patch.dict(timeouts._HANDLERS, {timeouts.HedgeState.WAIT_ACK: wait_ack})


def _never_probed() -> AbstractContextManager[Any]:
    def gone(turn: Turn, truth: object) -> None:
        if turn.state.order is not None and turn.state.hedge is timeouts.HedgeState.UNKNOWN:
            turn.change_order(ending="never_sent")
            orders.step(turn, HedgeEvent.GONE)

    return patch.object(probes, "answer", gone)


MUTANTS: dict[str, Mutant] = {
    "orders leave before their intent is durable": _sent_before_durable,
    "executions are counted each time they are told": _counted_twice,
    "open intents are forgotten by a restart": _intents_forgotten,
    "the day's count is forgotten by a restart": lambda: patch.object(
        restore, "_counted", lambda day, *rest: replace(day, hedge_count=0)
    ),
    "the breaker is forgotten by a restart": _breaker_forgotten,
    "hedges leave while suspended": lambda: _blind("suspended"),
    "hedges leave without the database": lambda: _blind("db_unavailable"),
    "hedges leave before reconciliation": _unreconciled,
    "silence is taken for a reject": _silence_is_a_reject,
    "an unknown order is taken for gone at the first look": _never_probed,
}
