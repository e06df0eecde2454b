"""The memory of a trading day: P&L from day start, roll, breaker, hold, restore (engine.md section 5)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from bifrost_engine.domain.events import LineFailed
from bifrost_engine.domain.ledger.ledger import Ledger, fold
from bifrost_engine.domain.market.market import MarketBook, on_line_failed, on_link_down
from bifrost_engine.domain.portfolio.marks import good_marks
from bifrost_engine.domain.trading_day import trading_day as days
from bifrost_engine.domain.trading_day.trading_day import TradingDay
from bifrost_engine.domain.view import SessionView
from bifrost_engine.domain.words import Mode, Origin, Times
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.rule_builders import (
    ALWAYS_OPEN,
    CALENDAR,
    CALL,
    CLOSE,
    NOON,
    OPEN,
    STOCK,
    config_with,
    execution,
    feed,
    last_hedge,
    live_book,
    new_york,
    quote,
    times,
)

CONFIG = config_with()
SESSION = SessionView(True, OPEN, CLOSE, False)


def at(text: str) -> Times:
    moment = new_york(text)
    return Times(moment, moment)


def fresh() -> TradingDay:
    return days.roll(TradingDay("DU1", Mode.LIVE), times(), CONFIG, CALENDAR, STOCK)


def rolled(day: TradingDay, text: str, **more: Any) -> TradingDay:
    return days.roll(day, at(text), more.get("config", CONFIG), more.get("calendar", CALENDAR), STOCK)


def restored(day: TradingDay, now: Times | None = None) -> TradingDay:
    """Through the row as the database gives it back: marks as JSON."""
    row = day.as_row()
    for column in ("day_start_marks", "last_marks", "last_hedge"):
        row[column] = json.loads(json.dumps(row[column]))
    return days.from_row(row, now or times())[0]


def test_adoption_brings_no_pnl_and_marks_do() -> None:
    day = days.take_in(fresh(), CALL, 10.0, 100.0, 5.0)
    assert day.daily_pnl_usd == 0.0
    day = days.mark_to_market(day, {CALL: 5.5})
    assert day.unrealized_usd == pytest.approx(500.0)
    assert days.let_go(day, CALL, 5.4).realized_usd == pytest.approx(400.0)
    assert days.let_go(day, CALL, None).realized_usd == pytest.approx(500.0)
    assert days.let_go(day, CALL, 5.4).unrealized_usd == 0.0


def test_adoption_without_a_mark_begins_at_the_first_good_one() -> None:
    day = days.take_in(fresh(), CALL, 10.0, 100.0, None)
    day = days.mark_to_market(day, {CALL: 5.0})
    assert day.daily_pnl_usd == 0.0
    assert days.mark_to_market(day, {CALL: 4.0}).daily_pnl_usd == pytest.approx(-1000.0)


def test_readoption_does_not_use_the_mark_of_an_earlier_stay() -> None:
    day = days.let_go(days.take_in(fresh(), CALL, 10.0, 100.0, 5.0), CALL, 5.0)
    day = days.mark_to_market(days.take_in(day, CALL, 10.0, 100.0, None), {CALL: 7.0})
    assert day.daily_pnl_usd == 0.0


def test_hedges_and_commissions_count() -> None:
    day = days.trade(fresh(), STOCK, -100, 50.0, 1.0)
    day = days.add_commission(days.mark_to_market(day, {STOCK: 49.0}), 1.5)
    assert day.unrealized_usd == pytest.approx(100.0) and day.daily_pnl_usd == pytest.approx(98.5)
    day = days.trade(day, STOCK, 100, 49.5, 1.0)
    assert day.realized_usd == pytest.approx(50.0) and day.unrealized_usd == 0.0


def test_exercise_moves_value_from_leg_to_shares() -> None:
    """A long call at 100 exercised with the stock at 108: the leg's 8 dollars become the shares' 8 dollars."""
    day = days.mark_to_market(days.take_in(fresh(), CALL, 1.0, 100.0, 8.0), {CALL: 8.0, STOCK: 108.0})
    day = days.trade(days.trade(day, CALL, -1.0, 0.0, 100.0), STOCK, 100.0, 100.0, 1.0)
    assert days.mark_to_market(day, {STOCK: 108.0}).daily_pnl_usd == pytest.approx(0.0)


def test_the_day_rolls_at_midnight_of_each_session_and_counters_start_again() -> None:
    """Failure story: the daily counter never rolled over, and from the second day on nothing was hedged. INV-D3."""
    friday = replace(fresh(), hedge_count=50, commissions_usd=9.0)
    assert rolled(friday, "2026-01-23 23:59") is friday
    assert rolled(friday, "2026-01-25 12:00") is friday, "the weekend belongs to Friday"
    monday = rolled(friday, "2026-01-26 00:00")
    assert monday.day == date(2026, 1, 26)
    assert monday.hedge_count == 0 and monday.commissions_usd == 0.0
    assert rolled(monday, "2026-01-23 12:00") is monday, "a clock that goes back rolls nothing back"


def test_always_open_rolls_on_every_date() -> None:
    saturday = rolled(fresh(), "2026-01-24 00:00", calendar=ALWAYS_OPEN)
    assert saturday.day == date(2026, 1, 24)


def test_holidays_belong_to_the_session_before() -> None:
    friday = rolled(replace(fresh(), day=None), "2026-01-16 12:00")
    assert rolled(friday, "2026-01-19 12:00").day == date(2026, 1, 16), "Martin Luther King day"
    assert rolled(friday, "2026-01-20 00:00").day == date(2026, 1, 20)


def test_a_day_starts_at_the_last_good_marks_of_the_day_before() -> None:
    day = days.trade(days.take_in(fresh(), CALL, 10.0, 100.0, 5.0), STOCK, -300, 100.0, 1.0)
    day = days.mark_to_market(day, {CALL: 6.0, STOCK: 102.0})
    monday = rolled(day, "2026-01-26 00:00")
    assert monday.daily_pnl_usd == 0.0 and not monday.partial_day
    monday = days.mark_to_market(monday, {CALL: 6.5, STOCK: 101.0})
    assert monday.daily_pnl_usd == pytest.approx(500.0 + 300.0)
    closed = days.let_go(monday, CALL, 6.5)
    assert CALL not in rolled(closed, "2026-01-27 00:00").positions


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-07-02 15:59", "2026-07-02"),
        ("2026-07-02 23:59", "2026-07-02"),  # the night belongs to the session before
        ("2026-07-03 11:00", "2026-07-02"),  # Independence Day observed: no session
        ("2026-07-05 12:00", "2026-07-02"),  # Sunday
        ("2026-07-06 00:00", "2026-07-06"),  # midnight of the next session's date
        ("2026-11-25 20:00", "2026-11-25"),
        ("2026-11-26 12:00", "2026-11-25"),  # Thanksgiving
        ("2026-11-27 00:00", "2026-11-27"),  # half day
        ("2026-11-27 14:00", "2026-11-27"),  # after its early close
        ("2026-11-29 23:59", "2026-11-27"),
        ("2026-11-01 00:30", "2026-10-30"),  # the night the clocks go back
        ("2026-11-02 00:00", "2026-11-02"),
        ("2026-03-08 03:30", "2026-03-06"),  # the night they go forward
        ("2026-03-09 00:00", "2026-03-09"),
    ],
)
def test_whose_day_it_is(moment: str, day: str) -> None:
    assert rolled(replace(fresh(), day=date(2026, 1, 2)), moment).day == date.fromisoformat(day)


def test_an_engine_that_was_away_begins_its_day_at_the_first_good_marks() -> None:
    """Marks of Friday are not where Wednesday began: three days' loss is not today's, and no breaker is its answer."""
    config = config_with({"greeks.dividends": [{"ex_date": "2026-01-28", "amount_usd": 0.5}]})
    friday = days.trade(days.take_in(fresh(), CALL, 10.0, 100.0, 5.0), STOCK, -300, 100.0, 1.0)
    friday = days.hold(days.mark_to_market(friday, {CALL: 6.0, STOCK: 102.0}), times(), "flatten", "by command 1")
    monday = rolled(friday, "2026-01-26 09:00", config=config)
    assert not monday.partial_day and monday.positions[CALL].start_mark == 6.0
    wednesday = rolled(friday, "2026-01-28 09:00", config=config)
    assert wednesday.partial_day and wednesday.positions[CALL].start_mark is None
    assert wednesday.hold == "flatten" and wednesday.positions[STOCK].quantity == -300
    later = days.mark_to_market(wednesday, {CALL: 1.0, STOCK: 150.0})
    assert later.daily_pnl_usd == 0.0, "the first good marks are after the dividend"
    assert days.mark_to_market(later, {CALL: 1.5}).daily_pnl_usd == pytest.approx(500.0)
    assert restored(later).daily_pnl_usd == 0.0
    saturday = rolled(friday, "2026-01-24 10:00", calendar=ALWAYS_OPEN)
    assert not saturday.partial_day, "a market that never closes has no session missed"
    assert rolled(friday, "2026-01-25 10:00", calendar=ALWAYS_OPEN).partial_day


def test_a_position_never_marked_makes_a_partial_day() -> None:
    day = days.take_in(replace(fresh(), partial_day=False), CALL, 10.0, 100.0, None)
    assert rolled(day, "2026-01-26 00:00").partial_day
    assert fresh().partial_day, "the first day ever began before we looked"


def test_dividends_on_own_shares_count_on_the_ex_date() -> None:
    config = config_with({"greeks.dividends": [{"ex_date": "2026-01-26", "amount_usd": 0.5}]})
    day = days.mark_to_market(days.trade(fresh(), STOCK, -200, 100.0, 1.0), {STOCK: 100.0})
    monday = days.mark_to_market(rolled(day, "2026-01-26 09:00", config=config), {STOCK: 99.5})
    assert monday.dividends_usd == pytest.approx(-100.0)
    assert monday.daily_pnl_usd == pytest.approx(0.0)
    assert rolled(monday, "2026-01-27 09:00", config=config).dividends_usd == 0.0


def losing(pnl_usd: float) -> TradingDay:
    return days.mark_to_market(days.trade(fresh(), STOCK, 100, 100.0, 1.0), {STOCK: 100.0 + pnl_usd / 100})


@pytest.mark.parametrize(("pnl_usd", "expected"), [(-4999.99, False), (-5000.0, True), (-6000.0, True)])
def test_breaker_latches_at_its_limit_after_the_confirmation(pnl_usd: float, expected: bool) -> None:
    """INV-D5."""
    day, tripped = days.assess_breaker(losing(pnl_usd), times(), CONFIG)
    assert not tripped
    day, tripped = days.assess_breaker(day, times(4.9), CONFIG)
    assert not tripped
    day, tripped = days.assess_breaker(day, times(5.0), CONFIG)
    assert tripped is expected and day.breaker_latched is expected
    assert bool(day.breaker_reason) is expected
    assert days.assess_breaker(day, times(6.0), CONFIG)[1] is False


def test_a_loss_that_passes_does_not_latch() -> None:
    """INV-D5."""
    day, _ = days.assess_breaker(losing(-6000.0), times(), CONFIG)
    day, _ = days.assess_breaker(days.mark_to_market(day, {STOCK: 100.0}), times(3.0), CONFIG)
    day, tripped = days.assess_breaker(days.mark_to_market(day, {STOCK: 40.0}), times(5.0), CONFIG)
    assert not tripped and not day.breaker_latched


def latched() -> TradingDay:
    day, _ = days.assess_breaker(losing(-6000.0), times(), CONFIG)
    day, tripped = days.assess_breaker(day, times(5.0), CONFIG)
    assert tripped
    return day


def test_breaker_stays_when_the_loss_goes_and_leaves_with_the_day() -> None:
    recovered = days.mark_to_market(latched(), {STOCK: 100.0})
    assert days.assess_breaker(recovered, times(9.0), CONFIG)[0].breaker_latched
    assert not rolled(recovered, "2026-01-26 00:00").breaker_latched


def test_a_reset_breaker_latches_again_only_after_a_further_loss() -> None:
    day = days.reset_breaker(latched(), times(10.0))
    assert not day.breaker_latched
    for seconds in (11.0, 20.0):
        day, tripped = days.assess_breaker(day, times(seconds), CONFIG)
        assert not tripped
    day = restored(days.mark_to_market(day, {STOCK: -10.0}))
    day, _ = days.assess_breaker(day, times(30.0), CONFIG)
    day, tripped = days.assess_breaker(day, times(35.0), CONFIG)
    assert tripped and day.breaker_latched and "reset" in day.breaker_reason


def test_limits_survive_a_restart() -> None:
    """Failure story: a restart forgot the day's count, the breaker and the hold. INV-D2."""
    day = days.hold(replace(latched(), hedge_count=37), times(7.0), "flatten", "by command 12")
    day = replace(day, last_hedge=last_hedge(residue=True), dividends_usd=12.5, commissions_usd=3.25)
    day = days.take_in(day, CALL, 10.0, 100.0, 5.0)
    again = restored(day)
    assert again == day
    assert again.daily_pnl_usd == pytest.approx(day.daily_pnl_usd)


