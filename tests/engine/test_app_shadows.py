"""Shadow hedgers beside a running engine: books of their own, kept through restarts, and nothing sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from bifrost.calendar import TradingCalendar
from bifrost.config import load_config
from bifrost_engine.app.shadows import ENGINE, ShadowDesk
from bifrost_engine.backtest.fills import FREE, FillModel
from bifrost_engine.backtest.legs import Entry
from bifrost_engine.backtest.market import QuotesInMemory
from bifrost_engine.backtest.run import BacktestRun
from bifrost_engine.domain.decide import Step, decide
from bifrost_engine.domain.effects import Alert, RecordShadow
from bifrost_engine.domain.events import Event
from bifrost_engine.domain.policies import TimeBased
from bifrost_engine.domain.state import Rules, State

from tests.backtest.made import DAY, LEGS, STOCK, bursts

QUICK: dict[str, object] = {
    "greeks.risk_free_rate": 0.0,
    "gates.guard.risk.paper_trade": False,
    "gates.intent.hedge.cooldown_seconds": 0.0,
    "gates.intent.hedge.min_price_move_pct": 0.0,
}
BAND, CLOCK = "fixed_band half_width_shares=25", "time_based interval_s=900"


def rules(*hedgers: str) -> Rules:
    loaded = load_config(None, env={}, overrides={**QUICK, "shadow_hedgers": list(hedgers)})
    return Rules(loaded.config, loaded.hash, TradingCalendar())


class Watched:
    """A desk of shadows and what it wrote, the newest of each policy and day."""

    def __init__(self, *hedgers: str, model: FillModel = FREE) -> None:
        self.rules = rules(*hedgers)
        self.written: list[RecordShadow] = []
        self.alerts: list[Alert] = []
        self.desk = ShadowDesk(lambda: self.rules, self._take, model.stock_commission)

    def _take(self, effect: RecordShadow | Alert) -> None:
        if isinstance(effect, Alert):
            self.alerts.append(effect)
        else:
            self.written.append(effect)

    def open(self, stored: list[Mapping[str, Any]]) -> None:
        async def read() -> list[Mapping[str, Any]]:
            return stored

        asyncio.run(self.desk.open(read))

    def row(self, policy: str, day: date = DAY) -> RecordShadow:
        return [one for one in self.written if one.row["policy"] == policy and one.trading_day == day][-1]

    def stored(self) -> list[Mapping[str, Any]]:
        """As a database gives it back."""
        newest = {(one.trading_day, one.row["policy"]): one for one in self.written}
        last = max(day for day, _ in newest)
        return [
            {"trading_day": day, "policy": policy, "book": one.book, "legs": one.legs, "since_s": one.since_s}
            for (day, policy), one in newest.items()
            if day == last
        ]


def steps(*days: date, minutes: int = 120, model: FillModel = FREE) -> list[Step]:
    """What the core of an engine made of made days, step by step."""
    made: list[Step] = []

    def core(state: State, event: Event, in_force: Rules) -> Step:
        made.append(decide(state, event, in_force))
        return made[-1]

    quotes = [
        burst for number, day in enumerate(days or (DAY,)) for burst in bursts(5 + number, minutes=minutes, day=day)
    ]
    BacktestRun(rules(), QuotesInMemory(STOCK, quotes), Entry(LEGS), model, core=core).run()
    return made


@pytest.fixture(scope="module")
def lived() -> list[Step]:
    return steps()


def test_a_shadow_with_the_cores_own_rule_comes_to_what_the_engine_comes_to(lived: list[Step]) -> None:
    watched = Watched(BAND)
    for step in lived:
        watched.desk.follow(step)
    watched.desk.flush()
    band, engine = watched.row("fixed band, 25 shares"), watched.row(ENGINE)
    assert band.row["hedges"] == engine.row["hedges"] > 3  # type: ignore[operator]
    assert band.row["shares"] == engine.row["shares"]
    assert band.row["pnl_usd"] == pytest.approx(engine.row["pnl_usd"], abs=0.01)
    assert band.row["slippage_usd"] == pytest.approx(engine.row["slippage_usd"])
    assert band.row["std_by_minute_usd"] == pytest.approx(engine.row["std_by_minute_usd"], rel=0.1)


def test_rows_come_once_a_market_minute_and_none_without_shadows(lived: list[Step]) -> None:
    watched, alone = Watched(BAND, CLOCK), Watched()
    for step in lived:
        watched.desk.follow(step)
        alone.desk.follow(step)
    minutes = {int((one.at.market_s or 0) // 60) for one in watched.written}
    assert len(watched.written) == 3 * len(minutes) and len(minutes) > 60
    assert alone.written == []


def test_a_restart_goes_on_from_the_books_of_the_last_minute(lived: list[Step]) -> None:
    """What is read back gives the same figures as an engine that lived through."""
    whole, before, after = (Watched(BAND, CLOCK, model=FillModel()) for _ in range(3))
    half = len(lived) // 2
    for step in lived:
        whole.desk.follow(step)
    for step in lived[:half]:
        before.desk.follow(step)
    before.desk.flush()
    after.open(before.stored())
    for step in lived[half:]:
        after.desk.follow(step)
    for one in (whole, after):
        one.desk.flush()
    for policy in ("fixed band, 25 shares", "every 15 minutes"):
        lasting, resumed = whole.row(policy), after.row(policy)
        assert resumed.row == lasting.row and resumed.since_s == lasting.since_s and resumed.book == lasting.book
    assert after.row(ENGINE).row["pnl_usd"] == pytest.approx(whole.row(ENGINE).row["pnl_usd"])
    assert after.row(ENGINE).since_s == whole.row(ENGINE).since_s


def test_another_trading_day_begins_with_the_engines_shares() -> None:
    days = (DAY, date(2026, 5, 8))
    made = steps(*days, minutes=60)
    watched = Watched(CLOCK, model=FillModel())
    for step in made:
        watched.desk.follow(step)
    watched.desk.flush()
    first, second = (watched.row("every 15 minutes", day) for day in days)
    assert first.row["hedges"] and second.since_s > first.since_s
    begun = next(one for one in watched.written if one.trading_day == days[1] and one.row["policy"] != ENGINE)
    engine = next(one for one in watched.written if one.trading_day == days[1] and one.row["policy"] == ENGINE)
    assert engine.row["hedges"] == 0 and engine.row["pnl_usd"] == 0
    assert abs(float(begun.row["pnl_usd"])) < 20, "the night's move is nobody's here"  # type: ignore[arg-type]
    stale = Watched(CLOCK)
    stale.open([{**row, "trading_day": days[0]} for row in watched.stored()])
    last = next(step for step in reversed(made) if step.evaluation is not None)
    stale.desk.follow(last)
    assert stale.row("every 15 minutes", days[1]).since_s == last.evaluation.view.at.market_s  # type: ignore[union-attr]


def test_legs_that_change_make_no_profit_for_a_shadow(lived: list[Step]) -> None:
    """Twice the contracts joined at their mark: the P&L goes on from where it stood."""
    watched = Watched(CLOCK)
    for step in lived[:-1]:
        watched.desk.follow(step)
    watched.desk.flush()
    before = float(watched.row("every 15 minutes").row["pnl_usd"])  # type: ignore[arg-type]
    last = next(step for step in reversed(lived) if step.evaluation is not None)
    positions = {
        key: replace(position, quantity=position.quantity * 2, realized_usd=position.realized_usd + 5000.0)
        if key.is_option
        else position
        for key, position in last.state.day.positions.items()
    }
    changed = replace(last, state=replace(last.state, day=replace(last.state.day, positions=positions)))
    watched.desk.follow(changed)
    watched.desk.flush()
    after = float(watched.row("every 15 minutes").row["pnl_usd"])  # type: ignore[arg-type]
    assert abs(after - before) < 500.0
    assert watched.row("every 15 minutes").legs == {str(leg.key): 2 * leg.quantity for leg in LEGS}


def test_a_configuration_that_changes_keeps_what_stays_and_begins_what_is_new(lived: list[Step]) -> None:
    watched = Watched(BAND)
    half = len(lived) // 2
    for step in lived[:half]:
        watched.desk.follow(step)
    watched.rules = rules(BAND, CLOCK)
    for step in lived[half:]:
        watched.desk.follow(step)
    assert watched.row("every 15 minutes").since_s > watched.row("fixed band, 25 shares").since_s
    watched.rules = rules()
    count = len(watched.written)
    for step in lived:
        watched.desk.follow(step)
    assert len(watched.written) == count


def test_a_shadow_that_fails_ends_the_shadows_and_nothing_else(
    lived: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(CLOCK)

    def fail(*_: object) -> int:
        raise ZeroDivisionError("no gamma")

    monkeypatch.setattr(TimeBased, "shares", fail)
    for step in lived:
        watched.desk.follow(step)
    watched.desk.flush()
    assert watched.desk.broken == "the shadow hedgers ended: no gamma"
    assert {one.row["hedges"] for one in watched.written} == {0}, "only what was before it failed"
    assert [(alert.code, alert.message) for alert in watched.alerts] == [("shadow_hedgers", watched.desk.broken)]


def test_a_stored_book_that_cannot_be_read_ends_the_shadows_and_not_the_engines_start() -> None:
    watched = Watched(BAND)

    async def read() -> list[Mapping[str, Any]]:
        raise PermissionError("permission denied for table shadow_hedgers")

    asyncio.run(watched.desk.open(read))
    assert watched.desk.broken == "the shadow hedgers ended: permission denied for table shadow_hedgers"
    watched.desk.flush()
    assert watched.written == []
