"""Bad data: each kind is counted, shown with file and row, and used by nobody."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from bifrost import cli
from bifrost.tape import Publication, QuoteRow, write_lean_day
from bifrost_engine.backtest.market import market_of

from tests.backtest.made import CALL, DAY, PUT, STOCK, bursts

EQUITY = "equity/usa/minute/nvda/20260507_quote.zip"
OPTION = "option/usa/minute/nvda/20260507_quote_american.zip"
WORDS = ("--set", "symbol=NVDA", "--set", "greeks.risk_free_rate=0.0")


def lean(root: Path, minutes: int = 40) -> Path:
    """The made session as a LEAN folder."""
    rows: dict[object, list[QuoteRow]] = {STOCK: [], CALL: [], PUT: []}
    for burst in bursts(1, minutes=minutes):
        for item in burst.quotes:
            rows[item.key].append(_row(item))
    write_lean_day(root, "NVDA", DAY, rows)  # type: ignore[arg-type]
    return root


def _row(item: Publication) -> QuoteRow:
    return QuoteRow(item.at_s - 60.0, round(item.bid, 2), item.bid_size, round(item.ask, 2), item.ask_size)


def change(file: Path, how: Callable[[list[str]], list[str]], name: Callable[[str], str] = str) -> str:
    """Write the first entry of an archive again with other lines, or under another name; its name now."""
    with zipfile.ZipFile(file) as archive:
        entries = {entry: archive.read(entry).decode() for entry in archive.namelist()}
    first, text = next(iter(entries.items()))
    del entries[first]
    entries[name(first)] = "\n".join(how(text.splitlines())) + "\n"
    with zipfile.ZipFile(file, "w") as archive:
        for entry, lines in entries.items():
            archive.writestr(entry, lines)
    return name(first)


def with_line(number: int, edit: Callable[[str], str]) -> Callable[[list[str]], list[str]]:
    def changed(lines: list[str]) -> list[str]:
        return [edit(line) if index == number else line for index, line in enumerate(lines, start=1)]

    return changed


def field(place: int, text: str) -> Callable[[str], str]:
    """Replaces one field of a row."""

    def edit(line: str) -> str:
        fields = line.split(",")
        fields[place] = text
        return ",".join(fields)

    return edit


@pytest.mark.parametrize(
    ("kind", "how", "reason"),
    [
        ("unsorted", lambda lines: [*lines[:9], lines[10], lines[9], *lines[11:]], "does not follow"),
        ("duplicated", lambda lines: [*lines[:10], lines[9], *lines[10:]], "does not follow"),
        ("negative", with_line(11, field(4, "-5")), "price -5 is below zero"),
        ("NaN", with_line(11, field(4, "nan")), "invalid literal"),
        ("missing columns", with_line(11, lambda line: line.rsplit(",", 4)[0]), "a quote row has 11 fields, not 7"),
        ("no number", with_line(11, field(0, "noon")), "invalid literal"),
    ],
)
def test_each_kind_of_bad_row_is_told_with_file_and_row(
    tmp_path: Path, kind: str, how: Callable[[list[str]], list[str]], reason: str
) -> None:
    root = lean(tmp_path)
    entry = change(root / EQUITY, how)
    found = market_of(root, "NVDA")
    told = [item for burst in found.bursts() for item in burst.quotes]
    assert found.bad.count == 1 and len(found.bad.by_reason) == 1, kind
    assert found.bad.shown[0].startswith(f"20260507_quote.zip/{entry}:11: ") and reason in found.bad.shown[0]
    # The row is gone: its minute shows the quote before, or none.
    whole = [item for burst in market_of(lean(tmp_path / "whole"), "NVDA").bursts() for item in burst.quotes]
    assert len(whole) - len(told) <= 1 and set(told) <= set(whole) | {gone for gone in told if gone.bid < 0}


def test_crossed_quotes_are_counted_and_shown(tmp_path: Path) -> None:
    root = lean(tmp_path)
    change(root / EQUITY, with_line(11, field(4, "9990000")))
    found = market_of(root, "NVDA")
    assert any(item.bid > item.ask > 0 for burst in found.bursts() for item in burst.quotes)
    assert dict(found.bad.by_reason) == {"crossed quote, taken for none": 1}
    assert found.bad.shown[0].startswith("20260507_quote.zip/20260507_nvda_minute_quote.csv:11: crossed quote")


def test_an_entry_of_another_day_is_left_out_whole(tmp_path: Path) -> None:
    root = lean(tmp_path)
    change(root / OPTION, lambda lines: lines, name=lambda entry: entry.replace("20260507", "20260508", 1))
    found = market_of(root, "NVDA")
    keys = {item.key for burst in found.bursts() for item in burst.quotes}
    assert found.bad.count == 1 and "not of 2026-05-07: left out whole" in found.bad.shown[0] and len(keys) == 2


def test_a_day_without_option_quotes_is_left_out_whole(tmp_path: Path) -> None:
    root = lean(tmp_path)
    (root / OPTION).unlink()
    found = market_of(root, "NVDA")
    assert list(found.bursts()) == [] and dict(found.bad.by_reason) == {"day without option quotes, left out whole": 1}


def test_a_truncated_archive_ends_the_run_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = lean(tmp_path)
    file = root / OPTION
    file.write_bytes(file.read_bytes()[:-200])
    assert cli.main(["backtest", "--data", str(root), "--out", str(tmp_path / "out"), *WORDS]) == 1
    said = capsys.readouterr().err
    assert f"{file}: no readable zip archive" in said and "Traceback" not in said
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("nowhere", "is neither a LEAN folder"),
        ("lean", "no quotes of NVDA from 2027-01-01 to None; recorded are 2026-05-07"),
        ("lean/equity", "is neither a LEAN folder"),
    ],
)
def test_data_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: str, said: str
) -> None:
    lean(tmp_path / "lean", minutes=3)
    assert cli.main(["backtest", "--data", str(tmp_path / data), "--from", str(date(2027, 1, 1)), *WORDS]) == 1
    assert said in capsys.readouterr().err
