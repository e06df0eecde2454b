"""Reader and writer of minute data in the LEAN folder layout.

``equity/usa/minute/<symbol>/<YYYYMMDD>_{quote,trade}.zip`` and
``option/usa/minute/<symbol>/<YYYYMMDD>_{quote,trade}_american.zip`` hold CSV without a header: milliseconds since
midnight in New York, then bid open, high, low, close, size and the same of the ask (or open, high, low, close and
volume of the trades). Prices are integers, ten-thousandths of a dollar; an empty side had no quote.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from bifrost.contract import ContractKey, ContractKeyError, contract_key

from .rows import NO_PRICE, BadRow, QuoteRow, TapeError, TradeRow
from .table import CROSSED

_NEW_YORK = ZoneInfo("America/New_York")
_UNITS = 10_000
_DAY_MS = 86_400_000
_ENTRY = re.compile(r"(\d{8})_([^_]+)_minute_(?:quote|trade)_american_(call|put)_(\d+)_(\d{8})\.csv")
_QUOTE_FIELDS, _TRADE_FIELDS = 11, 6
_Row = TypeVar("_Row")
_STAMP = (1980, 1, 1, 0, 0, 0)


class LeanDay:
    """One recorded day of one underlying and its options.

    Parameters
    ----------
    root : Path
        The folder that holds ``equity`` and ``option``.
    symbol : str
    day : date

    Attributes
    ----------
    stock : ContractKey
    quotes : dict
        Contract key → rows in time order; the stock first, then the options by expiry, strike and right.
    trades : dict
        The same of the trades; only contracts that traded.
    bad_rows : list
        What was left out, and why.
    crossed_rows : list
        Quotes of a bid above the ask: they are among the quotes, as they are.

    Raises
    ------
    TapeError
        When the stock's quotes of that day are not there or a file is broken.
    """

    def __init__(self, root: Path, symbol: str, day: date) -> None:
        self.root, self.symbol, self.day = root, symbol.upper(), day
        self.stock = contract_key(self.symbol, "STK")
        self.bad_rows: list[BadRow] = []
        self.crossed_rows: list[BadRow] = []
        self._midnight_s = datetime(day.year, day.month, day.day, tzinfo=_NEW_YORK).timestamp()
        quote_file = _equity_file(root, symbol, day, "quote")
        if not quote_file.is_file():
            raise TapeError(_no_day(root, self.symbol, day))
        self.quotes: dict[ContractKey, list[QuoteRow]] = {self.stock: self._stock_rows(quote_file, _quote)}
        self.trades: dict[ContractKey, list[TradeRow]] = {}
        trade_file = _equity_file(root, symbol, day, "trade")
        if trade_file.is_file():
            self.trades[self.stock] = self._stock_rows(trade_file, _trade)
        for key, quote_rows in self._option_rows(_option_file(root, symbol, day, "quote"), _quote):
            self.quotes[key] = quote_rows
        for key, trade_rows in self._option_rows(_option_file(root, symbol, day, "trade"), _trade):
            self.trades[key] = trade_rows

    @property
    def options(self) -> list[ContractKey]:
        """The option contracts with quotes, by expiry, strike and right."""
        return [key for key in self.quotes if key.is_option]

    @property
    def first_s(self) -> float:
        """Epoch seconds of the first publication."""
        return min(rows[0].published_s for rows in self.quotes.values() if rows)

    @property
    def last_s(self) -> float:
        """Epoch seconds of the last publication of a row."""
        return max(rows[-1].published_s for rows in self.quotes.values() if rows)

    def _stock_rows(self, file: Path, parse: Callable[[list[str], float], _Row]) -> list[_Row]:
        rows: list[_Row] = []
        for entry, text in _entries(file):
            if self._is_of_day(file, entry):
                rows.extend(self._rows(f"{file.name}/{entry}", text, parse))
        return rows

    def _option_rows(
        self, file: Path, parse: Callable[[list[str], float], _Row]
    ) -> list[tuple[ContractKey, list[_Row]]]:
        if not file.is_file():
            return []
        found: list[tuple[ContractKey, list[_Row]]] = []
        for entry, text in _entries(file):
            match = _ENTRY.fullmatch(entry)
            if not match:
                self.bad_rows.append(BadRow(f"{file.name}/{entry}", 0, entry, "no option entry by its name"))
                continue
            if not self._is_of_day(file, entry):
                continue
            right, strike, expiry = match.group(3), int(match.group(4)) / _UNITS, match.group(5)
            try:
                key = contract_key(self.symbol, "OPT", expiry, strike, right)
            except ContractKeyError as error:
                self.bad_rows.append(BadRow(f"{file.name}/{entry}", 0, entry, str(error)))
                continue
            found.append((key, self._rows(f"{file.name}/{entry}", text, parse)))
        return sorted(found, key=lambda item: (item[0].expiry, item[0].strike, item[0].right))

    def _is_of_day(self, file: Path, entry: str) -> bool:
        """Whether an entry's name carries the archive's day; one of another day is left out and said so."""
        if entry.startswith(f"{self.day:%Y%m%d}_"):
            return True
        self.bad_rows.append(BadRow(f"{file.name}/{entry}", 0, entry, f"not of {self.day}: left out whole"))
        return False

    def _rows(self, source: str, text: str, parse: Callable[[list[str], float], _Row]) -> list[_Row]:
        rows: list[_Row] = []
        last_ms = -1
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            fields = line.strip().split(",")
            try:
                ms = int(fields[0])
                if not 0 <= ms < _DAY_MS:
                    raise ValueError(f"wrong time: {ms} ms is not within the day")
                if ms <= last_ms:
                    raise ValueError(f"unsorted or repeated: {ms} ms does not follow {last_ms} ms")
                row = parse(fields, self._midnight_s + ms / 1000.0)
            except ValueError as error:
                self.bad_rows.append(BadRow(source, number, line, _reason(error)))
                continue
            rows.append(row)
            last_ms = ms
            if isinstance(row, QuoteRow) and 0 < row.ask < row.bid:
                self.crossed_rows.append(BadRow(source, number, line, CROSSED))
        return rows


def list_days(root: Path, symbol: str) -> list[date]:
    """The days of which the stock's quotes are recorded, in order."""
    folder = root / "equity" / "usa" / "minute" / symbol.lower()
    days = (_day_of(file.name.removesuffix("_quote.zip")) for file in folder.glob("*_quote.zip"))
    return sorted(day for day in days if day is not None)


