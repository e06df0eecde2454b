"""The market as the hedger sees it: newest quotes, the stock's accepted mid, the feed (engine.md section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from bifrost.calendar import TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey

from ..events import FarmChanged, LineFailed, QuotesChanged
from ..evolve import evolve
from ..execution.limits import at_least, finite
from ..words import LiquidityState, Quote, Times
from .bars import Bars

#: M4 lasts this long after a jump (market seconds).
GAP_LASTS_S = 60.0
#: A jump that nothing contradicts is believed after this time (wall seconds).
CONFIRM_AFTER_S = 2.0
#: A second quote or a trade this near confirms a jump, per cent.
CONFIRM_WITHIN_PCT = 0.25
#: Accepted mids are kept this long for the price collar (wall seconds).
MIDS_KEPT_S = 5.0
#: 1 live; 3 and 4 are delayed, 2 is frozen at the close.
LIVE, DELAYED = frozenset({1}), frozenset({3, 4})
FARM_BROKEN, FARM_RESTORED = frozenset({2103, 2105}), frozenset({2104, 2106})


@dataclass(frozen=True, slots=True)
class FeedError:
    """A line or a farm is in error; wall seconds."""

    code: int
    since_s: float
    text: str = ""
    requested_s: float = 0.0
    """The last request to have the line back."""


@dataclass(frozen=True, slots=True)
class PendingMid:
    """A mid that jumped and waits to be confirmed."""

    mid: float
    since_s: float


@dataclass(frozen=True)
class MarketBook:
    """Newest state of every line and what follows from it. Prices in dollars; ``*_s`` are wall seconds."""

    stock: ContractKey
    quotes: Mapping[ContractKey, Quote] = field(default_factory=dict)
    mid: float | None = None
    """Accepted mid of the stock, the spot of every rule; None before the first good quote."""
    pending: PendingMid | None = None
    """A jump of at least `gap_pct` that is not used yet."""
    gap_until_market_s: float | None = None
    """M4 lasts until then, market time."""
    session_day: date | None = None
    """The session whose first mid has been seen."""
    bars: Bars = field(default_factory=Bars)
    mids: tuple[tuple[float, float], ...] = ()
    """(wall time, accepted mid) of the last seconds, oldest first."""
    line_errors: Mapping[ContractKey, FeedError] = field(default_factory=dict)
    feed_error: FeedError | None = None
    """An error of the whole feed (LineFailed without a key)."""
    farm_errors: Mapping[str, FeedError] = field(default_factory=dict)
    farms: Mapping[str, FeedError] = field(default_factory=dict)
    """The last word on each data farm, good or bad: shown, it decides nothing."""
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
        """The stock's bid; None when it is not quoted."""
        quote = self.quotes.get(self.stock)
        return _price(quote.bid) if quote is not None else None

    @property
    def ask(self) -> float | None:
        """The stock's ask; None when it is not quoted."""
        quote = self.quotes.get(self.stock)
        return _price(quote.ask) if quote is not None else None

    @property
    def last(self) -> float | None:
        """Last trade of the stock."""
        quote = self.quotes.get(self.stock)
        return _price(quote.last) if quote is not None else None

    @property
    def halted(self) -> bool:
        """Tick 49 says that the stock does not trade."""
        return self.quote is not None and self.quote.halted

    @property
    def shortable_shares(self) -> float | None:
        """Shares to borrow; None when the feed does not say."""
        return finite(self.quote.shortable_shares) if self.quote else None


def valid_mid(quote: Quote | None) -> float | None:
    """Mid of a two-sided, uncrossed quote; None otherwise. NaN and infinity are no prices."""
    if quote is None or not quote.two_sided:
        return None
    return finite(quote.mid)


def on_quotes(book: MarketBook, event: QuotesChanged, config: Config, calendar: TradingCalendar) -> MarketBook:
    """Take over a burst of quotes: newest state per line, cleared errors, the stock's mid with gap confirmation."""
    quotes, ticks, errors = dict(book.quotes), dict(book.last_tick_s), dict(book.line_errors)
    allowed = LIVE | DELAYED if config.gates.state.system.allow_delayed else LIVE
    for quote in event.quotes:
        quotes[quote.key] = quote
        if quote.data_type in allowed:
            ticks[quote.key] = quote.arrived_wall_s
            error = errors.get(quote.key)
            if error is not None and quote.arrived_wall_s > error.since_s:
                del errors[quote.key]
    book = evolve(
        book,
        quotes=quotes,
        last_tick_s=ticks,
        line_errors=errors,
        burst_at=event.at,
        burst_oldest_s=event.oldest_tick_s,
    )
    stock = next((quote for quote in reversed(event.quotes) if quote.key == book.stock), None)
    if stock is not None:
        book = _on_stock(book, stock, event.at, config, calendar)
    return on_time(book, event.at, event.last_arrival_s, config, calendar)


