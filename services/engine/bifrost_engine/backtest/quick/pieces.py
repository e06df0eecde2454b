"""The quotes of a piece as columns, and its evaluations on a line of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bifrost_engine.domain.ledger.reconcile import AGREE_S

from .blocks import Block, Flags, Floats, Ints
from .ground import Ground

#: A reading of the broker under way: the burst that asked, and when the answer comes.
Question = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Quotes:
    """The quotes that the core hears: those of the stock and the legs. One element a quote."""

    column: Ints
    heard_index: Ints
    """Which of the bursts in ``heard`` it came with."""
    mid: Floats
    spread_pct: Floats
    valid: Flags
    """Two-sided and not crossed."""
    heard: Ints
    """The bursts with any such quote."""
    repeats: int
    """The first burst with two quotes of one line; ``hi`` when there is none."""


def quotes_of(ground: Ground, block: Block, lo: int, hi: int) -> Quotes:
    """Those of the bursts ``lo`` to ``hi`` − 1."""
    rows = slice(int(block.first[lo]), int(block.first[hi]))
    columns = np.array([ground.column.get(key, -1) for key in block.keys], dtype=np.intp)[block.line[rows]]
    burst = np.repeat(np.arange(lo, hi), np.diff(block.first[lo : hi + 1]))
    bid, ask = block.bid[rows], block.ask[rows]
    if (columns < 0).any():
        ours = columns >= 0
        columns, burst, bid, ask = columns[ours], burst[ours], bid[ours], ask[ours]
    begins = np.diff(burst, prepend=-1) != 0
    heard, heard_index = burst[begins], np.cumsum(begins) - 1
    valid = (bid > 0.0) & (bid <= ask) & np.isfinite(ask)
    mid = (bid + ask) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        spread_pct = 100.0 * (ask - bid) / mid
    repeats, lines = hi, len(ground.column)
    times = np.bincount(heard_index * lines + columns, minlength=1)
    if times.max() > 1:
        repeats = int(heard[int(np.argmax(times > 1)) // lines])
    return Quotes(columns, heard_index, mid, spread_pct, valid, heard, repeats)


def questions(
    ground: Ground, compared_s: float, block: Block, heard: Ints, latency_s: float
) -> tuple[list[Question], int | None, float]:
    """When the broker is asked what it holds (`reconcile.due`): questions, a burst to stop at, the last comparison.

    Nothing differs as long as the broker holds what it last told; if it has not told yet, the core asks for itself.
    """
    interval_s, state = ground.rules.config.daemon.reconcile_interval_s, ground.state
    at_s = block.at_s[heard]
    asked: list[Question] = []
    place = 0
    while True:
        place = max(place, int(np.searchsorted(at_s, compared_s + interval_s)) - 1, 0)
        while place < len(at_s) and not _due(float(at_s[place]), compared_s, interval_s, state.executed_s):
            place += 1
        if place == len(at_s):
            return asked, None, compared_s
        if not ground.told:
            return asked, int(heard[place]), compared_s
        compared_s = float(at_s[place]) + latency_s
        asked.append((int(heard[place]), compared_s))


def _due(at_s: float, compared_s: float, interval_s: float, executed_s: float | None) -> bool:
    if executed_s is not None and at_s - executed_s < AGREE_S:
        return False
    return at_s - compared_s >= interval_s


@dataclass(frozen=True, slots=True)
class Timeline:
    """The evaluations of a piece: one for each burst heard, one for each answer of the broker."""

    at_s: Floats
    burst: Ints
    """Its burst; of an answer the burst that it follows."""
    on_quotes: Flags
    place: Ints
    """Where the evaluation of each burst in ``heard`` stands."""


def timeline(block: Block, heard: Ints, hi: int, answers: list[Question]) -> tuple[Timeline, list[Question]]:
    """Bursts and the answers that come among them; the second value is the answers that come later."""
    limit_s = float(block.at_s[hi] if hi < len(block) else block.at_s[hi - 1])
    come = [one for one in answers if one[1] <= limit_s]
    at_s = block.at_s[heard]
    place = np.arange(len(heard))
    if not come:
        return Timeline(at_s, heard, np.ones(len(heard), dtype=bool), place), answers
    times = np.array([answer_s for _, answer_s in come])
    follows = np.maximum(np.searchsorted(block.at_s[:hi], times) - 1, [asker for asker, _ in come])
    before = np.searchsorted(heard, follows, side="right")
    return Timeline(
        np.insert(at_s, before, times),
        np.insert(heard, before, follows),
        np.insert(np.ones(len(heard), dtype=bool), before, False),
        place + np.searchsorted(before, place, side="right"),
    ), answers[len(come) :]
