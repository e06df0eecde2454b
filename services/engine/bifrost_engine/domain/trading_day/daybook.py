"""The trading day in the course of one turn: its beginning and end, its marks, and where its P&L came from."""

from __future__ import annotations

from ..effects import RecordAttribution, RecordTradingDay, Severity
from ..evolve import evolve
from ..portfolio.marks import Marks
from ..portfolio.portfolio import Exposure
from ..turn import Turn
from . import attribution as attributions
from . import trading_day as days


def begin(turn: Turn) -> None:
    """Before the event is taken in: what belongs to the minute or the day that has passed is closed without it."""
    market_s = turn.at.market_s
    if market_s is None:
        return
    known, notes = days.without_future_hedge(turn.state.day, turn.at)
    if notes:
        turn.change(day=known)
        turn.alert(Severity.WARNING, "clock_regression", notes[0])
    filled_s, note = days.without_future_fill(turn.state.last_fill_s, turn.at)
    if filled_s != turn.state.last_fill_s:
        turn.change(last_fill_s=filled_s)
    if note:
        turn.alert(Severity.WARNING, "clock_regression", note)
    if _roll(turn):
        return
    if attributions.is_due(turn.state.day.attribution, market_s):
        close_interval(turn)


def _roll(turn: Turn) -> bool:
    """Whether a trading day has begun; the one before gets its last word first."""
    state, rules = turn.state, turn.rules
    if days.roll(state.day, turn.at, rules.config, rules.calendar, state.stock) is state.day:
        return False
    if state.day.day is not None:
        close_interval(turn, ends_day=True)
    day = days.roll(turn.state.day, turn.at, rules.config, rules.calendar, state.stock)
    turn.change(day=day)
    turn.emit(RecordTradingDay(day.as_row()))
    return True


def close_interval(turn: Turn, *, ends_day: bool = False) -> None:
    """End the attribution's open interval at its newest picture, and record it before the day that counts it."""
    day = turn.state.day
    attribution, interval = attributions.close(day.attribution, day.booked, ends_day=ends_day)
    if attribution is day.attribution:
        return
    day = evolve(day, attribution=attribution)
    turn.change(day=day)
    if interval is not None and day.day is not None:
        turn.emit(RecordAttribution(day.day, interval))
    turn.emit(RecordTradingDay(day.as_row()))


def mark(turn: Turn, exposure: Exposure, good: Marks) -> None:
    """Take the good marks of this evaluation into P&L and attribution."""
    state, market_s = turn.state, turn.at.market_s
    if not good or market_s is None:
        return
    day = days.mark_to_market(state.day, good)
    spot, ends = good.get(state.stock), False
    if spot is not None:
        complete = len(good) > exposure.legs_count
        attribution, ends = attributions.seen(day.attribution, exposure, spot, market_s, complete=complete)
        if attribution is not day.attribution:
            day = evolve(day, attribution=attribution)
    if day is not state.day:
        turn.change(day=day)
    if ends:
        close_interval(turn)
