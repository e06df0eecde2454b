"""Server-sent events of GET /stream and GET /logs/{service}?follow=true.

Every event has an ``id``; sent back as Last-Event-ID it resumes after that event, at any monitor of the desk.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Answer
from .control import CommandState, LogLine
from .status import Account, DeskStatus
from .trail import Decision, Operation


class RemovedPosition(Answer):
    account_id: str
    contract_key: str


class PricesData(Answer):
    """Positions and prices: all of them when ``full``, else only the positions that changed and those that went."""

    full: bool
    accounts_fetched_at: float | None
    accounts: list[Account] = Field(description="with the changed positions only, unless full")
    removed: list[RemovedPosition]
    removed_accounts: list[str]


class ResetData(Answer):
    """The gap is too large to be sent: read again with GET."""

    reason: str


class StatusEvent(Answer):
    """The desk, at once on connecting and whenever it changes, at most four times a second."""

    event: Literal["status"]
    data: DeskStatus


class OperationEvent(Answer):
    event: Literal["operation"]
    data: Operation


class DecisionEvent(Answer):
    event: Literal["decision"]
    data: Decision


class PricesEvent(Answer):
    """``full`` at once on connecting."""

    event: Literal["prices"]
    data: PricesData


class ControlEvent(Answer):
    """A command came or went on; the same state may come twice."""

    event: Literal["control"]
    data: CommandState


class ResetEvent(Answer):
    event: Literal["reset"]
    data: ResetData


class LogEvent(Answer):
    """Of GET /logs/{service}?follow=true."""

    event: Literal["log"]
    data: LogLine


StreamEvent = StatusEvent | OperationEvent | DecisionEvent | PricesEvent | ControlEvent | ResetEvent
