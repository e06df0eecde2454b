"""Recorded quotes, published as contracts.md says."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from bifrost.config import ScenarioError, load_scenario
from bifrost.contract import contract_key
from bifrost.tape import LeanDay, QuoteRow, TapeError, TradeRow, write_lean_day
from bifrost_simulator.api import ContractQuery
from bifrost_simulator.build import build_world
from bifrost_simulator.hours import Hours, new_york_s
from bifrost_simulator.market.replay import ReplayMarket
from bifrost_simulator.scenario import WorldError

from tests.simulator.world_support import ACCOUNT, Stage, refused, scenario_file

DAY = date(2014, 6, 5)
OPEN_S = new_york_s(DAY, 9, 30)
STOCK = contract_key("TWX", "STK")
CALL = contract_key("TWX", "OPT", "20140719", 70, "C")


def _row(minute: int, bid: float, ask: float, bid_size: float = 300, ask_size: float = 200) -> QuoteRow:
    return QuoteRow(OPEN_S + 60 * minute, bid, bid_size, ask, ask_size)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Minutes 0, 1, then one missing, 3 crossed, 4 one-sided, then a gap of four and minute 9; one row at 18:00."""
    root = tmp_path / "lean"
    stock = [
        _row(0, 70.00, 70.02),
        _row(1, 70.01, 70.03),
        _row(3, 70.06, 70.05),
        _row(4, -1.0, 70.07, 0),
        _row(9, 70.10, 70.12),
        _row(510, 70.20, 70.40),
    ]
    call = [_row(0, 2.01, 2.12, 20, 5), _row(1, 2.02, 2.12, 20, 5)]
    trades = {
        STOCK: [TradeRow(OPEN_S, 70.0, 70.05, 69.9, 70.02, 900), TradeRow(OPEN_S + 60, 70.0, 70.1, 70.0, 70.1, 300)]
    }
    write_lean_day(root, "TWX", DAY, {STOCK: stock, CALL: call}, trades)
    before = {STOCK: [QuoteRow(new_york_s(date(2014, 6, 4), 15), 69.0, 100, 69.1, 100)]}
    closing = [TradeRow(new_york_s(date(2014, 6, 4), 15, 59), 69.1, 69.2, 69.0, 69.15, 100)]
    write_lean_day(root, "TWX", date(2014, 6, 4), before, {STOCK: closing})
    return root


def _scenario(tmp_path: Path, **changes: object) -> Path:
    given = {
        "market": "replay", "data": "./lean", "symbol": "TWX", "start": "2014-06-05 09:30:00", "speed": 60,
        "always_open": False, "generated": None, **changes,
    }  # fmt: skip
    return scenario_file(tmp_path, **given)


def _market(folder: Path) -> ReplayMarket:
    return ReplayMarket(folder, "TWX", Hours(), OPEN_S)


def test_a_row_is_published_when_its_minute_is_over(folder: Path) -> None:
    market = _market(folder)
    assert market.quotes([STOCK])[0].mid is None
    market.advance(OPEN_S + 59.9)
    assert market.quotes([STOCK])[0].bid == -1.0
    market.advance(OPEN_S + 60)
    quote = market.quotes([STOCK])[0]
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (70.00, 70.02, 300, 200)
    assert (quote.last, quote.high, quote.low, quote.volume, quote.close) == (70.02, 70.05, 69.9, 900, 69.15)


def test_a_missing_row_keeps_the_quote_for_one_bar(folder: Path) -> None:
    market = _market(folder)
    market.advance(OPEN_S + 239)
    assert market.quotes([STOCK])[0].bid == 70.01, "minute 2 is missing: minute 1 stands"
    market.advance(OPEN_S + 240)
    crossed = market.quotes([STOCK])[0]
    assert (crossed.bid, crossed.ask) == (70.06, 70.05), "crossed quotes are published as they are"
    market.advance(OPEN_S + 300)
    one_sided = market.quotes([STOCK])[0]
    assert (one_sided.bid, one_sided.bid_size, one_sided.ask) == (-1.0, 0.0, 70.07)
    market.advance(OPEN_S + 419)
    assert market.quotes([STOCK])[0].ask == 70.07
    market.advance(OPEN_S + 420)
    assert (market.quotes([STOCK])[0].bid, market.quotes([STOCK])[0].ask) == (-1.0, -1.0)
    market.advance(OPEN_S + 600)
    assert market.quotes([STOCK])[0].bid == 70.10


def test_rows_outside_the_session_are_published_but_not_matched(folder: Path) -> None:
    market = _market(folder)
    market.advance(OPEN_S + 511 * 60)
    assert market.quotes([STOCK])[0].bid == 70.20
    assert not market.is_tradable(STOCK)
    assert not market.is_over()
    market.advance(OPEN_S + 511 * 60 + 1)
    assert market.is_over()


