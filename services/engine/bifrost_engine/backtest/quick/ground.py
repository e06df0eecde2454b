"""Whether a stretch of quotes may be looked over at all, and what it is looked over with.

Each condition stands for a step of `decide` that then does nothing; docs/backtest-quick.md goes through them in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from bifrost.calendar import NEW_YORK, Session
from bifrost.contract import ContractKey

from bifrost_engine.domain.machines.hedge import IDLE
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.market.market import liquidity_state
from bifrost_engine.domain.portfolio.leg_model import dividends_ahead
from bifrost_engine.domain.portfolio.portfolio import managed
from bifrost_engine.domain.portfolio.volatility import Solved, VolatilitySource
from bifrost_engine.domain.state import Rules, State
from bifrost_engine.domain.trading_day.trading_day import TradingDay
from bifrost_engine.domain.words import BrokerPosition, LiquidityState

from .blocks import Floats
from .model import Book

_NARROW = (LiquidityState.NORMAL, LiquidityState.WIDE)
_WATCHED = (TradingState.NO_TRADE, TradingState.MONITOR)


@dataclass(frozen=True, slots=True)
class Ground:
    """What the core knows where a stretch begins, as arrays. Column 0 is the stock, the others are the legs."""

    rules: Rules
    state: State
    column: Mapping[ContractKey, int]
    book: Book
    mids: Floats
    """Accepted mid of the stock and last good marks of the legs, dollars a share."""
    marks: Floats
    """What the day's P&L is marked at."""
    units: Floats
    """Dollars of P&L for a dollar of each mark."""
    solved: tuple[Solved, ...]
    closes_s: float
    stock_shares: float
    positions: tuple[BrokerPosition, ...]
    """What the broker would tell now."""
    beat_s: float | None
    """When the clock beats next; None while nobody waits for it."""
    told: bool
    """Nothing in it differs from the books: its telling changes nothing but times."""


def ground(
    state: State, rules: Rules, at_s: float, positions: tuple[BrokerPosition, ...], beat_s: float | None = None
) -> Ground | str:
    """Where a stretch that begins with the quotes of ``at_s`` would stand, or why none can begin.

    Parameters
    ----------
    positions : tuple of BrokerPosition
        What the broker would tell now.
    beat_s : float, optional
        When the clock beats next.
    """
    legs = managed(state.legs)
    session = rules.calendar.session_at_s(at_s)
    solved = tuple(state.portfolio.volatility.solved.get(leg.key) for leg in legs)
    why = (
        _under_way(state)
        or _market(state, rules, session)
        or _day(state, session)
        or _legs(state, rules, at_s)
        or ("a leg has no volatility of its own yet" if None in solved else "")
    )
    if why or session is None:
        return why
    book = Book.of(legs, rules.config, rules.calendar)
    if book is None:
        return "a leg is priced by a tree"
    column = {state.stock: 0} | {leg.key: number for number, leg in enumerate(legs, start=1)}
    held = state.day.positions
    if any(key not in column and not position.flat for key, position in held.items()):
        return "the day's book holds more than the legs"
    marks = {key: position.mark for key, position in held.items()}
    mids = np.array([state.book.mid, *(marks[leg.key] for leg in legs)], dtype=np.float64)
    stock_mark = marks.get(state.stock)
    return Ground(
        rules,
        state,
        column,
        book,
        mids,
        np.concatenate([mids[:1] if stock_mark is None else [stock_mark], mids[1:]]),
        np.array([held[key].quantity * held[key].multiplier if key in held else 0.0 for key in column]),
        tuple(one for one in solved if one is not None),
        session.close_s,
        state.exposure.stock_shares if state.exposure is not None else 0.0,
        positions,
        beat_s,
        _told(state, positions),
    )


def _told(state: State, positions: tuple[BrokerPosition, ...]) -> bool:
    """Whether a comparison with ``positions`` finds nothing: the options as last agreed, the stock as booked."""
    booked = state.live_ledger.position(state.stock) + (state.external_shares or 0.0)
    shares = sum(one.quantity for one in positions if one.key == state.stock)
    agreed = tuple(one for one in state.positions or () if one.key != state.stock)
    return shares == booked and tuple(one for one in positions if one.key != state.stock) == agreed


def _under_way(state: State) -> str:
    """An order, a time-out, a comparison: something that time alone would bring on."""
    link, recon = state.link, state.recon
    conditions = (
        (state.trading not in _WATCHED, f"trading={state.trading}"),
        (state.hedge not in IDLE or state.order is not None, "an order is under way"),
        (bool(state.restored or state.flatten or state.stopping), "something is to be cleared up"),
        (state.orphan_since_s is not None, "an orphan hedge"),
        (state.ended_with_fills, "a hedge has just ended"),
        (not (state.leading and link.usable), "not connected"),
        (not recon.done or bool(recon.blocked or state.external_pending), "not reconciled"),
        (recon.asked_s is not None or recon.failed_s is not None, "the broker is being asked"),
        (recon.suspects_s is not None or recon.compared_s is None, "a comparison is to be confirmed"),
        (state.external_shares is None, "not reconciled"),
    )
    return next((why for holds, why in conditions if holds), "")


def _market(state: State, rules: Rules, session: Session | None) -> str:
    book = state.book
    if session is None or rules.calendar.always_open or book.open_since_s is None or book.session_day != session.day:
        return "outside the session"
    if state.data_bad_s is not None or state.safe_clear_s is not None or book.connectivity_lost or not book.link_up:
        return "data are or were bad"
    if book.line_errors or book.farm_errors or book.feed_error is not None:
        return "a line is in error"
    if book.mid is None or book.pending is not None or not book.two_sided:
        return "no confirmed mid"
    return "" if liquidity_state(book, rules.config) in _NARROW else "the stock's quote is wide or missing"


def _day(state: State, session: Session | None) -> str:
    day: TradingDay = state.day
    attribution = day.attribution
    if session is None or day.day != session.day:
        return "the trading day begins"
    if day.breaker_latched or day.breach_since_wall_s is not None:
        return "the loss limit is reached"
    if attribution.start is None or attribution.overnight or attribution.changed:
        return "the night's interval is open"
    unmarked = any(not one.flat and (one.basis is None or one.mark is None) for one in day.positions.values())
    return "a position has no mark yet" if unmarked else ""


def _legs(state: State, rules: Rules, at_s: float) -> str:
    legs, memory = managed(state.legs), state.portfolio
    if not legs or state.exposure is None or not state.exposure.valid or memory.last is None:
        return "no legs, or none that can be priced"
    today = datetime.fromtimestamp(at_s, NEW_YORK).date()
    for leg in legs:
        ends_s = rules.calendar.last_trading_moment_s(leg.key.expiry_date)
        if datetime.fromtimestamp(ends_s, NEW_YORK).date() <= today:
            return "a leg expires today"
        used = memory.volatility.used.get(leg.key)
        if used is None or used.source is not VolatilitySource.SOLVED:
            return "a leg is not priced by its own quote"
        if leg.key not in state.day.positions:
            return "a leg is not in the day's book"
    if memory.volatility.challenged:
        return "a volatility's source is changing"
    if dividends_ahead(at_s, rules.config):
        return "a dividend is ahead"
    known = {leg.key for leg in legs}
    if any(one.key.is_option and one.quantity and one.key not in known for one in state.positions or ()):
        return "an option of the account is not managed"
    return ""