def _day_of(stamp: str) -> date | None:
    """The day that ``YYYYMMDD`` names; None of any other text, as of a month 13."""
    if not re.fullmatch(r"\d{8}", stamp):
        return None
    try:
        return date.fromisoformat(stamp)
    except ValueError:
        return None


def list_symbols(root: Path) -> list[str]:
    """The underlyings that have a folder."""
    folder = root / "equity" / "usa" / "minute"
    return sorted(item.name.upper() for item in folder.iterdir() if item.is_dir()) if folder.is_dir() else []


def write_lean_day(
    root: Path,
    symbol: str,
    day: date,
    quotes: Mapping[ContractKey, Sequence[QuoteRow]],
    trades: Mapping[ContractKey, Sequence[TradeRow]] | None = None,
) -> list[Path]:
    """Write one day in the same layout; the same rows give the same bytes.

    Only closes are known, so open, high and low repeat them.

    Returns
    -------
    list of Path
        The files written.
    """
    midnight_s = datetime(day.year, day.month, day.day, tzinfo=_NEW_YORK).timestamp()
    stamp, name = f"{day:%Y%m%d}", symbol.lower()
    entries: dict[Path, dict[str, str]] = {}
    for kind, table in (("quote", quotes), ("trade", trades or {})):
        for key, rows in table.items():
            lines = [_line(row, midnight_s) for row in rows]
            if key.is_option:
                file = _option_file(root, symbol, day, kind)
                right = "call" if key.right == "C" else "put"
                strike = round(key.strike * _UNITS)
                entry = f"{stamp}_{name}_minute_{kind}_american_{right}_{strike}_{key.expiry}.csv"
            else:
                file = _equity_file(root, symbol, day, kind)
                entry = f"{stamp}_{name}_minute_{kind}.csv"
            entries.setdefault(file, {})[entry] = "".join(line + "\n" for line in lines)
    for file, texts in entries.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(file, "w") as archive:
            for entry in sorted(texts):
                info = zipfile.ZipInfo(entry, _STAMP)  # a fixed stamp: the archive depends on its rows alone
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, texts[entry], compresslevel=9)
    return sorted(entries)


