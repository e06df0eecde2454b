"""The hedger: one loop owns all trading state. Events in, `decide`, effects out; the same code live and in backtest."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

from bifrost.contract import ContractKey
from bifrost.log import correlation

from bifrost_engine.domain.effects import (
    Alert,
    BrokerEffect,
    CancelOrder,
    Effect,
    FetchAccounts,
    FetchTruth,
    FinishCommand,
    ModifyOrder,
    PersistIntent,
    PlaceOrder,
    RecordDecision,
    RecorderEffect,
    RecordExecution,
    RecordHistory,
    RecordIntentState,
    RecordOperation,
    RecordOrder,
    RequestLine,
    Severity,
)
from bifrost_engine.domain.events import CommandReceived, Event, IntentFailed, QuotesChanged, SuspensionRead, TimePassed
from bifrost_engine.domain.words import Purpose, Quote, Times

from .ports import Broker, Clock, Recorder

log = logging.getLogger(__name__)

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
T = TypeVar("T", bound="Step[Any]")
BEAT_S = 0.25
SNAPSHOT_S = 1.0
BROKER_EFFECTS = (PlaceOrder, ModifyOrder, CancelOrder, FetchTruth, RequestLine, FetchAccounts)


class Step(Protocol[S_co]):
    """What one evaluation gives: the next state and what shall happen."""

    @property
    def state(self) -> S_co: ...

    @property
    def effects(self) -> Sequence[Effect]: ...


class Hedger(Generic[S, T]):
    """Feeds events to the core one at a time and carries out what it asks for.

    Parameters
    ----------
    state : S
        The core's state; only this object replaces it.
    decide : callable
        ``(state, event) -> Step``: the pure core with its configuration bound.
    snapshot : callable
        ``step -> row`` of ``status_current``.
    broker, recorder : ports
        Who carries out effects.
    last_arrival : callable
        Wall seconds of the gateway's last sign of life, None without a connection.
    on_step : callable, optional
        Called with the step after each event.
    tape : callable, optional
        ``(sequence number, event)``, each event as the core consumed it.
    """

    def __init__(
        self,
        state: S,
        *,
        decide: Callable[[S, Event], T],
        snapshot: Callable[[T], dict[str, object]],
        clock: Clock,
        broker: Broker,
        recorder: Recorder,
        last_arrival: Callable[[], float | None],
        on_step: Callable[[T], None] | None = None,
        tape: Callable[[int, Event], None] | None = None,
    ) -> None:
        self.state = state
        self.step: T | None = None
        self.fault = ""
        self.consumed = 0
        self._decide = decide
        self._snapshot = snapshot
        self._clock = clock
        self._broker = broker
        self._recorder = recorder
        self._last_arrival = last_arrival
        self._on_step = on_step
        self._tape = tape
        self._events: deque[Event] = deque()
        self._quotes: dict[ContractKey, Quote] = {}
        self._oldest_tick_s = 0.0
        self._quotes_at: QuotesChanged | None = None
        self._scheduled = False
        self._draining = False
        self._latest: Times | None = None

    # -- events in

    def sink(self, event: Event) -> None:
        """Take an event; the core sees it in this turn of the loop, quotes merged into one."""
        if isinstance(event, QuotesChanged):
            self._merge(event)
        else:
            self._events.append(event)
        if not self._scheduled and not self._draining:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _merge(self, event: QuotesChanged) -> None:
        if not self._quotes:
            self._oldest_tick_s = event.oldest_tick_s
        self._oldest_tick_s = min(self._oldest_tick_s, event.oldest_tick_s)
        for quote in event.quotes:
            before = self._quotes.get(quote.key)
            # A trade in the burst stays told, whatever tick came after it.
            self._quotes[quote.key] = replace(quote, traded=True) if before and before.traded else quote
        self._quotes_at = event

    def _turn(self) -> None:
        self._scheduled = False
        self.drain()

    def drain(self) -> None:
        """Work until nothing waits: facts of orders first, in their order, then the newest quotes once."""
        if self._draining:
            return
        self._draining = True
        try:
            while True:
                if self._events:
                    self._consume(self._events.popleft())
                elif self._quotes_at is not None:
                    newest, self._quotes_at = self._quotes_at, None
                    quotes, self._quotes = tuple(self._quotes.values()), {}
                    self._consume(replace(newest, quotes=quotes, oldest_tick_s=self._oldest_tick_s))
                else:
                    return
        finally:
            self._draining = False

    # -- one evaluation

    def _consume(self, event: Event) -> None:
        if self.fault and isinstance(event, SuspensionRead):
            event = replace(event, suspended=None)
        event = self._in_order_of_time(event)
        self.consumed += 1
        if self._tape is not None:
            self._tape(self.consumed, event)
        try:
            step = self._decide(self.state, event)
        except Exception as error:
            self._failed(event, error)
            return
        self.state, self.step = step.state, step
        if isinstance(event, CommandReceived) and not _refused(event.command_id, step.effects):
            # Durable before anything the command does: a restarted engine never carries it out again.
            self._recorder.accept_command(event.command_id)
        for effect in step.effects:
            self._carry_out(effect)
        if self._on_step is not None:
            self._on_step(step)

    def _in_order_of_time(self, event: Event) -> Event:
        """Facts overtake quotes that came before them; for the core no event is earlier than the last.

        Else a hedge lay "later than now" at the next quote, and its cooldown was forgotten as a clock that went back.
        """
        if self._latest is not None and (at := event.at.not_before(self._latest)) is not event.at:
            event = replace(event, at=at)
        self._latest = event.at
        return event

    def _carry_out(self, effect: Effect) -> None:
        # One id from decision to commission: the order's own reference.
        order_ref = _order_ref(effect)
        with correlation(order_ref) if order_ref else nullcontext():
            self._dispatch(effect)

    def _dispatch(self, effect: Effect) -> None:
        if isinstance(effect, BROKER_EFFECTS):
            self._to_broker(effect)
        elif isinstance(effect, PersistIntent) and self.fault and effect.intent.purpose is not Purpose.FLATTEN:
            self.sink(IntentFailed(self._clock.now(), effect.intent.order_ref, self.fault))
        else:
            self._to_recorder(effect)

    def _to_broker(self, effect: BrokerEffect) -> None:
        try:
            self._broker.carry_out(effect)
        except Exception as error:
            # The outcome is unknown, not refused: the order machine's time-outs lead to a probe.
            log.critical("broker could not carry out %s: %s", type(effect).__name__, error, exc_info=True)
            self._alert("broker_effect_failed", f"{type(effect).__name__} failed: {error}")

    def _to_recorder(self, effect: RecorderEffect) -> None:
        if isinstance(effect, RecordHistory):
            self.publish()
        self._recorder.record(effect)

    def _failed(self, event: Event, error: Exception) -> None:
        """Fail safe: no new risk until a restart, and everybody hears of it (never a silent death)."""
        first = not self.fault
        self.fault = f"the engine failed on {type(event).__name__}: {error}; it takes no new risk until it is restarted"
        log.critical("%s", self.fault, exc_info=True)
        if isinstance(event, CommandReceived):
            self._recorder.accept_command(event.command_id)
            self._recorder.record(FinishCommand(event.command_id, "failed", {"reason": self.fault}))
        if first:
            self._alert("engine_fault", self.fault)
            self._events.append(SuspensionRead(self._clock.now(), None))

    def _alert(self, code: str, message: str) -> None:
        self._recorder.record(Alert(self._clock.now(), Severity.CRITICAL, code, message))

    # -- the clock's beat and the picture of the state

    def publish(self) -> None:
        """Hand the present picture of the state to the recorder."""
        if self.step is None:
            return
        try:
            row = self._snapshot(self.step)
        except Exception as error:
            log.critical("no snapshot: %s", error, exc_info=True)
            return
        if self.fault:
            reasons = [self.fault, *_texts(row.get("block_reasons"))]
            row.update(self_check="blocked", status_lamp="red", block_reasons=reasons)
        self._recorder.snapshot(row)

    async def run(self) -> None:
        """Beat until cancelled: time passes four times a second, the picture is published each second."""
        since_snapshot = SNAPSHOT_S
        while True:
            self.sink(TimePassed(self._clock.now(), self._last_arrival()))
            if since_snapshot >= SNAPSHOT_S:
                self.drain()
                self.publish()
                since_snapshot = 0.0
            await asyncio.sleep(BEAT_S)
            since_snapshot += BEAT_S


def _order_ref(effect: Effect) -> str:
    """The order an effect belongs to, empty for one that belongs to none."""
    match effect:
        case PersistIntent(intent=intent) | PlaceOrder(intent=intent) | ModifyOrder(intent=intent):
            return intent.order_ref
        case RecordExecution(execution=execution):
            return execution.order_ref
        case CancelOrder() | RecordOperation() | RecordIntentState() | RecordOrder() | RecordDecision():
            return effect.order_ref
    return ""


def _refused(command_id: int, effects: Sequence[Effect]) -> bool:
    return any(
        isinstance(effect, FinishCommand) and effect.command_id == command_id and effect.status == "refused"
        for effect in effects
    )


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []
