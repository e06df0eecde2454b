"""What the hedger needs of the outside, as protocols. Live, simulator and backtest differ only in who stands behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bifrost_engine.domain.effects import BrokerEffect, RecorderEffect
from bifrost_engine.domain.events import Event
from bifrost_engine.domain.words import BrokerPosition, Execution, Mode, OrderIntent, Times

Sink = Callable[[Event], None]
"""Where adapters put events; called on the engine's loop only."""


class Clock(Protocol):
    """Both times. Market time is None until the market's clock has answered."""

    def now(self) -> Times: ...


class Broker(Protocol):
    """Carries out broker effects and reports facts to the sink. Never raises for a broker's refusal: that is an event."""

    def carry_out(self, effect: BrokerEffect) -> None: ...


class Recorder(Protocol):
    """Makes records durable, in order, without blocking the loop.

    `PersistIntent` is answered through the sink with IntentDurable or IntentFailed.
    """

    def record(self, effect: RecorderEffect) -> None: ...

    def snapshot(self, row: Mapping[str, object]) -> None:
        """Replace status_current (and keep the row for RecordHistory)."""
        ...

    @property
    def backlog(self) -> int:
        """Records accepted and not yet durable in the database."""
        ...


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """An intent whose end is not recorded: at start it is UNKNOWN until a probe has found out."""

    intent: OrderIntent
    state: str
    order_id: int
    perm_id: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What an engine must know before it may trade again, read from the database after the spool was replayed."""

    account: str
    mode: Mode
    executions: tuple[Execution, ...] = ()
    """Own and synthetic executions of (account, mode), all of them, oldest first."""
    live_executions: tuple[Execution, ...] = ()
    """In paper mode only: the live ledger, which is what the broker's positions are compared with."""
    external_exec_ids: frozenset[str] = frozenset()
    """Executions of others already recorded; they are not recorded twice."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """Commission in dollars by exec_id."""
    open_intents: tuple[OpenIntent, ...] = ()
    trading_day: Mapping[str, object] | None = None
    """Newest row of `trading_days` of (account, mode)."""
    legs: tuple[Mapping[str, object], ...] = ()
    """Rows of `managed_legs`, released ones included."""
    baseline: Mapping[str, object] | None = None
    """Row of `external_baseline` of the symbol."""
    sequence: range = range(0)
    """Reserved block of decision numbers, none of them ever used."""
    last_market_s: float | None = None
    """Market time of the newest status row: until the clock answers, time is known to be no earlier."""
    positions: tuple[BrokerPosition, ...] = ()
    """Last positions stored; shown with their age until the broker answers, never traded on."""