def _line(row: QuoteRow | TradeRow, midnight_s: float) -> str:
    ms = round((row.start_s - midnight_s) * 1000)
    if not 0 <= ms < _DAY_MS:
        raise TapeError(f"a row at {row.start_s:.0f} does not belong to the day that begins at {midnight_s:.0f}")
    if isinstance(row, TradeRow):
        prices = ",".join(str(round(price * _UNITS)) for price in (row.open, row.high, row.low, row.close))
        return f"{ms},{prices},{row.volume:g}"
    return f"{ms},{_side(row.bid, row.bid_size)},{_side(row.ask, row.ask_size)}"


def _side(price: float, size: float) -> str:
    if price <= 0:
        return ",,,,0"
    text = str(round(price * _UNITS))
    return f"{text},{text},{text},{text},{size:.0f}"


def _reason(error: ValueError) -> str:
    """Kind, then what is special of the row, so that the kinds can be counted."""
    text = str(error)
    return f"no number: {text}" if text.startswith(("invalid literal", "could not convert")) else text


def _quote(fields: list[str], start_s: float) -> QuoteRow:
    if len(fields) != _QUOTE_FIELDS:
        raise ValueError(f"another number of columns: a quote row has {_QUOTE_FIELDS} fields, not {len(fields)}")
    bid, bid_size = _closing(fields[1:6])
    ask, ask_size = _closing(fields[6:11])
    return QuoteRow(start_s, bid, bid_size, ask, ask_size)


def _closing(side: list[str]) -> tuple[float, float]:
    close, size = side[3], side[4]
    if not close:
        return NO_PRICE, 0.0
    price = int(close)
    if price < 0:
        raise ValueError(f"negative price: price {close} is below zero")
    if price == 0:
        return NO_PRICE, 0.0
    shown = float(size or 0)
    if not 0 <= shown < 1e9:
        raise ValueError(f"no size: size {size} is not a size")
    return price / _UNITS, shown


def _trade(fields: list[str], start_s: float) -> TradeRow:
    if len(fields) != _TRADE_FIELDS:
        raise ValueError(f"another number of columns: a trade row has {_TRADE_FIELDS} fields, not {len(fields)}")
    prices = [int(text) / _UNITS for text in fields[1:5]]
    volume = float(fields[5])
    if min(prices) <= 0 or not 0 <= volume < 1e12:
        raise ValueError("prices must be above zero and the volume not below")
    first, high, low, close = prices
    return TradeRow(start_s, first, high, low, close, volume)


def _entries(file: Path) -> Iterator[tuple[str, str]]:
    try:
        with zipfile.ZipFile(file) as archive:
            for entry in archive.namelist():
                yield entry, archive.read(entry).decode("ascii", errors="replace")
    except (zipfile.BadZipFile, zlib.error, OSError) as error:
        raise TapeError(f"{file}: no readable zip archive: {error}") from None


def _equity_file(root: Path, symbol: str, day: date, kind: str) -> Path:
    return root / "equity" / "usa" / "minute" / symbol.lower() / f"{day:%Y%m%d}_{kind}.zip"


def _option_file(root: Path, symbol: str, day: date, kind: str) -> Path:
    return root / "option" / "usa" / "minute" / symbol.lower() / f"{day:%Y%m%d}_{kind}_american.zip"


def _no_day(root: Path, symbol: str, day: date) -> str:
    days = list_days(root, symbol)
    if days:
        there = f"recorded are {', '.join(str(known) for known in days)}"
    else:
        there = f"recorded symbols are {', '.join(list_symbols(root)) or 'none'}"
    return f"no quotes of {symbol} on {day} in {root}; {there}"
