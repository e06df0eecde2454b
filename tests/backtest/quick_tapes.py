"""Random small tapes with everything that may go wrong on them, and the comparison of quick with full."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, time
from typing import Any

import pytest
from bifrost.calendar import SECONDS_A_YEAR, TradingCalendar
from bifrost.contract import ContractKey, contract_key
from bifrost.tape import Publication
from bifrost_engine.backtest.fills import FillModel
from bifrost_engine.backtest.legs import Entry, Held
from bifrost_engine.backtest.market import Burst, QuotesInMemory
from bifrost_engine.backtest.outcome import Outcome
from bifrost_engine.backtest.quick import QuickRun
from bifrost_engine.backtest.run import BacktestRun
from bifrost_engine.backtest.ticks import Tick
from bifrost_engine.domain.decide import Step, decide
from bifrost_engine.domain.effects import (
    Alert,
    CancelOrder,
    ModifyOrder,
    PersistIntent,
    PlaceOrder,
    RecordCost,
    RecordExecution,
    RecordIntentState,
    RecordOperation,
    RecordOrder,
)
from bifrost_engine.domain.events import Event
from bifrost_engine.domain.state import Rules, State
from bifrost_engine.domain.trading_day.attribution import Attribution

from tests.backtest.made import STOCK, black_scholes, rules

#: What the outside hears of: orders, fills, costs, alerts, in their order and in full.
HEARD = (PersistIntent, PlaceOrder, ModifyOrder, CancelOrder, RecordOperation, RecordIntentState, RecordOrder,
         RecordExecution, RecordCost, Alert)  # fmt: skip
EXPIRY, LATER = "20260605", "20260618"
DAY, NEXT = date(2026, 5, 7), date(2026, 5, 8)


def leg(strike: float, right: str, expiry: str = EXPIRY) -> ContractKey:
    return contract_key("NVDA", "OPT", expiry, strike, right)


@dataclass(frozen=True)
class Weather:
    """What a tape is made of; probabilities are per burst or per quote."""

    seed: int = 1
    bursts: int = 250
    steps_s: tuple[float, ...] = (1.0,)
    realized: float = 0.6
    stock_quoted: float = 1.0
    leg_quoted: float = 0.5
    no_quote: float = 0.0
    wide: float = 0.0
    jump: float = 0.0
    gap: float = 0.0
    nonsense: float = 0.0
    start_s: float = 1800.0
    """After the open."""
    over_night_at: int | None = None
    """From this burst on it is the next day's opening."""


@dataclass(frozen=True)
class Case:
    """A tape, a book, a configuration."""

    weather: Weather = Weather()
    legs: tuple[Held, ...] = (Held(leg(140.0, "C"), 10.0), Held(leg(140.0, "P"), 10.0))
    model: FillModel = field(default_factory=FillModel)
    keys: dict[str, Any] = field(default_factory=dict)


def tape(weather: Weather, legs: tuple[Held, ...]) -> Iterator[Burst]:
    """Every burst has a quote of the stock or of a leg; all are quoted well in the first ones."""
    calendar, chance = TradingCalendar(), random.Random(weather.seed)
    session, morning = calendar.session(DAY), calendar.session(NEXT)
    assert session is not None and morning is not None
    at_s, spot = session.open_s + weather.start_s, 140.0
    for number in range(weather.bursts):
        step_s = chance.choice(weather.steps_s) + (chance.uniform(61.0, 400.0) if chance.random() < weather.gap else 0)
        at_s = morning.open_s + 1.0 if number == weather.over_night_at else at_s + step_s
        spot *= math.exp(weather.realized * math.sqrt(step_s / SECONDS_A_YEAR) * chance.gauss(0.0, 1.0))
        if chance.random() < weather.jump:
            spot *= 1.0 + chance.choice((-1, 1)) * chance.uniform(0.005, 0.03)
        calm = number < 3
        quotes = []
        if calm or chance.random() < weather.stock_quoted:
            quotes.append(_quote(chance, weather, at_s, STOCK, spot, calm))
        for held in legs:
            if calm or chance.random() < weather.leg_quoted:
                years = (calendar.last_trading_moment_s(held.key.expiry_date) - at_s) / SECONDS_A_YEAR
                price = black_scholes(spot, held.key, years, 0.35 + 0.02 * math.sin(number / 50.0))
                if not calm and chance.random() < weather.nonsense:
                    price *= chance.choice((0.5, 0.9, 1.5))
                quotes.append(_quote(chance, weather, at_s, held.key, price, calm))
        chance.shuffle(quotes)
        if quotes:
            yield Burst(at_s, tuple(quotes))