def test_hold_is_carried_into_the_next_day_until_resumed() -> None:
    """INV-D4."""
    day = days.hold(fresh(), times(), "flatten", "by command 1")
    monday = rolled(day, "2026-01-26 00:00")
    assert monday.hold == "flatten" and monday.hold_reason == "by command 1"
    assert days.unhold(monday).hold == "" and restored(days.unhold(monday)).hold == ""


def test_a_last_hedge_later_than_now_is_a_clock_regression() -> None:
    """INV-D7."""
    row = replace(fresh(), last_hedge=last_hedge(market_s=NOON + 1.0)).as_row()
    day, notes = days.from_row(row, times())
    assert day.last_hedge is None and notes[0].startswith("clock_regression")
    for now in (times(1.0), times(1.0 - 1e-6)):  # a database keeps microseconds
        kept, notes = days.from_row(row, now)
        assert kept.last_hedge is not None and notes == ()


def test_executions_that_the_row_does_not_hold_are_worked_in_after_a_restart() -> None:
    """kill -9 between fill and row: the ledger has the execution, the stored day has not."""
    start = rolled(days.mark_to_market(days.trade(fresh(), STOCK, 50, 100.0, 1.0), {STOCK: 101.0}), "2026-01-26 09:00")
    noon = new_york("2026-01-26 12:00")
    before = execution("a", 50, 100.0)
    stored, lost = execution("b", -20, 102.0, time_s=noon), execution("c", -10, 103.0, time_s=noon + 60)
    row_day = days.trade(start, STOCK, -20, 102.0, 1.0)
    again = days.replay_own(restored(row_day), (before, stored, lost), {"b": 1.0, "c": 0.5}, CALENDAR)
    expected = days.trade(row_day, STOCK, -10, 103.0, 1.0)
    assert again.positions[STOCK] == expected.positions[STOCK]
    assert again.realized_usd == pytest.approx(20.0 + 20.0) and again.commissions_usd == pytest.approx(1.5)


