"""The prices of everything held: takes what the lines say, gives the rows that changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Set
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


class _Entry:
    """One contract: its row, what of it is in the database, and what the row was made of."""

    __slots__ = (
        "put_off",
        "quote",
        "row",
        "solved_for",
        "spot",
        "trouble",
        "unheld_since",
        "values",
        "written",
        "written_at",
    )

    def __init__(self, key: ContractKey) -> None:
        self.row = PriceRow(key)
        self.written: PriceRow | None = None
        self.written_at = 0.0
        self.quote: Quote | None = None
        self.values: OptionValues | None = None
        self.trouble: str | None = None
        self.spot: float | None = None
        self.solved_for: tuple[float, float] | None = None
        self.put_off = False
        self.unheld_since: float | None = None


class PriceBook:
    """Rows by contract, what of them is in the database, and since when nobody holds one.

    Parameters
    ----------
    model : OptionModel
    grace_s : float
        Wall seconds for which the row of a contract that nobody holds stays.
    solve_budget_s : float
        Seconds per cycle for solving volatilities; what is left over is solved in the next cycles.
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
        self.solve_budget_s = solve_budget_s
        self._monotonic = monotonic
        self._entries: dict[ContractKey, _Entry] = {}
        self._solve_later: list[ContractKey] = []

    def row(self, key: ContractKey) -> PriceRow | None:
        """The present row of a contract."""
        entry = self._entries.get(key)
        return entry.row if entry else None

    def load(self, stored: Iterable[PriceRow]) -> None:
        """Take what the database holds as written: after a start, and after each new connection to it."""
        now = self._monotonic()
        for entry in self._entries.values():
            entry.written = None
        for row in stored:
            key = row.contract_key
            if key not in self._entries:
                self._entries[key] = _Entry(key)
                self._entries[key].row = row
            entry = self._entries[key]
            entry.written, entry.written_at = row, now

    def written(self, rows: Iterable[PriceRow], removed: Iterable[ContractKey]) -> None:
        """Note what the database has accepted."""
        now = self._monotonic()
        for row in rows:
            entry = self._entries[row.contract_key]
            entry.written, entry.written_at = row, now
        for key in removed:
            self._entries.pop(key, None)

    def cycle(self, held: Iterable[HeldContract], lines: Lines, market_now: datetime | None) -> CycleRows:
        """Bring every held contract's row up to date; returns what differs from the database."""
        now = self._monotonic()
        keys = dict.fromkeys(contract.contract_key for contract in held)
        deadline = time.monotonic() + self.solve_budget_s
        # Those that did not get their turn at solving come first.
        waiting, self._solve_later = [key for key in self._solve_later if key in keys], []
        changed: list[PriceRow] = []
        for key in dict.fromkeys((*waiting, *keys)) if waiting else keys:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(key)
            entry.unheld_since = None
            self._refresh(key, entry, lines, market_now, deadline)
            if entry.row is not entry.written and differs(entry.row, entry.written, now - entry.written_at):
                changed.append(entry.row)
        return CycleRows(tuple(changed), self._outlived(keys.keys(), now))

    def _outlived(self, held: Set[ContractKey], now: float) -> tuple[ContractKey, ...]:
        outlived = []
        for key, entry in self._entries.items():
            if key in held:
                continue
            if entry.unheld_since is None:
                entry.unheld_since = now
            if now - entry.unheld_since >= self._grace_s:
                outlived.append(key)
        return tuple(sorted(outlived))

    def _refresh(
        self, key: ContractKey, entry: _Entry, lines: Lines, market_now: datetime | None, deadline: float
    ) -> None:
        """Make the row anew, unless everything that it is made of is what it was."""
        quote, trouble = lines.quote(key), lines.trouble(key)
        values = lines.model_values(key) if key.is_option else None
        usable = quote is not None and quote.usable
        spot = self._spot(key, lines) if key.is_option and (values is None or not usable) else None
        same = quote is entry.quote and values is entry.values and trouble == entry.trouble and spot == entry.spot
        if same and usable and not entry.put_off:
            return
        entry.put_off = False
        entry.quote, entry.values, entry.trouble, entry.spot = quote, values, trouble, spot
        row = entry.row
        if usable and quote is not None:
            row = apply_quote(row, quote)
        if row.error != trouble:
            row = replace(row, error=trouble)
        if key.is_option:
            if values is None and usable and quote is not None and quote.mid is not None and spot is not None:
                values = self._solve(key, entry, quote.mid, spot, market_now, deadline)
            row = apply_values(row, values)
            if not usable and spot is not None and market_now is not None:
                row = self._stand_in(row, spot, lines, market_now)
        entry.row = row

    def _spot(self, key: ContractKey, lines: Lines) -> float | None:
        """The underlying's price, from its own line, as long as that is fresh."""
        underlying = ContractKey(key.symbol, "STK")
        quote = lines.quote(underlying)
        if quote is None or not lines.fresh(underlying) or quote.crossed:
            return None
        return quote.mid if quote.mid is not None else quote.last

    def _solve(
        self,
        key: ContractKey,
        entry: _Entry,
        mid: float,
        spot: float,
        market_now: datetime | None,
        deadline: float,
    ) -> OptionValues | None:
        if market_now is None or entry.solved_for == (mid, spot):
            return None
        if time.monotonic() >= deadline:
            entry.put_off = True
            self._solve_later.append(key)
            return None
        entry.solved_for = (mid, spot)
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
