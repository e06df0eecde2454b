"""The quotes on a tape of the desk: what its core saw of the market, on the market's clock, as a backtest's input.

A line that failed, a link that was lost and the end of a tape end its quotes: a gap stays a gap. Delayed and frozen
quotes, and those of a halted contract, are none; each kind is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bifrost.contract import ContractKey
from bifrost.tape import NO_PRICE, BadRow, Publication, TapeError
from bifrost.tape.table import CROSSED, OnBad

from bifrost_engine.domain.events import ConnectivityLost, Event, LineFailed, LinkDown, QuotesChanged
from bifrost_engine.domain.words import Quote

from .tape import Entry, TapeReader
from .tape import TapeError as BrokenTape

_LIVE = 1
_AFTER_S = 0.001


@dataclass(slots=True)
class _Shown:
    """What the market shows, as far as the tape has told."""

    source: str
    on_bad: OnBad
    at_s: float = 0.0
    now: dict[ContractKey, Publication] = field(default_factory=dict)
    """What has changed at this instant: the newest of each contract."""
    standing: dict[ContractKey, bool] = field(default_factory=dict)
    """Contracts in the order they came, and whether they have a quote."""

    def until(self, at_s: float) -> Iterator[Publication]:
        """Time goes on: everything that was told of the instant before, each contract once."""
        if at_s > self.at_s:
            yield from self.now.values()
            self.now.clear()
            self.at_s = at_s

    def quote(self, quote: Quote, row: int) -> None:
        bid, bid_size = _side(quote.bid, quote.bid_size)
        ask, ask_size = _side(quote.ask, quote.ask_size)
        if quote.data_type != _LIVE or quote.halted:
            if bid > 0 or ask > 0:
                kind = "halted, taken for no quote" if quote.halted else "not a live quote, taken for none"
                self.on_bad(BadRow(self.source, row, f"{quote.key} bid {bid:g} ask {ask:g}", kind))
            self.gone(quote.key)
            return
        if 0 < ask < bid:
            self.on_bad(BadRow(self.source, row, f"{quote.key} bid {bid:g} above ask {ask:g}", CROSSED))
        self.now[quote.key] = Publication(self.at_s, quote.key, bid, bid_size, ask, ask_size)
        self.standing[quote.key] = bid > 0 or ask > 0

    def gone(self, key: ContractKey | None) -> None:
        """No quote of ``key`` from here on; of none at all when it is None."""
        for one in self.standing if key is None else (key,):
            if self.standing.get(one):
                self.now[one] = Publication(self.at_s, one, NO_PRICE, 0.0, NO_PRICE, 0.0)
                self.standing[one] = False


class TapeQuotes:
    """Implements `QuoteFile`. A row is named by the number of its event.

    Raises
    ------
    TapeError
        When the file is no tape, or holds a line that is none of ours.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._reader = TapeReader(file)
        except BrokenTape as error:
            raise TapeError(str(error)) from None

    def publications(self, on_bad: OnBad) -> Iterator[Publication]:
        shown = _Shown(self.file.name, on_bad)
        number = 0
        try:
            for entry in self._reader.entries():
                number = entry.number
                yield from _take(shown, entry)
        except BrokenTape as error:
            raise TapeError(str(error)) from None
        if self._reader.torn:
            on_bad(BadRow(self.file.name, number, "", "the tape is torn: its engine was killed after this event"))
        # Whoever wrote the tape looked at the market until here, and no longer.
        yield from shown.until(shown.at_s + _AFTER_S)
        shown.gone(None)
        yield from shown.now.values()


def _take(shown: _Shown, entry: Entry) -> Iterator[Publication]:
    event = entry.event
    if not isinstance(event, QuotesChanged | LineFailed | LinkDown | ConnectivityLost):
        return
    at_s = event.at.market_s
    if at_s is None:
        if isinstance(event, QuotesChanged):
            shown.on_bad(BadRow(shown.source, entry.number, _keys(event), "market time was not known"))
        return
    yield from shown.until(at_s)
    if isinstance(event, QuotesChanged):
        for quote in event.quotes:
            shown.quote(quote, entry.number)
    else:
        shown.gone(event.key if isinstance(event, LineFailed) else None)


def _keys(event: Event) -> str:
    return ", ".join(str(quote.key) for quote in event.quotes) if isinstance(event, QuotesChanged) else ""


def _side(price: float | None, size: float | None) -> tuple[float, float]:
    if price is None or not price > 0:
        return NO_PRICE, 0.0
    return price, max(0.0, size or 0.0)
