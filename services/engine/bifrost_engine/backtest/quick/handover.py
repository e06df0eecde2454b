"""What the core knows after a stretch that it was not asked about, worked out with its own functions.

All of it is what the core would hold, to the bit, but the attribution of the day's P&L, whose greeks come from the
model of the quick path (equal to rounding), and what the next evaluation writes anew in any case.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from bifrost.calendar import SECONDS_A_YEAR
from bifrost.contract import ContractKey
from bifrost.options import implied_volatility
from bifrost.tape import Publication

from bifrost_engine.domain.evaluate import COUNTS_S
from bifrost_engine.domain.machines.trading import TRADING_MACHINE, TradingEvent, TradingState
from bifrost_engine.domain.market.market import MIDS_KEPT_S, MarketBook
from bifrost_engine.domain.portfolio.portfolio import PortfolioMemory
from bifrost_engine.domain.portfolio.volatility import LegVolatility, Solved, VolatilitySource
from bifrost_engine.domain.state import Minute, Reconciliation, State
from bifrost_engine.domain.trading_day import trading_day as days
from bifrost_engine.domain.trading_day.trading_day import TradingDay
from bifrost_engine.domain.words import Times

from ..outcome import line_of
from .attributed import attribution_after, last_of_minutes
from .blocks import Floats
from .stretch import Stretch

_NAMES = ("none:in_band", "none:minor")


def newest_quotes(stretch: Stretch, *, two_sided: bool = False) -> tuple[Publication, ...]:
    """The last quote of each line in the stretch; ``two_sided``: the last one that somebody could trade on."""
    block, ground = stretch.block, stretch.ground
    rows = np.arange(int(block.first[stretch.begins]), int(block.first[stretch.ends]))
    if two_sided:
        rows = rows[(block.bid[rows] > 0.0) & (block.bid[rows] <= block.ask[rows])]
    last = np.full(len(block.keys), -1)
    # Of an index that is there more than once numpy keeps the last value.
    last[block.line[rows]] = rows
    found = [int(row) for row, key in zip(last, block.keys, strict=True) if row >= 0 and key in ground.column]
    bursts = np.searchsorted(block.first, found, side="right") - 1
    return tuple(block.publication(row, int(burst)) for row, burst in zip(found, bursts, strict=True))


def state_after(stretch: Stretch, quotes: tuple[Publication, ...]) -> State:
    """The core's state; ``quotes`` are the newest ones of the stretch."""
    state = stretch.ground.state
    return replace(
        state,
        book=_book(stretch, state.book, quotes),
        portfolio=_portfolio(stretch, state.portfolio),
        day=_day(stretch, state.day),
        recon=_recon(stretch, state.recon),
        positions=state.positions if stretch.answered_s is None else stretch.ground.positions,
        minute=_minute(stretch, state.minute),
        last_decision=_NAMES[int(stretch.minor[-1])],
        link=state.link if stretch.beaten_s is None else replace(state.link, last_arrival_s=stretch.beaten_s),
        **_trading(stretch, state),
    )


def _book(stretch: Stretch, book: MarketBook, quotes: tuple[Publication, ...]) -> MarketBook:
    lines = {quote.key: line_of(quote, quote.at_s) for quote in quotes}
    last_s = float(stretch.at_s[stretch.bursts[-1]])
    book = replace(
        book,
        quotes={**book.quotes, **lines},
        last_tick_s={**book.last_tick_s, **{key: line.arrived_wall_s for key, line in lines.items()}},
        burst_at=Times(last_s, last_s),
        burst_oldest_s=last_s,
        last_arrival_s=max(last_s, stretch.beaten_s or last_s),
    )
    return _with_mids(stretch, book)