def test_a_ledger_without_a_day_joins_at_its_first_mark() -> None:
    day = days.replay_own(fresh(), (execution("a", 50, 90.0, time_s=NOON - 86400.0),), {}, CALENDAR)
    day = days.mark_to_market(day, {STOCK: 100.0})
    assert day.positions[STOCK].quantity == 50 and day.daily_pnl_usd == 0.0


def marks(book: MarketBook, stale: str = "", session: SessionView = SESSION) -> dict[Any, float]:
    return dict(good_marks(book, (STOCK, CALL), CONFIG, session, stale))


def test_marks_are_good_only_in_session_fresh_two_sided_confirmed_and_narrow() -> None:
    book = feed(live_book(), quote(5.0, 5.2, 0.1, key=CALL))
    assert marks(book) == {STOCK: pytest.approx(100.0), CALL: pytest.approx(5.1)}
    assert marks(book, stale="no tick") == {}
    assert marks(book, session=replace(SESSION, in_session=False)) == {}
    assert STOCK not in marks(feed(book, quote(99.7, 100.3, 1.0)))
    assert STOCK not in marks(feed(book, quote(100.3, 99.7, 1.0)))
    assert STOCK not in marks(feed(book, quote(None, 100.0, 1.0)))
    assert STOCK not in marks(feed(book, quote(49.99, 50.01, 1.0))), "an unconfirmed jump marks nothing"
    assert CALL not in marks(feed(book, quote(5.3, 5.2, 1.0, key=CALL)))
    assert CALL not in marks(on_line_failed(book, LineFailed(times(1.0), CALL, 354, "")))
    assert CALL not in marks(on_link_down(book, times(1.0)))