def on_time(
    book: MarketBook, at: Times, last_arrival_s: float | None, config: Config, calendar: TradingCalendar
) -> MarketBook:
    """A beat of the clock: a pending mid is accepted after 2 s, the session's opening is noticed."""
    open_now = at.market_s is not None and calendar.is_open_s(at.market_s)
    if open_now != (book.open_since_s is not None):
        book = evolve(book, open_since_s=at.wall_s if open_now else None)
    if last_arrival_s is not None and last_arrival_s != book.last_arrival_s:
        book = evolve(book, last_arrival_s=last_arrival_s)
    if book.pending is not None and at.wall_s - book.pending.since_s >= CONFIRM_AFTER_S:
        book = _accept(book, book.pending.mid, at, config)
    return book


def _on_stock(book: MarketBook, quote: Quote, at: Times, config: Config, calendar: TradingCalendar) -> MarketBook:
    mid = valid_mid(quote)
    if mid is None:
        # No quote confirms nothing: a mid that waits for confirmation goes on waiting.
        return book
    book = evolve(book, two_sided=True)
    day, first = _session_day(book, at, calendar)
    reference = book.mid
    if first or reference is None:
        reference = _price(quote.close) or book.mid
    if first:
        book = evolve(book, session_day=day, bars=Bars())
    if reference is not None and at_least(_move_pct(mid, reference), config.gates.state.market.gap_pct):
        return _on_jump(book, quote, mid, reference, at, config)
    return _accept(book, mid, at, config)


def _on_jump(book: MarketBook, quote: Quote, mid: float, reference: float, at: Times, config: Config) -> MarketBook:
    """The mid is `gap_pct` or more away from the one in use: gap regime at once, use only when confirmed."""
    if at.market_s is not None:
        book = evolve(book, gap_until_market_s=at.market_s + GAP_LASTS_S)
    waiting = book.pending
    if waiting is not None and (waiting.mid - reference) * (mid - reference) < 0:
        waiting = None
    confirmed = waiting is not None and not _far(mid, waiting.mid)
    traded = quote.traded and quote.last is not None and not _far(quote.last, mid)
    if confirmed or traded:
        return _accept(book, mid, at, config)
    # A market that runs does not wait longer with each tick: the two seconds count from its first jump.
    since_s = waiting.since_s if waiting is not None else at.wall_s
    return evolve(book, pending=PendingMid(mid, since_s))


def _accept(book: MarketBook, mid: float, at: Times, config: Config) -> MarketBook:
    """``mid`` is the spot from now on."""
    kept = book.mids
    while len(kept) > 1 and kept[1][0] <= at.wall_s - MIDS_KEPT_S:
        kept = kept[1:]
    bars = book.bars
    if at.market_s is not None:
        bars = bars.add(at.market_s, mid, config.gates.state.market.vol_window_min + 1)
    return evolve(book, mid=mid, pending=None, bars=bars, mids=(*kept, (at.wall_s, mid)))


def _session_day(book: MarketBook, at: Times, calendar: TradingCalendar) -> tuple[date | None, bool]:
    """The session under way and whether this is its first mid; a market that never closes has only one first mid."""
    if at.market_s is None:
        return book.session_day, False
    if calendar.always_open:
        return (book.session_day or calendar.trading_day_s(at.market_s)), book.session_day is None
    session = calendar.session_at_s(at.market_s)
    if session is None:
        return book.session_day, False
    return session.day, session.day != book.session_day


def _move_pct(price: float, reference: float) -> float:
    return abs(price / reference - 1.0) * 100.0


def _far(price: float, other: float) -> bool:
    return not price > 0 or _move_pct(price, other) > CONFIRM_WITHIN_PCT


def _price(value: float | None) -> float | None:
    number = finite(value)
    return number if number is not None and number > 0 else None