def _with_mids(stretch: Stretch, book: MarketBook) -> MarketBook:
    """The stock's accepted mids: the last one of each minute for the bars, those of the last seconds for the collar."""
    block, stock = stretch.block, book.stock
    rows = np.arange(int(block.first[stretch.begins]), int(block.first[stretch.ends]))
    if stock not in block.keys:
        return book
    rows = rows[block.line[rows] == block.keys.index(stock)]
    if not rows.size:
        return book
    at_s = block.at_s[np.searchsorted(block.first, rows, side="right") - 1]
    mids = (block.bid[rows] + block.ask[rows]) / 2
    keep = stretch.ground.rules.config.gates.state.market.vol_window_min + 1
    bars = book.bars
    for place in last_of_minutes(at_s):
        bars = bars.add(float(at_s[place]), float(mids[place]), keep)
    newest_s = float(at_s[-1])
    first = int(np.searchsorted(at_s[:-1], newest_s - MIDS_KEPT_S, side="right")) - 1
    kept = () if first >= 0 else book.mids
    kept += tuple(zip(at_s[max(0, first) : -1].tolist(), mids[max(0, first) : -1].tolist(), strict=True))
    while len(kept) > 1 and kept[1][0] <= newest_s - MIDS_KEPT_S:
        kept = kept[1:]
    mid = float(mids[-1])
    return replace(book, mid=mid, bars=bars, mids=(*kept, (newest_s, mid)))


def _portfolio(stretch: Stretch, memory: PortfolioMemory) -> PortfolioMemory:
    """Each leg's last solution, solved again by the core's own function."""
    ground = stretch.ground
    evaluation, leg, mid, quote_s = stretch.solved
    last = dict(zip(leg.tolist(), range(len(leg)), strict=True))
    solved: dict[ContractKey, Solved] = {}
    used: dict[ContractKey, LegVolatility] = {}
    greeks, keys = ground.rules.config.greeks, list(ground.column)
    for number, place in last.items():
        at_s, key = float(stretch.at_s[evaluation[place]]), keys[number + 1]
        iv_annual = implied_volatility(
            float(mid[place]),
            float(stretch.mids[evaluation[place], 0]),
            key.strike,
            (float(ground.book.expiry_s[number]) - at_s) / SECONDS_A_YEAR,
            greeks.risk_free_rate,
            greeks.dividend_yield,
            key.right,
        )
        solved[key] = Solved(iv_annual, float(quote_s[place]), at_s, ground.rules.calendar.trading_day_s(at_s))
        used[key] = LegVolatility(iv_annual, VolatilitySource.SOLVED, float(quote_s[place]))
    volatility = memory.volatility
    volatility = replace(volatility, solved={**volatility.solved, **solved}, used={**volatility.used, **used})
    return replace(memory, volatility=volatility)


def _day(stretch: Stretch, day: TradingDay) -> TradingDay:
    """Marks and attribution. Orders, fills and counters are those of before: there were none."""
    marks = dict(zip(stretch.ground.column, stretch.mids[-1].tolist(), strict=True))
    return replace(days.mark_to_market(day, marks), attribution=attribution_after(stretch, day))


def _trading(stretch: Stretch, state: State) -> dict[str, Any]:
    """MONITOR goes on to NO_TRADE with the first evaluation in band."""
    in_band = np.flatnonzero(~stretch.minor)
    if state.trading is not TradingState.MONITOR or not in_band.size:
        return {}
    after = TRADING_MACHINE.next(state.trading, TradingEvent.IN_BAND)
    return {"trading": after, "trading_since_s": float(stretch.at_s[in_band[0]])}


def _recon(stretch: Stretch, recon: Reconciliation) -> Reconciliation:
    if stretch.answered_s is not None:
        recon = replace(recon, read_s=stretch.answered_s, compared_s=stretch.answered_s)
    if stretch.asked_s is not None:
        recon = replace(recon, asked_s=stretch.asked_s)
    return recon


def _minute(stretch: Stretch, minute: Minute) -> Minute:
    """What was counted in the minute of the last evaluation."""
    start_s = float(stretch.at_s[-1] // 60 * 60)
    within = stretch.minor[stretch.at_s >= start_s]
    counts = Counter(minute.counts if minute.start_s == start_s else {})
    counts.update({name: n for name, n in zip(_NAMES, np.bincount(within, minlength=2).tolist(), strict=True) if n})
    return Minute(start_s, dict(counts), _counts_recorded_s(minute, stretch.at_s[stretch.at_s >= start_s], start_s))


def _counts_recorded_s(minute: Minute, at_s: Floats, start_s: float) -> float:
    """When the counts of the minute were last recorded, of evaluations at ``at_s``."""
    recorded_s = minute.recorded_s if minute.start_s == start_s else float(at_s[0])
    while (due := at_s[at_s - recorded_s >= COUNTS_S]).size:
        recorded_s = float(due[0])
    return recorded_s
