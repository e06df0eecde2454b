"""The prices of everything held: takes what the lines say, gives the rows that changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from bifrost.contract import ContractKey

from .greeks import OptionModel
from .plan import HeldContract
from .rows import OptionValues, PriceRow, PriceSource, Quote, apply_quote, apply_values, differs, stand_in

# A last good price this old (market time) is worth less than the model at the underlying's present price.
STAND_IN_AFTER_S = 60.0


class Lines(Protocol):
    """What the book needs of the market: the newest of every line."""

    def quote(self, key: ContractKey) -> Quote | None:
        """The newest values, None while the contract has no line or its line said nothing yet."""
        ...

    def model_values(self, key: ContractKey) -> OptionValues | None:
        """IB's model values, None when there are none or they are too old."""
        ...

    def trouble(self, key: ContractKey) -> str | None:
        """Why the contract has no usable line, in the operator's words."""
        ...

    def fresh(self, key: ContractKey) -> bool:
        """True while the line's data is of the present connection and its last quote at most a minute old."""
        ...


@dataclass(frozen=True, slots=True)
class CycleRows:
    """What one cycle has to write and to remove."""

    changed: tuple[PriceRow, ...]
    removed: tuple[ContractKey, ...]


class PriceBook:
    """Rows by contract, what of them is in the database, and since when nobody holds one.

    Parameters
    ----------
    model : OptionModel
    grace_s : float
        Wall seconds for which the row of a contract that nobody holds stays.
    solve_budget_s : float
        Processor seconds per cycle for solving volatilities; what is left over is solved in the next cycles.
    """

    def __init__(
        self,
        model: OptionModel,
        grace_s: float,
        *,
        solve_budget_s: float = 0.2,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._grace_s = grace_s
        self._solve_budget_s = solve_budget_s
        self._monotonic = monotonic
        self._rows: dict[ContractKey, PriceRow] = {}
        self._written: dict[ContractKey, tuple[PriceRow, float]] = {}
        self._unheld_since: dict[ContractKey, float] = {}
        self._solved_for: dict[ContractKey, tuple[float, float]] = {}
        self._solve_later: list[ContractKey] = []

    @property
    def rows(self) -> Mapping[ContractKey, PriceRow]:
        """Present rows by contract."""
        return self._rows

    def load(self, stored: Iterable[PriceRow]) -> None:
        """Take what the database holds as written: after a start, and after each new connection to it."""
        now = self._monotonic()
        self._written = {row.contract_key: (row, now) for row in stored}
        for key, (row, _at) in self._written.items():
            self._rows.setdefault(key, row)

    def written(self, rows: Iterable[PriceRow], removed: Iterable[ContractKey]) -> None:
        """Note what the database has accepted."""
        now = self._monotonic()
        for row in rows:
            self._written[row.contract_key] = (row, now)
        for key in removed:
            self._written.pop(key, None)
            self._rows.pop(key, None)
            self._unheld_since.pop(key, None)
            self._solved_for.pop(key, None)

    def cycle(self, held: Iterable[HeldContract], lines: Lines, market_now: datetime | None) -> CycleRows:
        """Bring every held contract's row up to date; returns what differs from the database."""
        now = self._monotonic()
        keys = dict.fromkeys(contract.contract_key for contract in held)
        deadline = time.process_time() + self._solve_budget_s
        waiting = self._solve_later
        self._solve_later = []
        changed: list[PriceRow] = []
        # Those that did not get their turn at solving come first.
        for key in dict.fromkeys((*(key for key in waiting if key in keys), *keys)):
            row = self._row(key, lines, market_now, deadline)
            self._rows[key] = row
            before, at = self._written.get(key, (None, now))
            if differs(row, before, now - at):
                changed.append(row)
        return CycleRows(tuple(changed), self._outlived(keys.keys(), now))

    def _outlived(self, held: Set[ContractKey], now: float) -> tuple[ContractKey, ...]:
        gone = (self._rows.keys() | self._written.keys()) - held
        for key in held:
            self._unheld_since.pop(key, None)
        outlived = []
        for key in gone:
            if now - self._unheld_since.setdefault(key, now) >= self._grace_s:
                outlived.append(key)
        return tuple(sorted(outlived, key=str))

    def _row(self, key: ContractKey, lines: Lines, market_now: datetime | None, deadline: float) -> PriceRow:
        row = self._rows.get(key) or PriceRow(key)
        quote = lines.quote(key)
        usable = quote is not None and quote.usable
        if quote is not None:
            row = apply_quote(row, quote)
        row = replace(row, error=lines.trouble(key))
        if not key.is_option:
            return row
        spot = self._spot(key, lines)
        values = lines.model_values(key)
        if values is None and usable and quote is not None and quote.mid is not None and spot is not None:
            values = self._solve(key, quote.mid, spot, market_now, deadline)
        row = apply_values(row, values)
        if not usable and spot is not None and market_now is not None:
            row = self._stand_in(row, spot, lines, market_now)
        return row

    def _spot(self, key: ContractKey, lines: Lines) -> float | None:
        """The underlying's price, from its own line, as long as that is fresh."""
        underlying = ContractKey(key.symbol, "STK")
        quote = lines.quote(underlying)
        if quote is None or not lines.fresh(underlying) or quote.crossed:
            return None
        return quote.mid if quote.mid is not None else quote.last

    def _solve(
        self, key: ContractKey, mid: float, spot: float, market_now: datetime | None, deadline: float
    ) -> OptionValues | None:
        if market_now is None or self._solved_for.get(key) == (mid, spot):
            return None
        if time.process_time() >= deadline:
            self._solve_later.append(key)
            return None
        self._solved_for[key] = (mid, spot)
        return self._model.solve(key, mid, spot, market_now)

    def _stand_in(self, row: PriceRow, spot: float, lines: Lines, market_now: datetime) -> PriceRow:
        """The model's price where the last good one is missing or old, and a volatility is known."""
        standing = row.source is PriceSource.MODEL or row.mid is None or row.quote_ts is None
        if not standing and row.quote_ts is not None:
            standing = (market_now - row.quote_ts).total_seconds() >= STAND_IN_AFTER_S
        if not standing or row.iv is None:
            return row
        values = self._model.value(row.contract_key, row.iv, spot, market_now)
        underlying = lines.quote(ContractKey(row.contract_key.symbol, "STK"))
        return row if values is None else stand_in(row, values, underlying.quote_ts if underlying else None)
