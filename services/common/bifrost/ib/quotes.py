"""What a market-data line says: pure values, no library."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bifrost.contract import ContractKey


class MarketDataType(IntEnum):
    """Kind of data on a line, as the gateway says in message 58."""

    LIVE = 1
    FROZEN = 2
    DELAYED = 3
    DELAYED_FROZEN = 4


@dataclass(frozen=True, slots=True)
class ModelTick:
    """IB's own model on an option (tickOptionComputation 13, delayed 83). None where IB computed nothing.

    ``iv_annual`` is a fraction (0.35), ``vega`` dollars per 0.01 of volatility, ``theta`` dollars per calendar day,
    ``und_price`` the underlying price IB used.
    """

    iv_annual: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    option_price: float | None
    und_price: float | None
    arrived_monotonic: float


@dataclass(frozen=True, slots=True)
class QuoteUpdate:
    """One contract's line after a network chunk: everything known, the newest values.

    Prices are dollars; a side that IB gives as -1, 0, NaN or with size 0 is None, and so is its size.

    Attributes
    ----------
    halted : bool or None
        Tick 49: None until IB said so.
    shortable_shares : float or None
        Tick 89; ``shortable_level`` is tick 46 (above 2.5: at least 1,000 shares can be borrowed).
    prev_close : float or None
        Tick 9, the close of the last session.
    last_time_s : int or None
        Tick 45, epoch seconds of the last trade in market time.
    market_data_type : MarketDataType or None
        None until the gateway said it or a tick implied it.
    arrived_s, arrived_monotonic : float
        Wall time (epoch seconds, monotonic seconds) of the chunk with the newest tick of any kind on this line.
    quote_arrived_monotonic : float or None
        The same of the newest bid or ask tick.
    traded : bool
        A trade price came in this chunk.
    """

    contract_key: ContractKey
    bid: float | None
    ask: float | None
    bid_size: float | None
    ask_size: float | None
    last: float | None
    last_size: float | None
    prev_close: float | None
    last_time_s: int | None
    halted: bool | None
    shortable_shares: float | None
    shortable_level: float | None
    market_data_type: MarketDataType | None
    model: ModelTick | None
    arrived_s: float
    arrived_monotonic: float
    quote_arrived_monotonic: float | None
    traded: bool

    @property
    def two_sided(self) -> bool:
        """True when both sides stand and are not crossed; locked is valid (engine.md, dimension L)."""
        return self.bid is not None and self.ask is not None and self.bid <= self.ask

    @property
    def mid(self) -> float | None:
        """``(bid + ask) / 2`` of a valid two-sided quote, else None."""
        if self.bid is None or self.ask is None or self.bid > self.ask:
            return None
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class LineError:
    """Why a line gives no usable data: IB's code and text, and since when (monotonic seconds)."""

    code: int
    text: str
    since_monotonic: float
