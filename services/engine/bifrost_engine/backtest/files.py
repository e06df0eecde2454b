"""Quotes in files: tables (CSV, Parquet) and the desk's own tapes. Each is read from the front, none is held whole."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path

from bifrost.calendar import NEW_YORK
from bifrost.contract import contract_key
from bifrost.tape import BadRow, CsvQuotes, Publication, QuoteFile, TapeError

from .market import BadRows, Burst, bursts_of
from .tape import tape_hash
from .tape_quotes import TapeQuotes

CSV, PARQUET, TAPE = ".csv", ".parquet", ".jsonl.gz"


class FileMarket:
    """One underlying in files that follow each other.

    Parameters
    ----------
    files : sequence of QuoteFile
        In order; a row earlier than what came before is left out, also across files.
    first, last : date or None
        New York dates; rows outside are not wanted, and so not bad.
    Raises
    ------
    TapeError
        While they are read: when a file is broken, or none of them quotes the stock.
    """

    def __init__(
        self,
        files: Sequence[QuoteFile],
        symbol: str,
        first: date | None = None,
        last: date | None = None,
    ) -> None:
        self.stock = contract_key(symbol, "STK")
        self.bad = BadRows()
        self._files = files
        self._asked = (first, last)
        self._from_s = _midnight_s(first) if first is not None else -math.inf
        self._until_s = _midnight_s(last + timedelta(days=1)) if last is not None else math.inf

    def bursts(self) -> Iterator[Burst]:
        stock_seen = False
        for burst in bursts_of(self._wanted()):
            stock_seen = stock_seen or any(quote.key == self.stock for quote in burst.quotes)
            yield burst
        if not stock_seen:
            names = ", ".join(str(item.file) for item in self._files)
            first, last = self._asked
            span = f" from {first or 'the first day'} to {last or 'the last'}" if first or last else ""
            raise TapeError(f"{names}: no row of {self.stock}{span}")

    def _wanted(self) -> Iterator[Publication]:
        latest_s = -math.inf
        for item in self._files:
            for publication in item.publications(self.bad.add):
                if publication.key.symbol != self.stock.symbol:
                    continue
                if publication.at_s >= self._until_s:
                    return
                if publication.at_s < self._from_s:
                    continue
                if publication.at_s < latest_s:
                    text = f"{publication.key} at {publication.at_s:.3f}"
                    self.bad.add(BadRow(item.file.name, 0, text, "earlier than the file before"))
                    continue
                latest_s = publication.at_s
                yield publication

    def data_hash(self) -> str:
        return self._hash

    @cached_property
    def _hash(self) -> str:
        """Of the files' content, in order, and the days that are wanted of them."""
        digest = hashlib.sha256()
        for item in self._files:
            digest.update(f"{_file_hash(item.file)}\n".encode())
        if any(self._asked):
            digest.update(f"{self._asked[0]} {self._asked[1]}\n".encode())
        return digest.hexdigest()[:16]


def quote_files(data: Path) -> list[Path]:
    """The files of quotes that ``data`` is or holds, by name.

    Raises
    ------
    TapeError
        When a folder holds files of several kinds.
    """
    found = [data] if data.is_file() else sorted(item for item in data.glob("*") if item.is_file())
    files = [item for item in found if _kind(item)]
    kinds = sorted({_kind(item) for item in files})
    if len(kinds) > 1:
        raise TapeError(f"{data} holds {' and '.join(kinds)} files: name one, or a folder with files of one kind")
    return files


def market_of_files(files: Sequence[Path], symbol: str, first: date | None, last: date | None) -> FileMarket:
    return FileMarket([_open(file) for file in files], symbol, first, last)


def _open(file: Path) -> QuoteFile:
    kind = _kind(file)
    if kind == TAPE:
        return TapeQuotes(file)
    if kind == CSV:
        return CsvQuotes(file)
    from bifrost.tape.parquet_tape import ParquetQuotes  # pyarrow is slow to load, and not everybody's

    return ParquetQuotes(file)


def _kind(file: Path) -> str:
    return next((kind for kind in (CSV, PARQUET, TAPE) if file.name.lower().endswith(kind)), "")


def _file_hash(file: Path) -> str:
    if _kind(file) == TAPE:
        return tape_hash(file)
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _midnight_s(day: date) -> float:
    return datetime.combine(day, time(), NEW_YORK).timestamp()
