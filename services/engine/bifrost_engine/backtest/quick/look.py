"""Looks over quotes in columns for the first evaluation at which the core might say anything but "none".

Mirrors what `decide` does with quotes while nothing is under way. Where it cannot be sure it stops, and the core is
asked; how sure is sure stands in docs/backtest-quick.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bifrost.config import Config

from bifrost_engine.domain.market.market import valid_mid
from bifrost_engine.domain.portfolio.exposure import RECOMPUTE_S
from bifrost_engine.domain.portfolio.volatility import FRESH_S

from .blocks import Block, Flags, Floats, Ints
from .ground import Ground
from .pieces import Pending, Question, Quotes, Timeline, timeline
from .solving import Solves, Waiting, schedule

#: Net delta nearer to the edge of a band than this is not told apart here: shares, and a part of the book's size.
MARGIN_SHARES, MARGIN_PART = 1e-6, 1e-9
#: The same for other limits, as a part of the limit.
_SLACK = 1e-6


@dataclass(slots=True)
class Carry:
    """What goes from one piece of a stretch to the next."""

    mids: Floats
    shown: Floats
    """The mids of the newest quotes, NaN for one that is not two-sided."""
    iv: Floats
    quote_s: Floats
    tried_s: Floats
    waiting: Waiting
    pending: Pending
    last_s: float
    """The evaluation before."""
    worked_s: float
    """The last one that worked the model."""
    delta: float
    """What it found."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The evaluations of some bursts in their order."""

    line: Timeline
    delta: Floats
    pnl_usd: Floats
    minor: Flags
    fresh: Flags
    """The core works the model anew, whatever it remembers."""
    worked: Flags
    """It works the model anew."""
    late: Flags
    """It comes so long after the one before that the core works the model anew, whatever the quotes are."""
    mids: Floats
    """Newest good mids: one row an evaluation, one column a line."""
    iv: Floats
    solves: Solves
    asked: list[Question]
    stops: int
    """The first burst that the core has to see; the end of the piece when there is none."""


def carry_of(ground: Ground) -> Carry:
    """What the core remembers where the stretch begins."""
    state = ground.state
    waiting: Waiting = {}
    for number, (key, solved) in enumerate(zip(list(ground.column)[1:], ground.solved, strict=True)):
        quote = state.book.quotes.get(key)
        mid = valid_mid(quote)
        if quote is not None and mid is not None and quote.arrived_wall_s > solved.quote_s:
            waiting[number] = (mid, quote.arrived_wall_s)
    shown = [valid_mid(state.book.quotes.get(key)) for key in ground.column]
    return Carry(
        ground.mids.copy(),
        np.array([np.nan if mid is None else mid for mid in shown]),
        np.array([solved.iv_annual for solved in ground.solved], dtype=np.float64),
        np.array([solved.quote_s for solved in ground.solved]),
        np.array([solved.tried_s for solved in ground.solved]),
        waiting,
        Pending(ground.beat_s, state.recon.compared_s or 0.0, []),
        state.portfolio.computed_market_s,
        state.portfolio.computed_market_s,
        (state.exposure.net_delta_shares if state.exposure is not None else None) or 0.0,
    )


def look_over(ground: Ground, carry: Carry, quotes: Quotes, block: Block, hi: int, latency_s: float) -> Piece:
    """Look over the ``quotes`` of the bursts up to ``hi`` − 1, at least one.

    ``carry`` is where they begin, and afterwards where they end. ``latency_s``: from a question to the broker's answer.
    """
    line, asked, ask_stop = timeline(ground, block, quotes.heard, hi, carry.pending, latency_s)
    where = line.place[quotes.heard_index]
    count, lines = len(line.at_s), len(ground.column)
    good = np.flatnonzero(quotes.valid)
    newest = _standing((count, lines), where[good], quotes.column[good], good)
    mids = np.concatenate([carry.mids, quotes.mid]).take(newest)
    solves, solved, clean = _solved(ground, carry, quotes, line, where, mids[:, 0])
    source = _standing((count, lines - 1), solves.evaluation, solves.leg, np.arange(len(solved)))
    iv = np.concatenate([carry.iv, solved]).take(source)
    quote_s = np.concatenate([carry.quote_s, solves.quote_s]).take(source)
    late = np.diff(line.at_s, prepend=carry.last_s) >= RECOMPUTE_S
    fresh = late | (np.diff(mids[:, 0], prepend=carry.mids[0]) != 0.0)
    shown = _shown(carry, quotes, where, mids)
    worked = _worked(carry, line.at_s, fresh, shown, solves.evaluation)
    deltas, sure = ground.book.deltas(line.at_s, mids[:, 0], iv)
    delta = _last_of(worked, ground.stock_shares + deltas @ ground.book.weight, carry.delta)
    pnl_usd = ground.state.day.daily_pnl_usd + (mids - ground.marks) @ ground.units

    doubt, minor = _bands(ground, delta, np.where(fresh, 0.0, _drift(ground, line, iv)))
    doubt |= ~sure | _loss(ground, pnl_usd)
    doubt |= line.at_s - quote_s.min(axis=1) > FRESH_S
    doubt[solves.evaluation[~clean]] = True
    _doubt_the_stock(doubt, ground, carry.mids[0], quotes, where)
    stops = int(line.burst[int(np.argmax(doubt))]) if doubt.any() else hi
    carry.mids, carry.shown = mids[-1].copy(), shown[-1].copy()
    carry.iv, carry.quote_s = iv[-1].copy(), quote_s[-1].copy()
    np.maximum.at(carry.tried_s, solves.leg, line.at_s[solves.evaluation])
    carry.last_s, carry.delta = float(line.at_s[-1]), float(delta[-1])
    carry.worked_s = float(_last_of(worked, line.at_s, carry.worked_s)[-1])
    stops = min(stops, quotes.repeats, hi if ask_stop is None else ask_stop)
    return Piece(line, delta, pnl_usd, minor, fresh, worked, late, mids, iv, solves, asked, stops)


