"""Reader of quotes in one CSV file: a header, then rows as `bifrost.tape.table` describes them.

``time`` is RFC 3339 with a zone; an empty price is a side without a quote.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TextIO

from .rows import Publication, TapeError
from .table import COLUMNS, OnBad, Reading, side


class CsvQuotes:
    """Implements `QuoteFile`.

    Raises
    ------
    TapeError
        When the file is missing or its header lacks a column.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        with self._open() as stream:
            header = next(csv.reader(stream), [])
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise TapeError(f"{file}: the header lacks {', '.join(missing)}; it must name {','.join(COLUMNS)}")
        self._places = [header.index(name) for name in COLUMNS]
        self._width = len(header)

    def publications(self, on_bad: OnBad) -> Iterator[Publication]:
        reading = Reading(self.file.name, on_bad)
        with self._open() as stream:
            rows = csv.reader(stream)
            next(rows, None)
            while True:
                try:
                    row = next(rows)
                except StopIteration:
                    return
                except (csv.Error, UnicodeDecodeError) as error:
                    reading.refuse(rows.line_num, "", f"not readable as CSV from here on: {error}")
                    return
                if not row:
                    continue
                try:
                    publication = reading.take(self._publication(row, reading), rows.line_num)
                except ValueError as error:
                    reading.refuse(rows.line_num, ",".join(row), error)
                    continue
                yield publication

    def _publication(self, row: Sequence[str], reading: Reading) -> Publication:
        if len(row) != self._width:
            raise ValueError(f"another number of columns: {len(row)}, the header has {self._width}")
        time, key, bid, bid_size, ask, ask_size = (row[place] for place in self._places)
        try:
            moment = datetime.fromisoformat(time)
        except ValueError:
            raise ValueError(f"no time: {time!r}") from None
        if moment.tzinfo is None:
            raise ValueError(f"no zone: time {time!r}")
        return Publication(
            moment.timestamp(),
            reading.key(key),
            *side(_number(bid), _number(bid_size)),
            *side(_number(ask), _number(ask_size)),
        )

    def _open(self) -> TextIO:
        try:
            return self.file.open(encoding="utf-8", newline="")
        except OSError as error:
            raise TapeError(f"{self.file}: cannot be read: {error.strerror}") from None


def _number(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"no number: {text!r}") from None
