"""A changed copy of a frozen object, made as cheaply as the language allows.

`decide` makes some twenty copies for each event. `dataclasses.replace` asks for each field by its name and runs the
constructor, which for an object of fifty fields is slow. Here the dictionary is copied whole.
"""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def evolve(thing: T, **changes: Any) -> T:
    """A copy of ``thing``, a frozen dataclass without slots and without ``__post_init__``, with some fields changed.

    Raises
    ------
    TypeError
        When a name is none of its fields.
    """
    before = thing.__dict__
    copy = object.__new__(type(thing))
    after = copy.__dict__
    after.update(before)
    after.update(changes)
    if len(after) != len(before):
        unknown = ", ".join(sorted(changes.keys() - before.keys()))
        raise TypeError(f"{type(thing).__name__} has no field {unknown}")
    return copy
