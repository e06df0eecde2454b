"""Planted mistakes: the product with one of its safeguards taken out, so that the referee is seen to see it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from unittest.mock import patch

from bifrost_engine.app import tenure
from bifrost_engine.app.recorder import RecordKeeper
from bifrost_engine.domain import decide, gates
from bifrost_engine.domain.effects import PersistIntent
from bifrost_engine.domain.events import IntentDurable, LinkUp
from bifrost_engine.domain.execution import facts, orders, probes, timeouts
from bifrost_engine.domain.ledger import ledger, restore
from bifrost_engine.domain.machines.hedge import HedgeEvent
from bifrost_engine.domain.state import OrderInFlight, State
from bifrost_engine.domain.turn import Turn
from bifrost_engine.domain.view import GateResult, View
from bifrost_engine.domain.words import Execution

from .troubles import Drill

Change = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Mutant:
    """A mistake, the days on which it must come to light, and what the referee then says (a regular expression)."""

    change: Change
    drill: Drill
    seen: str


def _blind(gate_name: str, **believed: object) -> AbstractContextManager[Any]:
    """A gate that lets everything through, and nobody who notices before the order leaves."""

    def evaluate(view: View, asked: tuple[gates.Gate, ...] = gates.GATES) -> tuple[GateResult, ...]:
        return tuple(
            GateResult(gate_name, True, None, None, "ok") if gate.__name__ == gate_name else gate(view)
            for gate in asked
        )

    obstacle = orders._obstacle

    def overlooked(turn: Turn, order: OrderInFlight) -> str:
        return obstacle(Turn(replace(turn.state, **believed), turn.at, turn.rules), order)

    both = ExitStack()
    both.enter_context(patch.object(gates, "evaluate", evaluate))
    both.enter_context(patch.object(orders, "_obstacle", overlooked))
    return both


def _unreconciled() -> AbstractContextManager[Any]:
    """A new link is taken for a comparison that has been made."""
    link_up = decide._FOLD[LinkUp]

    def trusting(turn: Turn, event: LinkUp) -> None:
        link_up(turn, event)
        turn.change(recon=replace(turn.state.recon, done=True, reason=""))

    return patch.dict(decide._FOLD, {LinkUp: trusting})


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


def _count_forgotten() -> AbstractContextManager[Any]:
    return patch.object(restore, "_counted", lambda day, *rest: replace(day, hedge_count=0))


#: Nothing but the mistake keeps a hedge from leaving.
EAGER: dict[str, object] = {
    "gates.guard.risk.max_daily_hedge_count": 1000,
    "gates.guard.risk.max_daily_loss_usd": 1e9,
    "gates.intent.hedge.cooldown_seconds": 0.0,
    "gates.intent.hedge.min_price_move_pct": 0.0,
}
SMALL_LOSS = EAGER | {"gates.guard.risk.max_daily_loss_usd": 5.0, "gates.guard.risk.on_breaker": "halt"}


def _drill(*troubles: str, every_s: float = 300.0) -> Drill:
    return Drill(troubles, EAGER, every_s=every_s)


KILLS = _drill("kill", "kill twice")
LATE_ORDERS = _drill("late order")
LOSSES = Drill(("gap", "kill"), SMALL_LOSS, contracts=-20.0)  # a written straddle loses with every gap

MUTANTS: dict[str, Mutant] = {
    "orders leave before their intent is durable": Mutant(
        _sent_before_durable, _drill("gap"), "leaves without a durable intent"
    ),
    "executions are counted each time they are told": Mutant(
        _counted_twice, _drill("cut", every_s=900.0), "not at rest|leaves while|its intent says filled"
    ),
    "open intents are forgotten by a restart": Mutant(
        _intents_forgotten, KILLS, "has no end|leaves while|work at once|hedges, the broker took"
    ),
    "the day's count is forgotten by a restart": Mutant(_count_forgotten, KILLS, "the count of .* goes from .* back"),
    "the breaker is forgotten by a restart": Mutant(
        _breaker_forgotten,
        LOSSES,
        "with the breaker latched|breaker of .* is forgotten",
    ),
    "hedges leave while suspended": Mutant(
        lambda: _blind("suspended", suspended=False), _drill("suspend"), "a hedge, leaves suspended"
    ),
    "hedges leave without the database": Mutant(
        lambda: _blind("db_unavailable", database_available=True),
        _drill("database down"),
        "a hedge, leaves without the database",
    ),
    "hedges leave before reconciliation": Mutant(
        _unreconciled, _drill("cut with failing queries"), "a hedge, leaves before the broker's truth was read"
    ),
    "silence is taken for a reject": Mutant(
        _silence_is_a_reject, LATE_ORDERS, "leaves while|work at once|its intent says rejected"
    ),
    "an unknown order is taken for gone at the first look": Mutant(
        _never_probed, LATE_ORDERS, "leaves while|work at once|its intent says never_sent"
    ),
}