def test_bars_come_from_the_tape(folder: Path) -> None:
    market = _market(folder)
    market.advance(OPEN_S + 700)
    minute = market.bars(STOCK, OPEN_S, OPEN_S + 700, 60.0, "TRADES")
    assert [(bar.close, bar.volume) for bar in minute] == [(70.02, 900), (70.1, 300)]
    (five,) = market.bars(STOCK, OPEN_S, OPEN_S + 700, 300.0, "TRADES")
    assert (five.open, five.high, five.low, five.close, five.volume) == (70.0, 70.1, 69.9, 70.1, 1200)
    assert [bar.close for bar in market.bars(STOCK, OPEN_S, OPEN_S + 700, 60.0, "BID")][:2] == [70.00, 70.01]


def test_fills_are_at_recorded_prices_within_their_size_and_session(tmp_path: Path, folder: Path) -> None:
    stage = Stage(_scenario(tmp_path))
    stock = {"contract": ContractQuery(symbol="TWX", sec_type="STK")}
    stage.order(1, "BUY", 500, **stock)
    stage.live(1.5)
    assert [(fill.quantity, fill.price) for fill in stage.heard.executions] == [(200, 70.02)]
    stage.live(1.0)
    assert [(fill.quantity, fill.price) for fill in stage.heard.executions][1:] == [(200, 70.03)], (
        "the next minute's size"
    )
    stage.order(2, "SELL", 400, 70.50, **stock)
    stage.live(600.0, 0.5)
    last = stage.world.book.find(1, 2)
    assert last is not None and last.filled == 0
    assert stage.world.clock.over, "the recorded day is over"
    assert not last.is_open, "a DAY order ended with the session"
    assert all(stage.world.hours.is_open(fill.time.timestamp()) for fill in stage.heard.executions)


def test_a_positions_cost_is_the_first_middle(tmp_path: Path, folder: Path) -> None:
    accounts = [{"id": ACCOUNT, "cash": 1, "positions": [{"contract_key": str(CALL), "quantity": 20}]}]
    stage = Stage(_scenario(tmp_path, accounts=accounts))
    (position,) = stage.world.positions()
    assert position.avg_cost == pytest.approx(206.5)


def test_a_position_that_is_not_on_the_tape_is_refused_with_what_is(tmp_path: Path, folder: Path) -> None:
    for key, word in (("TWX|OPT|20140719|71|C", "strike 71"), ("TWX|OPT|20140819|70|C", "20140719")):
        accounts = [{"id": ACCOUNT, "cash": 1, "positions": [{"contract_key": key, "quantity": 1}]}]
        with pytest.raises(WorldError, match=word):
            Stage(_scenario(tmp_path, accounts=accounts))


def test_missing_data_and_missing_days_say_what_to_do(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ScenarioError, match="LEAN"):
        Stage(_scenario(tmp_path, data="./nowhere"))
    with pytest.raises(TapeError, match="2014"):
        Stage(_scenario(tmp_path, start="2014-06-12 09:30:00"))


def test_the_underlying_is_never_silent_for_a_second(tmp_path: Path, folder: Path) -> None:
    """Minutes without a new row, a paused clock: a line in an open session still shows that it lives."""
    stage = Stage(_scenario(tmp_path, speed=1))
    stage.world.subscribe(1, 900, ContractQuery(symbol="TWX", sec_type="STK"))
    for _ in range(2):
        for _ in range(20):
            stage.heard.clear()
            stage.live(0.9)
            assert stage.heard.ticks_of(900)
        stage.world.clock.paused = True
    assert refused(stage.world.unsubscribe, 1, 901).code == 300


@pytest.mark.lean
def test_the_recorded_day_of_the_shipped_scenario() -> None:
    """The TWX scenario on its real data: what is shown is a row of the files, at its time."""
    if not os.environ.get("BIFROST_DATA"):
        pytest.skip("BIFROST_DATA names no recorded data")
    scenario = load_scenario("config/scenarios/twx-2014-06-05.yaml")
    world = build_world(scenario)
    assert world.clock.speed == 60 and len(world.market.chain()) == 184
    assert [position.quantity for position in world.positions()] == [20, 20]
    recorded = LeanDay(scenario.data_folder(), "TWX", DAY)
    noon = datetime(2014, 6, 5, 12, 0, tzinfo=ZoneInfo("America/New_York")).timestamp()
    world.clock.market_s = noon
    world.step(0.0)
    for key in [recorded.stock, *recorded.options]:
        rows = [row for row in recorded.quotes[key] if noon - 120 < row.published_s <= noon]
        quote = world.market.quotes([key])[0]
        expected = (rows[-1].bid, rows[-1].ask) if rows else (-1.0, -1.0)
        assert (quote.bid, quote.ask) == expected, key
