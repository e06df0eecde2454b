"""What the running engine needs besides the hedger's own ports: the gateway's session and the leader's database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bifrost.config import IbSettings
from bifrost.db.live_rows import Heartbeat
from bifrost.ib import AccountsReport

from bifrost_engine.domain.ledger.restore import Restored
from bifrost_engine.domain.words import Mode

from .ports import Broker
from .recorder import RowStore


class GatewayUnavailable(Exception):
    """Connecting failed, or the gateway is not one we can trade on; the text is for the operator."""


@dataclass(frozen=True, slots=True)
class Login:
    """A session at the gateway."""

    accounts: tuple[str, ...]
    client_id: int
    address: str


class Gateway(Broker, Protocol):
    """The link to IB. Everything it hears comes to the sink it was made with."""

    on_ended: Callable[[str], None]
    """Called with the reason when the session is gone."""
    on_accounts_wanted: Callable[[], None]
    """Called when accounts and positions are worth reading again."""

    async def connect(self, host: str, port: int) -> Login:
        """Log on; raises GatewayUnavailable."""
        ...

    def trade_for(self, account: str) -> None:
        """Name the trading account and begin to stream its market."""
        ...

    def disconnect(self, reason: str) -> None: ...

    @property
    def connected(self) -> bool: ...

    def last_arrival_s(self) -> float | None:
        """Wall time of the last sign of life, None without a session."""
        ...

    def retry_lines(self) -> None:
        """Request every market-data line in error again, at once."""
        ...

    async def fetch_accounts(self) -> AccountsReport:
        """Summaries and positions of every managed account; raises when anything is missing."""
        ...


class Desk(RowStore, Protocol):
    """The database as the leader sees it.

    Nothing blocks the loop; an awaited call raises DatabaseUnavailable while the database is away.
    """

    def start(self) -> None: ...

    def beat(self, beat: Heartbeat) -> None:
        """Write daemon_heartbeat; of several only the newest need be written."""
        ...

    async def restore(self, account: str, mode: Mode, symbol: str) -> Restored: ...

    async def shadow_books(self, account: str, mode: Mode) -> list[Mapping[str, Any]]:
        """Rows of `shadow_hedgers` of the newest trading day, as `app.shadows` takes them."""
        ...

    async def known_account(self) -> str: ...

    async def reserve_sequence(self) -> range: ...

    async def write_accounts(self, report: AccountsReport) -> None: ...

    async def ib_settings(self) -> IbSettings | None: ...

    async def retention(self, history_days: int, decisions_days: int) -> int: ...

    async def close(self, limit_s: float = 3.0) -> None: ...


class Control(Protocol):
    """Reads commands and run status for the leader."""

    def start(self) -> None: ...

    def poll(self) -> None:
        """Read now."""
        ...

    async def close(self, limit_s: float = 3.0) -> None: ...


class LeaseHolder(Protocol):
    """Holds the right to trade; its news come on the loop."""

    epoch: int | None

    def start(self) -> None: ...

    def beat_now(self, state_name: str) -> None: ...

    async def close(self, *, stop_desk: bool = False, limit_s: float = 5.0) -> None: ...
