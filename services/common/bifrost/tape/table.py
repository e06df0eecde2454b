"""What quotes in one table must be, whichever file holds them: CSV or Parquet.

Columns: ``time`` (the moment at which the quote became known), ``contract_key`` as everywhere (``NVDA|STK|||``),
``bid``, ``bid_size``, ``ask``, ``ask_size``: dollars and shares or contracts, nothing where that side has no quote.
Rows are in time order, and a contract has one row an instant. Further columns are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bifrost.contract import ContractKey, ContractKeyError, parse_contract_key

from .rows import NO_PRICE, BadRow, Publication

COLUMNS = ("time", "contract_key", "bid", "bid_size", "ask", "ask_size")
CROSSED = "crossed quote, taken for none"
OnBad = Callable[[BadRow], None]


class QuoteFile(Protocol):
    """A file of quotes, read from the front; memory does not grow with its length."""

    @property
    def file(self) -> Path: ...

    def publications(self, on_bad: OnBad) -> Iterator[Publication]:
        """Every good row in order; ``on_bad`` hears of each that is left out, with file and row.

        A crossed quote is told and comes all the same: whoever uses it takes it for no quote.
        """
        ...


@dataclass(slots=True)
class Reading:
    """One reading of a table: holds rows to its rules and remembers just what the next row needs."""

    source: str
    on_bad: OnBad
    _keys: dict[str, ContractKey] = field(default_factory=dict)
    _last_s: float = -math.inf
    _told: set[ContractKey] = field(default_factory=set)
    """Contracts that have had their row at this instant."""

    def key(self, text: str) -> ContractKey:
        if text not in self._keys:
            try:
                self._keys[text] = parse_contract_key(text)
            except ContractKeyError as error:
                raise ValueError(f"no contract: {error}") from None
        return self._keys[text]

    def take(self, publication: Publication, row: int) -> Publication:
        """Raises ValueError for a row that does not follow the one before."""
        if publication.at_s < self._last_s:
            raise ValueError("earlier than the row before")
        if publication.at_s > self._last_s:
            self._last_s = publication.at_s
            self._told.clear()
        elif publication.key in self._told:
            raise ValueError("a second row of this contract at the same time")
        self._told.add(publication.key)
        if 0 < publication.ask < publication.bid:
            quote = f"{publication.key} bid {publication.bid:g} above ask {publication.ask:g}"
            self.on_bad(BadRow(self.source, row, quote, CROSSED))
        return publication

    def refuse(self, row: int, text: str, reason: object) -> None:
        self.on_bad(BadRow(self.source, row, text, str(reason)))


def side(price: float | None, size: float | None) -> tuple[float, float]:
    """Price and size of one side; no quote where there is no price.

    Raises
    ------
    ValueError
        For a price that is none, or a size that is none.
    """
    if price is None:
        return NO_PRICE, 0.0
    shown = 0.0 if size is None else size
    if not (math.isfinite(price) and math.isfinite(shown) and price > 0 and shown >= 0):
        raise ValueError(f"no quote: price {price:g} with size {shown:g}")
    return price, shown
