"""Quotes in columns: what the quick path looks over at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from bifrost.contract import ContractKey
from bifrost.tape import Publication
from numpy.typing import NDArray

from ..market import Burst

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Flags = NDArray[np.bool_]

#: Bursts in one block: memory holds one block, whatever the length of the tape.
BURSTS = 8192


@dataclass(frozen=True, slots=True)
class Block:
    """Some bursts in a row, one array element a burst or a quote; prices as in `Publication`.

    Attributes
    ----------
    at_s : Floats
        Epoch seconds of each burst, rising.
    first : Ints
        Where the quotes of each burst begin, and after the last one where they end.
    line : Ints
        Whose quote it is: index into ``keys``.
    """

    keys: tuple[ContractKey, ...]
    at_s: Floats
    first: Ints
    line: Ints
    bid: Floats
    bid_size: Floats
    ask: Floats
    ask_size: Floats

    def __len__(self) -> int:
        return len(self.at_s)

    def burst(self, index: int) -> Burst:
        """One burst as the core is fed it."""
        rows = range(int(self.first[index]), int(self.first[index + 1]))
        return Burst(float(self.at_s[index]), tuple(self.publication(row, index) for row in rows))

    def publication(self, row: int, burst: int) -> Publication:
        """The quote in ``row``, which belongs to ``burst``."""
        return Publication(
            float(self.at_s[burst]),
            self.keys[int(self.line[row])],
            float(self.bid[row]),
            float(self.bid_size[row]),
            float(self.ask[row]),
            float(self.ask_size[row]),
        )


@runtime_checkable
class InBlocks(Protocol):
    """A market whose quotes come in columns by themselves: nothing is built for a quote that nobody looks at."""

    def blocks(self) -> Iterator[Block]: ...


def packed(bursts: Iterable[Burst], most: int = BURSTS) -> Iterator[Block]:
    """Bursts as blocks of at most ``most``."""
    lines: dict[ContractKey, int] = {}
    group: list[Burst] = []
    for burst in bursts:
        group.append(burst)
        if len(group) == most:
            yield _packed(group, lines)
            group = []
    if group:
        yield _packed(group, lines)


def _packed(group: list[Burst], lines: dict[ContractKey, int]) -> Block:
    counts = [len(burst.quotes) for burst in group]
    quotes = [quote for burst in group for quote in burst.quotes]
    line = [lines.setdefault(quote.key, len(lines)) for quote in quotes]
    numbers = np.array(
        [(quote.bid, quote.bid_size, quote.ask, quote.ask_size) for quote in quotes], dtype=np.float64
    ).reshape(len(quotes), 4)
    return Block(
        tuple(lines),
        np.array([burst.at_s for burst in group]),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.intp),
        np.array(line, dtype=np.intp),
        *(np.ascontiguousarray(column) for column in numbers.T),
    )
