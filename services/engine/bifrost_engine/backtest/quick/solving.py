"""When the core would solve which leg's volatility from its own quote, and what it would find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bifrost_engine.domain.portfolio.volatility import FRESH_S, SOLVE_EVERY_S, SOLVES_AT_ONCE

from .blocks import Floats, Ints

#: A quote that waits to be solved: its mid and when it arrived.
Waiting = dict[int, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Solves:
    """One element a solution: at which evaluation, of which leg, from which mid, and when its quote had come."""

    evaluation: Ints
    leg: Ints
    mid: Floats
    quote_s: Floats


def schedule(at_s: Floats, quoted: Ints, leg: Ints, mid: Floats, tried_s: Floats, waiting: Waiting) -> Solves:
    """The core's order of solving: at most two an evaluation, each leg once a second, the longest waiting first.

    Parameters
    ----------
    at_s : Floats
        Times of the evaluations.
    quoted, leg, mid : arrays
        A quote of a leg each: at which evaluation it came, and its mid, NaN where it is not two-sided; in order.
    tried_s : Floats
        When each leg was last solved.
    waiting : dict
        Quotes from before; those that still wait at the end are left in it.
    """
    valid = ~np.isnan(mid)
    if not waiting and _all_at_once(at_s, quoted[valid], leg[valid], tried_s):
        return Solves(quoted[valid], leg[valid], mid[valid], at_s[quoted[valid]])
    return _one_by_one(at_s, quoted, leg, mid, tried_s.copy(), waiting)


def _all_at_once(at_s: Floats, quoted: Ints, leg: Ints, tried_s: Floats) -> bool:
    """Whether every quote is solved in the evaluation that it comes with."""
    if not quoted.size:
        return True
    if int(np.bincount(quoted).max()) > SOLVES_AT_ONCE:
        return False
    order = np.argsort(leg, kind="stable")
    legs, came_s = leg[order], at_s[quoted[order]]
    before_s = np.concatenate([[0.0], came_s[:-1]])
    begins = np.concatenate([[True], legs[1:] != legs[:-1]])
    before_s[begins] = tried_s[legs[begins]]
    return bool((came_s - before_s >= SOLVE_EVERY_S).all())


def _one_by_one(at_s: Floats, quoted: Ints, leg: Ints, mid: Floats, tried_s: Floats, waiting: Waiting) -> Solves:
    found: list[tuple[int, int, float, float]] = []
    quotes = list(zip(quoted.tolist(), leg.tolist(), mid.tolist(), strict=True))
    tried, place = tried_s.tolist(), 0
    for number, now_s in enumerate(at_s.tolist()):
        while place < len(quotes) and quotes[place][0] == number:
            _, one, price = quotes[place]
            place += 1
            if price == price:
                waiting[one] = (price, now_s)
            else:
                waiting.pop(one, None)
        if not waiting:
            continue
        due = [
            one
            for one, (_, came_s) in waiting.items()
            if now_s - came_s <= FRESH_S and now_s - tried[one] >= SOLVE_EVERY_S
        ]
        due.sort(key=lambda one: (tried[one], one))
        for one in due[:SOLVES_AT_ONCE]:
            found.append((number, one, *waiting.pop(one)))
            tried[one] = now_s
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    return Solves(
        np.array(columns[0], dtype=np.intp),
        np.array(columns[1], dtype=np.intp),
        np.array(columns[2], dtype=np.float64),
        np.array(columns[3], dtype=np.float64),
    )
