"""Commands, the saved IB address, the browser's session, logs, health, notifications."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from bifrost.config.enums import IbPortType, Severity
from bifrost.control import CommandStatus
from pydantic import BaseModel, ConfigDict, Field

from .base import Answer, UtcTime
from .status import IbConfig


class CommandAccepted(Answer):
    """Answer to POST /control/{command}."""

    id: int = Field(ge=1)
    command: str
    status: CommandStatus
    created: bool = Field(description="false when the idempotency key had been used for the same command before")


class CommandState(Answer):
    """A command with its result."""

    id: int = Field(ge=1)
    command: str = Field(description="any text: psql may have inserted an unknown one")
    args: dict[str, Any]
    status: CommandStatus
    created_at: UtcTime
    accepted_at: UtcTime | None
    finished_at: UtcTime | None
    consumed_at: UtcTime | None
    result: dict[str, Any] | None
    requested_by: str | None
    age_s: float


class CommandsAnswer(Answer):
    """Newest first."""

    commands: list[CommandState]


class SavedAddress(Answer):
    ib_host: str
    ib_port_type: IbPortType


class IbConfigSaved(Answer):
    saved: SavedAddress
    ib_config: IbConfig


class Session(Answer):
    """What this caller may do."""

    signed_in: bool
    read_only: bool


class SignIn(BaseModel):
    """Body of POST /session."""

    model_config = ConfigDict(extra="forbid")

    token: str


class LogService(StrEnum):
    """Logs that can be read; nothing else can be named."""

    ENGINE = "engine"
    PRICER = "pricer"
    MONITOR = "monitor"
    SIMULATOR = "simulator"
    BACKTEST = "backtest"
    COPILOT = "copilot"
    WATCHLIST = "watchlist"


class LogLevel(StrEnum):
    """The lowest level that is shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class LogLine(Answer):
    """One line; further keys are what the service said besides."""

    model_config = ConfigDict(frozen=True, extra="allow")

    time: str | None = None
    level: str | None = None
    logger: str | None = None
    message: str | None = None


class LogAnswer(Answer):
    """Oldest first, as one reads them. ``exists`` is false when the service has written no log here."""

    service: LogService
    exists: bool
    lines: list[LogLine]


class Alive(Answer):
    live: str = Field(description="ok")


class Ready(Answer):
    ready: str = Field(description="ok or no")
    reason: str | None = None


class ChannelKind(StrEnum):
    WEBHOOK = "webhook"
    NTFY = "ntfy"
    TELEGRAM = "telegram"


class Channel(Answer):
    """One way in which the desk tells somebody; addresses and tokens are never shown."""

    kind: ChannelKind
    configured: bool
    target: str | None = Field(description="host of the address")
    sent: int
    failed: int
    last_sent_at: UtcTime | None
    last_error: str | None


class Notice(Answer):
    """Something the channels were told, or would have been."""

    at: UtcTime
    severity: str
    code: str
    title: str
    text: str
    repeats: int = Field(description="how often it was held back as a repetition since")


class NotificationsAnswer(Answer):
    """Since this monitor started."""

    channels: list[Channel]
    recent: list[Notice]
    min_severity: Severity = Field(description="what is below it is not told")


class TestForm(BaseModel):
    """Body of POST /notifications/test: one channel, or all that are configured."""

    model_config = ConfigDict(extra="forbid")

    channel: ChannelKind | None = None


class TestResult(Answer):
    kind: ChannelKind
    ok: bool
    detail: str


class TestAnswer(Answer):
    results: list[TestResult]
