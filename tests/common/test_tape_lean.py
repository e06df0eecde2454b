"""LEAN folders: what is read, what is left out and said so, what is written comes back."""

from __future__ import annotations

import os
import zipfile
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from bifrost.contract import contract_key
from bifrost.tape import (
    LeanDay,
    QuoteRow,
    TapeError,
    TradeRow,
    list_days,
    list_symbols,
    published,
    write_lean_day,
)

DAY = date(2014, 6, 5)
MIDNIGHT_S = datetime(2014, 6, 5, tzinfo=ZoneInfo("America/New_York")).timestamp()
STOCK = contract_key("TWX", "STK")
CALL = contract_key("TWX", "OPT", "20140719", 72.5, "C")
PUT = contract_key("TWX", "OPT", "20140719", 70.0, "P")


def minute(number: int, bid: float = 70.01, ask: float = 70.03) -> QuoteRow:
    """Quote of a minute counted from 09:30."""
    start_s = MIDNIGHT_S + 34200 + 60 * number
    return QuoteRow(start_s, bid, 300.0 if bid > 0 else 0.0, ask, 200.0 if ask > 0 else 0.0)


def archive(root: Path, name: str, entries: dict[str, str]) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as zipped:
        for entry, text in entries.items():
            zipped.writestr(entry, text)


def test_written_day_comes_back(tmp_path: Path) -> None:
    quotes = {
        STOCK: [minute(0), minute(1, 70.0, 69.99), minute(3, 70.005, 70.005)],
        PUT: [minute(0, -1.0, 1.5)],
        CALL: [minute(0, 0.35, 0.4), minute(1, -1.0, -1.0)],
    }
    trades = {STOCK: [TradeRow(MIDNIGHT_S + 34200, 70.0, 70.1, 69.9, 70.05, 1400.0)]}
    files = write_lean_day(tmp_path, "TWX", DAY, quotes, trades)
    assert len(files) == 3
    day = LeanDay(tmp_path, "twx", DAY)
    assert day.quotes == quotes and list(day.quotes) == [STOCK, PUT, CALL]
    assert day.trades == trades and day.bad_rows == []
    assert day.options == [PUT, CALL]
    assert (day.first_s, day.last_s) == (MIDNIGHT_S + 34260, MIDNIGHT_S + 34440)
    assert list_days(tmp_path, "TWX") == [DAY] and list_symbols(tmp_path) == ["TWX"]


def test_a_file_whose_name_is_no_day_is_none(tmp_path: Path) -> None:
    write_lean_day(tmp_path, "TWX", DAY, {STOCK: [minute(0)]})
    folder = tmp_path / "equity" / "usa" / "minute" / "twx"
    for name in ("20261301", "20260230", "00000000", "copy", f"{DAY:%Y%m%d}_old"):
        (folder / f"{name}_quote.zip").touch()
    assert list_days(tmp_path, "TWX") == [DAY]


def test_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    quotes = {STOCK: [minute(0)], CALL: [minute(0, 0.35, 0.4)], PUT: [minute(0, 1.0, 1.1)]}
    first = write_lean_day(tmp_path / "a", "TWX", DAY, quotes)
    second = write_lean_day(tmp_path / "b", "TWX", DAY, dict(reversed(quotes.items())))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_bad_rows_are_left_out_counted_and_explained(tmp_path: Path) -> None:
    good = "34200000,700000,700000,700000,700100,300,700300,700300,700300,700300,200"
    text = "\n".join(
        [
            good,
            "34260000,700000",
            "34320000,x,x,x,x,1,1,1,1,1,1",
            good,
            "99999999999" + good[8:],
            "34380000,,,,,0,700300,700300,700300,700300,200",
        ]
    )
    archive(tmp_path, "equity/usa/minute/twx/20140605_quote.zip", {"20140605_twx_minute_quote.csv": text})
    archive(tmp_path, "option/usa/minute/twx/20140605_quote_american.zip", {"readme.txt": "hello"})
    day = LeanDay(tmp_path, "TWX", DAY)
    assert [(row.bid, row.bid_size, row.ask) for row in day.quotes[STOCK]] == [(70.01, 300, 70.03), (-1, 0, 70.03)]
    assert [row.line for row in day.bad_rows] == [2, 3, 4, 5, 0]
    reasons = " ".join(str(row) for row in day.bad_rows)
    for words in ("11 fields, not 2", "invalid literal", "does not follow", "not within the day", "no option entry"):
        assert words in reasons


def test_missing_day_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="recorded symbols are none"):
        LeanDay(tmp_path, "TWX", DAY)
    write_lean_day(tmp_path, "TWX", DAY, {STOCK: [minute(0)]})
    with pytest.raises(TapeError, match="recorded are 2014-06-05"):
        LeanDay(tmp_path, "TWX", date(2014, 6, 6))


def test_broken_archive_is_named(tmp_path: Path) -> None:
    file = tmp_path / "equity/usa/minute/twx/20140605_quote.zip"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no zip")
    with pytest.raises(TapeError, match=r"20140605_quote\.zip: no readable zip"):
        LeanDay(tmp_path, "TWX", DAY)


def test_row_of_another_day_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="does not belong to the day"):
        write_lean_day(tmp_path, "TWX", date(2014, 6, 6), {STOCK: [minute(0)]})


def test_publication_follows_the_minute_and_outlives_one_missing_bar() -> None:
    shown = list(published({STOCK: [minute(0), minute(1), minute(3), minute(6)], CALL: [minute(1, 0.3, 0.4)]}))
    base = MIDNIGHT_S + 34200
    seen = [(round((item.at_s - base) / 60), item.key.sec_type, item.bid) for item in shown]
    assert seen == [
        (1, "STK", 70.01),
        (2, "STK", 70.01),
        (2, "OPT", 0.3),
        (4, "STK", 70.01),  # minute 2 is missing: the quote of minute 1 stands until 4
        (4, "OPT", -1.0),
        (6, "STK", -1.0),  # minutes 4 and 5 are missing
        (7, "STK", 70.01),
        (9, "STK", -1.0),
    ]


DATA = Path(os.environ.get("BIFROST_DATA", "") or "data") / "lean"


@pytest.mark.lean
@pytest.mark.skipif(not DATA.is_dir(), reason="recorded market data (BIFROST_DATA) is not here")
def test_recorded_day_is_read_whole() -> None:
    day = LeanDay(DATA, "TWX", DAY)
    assert len(day.options) == 184 and day.bad_rows == []
    july = contract_key("TWX", "OPT", "20140719", 70.0, "C")
    assert july in day.quotes and str(july) == "TWX|OPT|20140719|70|C"
    assert sum(len(rows) for rows in day.quotes.values()) == 30944
    assert [str(known) for known in list_days(DATA, "TWX")][:2] == ["2014-06-05", "2014-06-06"]
