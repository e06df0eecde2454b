"""A stretch: evaluations in a row that the core need not make, up to a burst from which it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .blocks import Block, Flags, Floats, Ints
from .ground import Ground
from .look import Piece, carry_of, look_over
from .pieces import Kind, beat_after, quotes_of

#: Bursts looked over at first, and at most at once: what lies behind the end of a stretch is looked over for nothing.
FIRST, MOST = 512, 1024
#: Fewer bursts than this are put to the core: going on from a stretch costs as much as some evaluations.
LEAST = 6


@dataclass(frozen=True)
class Stretch:
    """The evaluations from burst ``begins`` up to burst ``ends``, which the core is given next.

    One element an evaluation, beats and answers of the broker among them.
    """

    ground: Ground
    block: Block
    begins: int
    ends: int
    at_s: Floats
    kind: Ints
    delta: Floats
    pnl_usd: Floats
    minor: Flags
    worked: Flags
    """Those that work the model anew."""
    mids: Floats
    iv: Floats
    solved: tuple[Ints, Ints, Floats, Floats]
    """Solutions: evaluation, leg, mid, and when the quote had come."""
    asked_s: float | None
    """A question whose answer comes after ``ends``."""
    beat_s: float | None
    """When the clock beats next."""

    def __len__(self) -> int:
        return len(self.at_s)

    @cached_property
    def bursts(self) -> Ints:
        """The evaluations on quotes."""
        return np.flatnonzero(self.kind == Kind.QUOTES)

    @cached_property
    def beaten_s(self) -> float | None:
        """When the clock last beat."""
        return _last(self.at_s, self.kind == Kind.BEAT)

    @cached_property
    def answered_s(self) -> float | None:
        """When the broker last told what it holds: nothing new."""
        return _last(self.at_s, self.kind == Kind.ANSWER)


def find(ground: Ground, block: Block, begins: int, until_s: float, latency_s: float) -> tuple[Stretch | None, int]:
    """The longest stretch from burst ``begins`` of ``block`` on, and the burst that the core has to see in any case.

    None when it is not worth it. ``until_s`` ends it whatever the quotes say.
    """
    until = int(np.searchsorted(block.at_s, min(until_s, ground.closes_s)))
    carry, pieces = carry_of(ground), []
    low, size, stops = begins, FIRST, begins
    while low < until:
        high = min(until, low + size)
        quotes = quotes_of(ground, block, low, high)
        if not quotes.heard.size:
            break
        piece = look_over(ground, carry, quotes, block, high, latency_s)
        pieces.append(piece)
        stops = piece.stops
        if stops < high:
            break
        low, size = high, min(MOST, 2 * size)
    return _joined(ground, block, begins, pieces), stops


def _joined(ground: Ground, block: Block, begins: int, pieces: list[Piece]) -> Stretch | None:
    """What is certain of the pieces, up to the last burst at which the core works its model anew in any case."""
    if not pieces:
        return None
    burst = np.concatenate([piece.line.burst for piece in pieces])
    kind = np.concatenate([piece.line.kind for piece in pieces])
    fresh = np.concatenate([piece.fresh for piece in pieces])
    late = np.concatenate([piece.late for piece in pieces])
    stops = pieces[-1].stops
    # The burst at which something may come out is the one to go on with, where no quote of its own can keep the core
    # from working the model anew: its memory of the last result is not handed over.
    goes_on = np.flatnonzero((kind == Kind.QUOTES) & ((fresh & (burst < stops)) | (late & (burst == stops))))
    if goes_on.size < LEAST:
        return None
    # Beats and answers that follow an earlier burst lie before it in the arrays.
    count, ends = int(goes_on[-1]), int(burst[goes_on[-1]])
    asked = [one for piece in pieces for one in piece.asked if one.burst < ends]
    at_s = np.concatenate([piece.line.at_s for piece in pieces])[:count]
    answered, beaten_s = at_s[kind[:count] == Kind.ANSWER], _last(at_s, kind[:count] == Kind.BEAT)
    return Stretch(
        ground,
        block,
        begins,
        ends,
        at_s=at_s,
        kind=kind[:count],
        delta=np.concatenate([piece.delta for piece in pieces])[:count],
        pnl_usd=np.concatenate([piece.pnl_usd for piece in pieces])[:count],
        minor=np.concatenate([piece.minor for piece in pieces])[:count],
        worked=np.concatenate([piece.worked for piece in pieces])[:count],
        mids=np.concatenate([piece.mids for piece in pieces])[:count],
        iv=np.concatenate([piece.iv for piece in pieces])[:count],
        solved=_solutions(pieces, count),
        asked_s=asked[-1].ask_s if len(asked) > answered.size else None,
        beat_s=ground.beat_s if beaten_s is None else beat_after(beaten_s, ground.state.executed_s),
    )


def _last(at_s: Floats, chosen: Flags) -> float | None:
    return float(at_s[chosen][-1]) if chosen.any() else None


def _solutions(pieces: list[Piece], count: int) -> tuple[Ints, Ints, Floats, Floats]:
    offsets = np.cumsum([0, *(len(piece.line.at_s) for piece in pieces[:-1])])
    evaluation = np.concatenate([piece.solves.evaluation + at for piece, at in zip(pieces, offsets, strict=True)])
    within = evaluation < count
    columns = [
        np.concatenate([getattr(piece.solves, name) for piece in pieces])[within] for name in ("leg", "mid", "quote_s")
    ]
    return evaluation[within], columns[0], columns[1], columns[2]
