"""Reader and writer of quotes in one Parquet file: columns as `bifrost.tape.table` describes them, in these types.

``time`` timestamp with a time zone (of any unit), ``contract_key`` string (plain or dictionary), the other four double
or another number; null is a side without a quote. NaN is no quote but a bad row, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from .rows import Publication, TapeError
from .table import COLUMNS, OnBad, Reading, side

#: Rows held at a time, in reading as in writing.
GROUP = 20_000
SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("contract_key", pa.string(), nullable=False),
        *(pa.field(name, pa.float64()) for name in COLUMNS[2:]),
    ]
)
_NANOSECONDS_A_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


class ParquetQuotes:
    """Implements `QuoteFile`. A row is named by its number in the file, the first one 1.

    Raises
    ------
    TapeError
        When the file is missing, is broken, or lacks a column; when a column is of another type.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            schema = pq.read_schema(file)
        except (OSError, pa.ArrowException) as error:
            raise TapeError(f"{file}: no readable Parquet file: {error}") from None
        missing = [name for name in COLUMNS if name not in schema.names]
        if missing:
            raise TapeError(f"{file}: lacks {', '.join(missing)}; it must have the columns {', '.join(COLUMNS)}")
        wanted = ("timestamp with a time zone", "string", *["number"] * 4)
        for name, kind in zip(COLUMNS, wanted, strict=True):
            if not _fits(schema.field(name).type, kind):
                raise TapeError(f"{file}: column {name} is {schema.field(name).type}; it must be a {kind}")
        self._units_a_second = 1_000_000_000 // _NANOSECONDS_A_UNIT[schema.field("time").type.unit]

    def publications(self, on_bad: OnBad) -> Iterator[Publication]:
        reading = Reading(self.file.name, on_bad)
        row = 0
        for columns in self._columns():
            for values in zip(*columns, strict=True):
                row += 1
                try:
                    publication = reading.take(self._publication(values, reading), row)
                except ValueError as error:
                    reading.refuse(row, self._text(values), error)
                    continue
                yield publication

    def _columns(self) -> Iterator[list[list[Any]]]:
        """The six columns, a group of rows at a time; times as whole units since the epoch."""
        try:
            with pq.ParquetFile(self.file) as parts:
                for batch in parts.iter_batches(GROUP, columns=list(COLUMNS)):
                    found = [batch.column(name) for name in COLUMNS]
                    found[0] = found[0].cast(pa.int64())
                    yield [column.to_pylist() for column in found]
        except (OSError, pa.ArrowException) as error:
            raise TapeError(f"{self.file}: no readable Parquet file: {error}") from None

    def _publication(self, values: Sequence[Any], reading: Reading) -> Publication:
        time, key, bid, bid_size, ask, ask_size = values
        if time is None or key is None:
            raise ValueError(f"no {'time' if time is None else 'contract'}: null")
        return Publication(time / self._units_a_second, reading.key(key), *side(bid, bid_size), *side(ask, ask_size))

    def _text(self, values: Sequence[Any]) -> str:
        return ",".join("" if value is None else str(value) for value in values)


class ParquetQuoteWriter:
    """Writes quotes in that schema, a group at a time; the same quotes give the same bytes."""

    def __init__(self, file: Path) -> None:
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")
        self._group: list[Publication] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, publication: Publication) -> None:
        self._group.append(publication)
        if len(self._group) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        group, self._group = self._group, []
        if not group:
            return
        columns: dict[str, list[Any]] = {
            "time": [round(item.at_s * 1e6) for item in group],
            "contract_key": [str(item.key) for item in group],
            "bid": [item.bid if item.bid > 0 else None for item in group],
            "bid_size": [item.bid_size if item.bid > 0 else None for item in group],
            "ask": [item.ask if item.ask > 0 else None for item in group],
            "ask_size": [item.ask_size if item.ask > 0 else None for item in group],
        }
        self._writer.write_table(pa.table(columns, schema=SCHEMA))


def _fits(kind: Any, wanted: str) -> bool:
    if wanted == "number":
        return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
    if wanted == "string":
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    return bool(pa.types.is_timestamp(kind) and kind.tz is not None)