def _quote(
    chance: random.Random, weather: Weather, at_s: float, key: ContractKey, mid: float, calm: bool
) -> Publication:
    half = 0.01
    if not calm and chance.random() < weather.wide:
        half = mid * chance.choice((0.0006, 0.002, 0.004))
    bid, ask = round(max(mid, 0.03) - half, 2), round(max(mid, 0.03) + half, 2)
    if not calm and chance.random() < weather.no_quote:
        bid, ask = chance.choice(((-1.0, ask), (bid, -1.0), (ask + 0.05, bid), (-1.0, -1.0), (ask, ask)))
    size = float(chance.choice((20, 100, 500)))
    return Publication(at_s, key, bid, size, ask, size)


@dataclass
class Run:
    outcome: Outcome
    heard: list[Any]
    ticks: list[Tick]
    calls: int


def run(case: Case, kind: Callable[..., BacktestRun]) -> Run:
    heard: list[Any] = []
    ticks: list[Tick] = []
    calls = 0

    def core(state: State, event: Event, rules_: Rules) -> Step:
        nonlocal calls
        calls += 1
        step = decide(state, event, rules_)
        heard.extend(effect for effect in step.effects if isinstance(effect, HEARD))
        return step

    market = QuotesInMemory(STOCK, list(tape(case.weather, case.legs)))
    made = kind(rules(**case.keys), market, Entry(case.legs, time(9, 30)), case.model, core=core, on_tick=ticks.append)
    return Run(made.run(), heard, ticks, calls)


def compare(case: Case) -> tuple[Run, Run]:
    """Run both; AssertionError where they part in anything that is promised."""
    full, quick = run(case, BacktestRun), run(case, QuickRun)
    assert quick.heard == full.heard
    _same_ticks(full.ticks, quick.ticks)
    _same_tally(full.outcome, quick.outcome)
    assert _without_attribution(quick.outcome.state) == _without_attribution(full.outcome.state)
    assert quick.outcome.last_quotes == full.outcome.last_quotes
    assert quick.calls + quick.outcome.tally.skipped == full.calls
    return full, quick


def _same_ticks(full: list[Tick], quick: list[Tick]) -> None:
    assert [replace(tick, net_delta=None) for tick in quick] == [replace(tick, net_delta=None) for tick in full]
    for told, made in zip(full, quick, strict=True):
        assert made.net_delta == (told.net_delta if told.net_delta is None else pytest.approx(told.net_delta, abs=1e-6))


def _same_tally(full: Outcome, quick: Outcome) -> None:
    a, b = full.tally, quick.tally
    for name in ("events", "ticks", "outcomes", "blocked", "operations", "alerts", "shares_traded", "fills",
                 "slippage_usd", "traded_usd", "commissions_usd"):  # fmt: skip
        assert getattr(b, name) == getattr(a, name), name
    assert [replace(day, parts={}) for day in b.days.values()] == [replace(day, parts={}) for day in a.days.values()]
    assert a.skipped == 0
    for one, other in zip(a.days.values(), b.days.values(), strict=True):
        assert other.parts == pytest.approx(one.parts, abs=1e-6)
    assert (b.highest_usd, b.drawdown_usd) == pytest.approx((a.highest_usd, a.drawdown_usd), abs=1e-6)
    for curve in ("curve", "spot"):
        assert getattr(b, curve).times_s == getattr(a, curve).times_s
        assert getattr(b, curve).values == pytest.approx(getattr(a, curve).values, abs=1e-6)
    assert b.delta.times_s == a.delta.times_s
    assert (b.minutes.count, b.minutes.mean) == (a.minutes.count, pytest.approx(a.minutes.mean, abs=1e-6))


def _without_attribution(state: State) -> State:
    return replace(state, day=replace(state.day, attribution=Attribution()))
