"""What the desk's own history knows of the market: the stock's quote and its legs' marks, row by row, without sizes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from bifrost.calendar import NEW_YORK
from bifrost.contract import ContractKey, ContractKeyError, contract_key, parse_contract_key
from bifrost.tape import NO_PRICE, Publication

from ..connect import Connection

_AT_ONCE = 2000


def history_quotes(
    conn: Connection, symbol: str, first: date | None = None, last: date | None = None
) -> Iterator[Publication]:
    """Quotes of ``symbol`` in `status_history`, in the order of market time; memory does not grow with their number.

    The stock comes with the bid and ask of the row, an option leg with its mark on both sides: its own quote is not
    kept there. Sizes are 0, for none is kept either. Of several rows of one moment the last one counts.

    Parameters
    ----------
    conn : Connection
        Not in autocommit: the rows are read through a cursor of the server.
    first, last : date, optional
        New York dates, both included.
    """
    stock = contract_key(symbol, "STK")
    since = datetime.combine(first, time(), NEW_YORK) if first is not None else None
    until = datetime.combine(last + timedelta(days=1), time(), NEW_YORK) if last is not None else None
    with conn, conn.cursor(name="history_quotes") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(
            "SELECT ts, bid, ask, details -> 'legs' FROM status_history WHERE symbol = %s AND ts IS NOT NULL "
            "AND (%s::timestamptz IS NULL OR ts >= %s) AND (%s::timestamptz IS NULL OR ts < %s) ORDER BY ts, id",
            (symbol, since, since, until, until),
        )
        for _, rows in groupby(cursor, key=lambda row: row[0]):
            ts, bid, ask, legs = list(rows)[-1]
            at_s = ts.timestamp()
            yield Publication(at_s, stock, _price(bid), 0.0, _price(ask), 0.0)
            for key, mark in _marks(legs):
                yield Publication(at_s, key, mark, 0.0, mark, 0.0)


def _marks(legs: Any) -> Iterator[tuple[ContractKey, float]]:
    seen: set[ContractKey] = set()
    for leg in legs if isinstance(legs, list) else ():
        try:
            key = parse_contract_key(str(leg["contract_key"]))
        except (ContractKeyError, KeyError, TypeError):
            continue
        if key.is_option and key not in seen:
            seen.add(key)
            yield key, _price(leg.get("mark"))


def _price(value: float | None) -> float:
    return float(value) if value is not None and value > 0 else NO_PRICE
