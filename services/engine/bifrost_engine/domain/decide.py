"""The heart: `decide` takes what is known and what happened, and returns what is known now and what shall be done.

Pure: the same state, event and rules give the same step. First the event is taken in as a fact, then everything that
waits on time is looked at, then one evaluation says whether to hedge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import commands, evaluate
from .effects import Effect, RecordCounts, RequestLine, Severity
from .evaluate import Evaluation
from .events import (
    AccountReported,
    BrokerTruth,
    CommandReceived,
    CommissionReported,
    ConnectivityLost,
    ConnectivityRestored,
    DatabaseChanged,
    Event,
    ExecutionReported,
    FarmChanged,
    IntentDurable,
    IntentFailed,
    LeaseChanged,
    LineFailed,
    LinkDown,
    LinkUp,
    OrderErrorReported,
    OrderPlaced,
    OrderStatusReported,
    PositionsReported,
    QuotesChanged,
    SequenceReserved,
    Stopping,
    SuspensionRead,
    TimePassed,
)
from .evolve import evolve
from .execution import facts, flatten, orders, timeouts
from .ledger import reconcile
from .machines.hedge import IDLE, HedgeEvent
from .market import market
from .portfolio import legs
from .state import Link, Reconciliation, Rules, State
from .trading_day import daybook
from .turn import Turn
from .words import Trigger


@dataclass(frozen=True, slots=True)
class Step:
    """What one event led to."""

    state: State
    effects: tuple[Effect, ...]
    evaluation: Evaluation | None
    """None while market time is unknown."""


def decide(state: State, event: Event, rules: Rules) -> Step:
    """Take in one event.

    Parameters
    ----------
    state : State
        What was known; never changed.
    event : Event
        What happened, with both times.
    rules : Rules
        The configuration in force and the calendar.
    """
    turn = Turn(state, event.at, rules)
    daybook.begin(turn)
    _FOLD[type(event)](turn, event)
    _look_at_time(turn)
    evaluation = evaluate.evaluate(turn)
    return Step(turn.state, tuple(turn.effects), evaluation)


def _look_at_time(turn: Turn) -> None:
    """Everything that is due because time has passed, whatever the event was."""
    _take_restored(turn)
    if turn.state.stopping:
        orders.withdraw(turn, HedgeEvent.MANUAL_CANCEL, turn.state.stopping)
    timeouts.check(turn)
    reconcile.due(turn)


def _take_restored(turn: Turn) -> None:
    """Unresolved intents of an earlier life, one after the other: unknown until the broker has told."""
    if not turn.state.leading:
        return
    while turn.state.restored and turn.state.hedge in IDLE:
        order, *rest = turn.state.restored
        turn.change(restored=tuple(rest), order=order)
        orders.record_intent_again(turn, order)
        orders.step(turn, HedgeEvent.RESTORED)
        if order.remaining == 0:
            orders.step(turn, HedgeEvent.FULL_FILL)


def _time_passed(turn: Turn, event: TimePassed) -> None:
    rules = turn.rules
    link = evolve(turn.state.link, last_arrival_s=event.last_arrival_s)
    book = market.on_time(turn.state.book, event.at, event.last_arrival_s, rules.config, rules.calendar)
    turn.change(book=book, link=link)
    wanted = market.lines_to_request(book, event.at, rules.config)
    if wanted:
        turn.change(book=market.on_lines_requested(book, wanted, event.at))
        turn.emit(*(RequestLine(key) for key in wanted))
    legs.consider(turn)
    flatten.watch_orphan(turn)


def _quotes_changed(turn: Turn, event: QuotesChanged) -> None:
    turn.change(book=market.on_quotes(turn.state.book, event, turn.rules.config, turn.rules.calendar))


def _line_failed(turn: Turn, event: LineFailed) -> None:
    turn.change(book=market.on_line_failed(turn.state.book, event))
    what = str(event.key) if event.key is not None else "market data"
    turn.alert(Severity.WARNING, "line_failed", f"{what}: {event.code} {event.text}", key=f"{what}:{event.code}")


def _farm_changed(turn: Turn, event: FarmChanged) -> None:
    turn.change(book=market.on_farm(turn.state.book, event))


def _link_up(turn: Turn, event: LinkUp) -> None:
    seen_before = turn.state.recon.read_s is not None or turn.state.link.up_since_s is not None
    trigger = Trigger.RECONNECT if seen_before else Trigger.STARTUP
    turn.change(
        link=Link(True, event.at.wall_s, event.client_id, event.accounts, event.trusted, reason=""),
        book=market.on_link_up(turn.state.book, event.at),
        recon=Reconciliation(reason="the link came up: reconciling", trigger=trigger),
        positions=None,
    )
    if not event.trusted:
        turn.alert(
            Severity.CRITICAL,
            "foreign_gateway",
            f"the gateway manages {', '.join(event.accounts)}: not the simulator's accounts, no order is sent to it",
        )


def _link_down(turn: Turn, event: LinkDown) -> None:
    link = evolve(turn.state.link, up=False, lost_1100=False, last_arrival_s=None, reason=event.reason)
    turn.change(
        link=link,
        book=market.on_link_down(turn.state.book, event.at),
        recon=Reconciliation(reason=f"IB is not connected: {event.reason}", trigger=Trigger.RECONNECT),
    )
    orders.step(turn, HedgeEvent.BROKER_DOWN)


def _connectivity_lost(turn: Turn, event: ConnectivityLost) -> None:
    turn.change(
        link=evolve(turn.state.link, lost_1100=True),
        book=market.on_connectivity_lost(turn.state.book, event.at),
        recon=Reconciliation(reason="the gateway lost IB (1100)", trigger=Trigger.RECONNECT),
    )
    orders.step(turn, HedgeEvent.BROKER_DOWN)


def _connectivity_restored(turn: Turn, event: ConnectivityRestored) -> None:
    turn.change(
        link=evolve(turn.state.link, lost_1100=False, up_since_s=event.at.wall_s),
        book=market.on_connectivity_restored(turn.state.book, event.at, event.code),
        recon=Reconciliation(reason=f"IB is back ({event.code}): reconciling", trigger=Trigger.RECONNECT),
    )


def _account_reported(turn: Turn, event: AccountReported) -> None:
    turn.change(buying_power=event.buying_power)


def _suspension_read(turn: Turn, event: SuspensionRead) -> None:
    turn.change(suspended=event.suspended)


def _lease_changed(turn: Turn, event: LeaseChanged) -> None:
    """Losing the lock's connection is a database outage; only a lease that another engine holds is lost."""
    if event.held:
        turn.change(leading=True)
    elif event.lost:
        orders.withdraw(turn, HedgeEvent.RISK_TRIP, "lease lost")
        flatten.abandon(turn, "the lease passed to another engine")
        turn.change(leading=False)
    else:
        turn.change(database_available=False, database_reason="the lease's connection is lost")


