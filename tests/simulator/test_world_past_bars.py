"""Bars of the past: a year of them takes a while, and the world goes on meanwhile."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bifrost_simulator.api import Bar, ContractQuery, HistoricalRequest
from bifrost_simulator.past_bars import POINTS_A_STEP

from tests.simulator.world_support import CLIENT, STOCK, Stage, refused, scenario_file

CALL = ContractQuery(symbol="NVDA", sec_type="OPT", expiry="20260605", strike=140.0, right="C", exchange="SMART")


def asked(duration: str, bar_size: str = "1 day", what: str = "TRADES", **changes: Any) -> HistoricalRequest:
    given: dict[str, Any] = {"contract": STOCK, "end": "", "use_rth": True, "keep_up_to_date": False, **changes}
    return HistoricalRequest(duration=duration, bar_size=bar_size, what_to_show=what, **given)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(scenario_file(tmp_path, always_open=False))


def rows(bars: tuple[Bar, ...]) -> list[tuple[Any, ...]]:
    return [(bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]


def day_of(bar: Bar) -> date:
    assert type(bar.start) is date, "bars of a day and more bear dates"
    return bar.start


def test_the_world_goes_on_while_months_of_bars_are_put_together(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 1, STOCK)
    stage.heard.clear()
    assert stage.world.historical_bars(CLIENT, 5, asked("6 M")) is None
    short = stage.world.historical_bars(CLIENT, 6, asked("1800 S", "1 min"))
    assert stage.bars(asked("1800 S", "1 min"), req_id=7).bars, "a short one is not kept waiting behind a long one"
    while not any(args[1] == 5 for args in stage.heard.of("historical_bars")):
        stage.live(0.05)
        assert stage.wall_s < 60
    assert len(stage.heard.of("ticks")) > 5
    ((_, _, series, kept),) = [args for args in stage.heard.of("historical_bars") if args[1] == 5]
    days = [day_of(bar) for bar in series.bars]
    assert days == sorted(set(days)) and 118 <= len(days) <= 130 and not kept
    assert short is None or short.bars


def test_what_a_day_was_does_not_depend_on_what_was_asked_before(tmp_path: Path) -> None:
    def fresh(name: str) -> Stage:
        folder = tmp_path / name
        folder.mkdir()
        stage = Stage(scenario_file(folder, always_open=False))
        stage.world.clock.paused = True
        return stage

    long = rows(fresh("a").bars(asked("2 M")).bars)
    other = fresh("b")
    end = "20260410 16:00:00 US/Eastern"
    early = rows(other.bars(asked("5 D", end=end), req_id=1).bars)
    assert len(early) == 5 and [row for row in long if row in early] == early
    assert rows(other.bars(asked("2 M"), req_id=2).bars) == long
    assert rows(other.bars(asked("2 M"), req_id=3).bars) == long, "also from what is remembered"


def test_weeks_and_months_are_their_days_together(stage: Stage) -> None:
    stage.world.clock.paused = True
    days = stage.bars(asked("2 M"), req_id=1).bars
    weeks = stage.bars(asked("2 M", "1 week"), req_id=2).bars
    months = stage.bars(asked("2 M", "1M"), req_id=3).bars
    assert sum(bar.volume for bar in days) == sum(bar.volume for bar in weeks) == sum(bar.volume for bar in months)
    assert {day_of(bar).isocalendar()[:2] for bar in days} == {day_of(bar).isocalendar()[:2] for bar in weeks}
    assert (months[0].open, months[-1].close) == (days[0].open, days[-1].close)
    assert max(bar.high for bar in weeks) == max(bar.high for bar in days)
    assert [day_of(bar).month for bar in months] == sorted({day_of(bar).month for bar in days})


def test_volatility_of_the_past_and_of_options_as_bars(stage: Stage) -> None:
    past = stage.bars(asked("10 D", what="HISTORICAL_VOLATILITY"), req_id=1).bars
    assert len(past) == 10 and all(0.15 < bar.close < 0.7 for bar in past), "the scenario's volatility is 0.35"
    assert all(abs(now.close - before.close) < 0.1 for before, now in pairwise(past)), "thirty days move slowly"
    implied = stage.bars(asked("10 D", what="OPTION_IMPLIED_VOLATILITY"), req_id=2).bars
    assert len(implied) == 10 and all(0.2 < bar.low <= bar.close <= bar.high < 0.6 for bar in implied)


def test_nothing_is_older_than_the_head_timestamp_says(stage: Stage) -> None:
    head = stage.world.head_timestamp(STOCK, "TRADES", True)
    bars = stage.bars(asked("10 Y", "1 month"), limit_s=120).bars
    assert day_of(bars[0]) == head.date() and len(bars) == 13


def test_a_month_once_drawn_is_there_in_every_kind(stage: Stage) -> None:
    stage.bars(asked("2 M"))
    for kind in ("MIDPOINT", "BID_ASK", "OPTION_IMPLIED_VOLATILITY"):
        assert stage.world.historical_bars(CLIENT, 6, asked("2 M", what=kind)) is not None


def test_a_long_request_that_is_kept_goes_on_from_its_last_bar(stage: Stage) -> None:
    series = stage.bars(asked("2 M", keep_up_to_date=True))
    stage.heard.clear()
    stage.live(3.0)
    assert stage.heard.of("bar") and all(args[2].start == series.bars[-1].start for args in stage.heard.of("bar"))


def test_a_request_that_waits_can_be_cancelled_and_ends_with_its_client(stage: Stage) -> None:
    assert stage.world.historical_bars(CLIENT, 5, asked("6 M")) is None
    assert refused(stage.world.cancel_historical, CLIENT, 5).code == 162, "IB confirms the cancel of a query so"
    assert stage.world.historical_bars(CLIENT, 6, asked("5 M")) is None
    stage.world.client_disconnected(CLIENT)
    stage.live(5.0)
    assert stage.heard.of("historical_bars") == []


def test_no_step_draws_more_than_it_may(stage: Stage) -> None:
    """Also for options, whose bars cost a tree for each point."""
    from bifrost_simulator.past_bars import PastBars

    world, now_s = stage.world, stage.world.clock.market_s
    key = world.universe.key(world.qualify(CALL).con_id)
    work = PastBars(world.market, world.hours, {}, key, "MIDPOINT", 1.0, now_s - 1700.0, now_s)
    steps = 0
    while not work.is_done:
        assert work.work(POINTS_A_STEP) > -15 * POINTS_A_STEP, "one window of a thousand bars at most is too much"
        steps += 1
    bars = work.bars()
    assert steps > 1 and [bar.start_s for bar in bars] == sorted({bar.start_s for bar in bars})


@pytest.mark.parametrize(
    ("changes", "contract"),
    [
        ({"bar_size": "1 week", "keep_up_to_date": True}, STOCK),
        ({"bar_size": "1 min", "what": "HISTORICAL_VOLATILITY"}, STOCK),
        ({"what": "OPTION_IMPLIED_VOLATILITY"}, CALL),
        ({"bar_size": "2 weeks"}, STOCK),
    ],
)
def test_what_cannot_be_asked(stage: Stage, changes: dict[str, Any], contract: ContractQuery) -> None:
    request = asked("10 D", **changes, contract=contract)
    assert refused(stage.world.historical_bars, CLIENT, 5, request).code == 321
