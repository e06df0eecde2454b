"""Managed legs, volatility, time to expiry and net delta (engine.md section 1)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from bifrost.calendar import TradingCalendar
from bifrost.config import Config
from bifrost.contract import ContractKey
from bifrost.options import option_greeks
from bifrost_engine.domain.market.market import MarketBook
from bifrost_engine.domain.portfolio import portfolio
from bifrost_engine.domain.portfolio.leg_model import leg_time
from bifrost_engine.domain.portfolio.portfolio import Exposure, Leg, PortfolioMemory, ReleaseReason
from bifrost_engine.domain.portfolio.volatility import VolatilitySource
from bifrost_engine.domain.words import BrokerPosition, Quote, Times
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.rule_builders import (
    ALWAYS_OPEN,
    CALENDAR,
    CALL,
    NOON,
    PUT,
    config_with,
    feed,
    leg,
    live_book,
    new_york,
    quote,
    times,
)

CONFIG = config_with({"greeks.risk_free_rate": 0.0})
T_YEARS = CALENDAR.years_to_expiry_s(NOON, CALL.expiry_date)


def model_quote(key: ContractKey, iv: float | None, seconds: float = 0.0, delta: float | None = None) -> Quote:
    return quote(None, None, seconds, key=key, model_iv_annual=iv, model_delta=delta, model_wall_s=NOON + seconds)


def look(
    book: MarketBook,
    *legs: Leg,
    at: Times | None = None,
    shares: float = 0.0,
    config: Config = CONFIG,
    memory: PortfolioMemory | None = None,
    calendar: TradingCalendar = CALENDAR,
) -> tuple[Exposure, PortfolioMemory]:
    held = {one.key: one for one in legs}
    memory = memory or PortfolioMemory()
    return portfolio.exposure(held, book, shares, at or times(), config, calendar, memory)


def position(strike: float = 100.0, expiry: str = "20260220", quantity: float = 1.0) -> BrokerPosition:
    key = ContractKey("NVDA", "OPT", expiry, strike, "C")
    return BrokerPosition("DU1", key, quantity, 500.0, 7, 100.0, "NVDA")


def suits(held: BrokerPosition, spot: float | None = 100.0, at: Times | None = None) -> bool:
    return portfolio.eligible(held, spot, at or times(), CONFIG, CALENDAR)


@pytest.mark.parametrize(
    ("expiry", "expected"),
    [("20260212", False), ("20260213", True), ("20260227", True), ("20260228", False)],
)
def test_adoption_between_21_and_35_days(expiry: str, expected: bool) -> None:
    """Seen on 23 January: 20, 21, 35 and 36 calendar days."""
    assert suits(position(expiry=expiry)) is expected


@pytest.mark.parametrize(("strike", "expected"), [(97.0, True), (96.99, False), (103.0, True), (103.01, False)])
def test_adoption_within_three_per_cent_of_spot(strike: float, expected: bool) -> None:
    assert suits(position(strike)) is expected


def test_adoption_needs_time_spot_quantity_and_the_symbol() -> None:
    assert not suits(position(), None)
    assert not suits(position(), at=times(0.0, None))
    assert not suits(position(quantity=0.0))
    other = replace(position(), key=ContractKey("TWX", "OPT", "20260220", 100.0, "C"))
    assert not suits(other)
    assert not suits(replace(position(), key=ContractKey("NVDA", "STK")))


def test_a_leg_released_by_command_is_not_adopted_again_by_itself() -> None:
    held = position()
    adopted = portfolio.adopt(held, times(), "test", None)

    def may(known: Leg | None, config: Config = CONFIG) -> bool:
        return portfolio.may_adopt(held, known, 100.0, times(), config, CALENDAR)

    assert may(None) and not may(adopted)
    assert not may(portfolio.release(adopted, times(), ReleaseReason.COMMAND))
    assert may(portfolio.release(adopted, times(), ReleaseReason.CLOSED))
    assert not may(None, config_with({"gates.strategy.structure.adopt": "manual"}))


def test_a_leg_never_leaves_because_spot_moved() -> None:
    """Failure story: legs dropped out of the delta when spot moved three per cent. INV-X4."""
    far = feed(feed(live_book(100.0), quote(119.99, 120.01, 1.0)), quote(119.99, 120.01, 3.5))
    result, _ = look(far, leg(), at=times(3.5))
    assert result.legs_count == 1
    assert result.net_delta_shares is not None and result.net_delta_shares > 900.0


def test_leg_rows_round_trip() -> None:
    released = portfolio.release(leg(), times(60.0), ReleaseReason.COMMAND)
    for one in (leg(), released, leg(adopt_price=None, con_id=0)):
        assert Leg.from_row(one.as_row("DU1")) == one


def test_net_delta_counts_multiplier_quantity_and_stock() -> None:
    """INV-X6."""
    book = feed(live_book(), model_quote(CALL, 0.3), model_quote(PUT, 0.3))
    result, _ = look(book, leg(CALL, 3.0, 10.0), leg(PUT, -2.0, 100.0), shares=-7.0)
    call = option_greeks(100.0, 100.0, T_YEARS, 0.0, 0.0, 0.3, "C")
    put = option_greeks(100.0, 100.0, T_YEARS, 0.0, 0.0, 0.3, "P")
    assert result.option_delta_shares == pytest.approx(30 * call.delta - 200 * put.delta)
    assert result.net_delta_shares == pytest.approx(30 * call.delta - 200 * put.delta - 7)
    assert result.gamma_shares == pytest.approx(30 * call.gamma - 200 * put.gamma)
    assert result.vega_usd_per_vol == pytest.approx(30 * call.vega - 200 * put.vega)
    assert result.theta_usd_per_day == pytest.approx(30 * call.theta_day - 200 * put.theta_day)


def test_without_legs_the_exposure_is_the_stock() -> None:
    result, _ = look(live_book(), shares=42.0)
    assert result.valid and result.net_delta_shares == 42.0 and result.gamma_shares == 0.0


def test_invalid_is_never_zero() -> None:
    """INV-X3."""
    book = live_book()
    for blind, at in ((replace(book, mid=None), times()), (book, times(0.0, None))):
        result, _ = look(blind, leg(), at=at)
        assert not result.valid and result.reason
        assert result.net_delta_shares is None and result.gamma_shares is None and result.legs_count == 1
    broken, _ = look(book, leg(ContractKey("NVDA", "OPT", "20260220", 100.0, "X")))
    assert not broken.valid and "option model: NVDA|OPT|20260220|100|X" in broken.reason


def test_a_model_that_fails_makes_the_greeks_invalid_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    import bifrost.options.american as american

    monkeypatch.setattr(american, "cdf", lambda x: x * math.nan)
    result, _ = look(feed(live_book(), model_quote(PUT, 0.3)), leg(PUT), config=config_with({}))
    assert not result.valid and result.net_delta_shares is None
    assert str(PUT) in result.reason and "no finite figures" in result.reason


def price_at(iv: float, key: ContractKey = CALL) -> float:
    return option_greeks(100.0, key.strike, T_YEARS, 0.0, 0.0, iv, key.right).price


def leg_quote(iv: float, seconds: float = 0.0, **more: Any) -> Quote:
    mid = price_at(iv)
    return quote(mid - 0.05, mid + 0.05, seconds, key=CALL, **more)


def test_volatility_sources_best_first() -> None:
    both = feed(live_book(), leg_quote(0.5, model_iv_annual=0.4, model_wall_s=NOON))
    rows = {seconds: look(both, leg(), at=times(seconds))[0].legs[0] for seconds in (0.0, 60.0)}
    assert all(row.source is VolatilitySource.MODEL and row.iv_annual == 0.4 for row in rows.values())
    assert rows[60.0].age_s == pytest.approx(60.0)
    own, _ = look(feed(live_book(), leg_quote(0.5)), leg(), at=times(10.0))
    assert own.legs[0].source is VolatilitySource.SOLVED
    assert own.legs[0].iv_annual == pytest.approx(0.5, abs=1e-4)
    bare, _ = look(live_book(), leg())
    assert bare.legs[0].source is VolatilitySource.FLAT and bare.flat_volatility
    assert bare.legs[0].iv_annual == CONFIG.greeks.volatility


@pytest.mark.parametrize("iv", [None, math.nan, math.inf, 0.0, -0.3, 50.0])
def test_a_model_volatility_that_is_none_is_not_used(iv: float | None) -> None:
    result, _ = look(feed(live_book(), model_quote(CALL, iv)), leg())
    assert result.valid and result.legs[0].source is VolatilitySource.FLAT


def test_last_solved_counts_for_one_trading_day() -> None:
    _, memory = look(feed(live_book(), leg_quote(0.5)), leg())
    later, memory = look(live_book(), leg(), at=times(61.0), memory=memory)
    assert later.legs[0].source is VolatilitySource.LAST_SOLVED
    monday, tuesday = (new_york(f"2026-01-{day} 12:00") for day in (26, 27))
    next_day, _ = look(live_book(), leg(), at=Times(monday, monday), memory=memory)
    assert next_day.legs[0].source is VolatilitySource.LAST_SOLVED
    after, memory = look(live_book(), leg(), at=Times(tuesday, tuesday), memory=memory)
    settled, _ = look(live_book(), leg(), at=Times(tuesday + 6, tuesday + 6), memory=memory)
    assert VolatilitySource.FLAT in {after.legs[0].source, settled.legs[0].source}
    assert settled.flat_volatility


def test_a_change_of_source_that_moves_delta_must_last_five_seconds() -> None:
    """INV-X7."""
    out = ContractKey("NVDA", "OPT", "20260220", 110.0, "C")
    rich, plain = feed(live_book(), model_quote(out, 0.8)), live_book()
    first, memory = look(rich, leg(out))
    assert first.legs[0].source is VolatilitySource.MODEL
    held, memory = look(plain, leg(out), at=times(61.0), memory=memory)
    assert held.net_delta_shares == pytest.approx(first.net_delta_shares, rel=0.01)
    still, memory = look(plain, leg(out), at=times(65.9), memory=memory)
    assert still.legs[0].source is VolatilitySource.MODEL
    moved, memory = look(plain, leg(out), at=times(66.0), memory=memory)
    assert moved.legs[0].source is VolatilitySource.FLAT
    assert abs((moved.net_delta_shares or 0.0) - (first.net_delta_shares or 0.0)) > 10.0


def test_a_change_of_source_that_moves_little_is_used_at_once() -> None:
    _, memory = look(feed(live_book(), model_quote(CALL, 0.36)), leg())
    changed, _ = look(live_book(), leg(), at=times(61.0), memory=memory)
    assert changed.legs[0].source is VolatilitySource.FLAT


def test_a_storm_of_ticks_solves_a_leg_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    from bifrost_engine.domain.portfolio import volatility

    solved: list[float] = []
    real = volatility.implied_volatility

    def counting(price: float, *args: Any, **more: Any) -> float:
        solved.append(price)
        return real(price, *args, **more)

    monkeypatch.setattr(volatility, "implied_volatility", counting)
    memory = PortfolioMemory()
    for step in range(100):
        book = feed(live_book(seconds=step / 100), leg_quote(0.5 + step / 10_000, step / 100))
        _, memory = look(book, leg(), at=times(step / 100), memory=memory)
    assert len(solved) == 1


def test_equal_inputs_within_a_second_are_not_worked_again() -> None:
    book, legs = feed(live_book(), model_quote(CALL, 0.3)), leg()
    first, memory = look(book, legs)
    same, memory = look(book, legs, at=times(0.9), memory=memory)
    assert same is first
    hedged, memory = look(book, legs, at=times(0.95), shares=-500.0, memory=memory)
    assert hedged.legs is first.legs
    assert hedged.net_delta_shares == pytest.approx((first.net_delta_shares or 0.0) - 500.0)
    again, _ = look(book, legs, at=times(1.0), memory=memory)
    assert again.legs is not first.legs


def test_model_disagreement_is_told() -> None:
    fair = option_greeks(100.0, 100.0, T_YEARS, 0.0, 0.0, 0.3, "C").delta
    for told, expected in ((fair - 0.049, set()), (fair - 0.051, {"model_disagreement"})):
        result, _ = look(feed(live_book(), model_quote(CALL, 0.3, delta=told)), leg())
        assert {alert.code for alert in result.alerts} == expected


EXPIRY = "2026-02-20"


def on_expiry(clock: str) -> Times:
    moment = new_york(f"{EXPIRY} {clock}")
    return Times(moment, moment)


@pytest.mark.parametrize(
    ("right", "strike", "expected"),
    [("C", 99.99, 1.0), ("C", 99.995, 0.0), ("C", 100.0, 0.0), ("P", 100.01, -1.0), ("P", 100.0, 0.0)],
)
def test_after_expiry_delta_is_one_or_nothing(right: str, strike: float, expected: float) -> None:
    key = ContractKey("NVDA", "OPT", "20260220", strike, right)
    book = feed(live_book(), quote(99.5, 100.5, 1.0, last=100.0))
    result, memory = look(book, leg(key), at=on_expiry("16:00"))
    row = result.legs[0]
    assert result.valid and row.delta == expected and row.gamma == 0.0
    assert row.source is VolatilitySource.EXPIRED and row.iv_annual is None
    moved = feed(book, quote(149.5, 150.5, 2.0, last=150.0), quote(149.5, 150.5, 5.0, last=150.0))
    later, _ = look(moved, leg(key), at=on_expiry("18:00"), memory=memory)
    assert later.legs[0].delta == expected, "after-hours trading does not exercise anything"


def test_an_engine_that_starts_after_an_expiry_takes_the_close_not_the_evening() -> None:
    """Friday's close was 100.5, Friday evening traded at 95: the call was exercised."""
    key = ContractKey("NVDA", "OPT", "20260220", 100.0, "C")
    book = feed(live_book(), quote(94.5, 95.5, 1.0, last=95.0, close=100.5))
    saturday = new_york("2026-02-21 10:00")
    result, memory = look(book, leg(key), at=Times(saturday, saturday))
    assert result.valid and result.legs[0].delta == 1.0
    monday = new_york("2026-02-23 12:00")
    kept, _ = look(feed(book, quote(94.5, 95.5, 2.0, close=90.0)), leg(key), at=Times(monday, monday), memory=memory)
    assert kept.legs[0].delta == 1.0, "a later close says nothing of this expiry"
    evening, _ = look(book, leg(key), at=on_expiry("18:00"))
    assert evening.legs[0].delta == 0.0, "on the day itself the gateway's close is the day before's"