def on_line_failed(book: MarketBook, event: LineFailed) -> MarketBook:
    """A line is in error until its next tick of an allowed type."""
    if event.key is None:
        return evolve(book, feed_error=FeedError(event.code, event.at.wall_s, event.text))
    before = book.line_errors.get(event.key)
    requested_s = before.requested_s if before is not None else event.at.wall_s
    error = FeedError(event.code, event.at.wall_s, event.text, requested_s)
    return evolve(book, line_errors={**book.line_errors, event.key: error})


def on_farm(book: MarketBook, event: FarmChanged) -> MarketBook:
    """2103/2105 break a farm, 2104/2106 restore it; every other word on it is kept to be shown."""
    errors = dict(book.farm_errors)
    if event.code in FARM_BROKEN:
        errors[event.farm] = FeedError(event.code, event.at.wall_s, event.farm)
    elif event.code in FARM_RESTORED:
        errors.pop(event.farm, None)
    told = FeedError(event.code, event.at.wall_s, event.text)
    return evolve(book, farm_errors=errors, farms={**book.farms, event.farm: told})


def on_link_up(book: MarketBook, at: Times) -> MarketBook:
    """Lines are subscribed anew: nothing of before counts as fresh. What the gateway said of its farms came with it."""
    return evolve(
        book,
        link_up=True,
        link_up_since_s=at.wall_s,
        connectivity_lost=False,
        last_arrival_s=at.wall_s,
        two_sided=False,
        pending=None,
        line_errors={},
        feed_error=None,
        last_tick_s={},
    )


def on_link_down(book: MarketBook, at: Times) -> MarketBook:
    """The socket has gone: no quote is fresh. The last prices stay for show and for marks."""
    return evolve(
        book,
        link_up=False,
        link_up_since_s=None,
        connectivity_lost=False,
        last_arrival_s=None,
        two_sided=False,
        pending=None,
        farm_errors={},
        farms={},
        last_tick_s={},
    )


def on_connectivity_lost(book: MarketBook, at: Times) -> MarketBook:
    """1100: the gateway has lost IB; what it still sends is no market."""
    return evolve(book, connectivity_lost=True)


def on_connectivity_restored(book: MarketBook, at: Times, code: int) -> MarketBook:
    """1101 (lines made anew, so wait for their first quote) or 1102 (lines kept)."""
    if code == 1101:
        return evolve(
            book, connectivity_lost=False, link_up_since_s=at.wall_s, two_sided=False, pending=None, last_tick_s={}
        )
    return evolve(book, connectivity_lost=False)


def lines_to_request(book: MarketBook, at: Times, config: Config) -> tuple[ContractKey, ...]:
    """Lines in error that are due to be cancelled and requested again (every `ib_retry_interval_sec`)."""
    wait_s = config.daemon.ib_retry_interval_sec
    if not book.link_up or book.connectivity_lost:
        return ()
    return tuple(key for key, error in book.line_errors.items() if at.wall_s - error.requested_s >= wait_s)


def on_lines_requested(book: MarketBook, keys: tuple[ContractKey, ...], at: Times) -> MarketBook:
    """Note that the lines were requested again."""
    errors = {
        key: replace(error, requested_s=at.wall_s) if key in keys else error for key, error in book.line_errors.items()
    }
    return evolve(book, line_errors=errors)


def spread_pct(book: MarketBook) -> float | None:
    """100·(ask − bid)/mid of the stock; None without a valid two-sided quote."""
    quote = book.quote
    mid = valid_mid(quote)
    if quote is None or mid is None:
        return None
    bid, ask = _price(quote.bid), _price(quote.ask)
    return None if bid is None or ask is None else 100.0 * (ask - bid) / mid


def liquidity_state(book: MarketBook, config: Config) -> LiquidityState:
    """L of the stock's newest quote (engine.md section 2)."""
    spread, limits = spread_pct(book), config.gates.state.liquidity
    if spread is None:
        return LiquidityState.NO_QUOTE
    if at_least(spread, limits.extreme_spread_pct):
        return LiquidityState.EXTREME_WIDE
    if at_least(spread, limits.wide_spread_pct):
        return LiquidityState.WIDE
    return LiquidityState.NORMAL


def mid_1s_ago(book: MarketBook, at: Times) -> float | None:
    """The accepted mid that stood one wall second ago, else the oldest one known."""
    stood = None
    for wall_s, mid in book.mids:
        if stood is None or wall_s <= at.wall_s - 1.0:
            stood = mid
    return stood
