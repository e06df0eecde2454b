"""Reader of quotes in one CSV file.

Header and columns: ``time,contract_key,bid,bid_size,ask,ask_size``. ``time`` is RFC 3339 with a zone, the moment at
which the quote became known; ``contract_key`` as everywhere (``NVDA|STK|||``); prices in dollars, empty where that side
has no quote; sizes in shares or contracts. Rows must be in time order. Further columns are ignored.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bifrost.contract import ContractKey, ContractKeyError, parse_contract_key

from .rows import NO_PRICE, BadRow, Publication, TapeError

COLUMNS = ("time", "contract_key", "bid", "bid_size", "ask", "ask_size")


@dataclass(frozen=True, slots=True)
class CsvTape:
    """What the file held."""

    publications: list[Publication] = field(default_factory=list)
    bad_rows: list[BadRow] = field(default_factory=list)


def read_csv(file: Path) -> CsvTape:
    """Read the quotes in ``file``; rows that cannot be used are counted, not guessed.

    Raises
    ------
    TapeError
        When the file is missing or its header lacks a column.
    """
    tape = CsvTape()
    keys: dict[str, ContractKey] = {}
    last_s = -math.inf
    try:
        stream = file.open(encoding="utf-8", newline="")
    except OSError as error:
        raise TapeError(f"{file}: cannot be read: {error.strerror}") from None
    with stream:
        reader = csv.DictReader(stream)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise TapeError(f"{file}: the header lacks {', '.join(missing)}; it must name {','.join(COLUMNS)}")
        for row in reader:
            try:
                publication = _publication(row, keys)
                if publication.at_s < last_s:
                    raise ValueError("earlier than the row before")
            except (ValueError, TypeError) as error:
                text = ",".join(str(value) for value in row.values())
                tape.bad_rows.append(BadRow(file.name, reader.line_num, text, str(error)))
                continue
            last_s = publication.at_s
            tape.publications.append(publication)
    return tape


def _publication(row: dict[str, str], keys: dict[str, ContractKey]) -> Publication:
    moment = datetime.fromisoformat(row["time"])
    if moment.tzinfo is None:
        raise ValueError(f"time {row['time']!r} has no zone")
    text = row["contract_key"]
    if text not in keys:
        try:
            keys[text] = parse_contract_key(text)
        except ContractKeyError as error:
            raise ValueError(str(error)) from None
    bid, bid_size = _side(row["bid"], row["bid_size"])
    ask, ask_size = _side(row["ask"], row["ask_size"])
    return Publication(moment.timestamp(), keys[text], bid, bid_size, ask, ask_size)


def _side(price: str, size: str) -> tuple[float, float]:
    if not price.strip():
        return NO_PRICE, 0.0
    value, shown = float(price), float(size or 0)
    if not (math.isfinite(value) and math.isfinite(shown) and value > 0 and shown >= 0):
        raise ValueError(f"price {price!r} with size {size!r} is no quote")
    return value, shown