def test_pin_risk_keeps_half_an_hour_of_time_near_the_strike() -> None:
    last_minute, half_past = on_expiry("15:59"), on_expiry("15:30")
    near = leg_time(CALL, 100.9, last_minute.market_s or 0.0, CALENDAR)
    assert near.pinned and near.t_years == pytest.approx(1800 / (365 * 86400))
    far = leg_time(CALL, 101.1, last_minute.market_s or 0.0, CALENDAR)
    assert not far.pinned and far.t_years == pytest.approx(60 / (365 * 86400))
    result, _ = look(live_book(100.05), leg(), at=half_past)
    assert {alert.code for alert in result.alerts} == {"pin_risk", "exit_dte"}


@pytest.mark.parametrize(("day", "expected"), [("2026-02-13", False), ("2026-02-14", True)])
def test_exit_dte_warns_below_seven_days(day: str, expected: bool) -> None:
    moment = new_york(f"{day} 12:00")
    result, _ = look(live_book(), leg(), at=Times(moment, moment))
    assert ("exit_dte" in {alert.code for alert in result.alerts}) is expected


@pytest.mark.parametrize(
    ("expiry", "last_moment"),
    [("20260220", "2026-02-20 16:00"), ("20251128", "2025-11-28 13:00"), ("20140719", "2014-07-18 16:00")],
)
def test_time_runs_to_the_close_of_the_last_session_on_or_before_expiry(expiry: str, last_moment: str) -> None:
    key, close_s = ContractKey("NVDA", "OPT", expiry, 100.0, "C"), new_york(last_moment)
    assert leg_time(key, 150.0, close_s - 3600.0, CALENDAR).t_years == pytest.approx(3600 / (365 * 86400))
    assert not leg_time(key, 150.0, close_s - 60.0, CALENDAR).expired
    assert leg_time(key, 150.0, close_s, CALENDAR).expired


