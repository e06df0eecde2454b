"""A state machine is a literal table ``{(State, Event): State}`` read from top to bottom.

This class applies it. An event that has no row is either listed as ignored, with the states that ignore it, or it
raises: a machine never guesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class NoTransition(Exception):
    """An event met a state that neither has a row for it nor ignores it."""


class Machine(Generic[S, E]):
    """A named table of transitions.

    Parameters
    ----------
    name : str
        Shown in messages and diagrams.
    rows : mapping of (state, event) to state
        The table.
    ignored : iterable of (state, event)
        Pairs that leave the state as it is.
    """

    def __init__(self, name: str, rows: Mapping[tuple[S, E], S], ignored: Iterable[tuple[S, E]] = ()) -> None:
        self.name = name
        self.rows = dict(rows)
        self.ignored = frozenset(ignored)
        both = self.ignored & self.rows.keys()
        if both:
            raise ValueError(f"{name}: {sorted(both)} are both rows and ignored")

    def next(self, state: S, event: E) -> S:
        """The state after ``event``; the same one when the pair is ignored."""
        target = self.rows.get((state, event))
        if target is not None:
            return target
        if (state, event) in self.ignored:
            return state
        raise NoTransition(f"{self.name}: no row for {event} in state {state}")

    def accepts(self, state: S, event: E) -> bool:
        """Whether ``event`` has a row in ``state``."""
        return (state, event) in self.rows
