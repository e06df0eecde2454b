"""What the hedger needs of the outside, as protocols. Live, simulator and backtest differ only in who stands behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from bifrost_engine.domain.decide import Step
from bifrost_engine.domain.effects import BrokerEffect, RecorderEffect
from bifrost_engine.domain.events import Event
from bifrost_engine.domain.ledger.restore import OpenIntent, Restored
from bifrost_engine.domain.state import Rules
from bifrost_engine.domain.words import Times

__all__ = ["Broker", "Clock", "MakeTape", "OpenIntent", "Recorder", "Restored", "Sink", "Tape"]

Sink = Callable[[Event], None]
"""Where adapters put events; called on the engine's loop only."""


class Clock(Protocol):
    """Both times. Market time is None until the market's clock has answered."""

    def now(self) -> Times: ...


class Broker(Protocol):
    """Carries out broker effects, reports facts to the sink. Never raises for a broker's refusal: that is an event."""

    def carry_out(self, effect: BrokerEffect) -> None: ...


class Recorder(Protocol):
    """Makes records durable, in order, without blocking the loop.

    `PersistIntent` is answered through the sink with IntentDurable or IntentFailed.
    """

    def record(self, effect: RecorderEffect) -> None: ...

    def snapshot(self, row: Mapping[str, object]) -> None:
        """Replace status_current (and keep the row for RecordHistory)."""
        ...

    def accept_command(self, command_id: int) -> None:
        """A command is being carried out; comes before the records of what it does."""
        ...

    @property
    def backlog(self) -> int:
        """Records accepted and not yet durable in the database."""
        ...


class Tape(Protocol):
    """Keeps what the core consumed and decided. Never raises, never waits."""

    def event(self, number: int, event: Event) -> None: ...

    def step(self, number: int, step: Step) -> None: ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


MakeTape = Callable[[Restored, Times, Callable[[], Rules]], Tape]
"""Begins the tape of an engine that starts from ``Restored``; the last argument tells the rules in force."""