def test_dte_counts_calendar_days_to_the_contracts_own_date() -> None:
    key = ContractKey("NVDA", "OPT", "20140719", 100.0, "C")
    assert leg_time(key, 100.0, new_york("2014-06-05 15:59"), CALENDAR).dte == 44
    assert leg_time(key, 100.0, new_york("2014-06-05 23:59"), ALWAYS_OPEN).dte == 44


def test_early_exercise_risk_of_a_short_leg_before_a_dividend() -> None:
    config = config_with({"greeks.dividends": [{"ex_date": "2026-02-02", "amount_usd": 1.0}]})
    key = ContractKey("NVDA", "OPT", "20260220", 90.0, "C")

    def codes(bid: float, quantity: float) -> set[str]:
        book = feed(live_book(), quote(bid, bid + 0.1, key=key, model_iv_annual=0.3, model_wall_s=NOON))
        return {alert.code for alert in look(book, leg(key, quantity), config=config)[0].alerts}

    assert "early_exercise_risk" in codes(10.5, -1.0)
    assert "early_exercise_risk" not in codes(11.2, -1.0)
    assert "early_exercise_risk" not in codes(10.5, 1.0)


def test_largest_delta_is_all_calls_or_all_puts_in_the_money() -> None:
    legs = {one.key: one for one in (leg(CALL, 10.0), leg(PUT, -15.0))}
    assert portfolio.largest_delta_shares(legs) == 1500.0


