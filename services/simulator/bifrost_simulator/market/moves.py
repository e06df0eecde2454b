"""Moves of a made market that no seed drew: gaps and splits, as factors on the tape from a moment on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bifrost_simulator.hours import MarketSession
from bifrost_simulator.market.day_tape import DayTape, Floats, Ints


@dataclass(frozen=True, slots=True)
class Move:
    """From epoch second ``at_s`` on the spot is ``factor`` times what was drawn."""

    at_s: float
    factor: float


def moved(tape: DayTape, moves: Sequence[Move]) -> DayTape:
    """``tape`` with the moves of its own session applied; later days begin where it ends."""
    within = [move for move in moves if tape.session.contains(move.at_s)]
    if not within:
        return tape
    factors = np.ones(len(tape.spot))
    for move in within:
        # The moment itself still shows the old price: what was published must not change behind its readers. Nothing
        # of this session was published yet when the move came before it.
        first = 0 if move.at_s == tape.session.open_s else tape.index(move.at_s) + 1
        factors[min(len(factors) - 1, first) :] *= move.factor
    bid_c = _cents(tape.bid_c, factors)
    last_c = _cents(tape.last_c, factors)
    return replace(
        tape,
        spot=tape.spot * factors,
        bid_c=bid_c,
        ask_c=np.maximum(bid_c + 1, _cents(tape.ask_c, factors)),
        last_c=last_c,
        high_c=np.maximum.accumulate(last_c),
        low_c=np.minimum.accumulate(last_c),
    )


def opening_factor(session: MarketSession, moves: Sequence[Move]) -> float:
    """Factor by which the session opens away from where it was drawn to open."""
    return math.prod(move.factor for move in moves if move.at_s == session.open_s)


def _cents(prices: Ints, factors: Floats) -> Ints:
    return np.maximum(1, np.rint(prices * factors)).astype(np.int64)
