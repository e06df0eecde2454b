"""Recorded quotes as the backtest sees them: one burst for each instant at which something became known."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Protocol

from bifrost.contract import ContractKey, contract_key
from bifrost.tape import BadRow, LeanDay, Publication, TapeError, list_days, published

#: Bad rows are all counted; so many of them are kept to be shown.
SHOWN_BAD_ROWS = 50


@dataclass(slots=True)
class BadRows:
    """What was left out of the data: never used, always told."""

    count: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)

    def add(self, row: BadRow, kind: str = "") -> None:
        self.count += 1
        self.by_reason[kind or row.reason.split(":")[0]] += 1
        if len(self.shown) < SHOWN_BAD_ROWS:
            self.shown.append(str(row))


@dataclass(frozen=True, slots=True)
class Burst:
    """What became known at one instant, epoch seconds."""

    at_s: float
    quotes: tuple[Publication, ...]


class Market(Protocol):
    """A source of quotes of one underlying and its options."""

    stock: ContractKey
    bad: BadRows

    def bursts(self) -> Iterator[Burst]:
        """Every instant in order."""
        ...

    def data_hash(self) -> str:
        """Of the data itself: the same data has the same hash wherever it lies."""
        ...


class LeanMarket:
    """Days of a LEAN folder, read one after the other.

    Raises
    ------
    TapeError
        When no day between ``first`` and ``last`` is recorded.
    """

    def __init__(self, root: Path, symbol: str, first: date | None, last: date | None) -> None:
        self.root, self.stock = root, contract_key(symbol, "STK")
        self.bad = BadRows()
        known = list_days(root, symbol)
        if not known:
            raise TapeError(
                f"{root} holds no quotes of {self.stock.symbol}: a folder {self._folder('equity')} is wanted"
            )
        self.days = [day for day in known if (first is None or day >= first) and (last is None or day <= last)]
        if not self.days:
            listed = ", ".join(map(str, known))
            raise TapeError(f"no quotes of {self.stock.symbol} from {first} to {last}; recorded are {listed}")

    def _folder(self, kind: str) -> Path:
        return self.root / kind / "usa" / "minute" / self.stock.symbol.lower()

    def bursts(self) -> Iterator[Burst]:
        for day in self.days:
            option_file = self._folder("option") / f"{day:%Y%m%d}_quote_american.zip"
            if not option_file.is_file():
                # Stock without its options would move the hedge and leave the legs at yesterday's marks.
                missing = BadRow(option_file.name, 0, f"{self.stock.symbol} {day}", "no such file")
                self.bad.add(missing, "day without option quotes, left out whole")
                continue
            recorded = LeanDay(self.root, self.stock.symbol, day)
            for row in (*recorded.bad_rows, *recorded.crossed_rows):
                self.bad.add(row)
            yield from bursts_of(published(recorded.quotes))

    def data_hash(self) -> str:
        digest = hashlib.sha256()
        for day in self.days:
            for kind, name in (("equity", "quote"), ("option", "quote_american")):
                file = self._folder(kind) / f"{day:%Y%m%d}_{name}.zip"
                if file.is_file():
                    digest.update(f"{kind}/{file.name}\n".encode() + file.read_bytes())
        return digest.hexdigest()[:16]


class QuotesInMemory:
    """Quotes that a test or a bench has made."""

    def __init__(self, stock: ContractKey, bursts: Sequence[Burst]) -> None:
        self.stock, self._bursts = stock, bursts
        self.bad = BadRows()

    def bursts(self) -> Iterator[Burst]:
        return iter(self._bursts)

    def data_hash(self) -> str:
        return hashlib.sha256(repr(self._bursts).encode()).hexdigest()[:16]


def market_of(data: Path, symbol: str, first: date | None = None, last: date | None = None) -> Market:
    """The market in ``data``: a LEAN folder (the one that holds ``equity``, or its parent), a file, a folder of files.

    Files are CSV, Parquet and tapes of the desk (``.csv``, ``.parquet``, ``.jsonl.gz``); a folder holds files of one
    kind, which are read one after the other by name.

    Raises
    ------
    TapeError
        When there is nothing of the kind.
    """
    from .files import market_of_files, quote_files  # they need a reader of tapes, and it this module's words

    for root in (data, data / "lean"):
        if (root / "equity").is_dir():
            return LeanMarket(root, symbol, first, last)
    files = quote_files(data)
    if not files:
        raise TapeError(
            f"{data} is neither a LEAN folder (one that holds equity/ and option/) nor quotes in .csv, .parquet or "
            ".jsonl.gz files"
        )
    return market_of_files(files, symbol, first, last)


def bursts_of(publications: Iterable[Publication]) -> Iterator[Burst]:
    for at_s, items in groupby(publications, key=lambda item: item.at_s):
        yield Burst(at_s, tuple(items))
