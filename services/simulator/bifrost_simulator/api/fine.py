"""Market data tick by tick, the order book's rows, and ticks of the past."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bifrost_simulator.api.contracts import ContractQuery


class TickByTickType(IntEnum):
    """Message 99's numbers of what a client asks for by the names ``Last``, ``AllLast``, ``BidAsk``, ``MidPoint``."""

    LAST = 1
    ALL_LAST = 2
    BID_ASK = 3
    MID_POINT = 4


@dataclass(frozen=True, slots=True)
class TradeTick:
    """One trade; ``time_s`` is an epoch second of market time."""

    time_s: int
    price: float
    size: float
    exchange: str = ""


@dataclass(frozen=True, slots=True)
class QuoteTick:
    """Both sides of the touch."""

    time_s: int
    bid: float
    ask: float
    bid_size: float
    ask_size: float


@dataclass(frozen=True, slots=True)
class MidTick:
    time_s: int
    mid: float


FineTick = TradeTick | QuoteTick | MidTick


class DepthOperation(IntEnum):
    INSERT = 0
    UPDATE = 1
    DELETE = 2


@dataclass(frozen=True, slots=True)
class DepthRow:
    """Message 12 or, for the smart book, 13. ``market_maker`` is the exchange that shows the row."""

    position: int
    operation: DepthOperation
    is_bid: bool
    price: float
    size: float
    market_maker: str
    is_smart: bool


@dataclass(frozen=True, slots=True)
class DepthExchange:
    """One line of message 80."""

    exchange: str
    sec_type: str
    service: str = "Deep"


@dataclass(frozen=True, slots=True)
class HistoricalTicksRequest:
    """Message 96: ``start`` or ``end`` in the client's text, and how many ticks from there."""

    contract: ContractQuery
    start: str
    end: str
    count: int
    what_to_show: str
