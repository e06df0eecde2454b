"""The whole typed configuration: one file serves every service (architecture.md, engine.md section 8).

Access follows the path of the key: ``config.gates.state.delta.epsilon_band``. Every model is frozen and refuses keys
that it does not know. Rules between keys stand in :mod:`bifrost.config.combinations`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, Strict

from .base import (
    ClientId,
    Count,
    CountOrZero,
    Flag,
    NotNegative,
    Port,
    PortOrOff,
    Positive,
    Seconds,
    SecondsOrZero,
    Section,
)
from .enums import AfterReprices, ClockSource, OrderType, Severity, SinkKind, TimeInForce
from .gates import Gates
from .shadows import ShadowHedger, different
from .windows import WeekWindow


def _upper_symbol(text: str) -> str:
    name = text.strip().upper()
    if not name or "|" in name or len(name) > 20:
        raise ValueError("a symbol has 1 to 20 characters and no '|'")
    return name


def _host(text: str) -> str:
    if not text.strip() or any(mark in text for mark in "/ \t"):
        raise ValueError("write a host name or address only, without scheme, path or blanks")
    return text.strip()


def _http(address: SecretStr) -> SecretStr:
    parts = urlsplit(address.get_secret_value())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write an address that begins with http:// or https://")
    return address


Shadows = Annotated[tuple[ShadowHedger, ...], AfterValidator(different)]
HttpAddress = Annotated[SecretStr, AfterValidator(_http)]
Symbol = Annotated[str, AfterValidator(_upper_symbol)]
Host = Annotated[str, AfterValidator(_host)]
DEFAULT_RESET_WINDOWS = ("23:45-00:45", "Fri 23:00-Sat 03:00")


class Ib(Section):
    """The engine's connection to TWS or IB Gateway."""

    host: Host = "127.0.0.1"
    port: Port = 7497
    client_id: ClientId = 1
    account: str | None = Field(default=None, description="the account that trades; needed when several are managed")
    connect_timeout: Seconds = Field(default=15.0, description="seconds")
    reset_windows: tuple[WeekWindow, ...] = tuple(WeekWindow.parse(text) for text in DEFAULT_RESET_WINDOWS)


class Daemon(Section):
    """Rhythm of the engine, in seconds of wall time."""

    heartbeat_interval: Annotated[float, Strict(), Field(ge=5, le=120)] = 10.0
    ib_retry_interval_sec: Seconds = 30.0
    reconcile_interval_s: Seconds = 30.0
    tape_folder: Path | None = Field(default=None, description="where tapes of the core's inputs go; none without")


class Dividend(Section):
    """One known cash dividend of the underlying."""

    ex_date: date
    amount_usd: Positive


class Greeks(Section):
    """Inputs of the option model."""

    risk_free_rate: Annotated[float, Strict(), Field(ge=-0.1, le=1)] = Field(
        default=0.05, description="annual, continuous"
    )
    dividend_yield: Annotated[float, Strict(), Field(ge=0, le=1)] = Field(default=0.0, description="annual, continuous")
    dividends: tuple[Dividend, ...] = ()
    volatility: Annotated[float, Strict(), Field(gt=0, le=5)] = Field(
        default=0.35, description="annual; the last resort"
    )


class Order(Section):
    """How orders are worked. Seconds are wall time."""

    order_type: OrderType = OrderType.MARKET
    tif: TimeInForce = TimeInForce.DAY
    pay_up_ticks: CountOrZero = 1
    reprice_after_s: Seconds = 3.0
    max_reprices: CountOrZero = 3
    after_reprices: AfterReprices = AfterReprices.MARKET
    ack_timeout_s: Seconds = 5.0
    working_timeout_s: Seconds = 10.0
    cancel_timeout_s: Seconds = 5.0
    hedge_retries: CountOrZero = 3
    unknown_probes: Count = 5


class Postgres(Section):
    """The database. ``PGHOST`` and the other ``PG*`` variables win."""

    host: str = "127.0.0.1"
    port: Port = 5432
    database: str = "options_db"
    user: str | None = Field(default=None, description="each service's own role when empty")
    password: SecretStr | None = None
    password_file: Path | None = None
    connect_timeout_s: Seconds = 5.0


class Status(Section):
    """Where status and operations are kept."""

    sink: SinkKind = SinkKind.POSTGRES
    postgres: Postgres = Postgres()


class Clock(Section):
    """Where market time comes from."""

    source: ClockSource = ClockSource.WALL
    url: str | None = Field(default=None, description="admin address of the simulator, http://host:port")


class Retention(Section):
    """How long rows are kept, in days."""

    history_days: Count = 365
    decisions_days: Count = 365


class Monitor(Section):
    """HTTP API and page."""

    host: Host = "127.0.0.1"
    port: Port = 8000
    allowed_hosts: tuple[str, ...] = Field(default=(), description="further Host headers that are answered")
    read_only: Flag = False
    control_posts_per_minute: Count = 60


class Notify(Section):
    """Whom the monitor tells of alerts and of a lamp that stays red. Addresses and tokens are secrets."""

    min_severity: Severity = Severity.WARNING
    repeat_s: SecondsOrZero = Field(default=900.0, description="seconds for which the same news is not told again")
    webhook_url: HttpAddress | None = Field(default=None, description="is sent JSON by POST")
    ntfy_url: HttpAddress | None = Field(default=None, description="topic, https://ntfy.sh/my-topic")
    ntfy_token: SecretStr | None = None
    telegram_token: SecretStr | None = Field(default=None, description="of the bot")
    telegram_chat_id: int | str | None = None


class Pricer(Section):
    """Prices of everything held."""

    client_id: ClientId = 2
    cycle_s: Seconds = 2.0
    line_budget: Count = Field(default=90, description="streaming lines; the rest rotates through snapshots")
    messages_per_second: Annotated[int, Strict(), Field(ge=1, le=50)] = 40
    grace_s: NotNegative = Field(
        default=60.0, description="seconds before the row of a contract nobody holds is removed"
    )
    metrics_host: Host = "127.0.0.1"
    metrics_port: PortOrOff = Field(default=8011, description="0 switches health and metrics off")


class Simulator(Section):
    """The simulated outside world."""

    host: Host = "127.0.0.1"
    port: Port = 4002
    admin_port: Port = 4010
    server_version_cap: Annotated[int, Strict(), Field(ge=157, le=178)] = 176
    messages_per_second: Count = 50
    market_data_lines: Count = 100
    state_save_s: Seconds = 2.0


class Copilot(Section):
    """The copilot's connection to IB."""

    client_id: ClientId = 3


class Config(Section):
    """The effective configuration of every service."""

    symbol: Symbol = "NVDA"
    strategy_enabled: Flag = True
    ib: Ib = Ib()
    daemon: Daemon = Daemon()
    greeks: Greeks = Greeks()
    order: Order = Order()
    gates: Gates = Gates()
    status: Status = Status()
    clock: Clock = Clock()
    retention: Retention = Retention()
    monitor: Monitor = Monitor()
    notify: Notify = Notify()
    pricer: Pricer = Pricer()
    simulator: Simulator = Simulator()
    copilot: Copilot = Copilot()
    shadow_hedgers: Shadows = Field(default=(), description="policies that hedge books of their own and send nothing")
