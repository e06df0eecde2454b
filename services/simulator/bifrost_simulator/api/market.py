"""Market data: ticks, option computations, bars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum

from bifrost_simulator.api.contracts import ContractQuery


class MarketDataType(IntEnum):
    LIVE = 1
    FROZEN = 2
    DELAYED = 3
    DELAYED_FROZEN = 4


class TickType(IntEnum):
    """IB's tick type numbers that this world publishes (delayed ones are sent as ``live + 66`` by the world)."""

    BID_SIZE = 0
    BID = 1
    ASK = 2
    ASK_SIZE = 3
    LAST = 4
    LAST_SIZE = 5
    HIGH = 6
    LOW = 7
    VOLUME = 8
    CLOSE = 9
    BID_OPTION = 10
    ASK_OPTION = 11
    LAST_OPTION = 12
    MODEL_OPTION = 13
    OPEN = 14
    HISTORICAL_VOLATILITY = 23
    IMPLIED_VOLATILITY = 24
    CALL_OPEN_INTEREST = 27
    PUT_OPEN_INTEREST = 28
    BID_EXCHANGE = 32
    ASK_EXCHANGE = 33
    MARK_PRICE = 37
    LAST_TIMESTAMP = 45
    SHORTABLE = 46
    RT_VOLUME = 48
    HALTED = 49
    CUSTOM_OPTION = 53
    LAST_EXCHANGE = 84
    SHORTABLE_SHARES = 89
    DELAYED_BID = 66
    DELAYED_ASK = 67
    DELAYED_LAST = 68
    DELAYED_BID_SIZE = 69
    DELAYED_ASK_SIZE = 70
    DELAYED_LAST_SIZE = 71
    DELAYED_HIGH = 72
    DELAYED_LOW = 73
    DELAYED_VOLUME = 74
    DELAYED_CLOSE = 75
    DELAYED_OPEN = 76
    DELAYED_BID_OPTION = 80
    DELAYED_ASK_OPTION = 81
    DELAYED_LAST_OPTION = 82
    DELAYED_MODEL_OPTION = 83


@dataclass(frozen=True, slots=True)
class PriceTick:
    """Message 1. No quote is price -1 with size 0. ``attributes`` is the mask 1 autoexec, 2 past limit, 4 pre-open."""

    tick_type: TickType
    price: float
    size: float
    attributes: int = 0


@dataclass(frozen=True, slots=True)
class SizeTick:
    """Message 2."""

    tick_type: TickType
    size: float


@dataclass(frozen=True, slots=True)
class GenericTick:
    """Message 45."""

    tick_type: TickType
    value: float


@dataclass(frozen=True, slots=True)
class StringTick:
    """Message 46."""

    tick_type: TickType
    value: str


@dataclass(frozen=True, slots=True)
class OptionTick:
    """Message 21. "Not computed" is -1 (iv, price, dividends, underlying) or -2 (delta, gamma, vega, theta).

    ``vega`` is per 0.01 of volatility and ``theta`` per calendar day, as IB gives them; ``iv_annual`` is a fraction.
    """

    tick_type: TickType
    iv_annual: float
    delta: float
    option_price: float
    pv_dividend: float
    gamma: float
    vega: float
    theta: float
    underlying_price: float
    price_based: bool = True


@dataclass(frozen=True, slots=True)
class TickReqParams:
    """Message 81, sent once after a subscription is accepted."""

    min_tick: float
    bbo_exchange: str
    snapshot_permissions: int = 3


Tick = PriceTick | SizeTick | GenericTick | StringTick | OptionTick


@dataclass(frozen=True, slots=True)
class HistoricalRequest:
    """Message 20: ``end`` is the client's text, empty for now; durations and bar sizes as IB writes them."""

    contract: ContractQuery
    end: str
    duration: str
    bar_size: str
    what_to_show: str
    use_rth: bool
    keep_up_to_date: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; ``start`` is a date for daily bars and longer. ``volume`` in units, -1 where it has no meaning."""

    start: datetime | date
    open: float
    high: float
    low: float
    close: float
    volume: float
    wap: float
    count: int


@dataclass(frozen=True, slots=True)
class BarSeries:
    start: datetime
    end: datetime
    bars: tuple[Bar, ...]
