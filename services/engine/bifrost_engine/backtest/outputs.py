"""Where a run's results go: a folder with Parquet, JSON and the report, and the database when there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .ticks import QuietTicks, Tick

#: Ticks are written in groups of so many: memory holds one group.
GROUP = 20_000
_SCHEMA = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("ts", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("side", pa.string()),
        pa.field("quantity", pa.int32()),
        pa.field("block_reason", pa.string()),
        pa.field("net_delta", pa.float64()),
        pa.field("spot", pa.float64()),
    ]
)


class ParquetTicks:
    """One Parquet file of ticks; the same ticks give the same bytes. The schema is table ``backtest_ticks``'s."""

    def __init__(self, file: Path) -> None:
        self._writer = pq.ParquetWriter(file, _SCHEMA, compression="zstd")

    def write(self, tables: Sequence[pa.Table]) -> None:
        """Tables of `table_of` and `quiet_table_of`, as one group of rows."""
        self._writer.write_table(pa.concat_tables(tables).combine_chunks())

    def close(self) -> None:
        self._writer.close()


def table_of(ticks: Sequence[Tick]) -> pa.Table:
    return pa.table(
        {
            "seq": [tick.number for tick in ticks],
            "ts": [round(tick.at_s * 1e6) for tick in ticks],
            "decision": [tick.decision for tick in ticks],
            "side": [tick.side or None for tick in ticks],
            "quantity": [tick.quantity or None for tick in ticks],
            "block_reason": [tick.block_reason or None for tick in ticks],
            "net_delta": [tick.net_delta for tick in ticks],
            "spot": [tick.spot for tick in ticks],
        },
        schema=_SCHEMA,
    )


def quiet_table_of(ticks: QuietTicks) -> pa.Table:
    count = len(ticks)
    columns = {
        "seq": np.arange(ticks.first, ticks.first + count),
        "ts": np.rint(ticks.at_s * 1e6).astype(np.int64),
        "decision": pa.repeat("none", count),
        "side": pa.nulls(count),
        "quantity": pa.nulls(count),
        "block_reason": pa.array(["in_band", "minor"]).take(pa.array(ticks.minor.astype(np.int8))),
        "net_delta": ticks.net_delta,
        "spot": ticks.spot,
    }
    return pa.table(columns).cast(_SCHEMA)


def read_ticks(file: Path) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of the file, a group at a time, as `backtest_ticks` holds them (without the run)."""
    with pq.ParquetFile(file) as ticks:
        for batch in ticks.iter_batches(GROUP):
            columns = [column.to_pylist() for column in batch.columns]
            yield list(zip(*columns, strict=True))


class TickSink:
    """Hands ticks on in groups; what is left goes out at the end of the block, which ends the file."""

    def __init__(self, ticks: ParquetTicks) -> None:
        self._ticks = ticks
        self._tables: list[pa.Table] = []
        self._group: list[Tick] = []
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._ticks.close()

    def add(self, tick: Tick) -> None:
        self._group.append(tick)
        self._more(1)

    def add_quiet(self, ticks: QuietTicks) -> None:
        """Many at once, in their place."""
        self._close_group()
        self._tables.append(quiet_table_of(ticks))
        self._more(len(ticks))

    def _more(self, rows: int) -> None:
        self._rows += rows
        if self._rows >= GROUP:
            self._flush()

    def _close_group(self) -> None:
        if self._group:
            self._tables.append(table_of(self._group))
            self._group = []

    def _flush(self) -> None:
        self._close_group()
        if self._tables:
            self._ticks.write(self._tables)
        self._tables, self._rows = [], 0


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Indented, in the order given; infinities are refused."""
    file.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
