"""Quotes in one table, CSV or Parquet: the same rows mean the same, and a bad one is told with file and row."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bifrost.contract import parse_contract_key
from bifrost.tape import BadRow, CsvQuotes, Publication, QuoteFile, TapeError, parquet_tape
from bifrost.tape.parquet_tape import SCHEMA, ParquetQuotes, ParquetQuoteWriter

STOCK, CALL = "TWX|STK|||", "TWX|OPT|20140719|70|C"
Row = tuple[Any, ...]
GOOD: list[Row] = [
    ("2014-06-05T13:31:00Z", STOCK, 70.01, 300.0, 70.03, 200.0),
    ("2014-06-05T13:31:00Z", CALL, None, None, 1.5, 20.0),
    ("2014-06-05T13:32:00+00:00", STOCK, 70.02, 300.0, 70.02, 200.0),
]


def csv_file(folder: Path, rows: Sequence[Row]) -> QuoteFile:
    lines = ["time,contract_key,bid,bid_size,ask,ask_size"]
    lines += [",".join("" if value is None else str(value) for value in row) for row in rows]
    (folder / "quotes.csv").write_text("\n".join(lines) + "\n")
    return CsvQuotes(folder / "quotes.csv")


def parquet_file(folder: Path, rows: Sequence[Row]) -> QuoteFile:
    columns = [list(column) for column in zip(*rows, strict=True)]
    columns[0] = [datetime.fromisoformat(text).astimezone(UTC) for text in columns[0]]
    pq.write_table(pa.table(dict(zip(SCHEMA.names, columns, strict=True)), schema=SCHEMA), folder / "quotes.parquet")
    return ParquetQuotes(folder / "quotes.parquet")


KINDS = pytest.mark.parametrize("make", [csv_file, parquet_file])


def read(file: QuoteFile) -> tuple[list[Publication], list[BadRow]]:
    bad: list[BadRow] = []
    return list(file.publications(bad.append)), bad


@KINDS
def test_a_row_becomes_known_at_its_time(tmp_path: Path, make: Any) -> None:
    found, bad = read(make(tmp_path, GOOD))
    at_s = datetime(2014, 6, 5, 13, 31, tzinfo=UTC).timestamp()
    assert found == [
        Publication(at_s, parse_contract_key(STOCK), 70.01, 300.0, 70.03, 200.0),
        Publication(at_s, parse_contract_key(CALL), -1.0, 0.0, 1.5, 20.0),
        Publication(at_s + 60, parse_contract_key(STOCK), 70.02, 300.0, 70.02, 200.0),
    ]
    assert bad == []


LATER = "2014-06-05T13:33:00Z"


@KINDS
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("2014-06-05T13:31:59Z", STOCK, 70.0, 1.0, 70.1, 1.0), "earlier than the row before"),
        (("2014-06-05T13:32:00Z", STOCK, 70.0, 1.0, 70.1, 1.0), "a second row of this contract at the same time"),
        ((LATER, STOCK, float("nan"), 1.0, 70.1, 1.0), "no quote: price nan"),
        ((LATER, STOCK, -70.0, 1.0, 70.1, 1.0), "no quote: price -70"),
        ((LATER, STOCK, 70.0, -1.0, 70.1, 1.0), "no quote: price 70 with size -1"),
        ((LATER, STOCK, 70.0, 1.0, float("inf"), 1.0), "no quote: price inf"),
        ((LATER, "TWX|STK", 70.0, 1.0, 70.1, 1.0), "no contract: "),
    ],
)
def test_a_bad_row_is_left_out_and_told(tmp_path: Path, make: Any, row: Row, reason: str) -> None:
    after = ("2014-06-05T13:34:00Z", STOCK, 70.04, 1.0, 70.05, 1.0)
    file = make(tmp_path, [*GOOD, row, after])
    found, bad = read(file)
    first = 2 if file.file.suffix == ".csv" else 1  # a line of text, of which the header is one; a row of Parquet
    assert [item.bid for item in found] == [70.01, -1.0, 70.02, 70.04]
    assert [(told.file, told.line) for told in bad] == [(file.file.name, 3 + first)] and bad[0].reason.startswith(
        reason
    )
    assert "STK" in bad[0].text


@KINDS
def test_a_crossed_quote_comes_as_it_is_and_is_told(tmp_path: Path, make: Any) -> None:
    found, bad = read(make(tmp_path, [*GOOD, (LATER, STOCK, 70.5, 1.0, 70.1, 1.0)]))
    assert found[-1].bid == 70.5 and len(found) == 4
    assert [told.reason for told in bad] == ["crossed quote, taken for none"] and "bid 70.5 above ask 70.1" in bad[
        0
    ].text


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2014-06-05T13:33:00,TWX|STK|||,70,1,70.1,1", "no zone: "),
        ("noon,TWX|STK|||,70,1,70.1,1", "no time: 'noon'"),
        ("2014-06-05T13:33:00Z,TWX|STK|||,seventy,1,70.1,1", "no number: 'seventy'"),
        ("2014-06-05T13:33:00Z,TWX|STK|||,70", "another number of columns: 3, the header has 6"),
        ("2014-06-05T13:33:00Z,TWX|STK|||,70,1,70.1,1,9", "another number of columns: 7, the header has 6"),
    ],
)
def test_a_line_of_text_can_be_bad_in_more_ways(tmp_path: Path, line: str, reason: str) -> None:
    file = csv_file(tmp_path, GOOD)
    with file.file.open("a") as more:
        more.write(line + "\n")
    found, bad = read(file)
    assert len(found) == 3 and [(told.line, told.text) for told in bad] == [(5, line)]
    assert bad[0].reason.startswith(reason)


def test_columns_are_found_by_name_and_further_ones_ignored(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text(
        "venue,ask_size,ask,bid_size,bid,contract_key,time\nX,2,70.03,3,70.01,TWX|STK|||,2014-06-05T13:31:00Z\n"
    )
    ((item,), bad) = read(CsvQuotes(tmp_path / "q.csv"))
    assert (item.bid, item.bid_size, item.ask, item.ask_size, bad) == (70.01, 3.0, 70.03, 2.0, [])


def test_what_is_no_table_of_quotes_is_named(tmp_path: Path) -> None:
    (tmp_path / "tape.csv").write_text("time,bid\n")
    with pytest.raises(TapeError, match="lacks contract_key, bid_size, ask, ask_size"):
        CsvQuotes(tmp_path / "tape.csv")
    with pytest.raises(TapeError, match=r"none\.csv: cannot be read"):
        CsvQuotes(tmp_path / "none.csv")
    with pytest.raises(TapeError, match=r"none\.parquet: no readable Parquet file"):
        ParquetQuotes(tmp_path / "none.parquet")
    whole = parquet_file(tmp_path, GOOD).file.read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TapeError, match=r"cut\.parquet: no readable Parquet file"):
        ParquetQuotes(tmp_path / "cut.parquet")
    table = pq.read_table(tmp_path / "quotes.parquet")
    pq.write_table(table.drop_columns(["ask"]), tmp_path / "less.parquet")
    with pytest.raises(TapeError, match=r"less\.parquet: lacks ask; it must have the columns time, contract_key"):
        ParquetQuotes(tmp_path / "less.parquet")
    text = pa.array([row[0] for row in GOOD])
    pq.write_table(table.set_column(0, "time", text), tmp_path / "text.parquet")
    with pytest.raises(TapeError, match="column time is string; it must be a timestamp with a time zone"):
        ParquetQuotes(tmp_path / "text.parquet")


def test_a_null_where_a_row_needs_a_value_is_told_with_its_row(tmp_path: Path) -> None:
    columns = {"time": [datetime(2014, 6, 5, 13, 31, tzinfo=UTC), None], "contract_key": [None, STOCK]}
    columns |= {name: [1.0, 1.0] for name in SCHEMA.names[2:]}
    loose = pa.schema([field.with_nullable(True) for field in SCHEMA])
    pq.write_table(pa.table(columns, schema=loose), tmp_path / "q.parquet")
    found, bad = read(ParquetQuotes(tmp_path / "q.parquet"))
    assert (found, [(told.line, told.reason) for told in bad]) == ([], [(1, "no contract: null"), (2, "no time: null")])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_unit_of_time_and_a_dictionary_of_keys_will_do(tmp_path: Path, unit: str) -> None:
    table = pq.read_table(parquet_file(tmp_path, GOOD).file)
    other = table.set_column(0, "time", table["time"].cast(pa.timestamp(unit, tz="America/New_York")))
    other = other.set_column(1, "contract_key", other["contract_key"].dictionary_encode())
    pq.write_table(other, tmp_path / "other.parquet")
    assert read(ParquetQuotes(tmp_path / "other.parquet")) == read(ParquetQuotes(tmp_path / "quotes.parquet"))


def test_what_is_written_is_read_again_and_the_same_quotes_are_the_same_bytes(tmp_path: Path) -> None:
    found, _ = read(csv_file(tmp_path, GOOD))
    for name in ("a", "b"):
        with ParquetQuoteWriter(tmp_path / name) as out:
            for item in found:
                out.add(item)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read(ParquetQuotes(tmp_path / "a")) == (found, [])


#: In a process of its own: other threads of a test's process would be counted too.
PEAK = """
import sys, tracemalloc
from pathlib import Path
from bifrost.tape import CsvQuotes, parquet_tape
parquet_tape.GROUP = 500
file = (CsvQuotes if sys.argv[1] == "csv" else parquet_tape.ParquetQuotes)(Path(sys.argv[2]))
def read():
    for _ in file.publications(lambda bad: None):
        continue
read()
tracemalloc.start()
read()
print(tracemalloc.get_traced_memory()[1])
"""


def peak_of_reading(kind: str, file: Path) -> int:
    """Bytes that Python held at most while the table was read."""
    words = [sys.executable, "-c", PEAK, kind, str(file)]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_table(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the rows need no more memory: a year of seconds is read like a day."""
    monkeypatch.setattr(parquet_tape, "GROUP", 500)
    key, peaks = parse_contract_key(STOCK), []
    for count in (1_000, 10_000):
        if kind == "csv":
            stamps = (datetime.fromtimestamp(1.4e9 + second, UTC).isoformat() for second in range(count))
            csv_file(tmp_path, [(stamp, STOCK, 70.0, 1.0, 70.1, 1.0) for stamp in stamps])
            file = tmp_path / "quotes.csv"
        else:
            file = tmp_path / "q.parquet"
            with ParquetQuoteWriter(file) as out:
                for second in range(count):
                    out.add(Publication(1.4e9 + second, key, 70.0, 1.0, 70.1, 1.0))
        peaks.append(peak_of_reading(kind, file))
    # A Parquet file's end lists its groups: that list grows, by little.
    assert peaks[1] < 2.0 * peaks[0], peaks
