"""What the hedger needs of the outside, as protocols. Live, simulator and backtest differ only in who stands behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from bifrost.config import IbSettings
from bifrost.db.live_rows import Heartbeat
from bifrost.ib import AccountsReport

from bifrost_engine.domain.effects import BrokerEffect, RecorderEffect
from bifrost_engine.domain.events import Event
from bifrost_engine.domain.restore import OpenIntent, Restored
from bifrost_engine.domain.words import Mode, Times

__all__ = ["Broker", "Clock", "OpenIntent", "Recorder", "Restored", "Sink"]

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

    @property
    def backlog(self) -> int:
        """Records accepted and not yet durable in the database."""
        ...


class Desk(Protocol):
    """The database as the leader sees it. Nothing blocks the loop; a call raises DatabaseUnavailable while it is away."""

    def start(self) -> None: ...

    def put(
        self,
        table: str,
        row: Mapping[str, Any],
        *,
        on_durable: Callable[[], None] | None = None,
        on_failed: Callable[[str], None] | None = None,
    ) -> None:
        """Hand over a row; it is durable in the order given."""
        ...

    def put_snapshot(self, row: Mapping[str, Any]) -> None: ...

    def finish_command(self, command_id: int, status: str, result: Mapping[str, Any]) -> None: ...

    def beat(self, beat: Heartbeat) -> None:
        """Write daemon_heartbeat; of several only the newest need be written."""
        ...

    @property
    def backlog(self) -> int: ...

    async def restore(self, account: str, mode: Mode, symbol: str) -> Restored: ...

    async def known_account(self) -> str: ...

    async def reserve_sequence(self) -> range: ...

    async def write_accounts(self, report: AccountsReport) -> None: ...

    async def ib_settings(self) -> IbSettings | None: ...

    async def retention(self, history_days: int, decisions_days: int) -> int: ...

    async def close(self, limit_s: float = 3.0) -> None: ...


class Gateway(Broker, Protocol):
    """The link to IB. Everything it hears comes to the sink it was made with."""

    on_ended: Callable[[str], None]
    """Called with the reason when the session is gone."""
    on_accounts_wanted: Callable[[], None]
    """Called when accounts and positions are worth reading again."""

    async def connect(self, host: str, port: int) -> Login:
        """Log on; raises GatewayUnavailable."""

    def trade_for(self, account: str) -> None:
        """Name the trading account and begin to stream its market."""

    def disconnect(self, reason: str) -> None: ...

    @property
    def connected(self) -> bool: ...

    def last_arrival_s(self) -> float | None:
        """Wall time of the last sign of life, None without a session."""

    def retry_lines(self) -> None:
        """Request every market-data line in error again, at once."""

    async def fetch_accounts(self) -> AccountsReport:
        """Summaries and positions of every managed account; raises when anything is missing."""