@settings(max_examples=30, deadline=None)
@given(
    spot=st.floats(20, 500), iv=st.floats(0.05, 2.0), quantity=st.integers(-50, 50).filter(bool),
    seconds=st.floats(0, 27 * 86400),
)  # fmt: skip
def test_delta_of_a_leg_stays_within_its_contracts(spot: float, iv: float, quantity: int, seconds: float) -> None:
    book = replace(live_book(spot), quotes={CALL: model_quote(CALL, iv, seconds)})
    result, _ = look(book, leg(CALL, float(quantity)), at=times(seconds))
    assert result.valid
    assert -1e-6 <= result.legs[0].delta <= 1 + 1e-6
    assert (result.gamma_shares or 0.0) * quantity >= 0


def test_two_hundred_legs_are_one_call_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from bifrost_engine.domain.portfolio import leg_model

    calls: list[int] = []
    real = leg_model.book_greeks

    def counting(spot: float, strike: Any, *args: Any, **more: Any) -> Any:
        calls.append(len(strike))
        return real(spot, strike, *args, **more)

    monkeypatch.setattr(leg_model, "book_greeks", counting)
    keys = [ContractKey("NVDA", "OPT", "20260220", 50.0 + i / 2, side) for i in range(100) for side in "CP"]
    book = feed(live_book(), *(model_quote(key, 0.3) for key in keys))
    result, _ = look(book, *(leg(key, 1.0) for key in keys))
    assert result.valid and calls == [200]