def test_one_bad_print_does_not_trip_the_breaker() -> None:
    """Failure story: one bad print latched the daily-loss breaker."""
    book = live_book()
    day = days.mark_to_market(days.trade(fresh(), STOCK, 2000, 100.0, 1.0), marks(book))
    book = feed(book, quote(89.99, 90.01, 1.0))
    for seconds in (1.0, 1.9):
        day, tripped = days.assess_breaker(days.mark_to_market(day, marks(book)), times(seconds), CONFIG)
        assert not tripped and day.breach_since_wall_s is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.integers(-200, 200).filter(bool), st.floats(10, 200)),
        st.tuples(st.just("mark"), st.just(0), st.floats(10, 200)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, start=st.integers(-500, 500), final=st.floats(10, 200))
def test_day_pnl_is_cash_plus_change_of_value(steps: list[tuple[str, int, float]], start: int, final: float) -> None:
    day = days.take_in(fresh(), STOCK, float(start), 1.0, 100.0)
    cash, quantity = -start * 100.0, float(start)
    for kind, shares, price in steps:
        if kind == "trade":
            day = days.trade(day, STOCK, shares, price, 1.0)
            cash, quantity = cash - shares * price, quantity + shares
        else:
            day = days.mark_to_market(day, {STOCK: price})
    day = days.mark_to_market(day, {STOCK: final})
    assert day.daily_pnl_usd == pytest.approx(cash + quantity * final, abs=1e-4)
    assert restored(day).daily_pnl_usd == pytest.approx(day.daily_pnl_usd, abs=1e-6)


def test_a_correction_replaces_what_it_corrects_in_the_day_too() -> None:
    ledger, day = Ledger(), fresh()
    reports = (
        execution("recon:BF1", 100, 50.0, order_ref="BF1", origin=Origin.SYNTHETIC),
        execution("e.1.01", 100, 50.2, order_ref="BF1", replaces_exec_id="recon:BF1"),
        execution("e.1.02", 90, 50.3, order_ref="BF1"),
    )
    for report in reports:
        before = ledger
        ledger, _ = fold(before, report)
        day = days.book_fill(day, report, before, ledger, CALENDAR)
    assert day.positions[STOCK].quantity == 90 and day.positions[STOCK].basis == pytest.approx(50.3)
    late = execution("recon:BF2", 10, 50.0, order_ref="BF2", origin=Origin.SYNTHETIC)
    before, _ = fold(ledger, execution("f.1.01", 10, 50.0, order_ref="BF2", replaces_exec_id="recon:BF2"))
    after, _ = fold(before, late)
    assert days.book_fill(day, late, before, after, CALENDAR) is day
