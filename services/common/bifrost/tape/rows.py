"""Rows of recorded market data, and the order in which they become known."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bifrost.contract import ContractKey

BAR_S = 60.0
"""A row covers one minute and is published once, when the minute is over (contracts.md, "Recorded quotes")."""

KEPT_BARS = 1
"""A missing row leaves the previous quote standing for so many bars; then there is no quote."""

NO_PRICE = -1.0
"""What IB sends for a side without a quote; its size is 0."""


class TapeError(ValueError):
    """Recorded data cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out: where it stands, its text, and why."""

    file: str
    line: int
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}: {self.text[:120]!r}"


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """The closing quote of one minute.

    Attributes
    ----------
    start_s : float
        Epoch seconds at which the minute begins.
    bid, ask : float
        Dollars; −1 where that side had no quote.
    bid_size, ask_size : float
        Shares or contracts; 0 where that side had no quote.
    """

    start_s: float
    bid: float
    bid_size: float
    ask: float
    ask_size: float

    @property
    def published_s(self) -> float:
        """Epoch seconds at which it becomes known."""
        return self.start_s + BAR_S

    @property
    def two_sided(self) -> bool:
        return self.bid > 0 and self.ask > 0


@dataclass(frozen=True, slots=True)
class TradeRow:
    """The trades of one minute: prices in dollars, volume in shares or contracts."""

    start_s: float
    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def published_s(self) -> float:
        return self.start_s + BAR_S


@dataclass(frozen=True, slots=True)
class Publication:
    """A quote as the market shows it from ``at_s`` on, until the next publication of the contract."""

    at_s: float
    key: ContractKey
    bid: float
    bid_size: float
    ask: float
    ask_size: float


def published(quotes: Mapping[ContractKey, Sequence[QuoteRow]]) -> Iterator[Publication]:
    """Every change of what the market shows, in time order, then in the order of ``quotes``.

    A quote whose successor is missing stands for one bar more; then a publication without a quote ends it.
    """
    streams = [_of_one(number, key, rows) for number, (key, rows) in enumerate(quotes.items())]
    for _, _, publication in heapq.merge(*streams, key=lambda item: item[:2]):
        yield publication


def _of_one(number: int, key: ContractKey, rows: Sequence[QuoteRow]) -> Iterator[tuple[float, int, Publication]]:
    for index, row in enumerate(rows):
        at_s = row.published_s
        yield at_s, number, Publication(at_s, key, row.bid, row.bid_size, row.ask, row.ask_size)
        gone_s = at_s + (1 + KEPT_BARS) * BAR_S
        if index + 1 == len(rows) or rows[index + 1].published_s > gone_s:
            yield gone_s, number, Publication(gone_s, key, NO_PRICE, 0.0, NO_PRICE, 0.0)
