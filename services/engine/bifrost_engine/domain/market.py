"""The market as the hedger sees it: newest quotes, the accepted mid of the stock, the feed's state (engine.md section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bifrost.calendar import TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey

from .bars import Bars
from .events import FarmChanged, LineFailed, QuotesChanged
from .words import LiquidityState, Quote, Times


@dataclass(frozen=True, slots=True)
class FeedError:
    """A line or a farm is in error. ``since_s`` is wall time."""

    code: int
    since_s: float
    text: str = ""
    requested_s: float = 0.0
    """Wall time of the last request to have the line back."""


@dataclass(frozen=True, slots=True)
class PendingMid:
    """A mid that jumped and waits to be confirmed."""

    mid: float
    since_s: float


@dataclass(frozen=True, slots=True)
class MarketBook:
    """Newest state of every line and what follows from it. Prices in dollars; ``*_wall_s`` and ``*_s`` are wall seconds."""

    stock: ContractKey
    quotes: Mapping[ContractKey, Quote] = field(default_factory=dict)
    mid: float | None = None
    """Accepted mid of the stock, the spot of every rule; None before the first good quote."""
    pending: PendingMid | None = None
    """A jump of at least `gap_pct` that is not used yet."""
    gap_until_market_s: float | None = None
    """M4 lasts until then, market time."""
    session_day: object | None = None
    """New York date of the session whose first mid has been seen; None before."""
    bars: Bars = Bars()
    mids: tuple[tuple[float, float], ...] = ()
    """(wall time, accepted mid) of the last seconds, oldest first."""
    line_errors: Mapping[ContractKey, FeedError] = field(default_factory=dict)
    feed_error: FeedError | None = None
    """An error of the whole feed (LineFailed without a key)."""
    farm_errors: Mapping[str, FeedError] = field(default_factory=dict)
    last_tick_s: Mapping[ContractKey, float] = field(default_factory=dict)
    """Last arrival per line of a tick of an allowed type."""
    two_sided: bool = False
    """A valid two-sided quote of the stock has come since subscribing."""
    link_up: bool = False
    connectivity_lost: bool = False
    """1100 stands."""
    link_up_since_s: float | None = None
    open_since_s: float | None = None
    """Wall time at which the open session was first seen; None while closed."""
    last_arrival_s: float | None = None
    """Wall time of the last arrival of anything on the connection."""
    burst_at: Times | None = None
    burst_oldest_s: float | None = None
    """Arrival of the oldest tick of the burst that came at ``burst_at``."""

    @property
    def quote(self) -> Quote | None:
        """The stock's newest quote."""
        return self.quotes.get(self.stock)

    @property
    def bid(self) -> float | None:
        raise NotImplementedError

    @property
    def ask(self) -> float | None:
        raise NotImplementedError

    @property
    def last(self) -> float | None:
        """Last trade of the stock."""
        raise NotImplementedError

    @property
    def halted(self) -> bool:
        raise NotImplementedError

    @property
    def shortable_shares(self) -> float | None:
        raise NotImplementedError


def on_quotes(book: MarketBook, event: QuotesChanged, config: Config, calendar: TradingCalendar) -> MarketBook:
    """Take over a burst of quotes: newest state per line, the stock's mid with gap confirmation, bars, cleared errors."""
    raise NotImplementedError


def on_time(
    book: MarketBook, at: Times, last_arrival_s: float | None, config: Config, calendar: TradingCalendar
) -> MarketBook:
    """A beat of the clock: a pending mid is accepted after 2 s, the session's opening is noticed."""
    raise NotImplementedError


def on_line_failed(book: MarketBook, event: LineFailed) -> MarketBook:
    """A line is in error until its next tick of an allowed type."""
    raise NotImplementedError


def on_farm(book: MarketBook, event: FarmChanged) -> MarketBook:
    """2103/2105 break a farm, 2104/2106 restore it."""
    raise NotImplementedError


def on_link_up(book: MarketBook, at: Times) -> MarketBook:
    """Lines are subscribed anew: nothing of before counts as fresh."""
    raise NotImplementedError


def on_link_down(book: MarketBook, at: Times) -> MarketBook:
    """The socket has gone: no quote is fresh. The last prices stay for show and for marks."""
    raise NotImplementedError


def on_connectivity_lost(book: MarketBook, at: Times) -> MarketBook:
    """1100: the gateway has lost IB."""
    raise NotImplementedError


def on_connectivity_restored(book: MarketBook, at: Times, code: int) -> MarketBook:
    """1101 (lines made anew) or 1102 (lines kept)."""
    raise NotImplementedError


def lines_to_request(book: MarketBook, at: Times, config: Config) -> tuple[ContractKey, ...]:
    """Lines in error that are due to be cancelled and requested again (every `ib_retry_interval_sec`)."""
    raise NotImplementedError


def on_lines_requested(book: MarketBook, keys: tuple[ContractKey, ...], at: Times) -> MarketBook:
    """Note that the lines were requested again."""
    raise NotImplementedError


def spread_pct(book: MarketBook) -> float | None:
    """100·(ask − bid)/mid of the stock; None without a valid two-sided quote."""
    raise NotImplementedError


def liquidity_state(book: MarketBook, config: Config) -> LiquidityState:
    """L of the stock's newest quote (engine.md section 2)."""
    raise NotImplementedError


def mid_1s_ago(book: MarketBook, at: Times) -> float | None:
    """The accepted mid that stood one wall second ago, else the oldest one known."""
    raise NotImplementedError
