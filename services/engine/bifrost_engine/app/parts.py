"""What bootstrap hands to the engine: chosen once, used by every tenure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bifrost.clock import MarketClock
from bifrost.config import Config, IbSettings
from bifrost.control import Command

from bifrost_engine.domain.policies.shadows import Commission
from bifrost_engine.domain.state import Rules
from bifrost_engine.domain.words import Mode

from .control import RunStatusRead
from .link import Trust
from .ports import MakeTape
from .service_ports import Control, Desk, Gateway, Login
from .times import EngineClock

MakeDesk = Callable[[int, Callable[[bool, str], None], Callable[[], None]], Desk]
MakeControl = Callable[
    [int, Callable[[int, Command, Mapping[str, Any]], None], Callable[[RunStatusRead], None]], Control
]


@dataclass(frozen=True, slots=True)
class Market:
    """The market's clock while it is read."""

    clock: MarketClock
    close: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What bootstrap has chosen. Callables make what belongs to one tenure only."""

    rules: Rules
    mode: Mode
    instance_id: UUID
    clock: EngineClock
    gateway: Gateway
    make_desk: MakeDesk
    make_control: MakeControl
    market_clock: Callable[[float | None, Callable[[MarketClock], None]], Market]
    """The market's clock, given the last market time stored (epoch seconds) and who hears of its changes."""
    address: Callable[[IbSettings | None], tuple[str, int]]
    """Host and port of IB, given the address saved by an operator."""
    trust: Callable[[Login], Awaitable[Trust]]
    look_at_config: Callable[[], None]
    """Reloads the configuration when its file has changed."""
    configure: Callable[[Config], None] = lambda config: None
    """Tells the gateway what a reloaded configuration says of it."""
    make_tape: MakeTape | None = None
    """Begins the tape of a book; None where none is wanted."""
    commission: Commission = lambda shares, dollars: 0.0
    """What an order in the stock would cost a shadow hedger."""
