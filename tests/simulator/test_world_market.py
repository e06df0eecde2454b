"""The generated market: the same seed gives the same tape, whoever asks and how often."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from bifrost.contract import ContractKey, contract_key
from bifrost_simulator.hours import Hours, new_york_s
from bifrost_simulator.market.day_tape import MarketParameters, draw_day
from bifrost_simulator.market.generated import GeneratedMarket, option_tick
from bifrost_simulator.market.listing import expiries_listed

STOCK = contract_key("NVDA", "STK")
CALL = contract_key("NVDA", "OPT", "20260605", 140, "C")
PUT = contract_key("NVDA", "OPT", "20260605", 140, "P")
START_S = datetime(2026, 5, 7, 10, 0, tzinfo=ZoneInfo("America/New_York")).timestamp()


def parameters(**changes: float) -> MarketParameters:
    given = {
        "spot": 140.0, "volatility": 0.35, "implied_volatility": 0.35, "skew": -0.1, "drift": 0.0, "rate": 0.05,
        "dividend_yield": 0.0, "spread_pct": 0.015, "jumps_per_day": 0.0, "jump_pct": 0.3, "halts_per_day": 0.0,
        "halt_s": 300.0, "tick_s": 0.5, "size_lots": 4,
    }  # fmt: skip
    return MarketParameters(**{**given, **changes})


def market(seed: int = 5, *, always_open: bool = False, state=None, **changes: float) -> GeneratedMarket:
    return GeneratedMarket("NVDA", parameters(**changes), seed, Hours(always_open), START_S, state=state)


def test_the_tape_does_not_depend_on_polling() -> None:
    often, once = market(), market()
    for second in range(1, 3000, 60):
        often.advance(START_S + second)
        often.quotes([STOCK, CALL, PUT])
    often.advance(START_S + 3000)
    once.advance(START_S + 3000)
    assert often.quotes([STOCK, CALL, PUT]) == once.quotes([STOCK, CALL, PUT])


def test_the_seed_decides() -> None:
    same, other = market(5), market(6)
    for one in (same, other):
        one.advance(START_S + 1800)
    again = market(5)
    again.advance(START_S + 1800)
    assert same.quotes([STOCK]) == again.quotes([STOCK])
    assert same.quotes([STOCK]) != other.quotes([STOCK])


def test_a_restart_days_later_finds_the_same_tape() -> None:
    first = market()
    first.advance(START_S + 6 * 86400 + 120)
    resumed = market(state=first.to_state())
    resumed.advance(START_S + 6 * 86400 + 120)
    assert resumed.quotes([STOCK, CALL]) == first.quotes([STOCK, CALL])
    assert resumed.chain() == first.chain()


def test_spot_at_the_start_is_the_scenarios() -> None:
    quote = market().quotes([STOCK])[0]
    assert quote.mid == pytest.approx(140.0, abs=0.02)


def test_quiet_spreads_are_narrow_and_on_the_tick() -> None:
    one, spreads = market(), []
    for second in range(0, 3600, 5):
        one.advance(START_S + second)
        quote = one.quotes([STOCK])[0]
        assert 0 < quote.bid < quote.ask and quote.bid_size >= 100 and quote.ask_size >= 100
        assert round(quote.bid * 100) == pytest.approx(quote.bid * 100, abs=1e-6)
        spreads.append((quote.ask - quote.bid) / quote.mid * 100)
    assert float(np.mean(spreads)) <= 0.03
    assert float(np.quantile(spreads, 0.95)) < 0.05


def test_spreads_widen_in_a_jump() -> None:
    session = Hours().session(date(2026, 5, 7))
    assert session is not None
    tape = draw_day(parameters(jumps_per_day=8, jump_pct=1.0), 3, session, 140.0)
    spread = (tape.ask_c - tape.bid_c).astype(float)
    jumps = np.flatnonzero(np.abs(np.diff(np.log(tape.spot))) > 0.003)
    assert len(jumps) >= 2
    assert np.median([spread[j + 2] for j in jumps if j + 2 < len(spread)]) > 2 * np.median(spread)


def test_realised_volatility_is_what_was_asked_for() -> None:
    sessions = [Hours().session(date(2026, 5, day)) for day in (4, 5, 6, 7, 8, 11, 12, 13)]
    moves = []
    for session in sessions:
        assert session is not None
        tape = draw_day(parameters(), 11, session, 140.0)
        moves.append(np.diff(np.log(tape.spot[::60])))
    per_year = np.concatenate(moves).std() * np.sqrt(252 * 6.5 * 3600 / 30)
    assert per_year == pytest.approx(0.35, rel=0.06)


def test_open_and_close_are_livelier_than_noon() -> None:
    sessions = [Hours().session(date(2026, 5, day)) for day in (4, 5, 6, 7, 8)]
    early, noon = [], []
    for session in sessions:
        assert session is not None
        returns = np.diff(np.log(draw_day(parameters(), 2, session, 140.0).spot))
        third = len(returns) // 6
        early.append(returns[:third].std())
        noon.append(returns[5 * third // 2 : 7 * third // 2].std())
    assert np.mean(early) > 1.2 * np.mean(noon)


def test_a_halt_takes_the_quote_away_and_says_so() -> None:
    one = market(seed=1, halts_per_day=6.0, halt_s=600.0)
    seen = set()
    for second in range(0, 21_000, 120):
        one.advance(START_S + second)
        quote, option = one.quotes([STOCK, CALL])
        seen.add(quote.halted)
        if quote.halted:
            assert (quote.bid, quote.ask, quote.bid_size) == (-1.0, -1.0, 0.0)
            assert option.mid is None
            assert not one.is_tradable(STOCK)
    assert seen == {True, False}


def test_options_follow_the_smile_on_their_tick() -> None:
    one = market()
    call, put = one.quotes([CALL, PUT])
    assert call.bid < call.ask and put.bid < put.ask
    for price in (call.bid, call.ask, put.bid, put.ask):
        steps = price / option_tick(price)
        assert steps == pytest.approx(round(steps), abs=1e-6)
    inputs = one.model_inputs(CALL)
    assert inputs is not None and inputs.iv_annual == pytest.approx(0.35, rel=0.03)
    # Put-call parity within the touch: C − P ≈ S − K·e^(−rT), the American put being worth a little more.
    assert call.mid - put.mid == pytest.approx(140.0 - 140.0 * np.exp(-0.05 * inputs.years), abs=0.12)


def test_outside_the_session_nothing_trades_and_the_last_quote_stands() -> None:
    one = market()
    one.advance(new_york_s(date(2026, 5, 7), 17))
    late = one.quotes([STOCK])[0]
    assert not one.is_tradable(STOCK)
    one.advance(new_york_s(date(2026, 5, 7), 23))
    assert replace(one.quotes([STOCK])[0], version=late.version) == late


def test_a_world_that_never_closes_trades_on_sunday() -> None:
    one = market(always_open=True)
    one.advance(new_york_s(date(2026, 5, 10), 3))
    assert one.is_tradable(STOCK)
    assert one.quotes([CALL])[0].mid is not None


def test_an_expired_option_is_not_quoted() -> None:
    one = market()
    weekly = ContractKey("NVDA", "OPT", "20260508", 140.0, "C")
    assert one.quotes([weekly])[0].mid is not None
    one.advance(new_york_s(date(2026, 5, 8), 16))
    assert one.quotes([weekly])[0].mid is None
    assert weekly in one.chain()


def test_days_before_the_start_join_the_first_day() -> None:
    one = market()
    bars = one.bars(STOCK, START_S - 6 * 86400, START_S, 86400.0, "TRADES")
    assert len(bars) >= 4
    assert bars[-2].close == pytest.approx(one.quotes([STOCK])[0].close)
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)


def test_bars_are_the_published_trades() -> None:
    one = market()
    one.advance(START_S + 599.9)
    minutes = one.bars(STOCK, START_S, START_S + 600, 60.0, "TRADES")
    five = one.bars(STOCK, START_S, START_S + 600, 300.0, "TRADES")
    assert sum(bar.volume for bar in minutes) == sum(bar.volume for bar in five)
    assert minutes[-1].close == one.quotes([STOCK])[0].last
    assert max(bar.high for bar in minutes) == max(bar.high for bar in five)


def test_weeklies_give_way_to_holidays() -> None:
    listed = expiries_listed(date(2026, 3, 16), Hours())
    assert date(2026, 4, 2) in listed  # Good Friday is 3 April 2026
    assert date(2026, 4, 3) not in listed
    assert date(2027, 1, 15) in listed
