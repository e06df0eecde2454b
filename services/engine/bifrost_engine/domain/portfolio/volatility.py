"""Which volatility prices a leg: model, solved, last solved, configured (engine.md section 1, "Volatility")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from bifrost.calendar import TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey
from bifrost.options import Dividends, ModelError, implied_volatility

from ..evolve import evolve
from ..execution.limits import finite
from ..market.market import MarketBook, valid_mid
from ..words import Quote, Times

#: A model's volatility and a leg's own quote count for this long (wall seconds).
FRESH_S = 60.0
#: A source that alone moves net delta must last this long before it is used (wall seconds).
HOLD_SOURCE_S = 5.0
#: A leg is solved again no sooner than this; a leg that the model prices, only so that a last solved one exists.
SOLVE_EVERY_S, SOLVE_SPARE_EVERY_S = 1.0, 60.0
#: Legs solved in one evaluation at most, the longest waiting first: a large book must not hold up an order.
SOLVES_AT_ONCE = 2
#: What can be a volatility at all, annual.
_LOWEST, _HIGHEST = 0.001, 5.0


class VolatilitySource(StrEnum):
    """Best first. FLAT is valid but degraded; EXPIRED needs no volatility."""

    MODEL = "model"
    SOLVED = "solved"
    LAST_SOLVED = "last_solved"
    FLAT = "flat"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class LegVolatility:
    """The annual volatility of one leg, where it came from and when (wall seconds)."""

    iv_annual: float
    source: VolatilitySource
    as_of_s: float


@dataclass(frozen=True, slots=True)
class Solved:
    """A volatility solved from a leg's own mid."""

    iv_annual: float | None
    """None when the mid had no solution."""
    quote_s: float
    """Wall arrival of the quote it was solved from."""
    tried_s: float
    day: date | None
    """Trading day of the solution."""


@dataclass(frozen=True)
class VolatilityMemory:
    """What is remembered from one evaluation to the next."""

    solved: Mapping[ContractKey, Solved] = field(default_factory=dict)
    used: Mapping[ContractKey, LegVolatility] = field(default_factory=dict)
    """What priced each leg last time."""
    challenged: Mapping[ContractKey, tuple[VolatilitySource, float]] = field(default_factory=dict)
    """New sources that wait for their five seconds, each with the wall time of its first appearance."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """Everything but the volatility that the model needs for one leg."""

    key: ContractKey
    t_years: float


def best(
    legs: Iterable[Pricing],
    spot: float,
    dividends: Dividends,
    book: MarketBook,
    at: Times,
    config: Config,
    calendar: TradingCalendar,
    memory: VolatilityMemory,
) -> tuple[dict[ContractKey, LegVolatility], VolatilityMemory]:
    """The best volatility of each leg now, and what was solved on the way."""
    today = calendar.trading_day_s(at.market_s) if at.market_s is not None else None
    legs = tuple(legs)
    models = {leg.key: _from_model(book.quotes.get(leg.key), at) for leg in legs}
    due = [
        leg
        for leg in legs
        if _due(book.quotes.get(leg.key), memory.solved.get(leg.key), at, spare=models[leg.key] is not None)
    ]
    # A leg without a model's volatility needs the solution more than one that has it.
    due.sort(key=lambda leg: (models[leg.key] is not None, _tried_s(memory.solved.get(leg.key))))
    solved = dict(memory.solved)
    for leg in due[:SOLVES_AT_ONCE]:
        quote = book.quotes[leg.key]
        solved[leg.key] = _solve(leg, quote, spot, dividends, at, config, today, solved.get(leg.key))
    chosen = {
        leg.key: models[leg.key] or _from_solved(solved.get(leg.key), at, today, calendar) or _flat(config, at)
        for leg in legs
    }
    return chosen, evolve(memory, solved=solved) if due else memory


def _tried_s(solved: Solved | None) -> float:
    return solved.tried_s if solved is not None else 0.0


def _from_model(quote: Quote | None, at: Times) -> LegVolatility | None:
    if quote is None or quote.model_wall_s is None or at.wall_s - quote.model_wall_s > FRESH_S:
        return None
    iv_annual = finite(quote.model_iv_annual)
    if iv_annual is None or not _LOWEST <= iv_annual <= _HIGHEST:
        return None
    return LegVolatility(iv_annual, VolatilitySource.MODEL, quote.model_wall_s)


def _due(quote: Quote | None, before: Solved | None, at: Times, spare: bool) -> bool:
    """Whether to solve: a newer two-sided quote has come, and the last attempt is long enough ago."""
    if quote is None or valid_mid(quote) is None or at.wall_s - quote.arrived_wall_s > FRESH_S:
        return False
    if before is None:
        return True
    wait_s = SOLVE_SPARE_EVERY_S if spare else SOLVE_EVERY_S
    return quote.arrived_wall_s > before.quote_s and at.wall_s - before.tried_s >= wait_s


def _solve(
    leg: Pricing,
    quote: Quote,
    spot: float,
    dividends: Dividends,
    at: Times,
    config: Config,
    today: date | None,
    before: Solved | None,
) -> Solved:
    greeks, arrived_s, mid = config.greeks, quote.arrived_wall_s, valid_mid(quote)
    try:
        if mid is None:
            raise ModelError(f"{leg.key} has no two-sided quote")
        iv_annual = implied_volatility(
            mid,
            spot,
            leg.key.strike,
            leg.t_years,
            greeks.risk_free_rate,
            greeks.dividend_yield,
            leg.key.right,
            dividends=dividends,
        )
    except ModelError:
        # A mid without a solution says nothing; what was solved before goes on counting by its own age.
        if before is None:
            return Solved(None, arrived_s, at.wall_s, today)
        return replace(before, tried_s=at.wall_s)
    return Solved(iv_annual, arrived_s, at.wall_s, today)


def _from_solved(
    solved: Solved | None, at: Times, today: date | None, calendar: TradingCalendar
) -> LegVolatility | None:
    if solved is None or solved.iv_annual is None:
        return None
    if at.wall_s - solved.quote_s <= FRESH_S:
        return LegVolatility(solved.iv_annual, VolatilitySource.SOLVED, solved.quote_s)
    if today is None or solved.day is None or solved.day < calendar.previous_session(today).day:
        return None
    return LegVolatility(solved.iv_annual, VolatilitySource.LAST_SOLVED, solved.quote_s)


def _flat(config: Config, at: Times) -> LegVolatility:
    return LegVolatility(config.greeks.volatility, VolatilitySource.FLAT, at.wall_s)


def challengers(
    chosen: Mapping[ContractKey, LegVolatility], at: Times, memory: VolatilityMemory
) -> dict[ContractKey, tuple[VolatilitySource, float]]:
    """Legs whose best source is another than the one that priced them last time, and since when."""
    since: dict[ContractKey, tuple[VolatilitySource, float]] = {}
    for key, volatility in chosen.items():
        if key in memory.used and memory.used[key].source is not volatility.source:
            source, first_s = memory.challenged.get(key, (None, at.wall_s))
            since[key] = (volatility.source, first_s if source is volatility.source else at.wall_s)
    return since


def held(
    chosen: Mapping[ContractKey, LegVolatility], keys: Iterable[ContractKey], memory: VolatilityMemory
) -> dict[ContractKey, LegVolatility]:
    """``chosen``, but the legs ``keys`` keep the volatility that priced them last time."""
    return {**chosen, **{key: memory.used[key] for key in keys}}
