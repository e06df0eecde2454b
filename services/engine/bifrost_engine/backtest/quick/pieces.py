"""The quotes of a piece as columns, and its evaluations on a line of time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from bifrost_engine.domain.ledger.reconcile import AGREE_S

from ..run import BEAT_S
from .blocks import Block, Flags, Floats, Ints
from .ground import Ground


@dataclass(frozen=True, slots=True)
class Question:
    """A reading of the broker: the burst that asked or that the question follows, when, and when the answer comes."""

    burst: int
    ask_s: float
    answer_s: float


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


class Kind(IntEnum):
    """What an evaluation is made on."""

    QUOTES = 0
    BEAT = 1
    """The clock's, between quotes."""
    ANSWER = 2
    """The broker told what it holds."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The evaluations of a piece in their order."""

    at_s: Floats
    burst: Ints
    """Its burst; of a beat or an answer the burst that it follows."""
    kind: Ints
    place: Ints
    """Where the evaluation of each burst in ``heard`` stands."""


@dataclass(slots=True)
class Pending:
    """What is due between the quotes: the next beat, answers under way, and the last comparison."""

    beat_s: float | None
    compared_s: float
    answers: list[Question]


def timeline(
    ground: Ground, block: Block, heard: Ints, hi: int, pending: Pending, latency_s: float
) -> tuple[Timeline, list[Question], int | None]:
    """Bursts, beats and answers up to the burst ``hi``; the questions among them, and a burst to stop at.

    ``pending`` is what is due where they begin, and afterwards where they end.
    """
    limit_s = float(block.at_s[hi] if hi < len(block) else block.at_s[hi - 1])
    beats_s = _beats(ground, pending, limit_s)
    line = _with(Timeline(block.at_s[heard], heard, np.zeros(len(heard), dtype=np.intp), np.arange(len(heard))),
                 block, hi, beats_s, [0] * len(beats_s), Kind.BEAT)  # fmt: skip
    # Each answer with the place that it follows: that of its question, where the question is one of these.
    waiting = [(one, 0) for one in pending.answers]
    asked, places, stop = _questions(ground, pending, line, latency_s)
    waiting += [(one, place + 1) for one, place in zip(asked, places, strict=True)]
    come = [one for one in waiting if one[0].answer_s <= limit_s]
    pending.answers = [one for one, _ in waiting[len(come) :]]
    times_s, after = [one.answer_s for one, _ in come], [place for _, place in come]
    return _with(line, block, hi, times_s, after, Kind.ANSWER), asked, stop


def _beats(ground: Ground, pending: Pending, limit_s: float) -> list[float]:
    """Beats up to ``limit_s``: after an execution the clock beats until a comparison may follow it."""
    beats_s: list[float] = []
    executed_s = ground.state.executed_s
    while pending.beat_s is not None and pending.beat_s <= limit_s:
        beats_s.append(pending.beat_s)
        pending.beat_s = beat_after(pending.beat_s, executed_s)
    return beats_s


def beat_after(beat_s: float, executed_s: float | None) -> float | None:
    """The beat after the one at ``beat_s``, if somebody still waits."""
    return beat_s + BEAT_S if executed_s is not None and beat_s - executed_s < AGREE_S else None


def _with(line: Timeline, block: Block, hi: int, times_s: list[float], after: list[int], kind: Kind) -> Timeline:
    """With evaluations at ``times_s`` put in, none before the place ``after`` which it follows."""
    if not times_s:
        return line
    times = np.array(times_s)
    before = np.maximum(np.searchsorted(line.at_s, times), after)
    follows = np.searchsorted(block.at_s[:hi], times) - 1
    if before.size and line.burst.size:
        # What asked at the very moment of the answer comes first.
        follows = np.maximum(follows, line.burst[np.maximum(before - 1, 0)])
    return Timeline(
        np.insert(line.at_s, before, times),
        np.insert(line.burst, before, follows),
        np.insert(line.kind, before, int(kind)),
        line.place + np.searchsorted(before, line.place, side="right"),
    )


def _questions(
    ground: Ground, pending: Pending, line: Timeline, latency_s: float
) -> tuple[list[Question], list[int], int | None]:
    """When the broker is asked what it holds (`reconcile.due`), at which places, and a burst to stop at.

    Nothing differs as long as the broker holds what the books say; else the core asks for itself.
    """
    interval_s, executed_s = ground.rules.config.daemon.reconcile_interval_s, ground.state.executed_s
    asked: list[Question] = []
    places: list[int] = []
    place = 0
    while True:
        place = max(place, int(np.searchsorted(line.at_s, pending.compared_s + interval_s)) - 1, 0)
        while place < len(line.at_s) and not _due(float(line.at_s[place]), pending.compared_s, interval_s, executed_s):
            place += 1
        if place == len(line.at_s):
            return asked, places, None
        if not ground.told:
            return asked, places, int(line.burst[place])
        ask_s = float(line.at_s[place])
        pending.compared_s = ask_s + latency_s
        places.append(place)
        asked.append(Question(int(line.burst[place]), ask_s, pending.compared_s))


def _due(at_s: float, compared_s: float, interval_s: float, executed_s: float | None) -> bool:
    if executed_s is not None and at_s - executed_s < AGREE_S:
        return False
    return at_s - compared_s >= interval_s