def _shown(carry: Carry, quotes: Quotes, where: Ints, mids: Floats) -> Floats:
    """As ``mids``, but NaN while a leg's newest quote is not two-sided."""
    if quotes.valid.all() and not np.isnan(carry.shown).any():
        return mids
    standing = _standing(mids.shape, where, quotes.column, np.arange(len(where)))
    shown: Floats = np.concatenate([carry.shown, np.where(quotes.valid, quotes.mid, np.nan)])[standing]
    return shown


def _worked(carry: Carry, at_s: Floats, fresh: Flags, shown: Floats, solved: Ints) -> Flags:
    """Which evaluations work the model: on new figures, or a second after the last that did (`portfolio.exposure`)."""
    worked = fresh.copy()
    worked[solved] = True
    unsure = np.flatnonzero(~worked)
    if unsure.size:
        before = np.where((unsure > 0)[:, None], shown[unsure - 1], carry.shown)
        same = (shown[unsure] == before) | (np.isnan(shown[unsure]) & np.isnan(before))
        worked[unsure] = ~same.all(axis=1)
        times_s = _last_of(worked, at_s, carry.worked_s)
        last_s = carry.worked_s
        for place in unsure.tolist():
            last_s = max(last_s, float(times_s[place]))
            if at_s[place] - last_s >= RECOMPUTE_S:
                worked[place], last_s = True, float(at_s[place])
    return worked


def _last_of(chosen: Flags, values: Floats, before: float) -> Floats:
    """At each place the last chosen value; ``before`` where there was none."""
    place = np.maximum.accumulate(np.where(chosen, np.arange(1, len(chosen) + 1), 0))
    return np.concatenate([[before], values])[place]


def _standing(shape: tuple[int, int], row: Ints, column: Ints, number: Ints) -> Ints:
    """Which value stands in each column after each row: ``number`` from its row on, offset by the columns before it."""
    standing = np.zeros(shape, dtype=np.intp)
    standing[row, column] = shape[1] + number
    standing[0] = np.maximum(standing[0], np.arange(shape[1]))
    return np.maximum.accumulate(standing, axis=0, out=standing)


def _solved(
    ground: Ground, carry: Carry, quotes: Quotes, line: Timeline, where: Ints, spot: Floats
) -> tuple[Solves, Floats, Flags]:
    """The legs' volatilities as the core would solve them, and which of them are beyond doubt."""
    legs = np.flatnonzero(quotes.column > 0)
    mid = np.where(quotes.valid[legs], quotes.mid[legs], np.nan)
    solves = schedule(line.at_s, where[legs], quotes.column[legs] - 1, mid, carry.tried_s, carry.waiting)
    at = solves.evaluation
    return solves, *ground.book.implied(solves.mid, line.at_s[at], spot[at], solves.leg, carry.iv[solves.leg])


def _drift(ground: Ground, line: Timeline, iv: Floats) -> float:
    """How far a delta that the core has not worked anew may be behind, shares: by less than a second."""
    return ground.book.drift_a_second(float(line.at_s[-1]), float(iv.min()))


def _bands(ground: Ground, delta: Floats, behind: Floats) -> tuple[Flags, Flags]:
    """Where net delta is not surely in band or minor, and where it is minor."""
    config: Config = ground.rules.config
    bands, size = config.gates.state.delta, np.abs(delta)
    held = abs(ground.stock_shares) + float(np.abs(ground.book.weight).sum())
    margin = behind + (MARGIN_SHARES + MARGIN_PART * (held + bands.threshold_hedge_shares))
    minor = size > bands.epsilon_band
    doubt = (size > bands.threshold_hedge_shares - margin) | (np.abs(size - bands.epsilon_band) < margin)
    return doubt, minor


def _loss(ground: Ground, pnl_usd: Floats) -> Flags:
    most = ground.rules.config.gates.guard.risk.max_daily_loss_usd
    beyond: Flags = pnl_usd - ground.state.day.loss_reference_usd < -most + _SLACK * max(1.0, most)
    return beyond


def _doubt_the_stock(doubt: Flags, ground: Ground, before: float, quotes: Quotes, where: Ints) -> None:
    """Mark evaluations with a quote of the stock that is none, is wide, or has jumped."""
    gates = ground.rules.config.gates.state
    rows = np.flatnonzero(quotes.column == 0)
    if not rows.size:
        return
    mid = np.where(quotes.valid[rows], quotes.mid[rows], np.nan)
    moved_pct = np.abs(mid / np.concatenate([[before], mid[:-1]]) - 1.0) * 100.0
    # Written so that NaN is doubtful.
    fine = (moved_pct < gates.market.gap_pct * (1.0 - _SLACK) - 1e-9) & (
        quotes.spread_pct[rows] < gates.liquidity.extreme_spread_pct * (1.0 - _SLACK) - 1e-9
    )
    doubt[where[rows[~fine]]] = True
