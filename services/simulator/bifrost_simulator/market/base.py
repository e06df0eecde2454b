"""What every market offers: quotes by contract as a function of market time, and bars from the same tape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from bifrost.contract import ContractKey

NO_QUOTE = -1.0


@dataclass(frozen=True, slots=True)
class Quote:
    """What is published of one contract. Dollars per unit; an absent price is -1 and its size 0.

    ``version`` grows with each publication: size taken from the book is back with the next version.
    """

    bid: float = NO_QUOTE
    ask: float = NO_QUOTE
    bid_size: float = 0.0
    ask_size: float = 0.0
    last: float = NO_QUOTE
    last_size: float = 0.0
    last_time_s: float = 0.0
    close: float = NO_QUOTE
    open: float = NO_QUOTE
    high: float = NO_QUOTE
    low: float = NO_QUOTE
    volume: float = 0.0
    halted: bool = False
    version: int = 0

    @property
    def mid(self) -> float | None:
        """Middle of a two-sided quote, else None."""
        return 0.5 * (self.bid + self.ask) if self.bid > 0 and self.ask > 0 else None

    @property
    def mark(self) -> float | None:
        """What an account is valued at: mid, else last, else yesterday's close, else the one side there is."""
        mid = self.mid
        if mid is not None:
            return mid
        for price in (self.last, self.close, self.bid, self.ask):
            if price > 0:
                return price
        return None


EMPTY_QUOTE = Quote()


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """What the option model is fed for one contract now."""

    spot: float
    years: float
    rate: float
    dividend_yield: float
    iv_annual: float | None
    """Known to a market that makes its quotes from a smile; None where it must be implied from the quotes."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What generic ticks tell of a contract: annual volatilities as fractions, open interest in contracts."""

    historical_volatility: float | None = None
    implied_volatility: float | None = None
    call_open_interest: float | None = None
    put_open_interest: float | None = None


@dataclass(frozen=True, slots=True)
class RawBar:
    """One bar in epoch seconds; dollars; ``volume`` -1 where the tape has none (quotes)."""

    start_s: float
    open: float
    high: float
    low: float
    close: float
    volume: float
    wap: float
    count: int


class Market(Protocol):
    """Quotes of one underlying and its options: pure functions of market time, polling changes nothing."""

    symbol: str

    def advance(self, market_s: float) -> None:
        """Move to an epoch second; never backwards."""
        ...

    def quotes(self, keys: Sequence[ContractKey]) -> list[Quote]:
        """The newest publication of each contract (`EMPTY_QUOTE` for one never quoted), in the order asked."""
        ...

    def first_mark(self, key: ContractKey) -> float | None:
        """What a position held at the start cost: the first middle the run shows, dollars a unit."""
        ...

    def model_inputs(self, key: ContractKey) -> ModelInputs | None:
        """None while spot is unknown."""
        ...

    def statistics(self, key: ContractKey) -> Statistics:
        """What is known of the contract now; a recorded day knows nothing of it."""
        ...

    def chain(self) -> tuple[ContractKey, ...]:
        """Every option ever listed in this run, expired ones included, in a stable order."""
        ...

    def is_tradable(self, key: ContractKey) -> bool:
        """True while the contract may be matched: session open (always in an always-open world) and not expired."""
        ...

    def is_tradable_outside(self, key: ContractKey) -> bool:
        """True when orders that ask for it may be matched outside the session; a recorded day never is."""
        ...

    def is_over(self) -> bool:
        """True once the scenario has nothing more to publish."""
        ...

    def bars(self, key: ContractKey, start_s: float, end_s: float, bar_s: float, what: str) -> list[RawBar]:
        """Bars of ``TRADES``, ``MIDPOINT``, ``BID`` or ``ASK`` that begin in [start_s, end_s), inside sessions.

        ``OPTION_IMPLIED_VOLATILITY`` of the stock where the market knows one; nothing for what is not on the tape.
        """
        ...

    def reach_back(self, day: date) -> int:
        """Do one session's part of what bars of ``day`` need; returns the points it took, 0 when nothing is left."""
        ...

    def last_day(self) -> date:
        """Date of the session that is open or closed last."""
        ...

    def to_state(self) -> dict[str, object]:
        """What must survive a restart beyond the clock."""
        ...
