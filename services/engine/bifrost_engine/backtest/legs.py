"""Which legs a backtest holds: named in a file, or chosen by rule when the market has opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path

import yaml
from bifrost.calendar import NEW_YORK, TradingCalendar
from bifrost.contract import ContractKey, ContractKeyError, parse_contract_key
from bifrost.tape import Publication


class LegsError(ValueError):
    """Legs that cannot be held; the message names the file or the rule and what would be right."""


@dataclass(frozen=True, slots=True)
class Held:
    """A leg to hold: contracts, signed; multiplier in shares."""

    key: ContractKey
    quantity: float
    multiplier: float = 100.0


@dataclass(frozen=True, slots=True)
class Straddle:
    """Call and put of the strike nearest to spot among the expiries within the range of days, the first one on a tie.

    ``quantity`` contracts of each, negative for a short straddle; both must have a two-sided quote.
    """

    quantity: int = 20
    min_dte: int = 21
    max_dte: int = 35


@dataclass(frozen=True, slots=True)
class Entry:
    """What to hold and from when on: the first quotes at or after ``at`` New York time of the first day."""

    legs: Straddle | tuple[Held, ...]
    at: time = time(9, 45)


def read_legs(file: Path) -> tuple[Held, ...]:
    """Legs from YAML: a list of ``{contract_key, quantity, multiplier}``, the multiplier 100 unless told.

    Raises
    ------
    LegsError
        Names the file, the entry and what would be right.
    """
    wanted = 'a list like - {contract_key: "TWX|OPT|20140719|70|C", quantity: 20}'
    try:
        rows = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise LegsError(f"{file}: cannot be read: {error}") from None
    if not isinstance(rows, list) or not rows:
        raise LegsError(f"{file}: write {wanted}")
    return tuple(_held(file, number, row) for number, row in enumerate(rows, start=1))


def _held(file: Path, number: int, row: object) -> Held:
    where = f"{file}, leg {number}"
    if not isinstance(row, Mapping) or not {"contract_key", "quantity"} <= set(row):
        raise LegsError(f"{where}: {row!r} needs contract_key and quantity")
    unknown = set(row) - {"contract_key", "quantity", "multiplier"}
    if unknown:
        raise LegsError(f"{where}: unknown {', '.join(sorted(map(str, unknown)))}")
    try:
        key = parse_contract_key(str(row["contract_key"]))
        quantity, multiplier = float(row["quantity"]), float(row.get("multiplier", 100.0))
    except (ContractKeyError, TypeError, ValueError) as error:
        raise LegsError(f"{where}: {error}") from None
    if not key.is_option or len(key.expiry) != 8 or quantity == 0 or not multiplier > 0:
        raise LegsError(f"{where}: an option with a full expiry, a quantity that is not 0 and a multiplier above 0")
    return Held(key, quantity, multiplier)


def choose(
    entry: Entry, quotes: Mapping[ContractKey, Publication], spot: float, at_s: float, calendar: TradingCalendar
) -> tuple[Held, ...]:
    """The legs to hold at ``at_s`` given the newest quotes; empty while the rule finds none (try the next quotes).

    Raises
    ------
    LegsError
        When the rule can find none on this data: no expiry lies in its range.
    """
    rule = entry.legs
    if not isinstance(rule, Straddle):
        return rule if all(_two_sided(quotes.get(leg.key)) for leg in rule) else ()
    dte = {key.expiry: calendar.dte_s(at_s, key.expiry_date) for key in quotes if key.is_option}
    if not dte:
        return ()  # a feed or a tape that begins tells the stock first
    fitting = sorted(expiry for expiry, days in dte.items() if rule.min_dte <= days <= rule.max_dte)
    if not fitting:
        there = ", ".join(f"{expiry} ({days} days)" for expiry, days in sorted(dte.items()))
        raise LegsError(f"no expiry {rule.min_dte} to {rule.max_dte} days away; quoted are {there}")
    pairs = [pair for expiry in fitting for pair in _pairs(expiry, quotes)]
    if not pairs:
        return ()
    call, put = min(pairs, key=lambda pair: (abs(pair[0].strike - spot), pair[0].expiry, pair[0].strike))
    return (Held(call, float(rule.quantity)), Held(put, float(rule.quantity)))


def _pairs(expiry: str, quotes: Mapping[ContractKey, Publication]) -> list[tuple[ContractKey, ContractKey]]:
    good = {key for key, quote in quotes.items() if key.is_option and key.expiry == expiry and _two_sided(quote)}
    pairs = []
    for call in good:
        put = ContractKey(call.symbol, call.sec_type, expiry, call.strike, "P")
        if call.right == "C" and put in good:
            pairs.append((call, put))
    return pairs


def _two_sided(quote: Publication | None) -> bool:
    return quote is not None and 0 < quote.bid <= quote.ask


def entry_s(entry: Entry, opens_s: float) -> float:
    """The instant of the entry on the day whose session opens at ``opens_s``."""
    day = datetime.fromtimestamp(opens_s, NEW_YORK).date()
    return datetime.combine(day, entry.at, NEW_YORK).timestamp()


def describe(legs: Iterable[Held]) -> str:
    return ", ".join(f"{leg.quantity:+g} {leg.key}" for leg in legs)
