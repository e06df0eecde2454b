"""Market data lines: what is sent, how often, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from bifrost_simulator.api import (
    ContractQuery,
    GenericTick,
    HistoricalRequest,
    OptionTick,
    PriceTick,
    SizeTick,
    TickType,
)
from bifrost_simulator.history import parse_end
from bifrost_simulator.market.base import Quote
from bifrost_simulator.ticks import quote_ticks

from tests.simulator.world_support import CLIENT, STOCK, Stage, refused, scenario_file

CALL = ContractQuery(symbol="NVDA", sec_type="OPT", expiry="20260605", strike=140.0, right="C", exchange="SMART")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(scenario_file(tmp_path, speed=10))


def test_a_line_begins_with_everything_that_is_known(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 7, STOCK, (236,))
    names = [name for name, _ in stage.heard.events if name in ("tick_req_params", "market_data_type", "ticks")]
    assert names == ["tick_req_params", "market_data_type", "ticks"]
    prices = {tick.tick_type: tick.price for tick in stage.heard.ticks_of(7) if isinstance(tick, PriceTick)}
    assert prices[TickType.BID] < prices[TickType.ASK]
    assert {TickType.LAST, TickType.HIGH, TickType.LOW, TickType.OPEN, TickType.CLOSE} <= set(prices)
    generic = {tick.tick_type: tick.value for tick in stage.heard.ticks_of(7) if isinstance(tick, GenericTick)}
    assert generic == {TickType.HALTED: 0.0, TickType.SHORTABLE: 3.0}
    sizes = {tick.tick_type: tick.size for tick in stage.heard.ticks_of(7) if isinstance(tick, SizeTick)}
    assert sizes[TickType.SHORTABLE_SHARES] > 1_000_000


def test_shortability_is_sent_to_those_who_asked(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 7, STOCK)
    assert TickType.SHORTABLE not in {tick.tick_type for tick in stage.heard.ticks_of(7)}


def test_volatilities_and_open_interest_are_sent_to_those_who_asked(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 7, STOCK, (104, 106))
    stage.world.subscribe(CLIENT, 8, CALL, (101,))
    stage.world.subscribe(CLIENT, 9, STOCK, (101, 456))
    figures = {tick.tick_type: tick for tick in stage.heard.ticks_of(7)}
    assert figures[TickType.HISTORICAL_VOLATILITY].value == 0.35  # type: ignore[union-attr]
    assert abs(figures[TickType.IMPLIED_VOLATILITY].value - 0.35) < 0.05  # type: ignore[union-attr]
    interest = {tick.tick_type: tick for tick in stage.heard.ticks_of(8)}
    assert interest[TickType.CALL_OPEN_INTEREST].size >= 100  # type: ignore[union-attr]
    assert interest[TickType.PUT_OPEN_INTEREST].size == 0  # type: ignore[union-attr]
    extra = {TickType.HISTORICAL_VOLATILITY, TickType.CALL_OPEN_INTEREST}
    assert extra.isdisjoint(tick.tick_type for tick in stage.heard.ticks_of(9))
    stage.heard.clear()
    stage.live(3.0)
    again = [tick.tick_type for tick in stage.heard.ticks_of(7) + stage.heard.ticks_of(8)]
    assert extra.isdisjoint(again), "what did not change is not sent again"


def test_an_option_comes_with_computations_that_fit_each_other(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 7, CALL)
    stage.live(2.0)
    found = {tick.tick_type: tick for tick in stage.heard.ticks_of(7) if isinstance(tick, OptionTick)}
    assert set(found) == {TickType.BID_OPTION, TickType.ASK_OPTION, TickType.LAST_OPTION, TickType.MODEL_OPTION}
    model, bid, ask = (found[t] for t in (TickType.MODEL_OPTION, TickType.BID_OPTION, TickType.ASK_OPTION))
    assert bid.iv_annual <= model.iv_annual <= ask.iv_annual
    assert 0.45 < model.delta < 0.6 and model.gamma > 0 and model.vega > 0 and model.theta < 0
    assert bid.option_price < model.option_price + 0.05
    assert model.underlying_price == pytest.approx(140.0, rel=0.02)


def test_a_snapshot_ends_and_leaves_nothing_behind(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 7, CALL, snapshot=True)
    stage.live(1.0)
    assert stage.heard.of("snapshot_end") == [(CLIENT, 7)]
    assert TickType.MODEL_OPTION in {tick.tick_type for tick in stage.heard.ticks_of(7)}
    assert stage.world.feed.line_count() == 0
    assert refused(stage.world.subscribe, CLIENT, 8, CALL, (236,), True).code == 321


def test_what_a_line_request_is_refused_for(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 7, STOCK)
    assert refused(stage.world.subscribe, CLIENT, 7, STOCK).code == 322
    assert refused(stage.world.subscribe, CLIENT, 8, ContractQuery(symbol="NOPE", sec_type="STK")).code == 200
    assert refused(stage.world.subscribe, CLIENT, 8, STOCK, (9999,)).code == 321
    assert refused(stage.world.set_market_data_type, CLIENT, 9).code == 321
    stage.world.set_market_data_type(CLIENT, 4)


def test_lines_are_limited_by_contract_over_all_clients(stage: Stage) -> None:
    stage.world.feed.lines = 2
    stage.world.subscribe(CLIENT, 1, STOCK)
    stage.world.subscribe(2, 1, STOCK)
    stage.world.subscribe(CLIENT, 2, CALL)
    put = ContractQuery(symbol="NVDA", sec_type="OPT", expiry="20260605", strike=140.0, right="P", exchange="SMART")
    assert refused(stage.world.subscribe, CLIENT, 3, put).code == 101
    stage.world.unsubscribe(CLIENT, 2)
    stage.world.subscribe(CLIENT, 3, put)


def test_lines_end_with_their_client(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 1, STOCK)
    stage.world.subscribe(2, 1, STOCK)
    stage.world.client_disconnected(CLIENT)
    stage.heard.clear()
    stage.live(1.0)
    assert {arguments[0] for arguments in stage.heard.of("ticks")} == {2}


def test_publications_are_bounded_whatever_the_speed(stage: Stage) -> None:
    stage.world.subscribe(CLIENT, 1, STOCK)
    stage.world.clock.set_speed(3600)
    stage.heard.clear()
    stage.live(10.0)
    assert 40 <= len(stage.heard.of("ticks")) <= 55


def test_only_what_changed_is_sent() -> None:
    before = Quote(bid=10.0, ask=10.1, bid_size=100, ask_size=100, last=10.0, last_size=5, last_time_s=1.0, volume=5)
    assert quote_ticks(before, before, frozenset()) == []
    smaller = Quote(bid=10.0, ask=10.1, bid_size=50, ask_size=100, last=10.0, last_size=5, last_time_s=1.0, volume=5)
    assert quote_ticks(before, smaller, frozenset()) == [SizeTick(TickType.BID_SIZE, 50)]
    gone = Quote(last=10.0, last_size=5, last_time_s=1.0, volume=5)
    assert quote_ticks(before, gone, frozenset()) == [
        PriceTick(TickType.BID, -1.0, 0.0, 0),
        PriceTick(TickType.ASK, -1.0, 0.0, 0),
    ]
    assert quote_ticks(before, Quote(**{**_fields(before), "halted": True}), frozenset()) == [
        GenericTick(TickType.HALTED, 1.0)
    ]


def _fields(quote: Quote) -> dict[str, object]:
    return {name: getattr(quote, name) for name in Quote.__slots__}


def _bars(**changes: object) -> HistoricalRequest:
    given = {
        "contract": STOCK, "end": "", "duration": "1800 S", "bar_size": "1 min", "what_to_show": "TRADES",
        "use_rth": False, "keep_up_to_date": False, **changes,
    }  # fmt: skip
    return HistoricalRequest(**given)  # type: ignore[arg-type]


def test_bars_are_kept_up_to_date(stage: Stage) -> None:
    series = stage.bars(_bars(keep_up_to_date=True))
    assert 29 <= len(series.bars) <= 31
    stage.live(15.0)
    updates = [arguments[2] for arguments in stage.heard.of("bar")]
    starts = [bar.start for bar in updates]
    assert starts == sorted(starts) and starts[0] >= series.bars[-1].start
    assert len(set(starts)) >= 3, "150 market seconds at speed 10"
    stage.world.cancel_historical(CLIENT, 5)
    stage.heard.clear()
    stage.live(3.0)
    assert stage.heard.of("bar") == []
    assert refused(stage.world.cancel_historical, CLIENT, 5).code == 162


def test_real_time_bars_come_every_five_market_seconds(stage: Stage) -> None:
    stage.world.subscribe_real_time_bars(CLIENT, 6, STOCK, "MIDPOINT", False)
    stage.live(12.0)
    starts = [arguments[2].start.timestamp() for arguments in stage.heard.of("real_time_bar")]
    assert len(starts) >= 20
    assert {b - a for a, b in pairwise(starts)} == {5.0}


def test_daily_bars_bear_dates(stage: Stage) -> None:
    series = stage.bars(_bars(duration="5 D", bar_size="1 day"))
    assert [bar.start.isoformat() for bar in series.bars][-1] == "2026-05-07"
    assert len(series.bars) == 5


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bar_size": "7 mins"}, 321),
        ({"what_to_show": "NONSENSE"}, 321),
        ({"duration": "a while"}, 321),
        ({"duration": "0 D"}, 321),
        ({"end": "yesterday"}, 321),
        ({"end": "20260507 10:00:00", "keep_up_to_date": True}, 321),
        ({"duration": "2 Y", "bar_size": "5 secs"}, 162),
        ({"contract": ContractQuery(symbol="NOPE", sec_type="STK")}, 200),
    ],
)
def test_bar_requests_that_are_refused(stage: Stage, changes: dict[str, object], code: int) -> None:
    assert refused(stage.world.historical_bars, CLIENT, 5, _bars(**changes)).code == code


def test_times_are_read_as_ib_writes_them() -> None:
    new_york = parse_end("20260507 10:00:00")
    assert new_york == parse_end("20260507 10:00:00 America/New_York") == parse_end("20260507-14:00:00")
    assert new_york == parse_end("20260507 16:00:00 Europe/Berlin")


def test_the_option_calculators_are_inverse(stage: Stage) -> None:
    price = stage.world.option_price(CALL, 0.4, 141.0)
    assert price.tick_type is TickType.CUSTOM_OPTION
    volatility = stage.world.implied_volatility(CALL, price.option_price, 141.0)
    assert volatility.iv_annual == pytest.approx(0.4, abs=1e-4)
    assert refused(stage.world.option_price, STOCK, 0.4, 141.0).code == 321
    assert refused(stage.world.implied_volatility, CALL, 0.0001, 200.0).code == 321


def test_chains_details_and_rules(stage: Stage) -> None:
    world = stage.world
    stock = world.qualify(STOCK)
    chains = world.option_chains("NVDA", "", "STK", stock.con_id)
    assert "SMART" in {chain.exchange for chain in chains}
    assert "20260605" in chains[0].expirations and 140.0 in chains[0].strikes
    (detail,) = world.contract_details(CALL)
    assert detail.under_con_id == stock.con_id and detail.contract.multiplier == "100"
    assert detail.contract.local_symbol == "NVDA  260605C00140000"
    rule_ids = {int(rule) for rule in detail.market_rule_ids.split(",")}
    assert [(r.low_edge, r.increment) for rule in rule_ids for r in world.market_rule(rule)] == [
        (0.0, 0.01),
        (3.0, 0.05),
    ]
    assert "20260507:0000-20260508:0000" in detail.trading_hours, "this world never closes"
    assert [found.symbol for found in world.matching_symbols("NV")] == ["NVDA"]
    assert world.matching_symbols("ZZ") == ()
    assert refused(world.market_rule, 4711).code == 321
    many = world.contract_details(ContractQuery(symbol="NVDA", sec_type="OPT", expiry="202606", right="C"))
    assert len(many) > 20 and {d.contract.right for d in many} == {"C"}


def test_ninety_lines_are_all_served_and_bounded(stage: Stage) -> None:
    """Each line twice a wall second at most, and none is starved."""
    for number, key in enumerate(stage.world.market.chain()[200:289]):
        stage.world.subscribe(CLIENT, 100 + number, ContractQuery(con_id=stage.world.universe.add(key).con_id))
    stage.world.subscribe(CLIENT, 1, STOCK)
    stage.heard.clear()
    stage.live(5.0)
    bursts = [arguments[1] for arguments in stage.heard.of("ticks")]
    assert set(bursts) == {1, *range(100, 189)}
    assert max(bursts.count(req_id) for req_id in range(100, 189)) <= 2 * 11, "a quote and its model, twice a second"