def _database_changed(turn: Turn, event: DatabaseChanged) -> None:
    turn.change(database_available=event.available, database_reason=event.reason)


def _sequence_reserved(turn: Turn, event: SequenceReserved) -> None:
    """Whatever is left of the old block is given up: gaps are allowed, repeats are not."""
    turn.change(sequence_next=event.start, sequence_stop=event.stop)


def _stopping(turn: Turn, event: Stopping) -> None:
    turn.change(stopping=event.reason or "stopping")
    if turn.state.minute.counts:
        # The minute under way will not be seen to end.
        turn.emit(RecordCounts(turn.state.minute.start_s, turn.state.minute.counts))
    flatten.abandon(turn, turn.state.stopping)


_FOLD: dict[type, Callable[[Turn, Any], None]] = {
    TimePassed: _time_passed,
    QuotesChanged: _quotes_changed,
    LineFailed: _line_failed,
    FarmChanged: _farm_changed,
    LinkUp: _link_up,
    LinkDown: _link_down,
    ConnectivityLost: _connectivity_lost,
    ConnectivityRestored: _connectivity_restored,
    AccountReported: _account_reported,
    PositionsReported: reconcile.positions_reported,
    BrokerTruth: reconcile.broker_truth,
    IntentDurable: lambda turn, event: orders.intent_durable(turn, event.order_ref),
    IntentFailed: lambda turn, event: orders.intent_failed(turn, event.order_ref, event.reason),
    OrderPlaced: facts.order_placed,
    OrderStatusReported: facts.order_status,
    OrderErrorReported: facts.order_error,
    ExecutionReported: facts.execution_reported,
    CommissionReported: facts.commission_reported,
    CommandReceived: commands.received,
    SuspensionRead: _suspension_read,
    LeaseChanged: _lease_changed,
    DatabaseChanged: _database_changed,
    SequenceReserved: _sequence_reserved,
    Stopping: _stopping,
}
