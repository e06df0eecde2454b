"""Where a day's P&L came from: every part by hand, sums to the cent, nights, restarts (engine.md section 5)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from bifrost.options import book_greeks
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.ledger.ledger import Ledger, fold
from bifrost_engine.domain.portfolio.figures import Exposure
from bifrost_engine.domain.trading_day import attribution as attributions
from bifrost_engine.domain.trading_day import trading_day as days
from bifrost_engine.domain.trading_day.attribution import PARTS, Attribution, Booked, Parts, Picture, StoredLeg
from bifrost_engine.domain.trading_day.trading_day import TradingDay
from bifrost_engine.domain.words import Mode, Origin, Quote
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.engine.rig import ACCOUNT, CALL, PUT, STOCK, Rig, rules
from tests.engine.rule_builders import CALENDAR, NOON, config_with, execution, new_york, times

CENT = 0.005


def picture(spot: float, seconds: float = 0.0, iv: float = 0.35, **more: Any) -> Picture:
    """Ten calls of vega 11 dollars a share; delta, gamma and theta of the whole book as given."""
    legs = (StoredLeg(CALL, 10.0, 100.0, 11.0, iv),)
    return Picture(
        NOON + seconds,
        spot,
        more.get("delta", 1200.0),
        more.get("gamma", 80.0),
        more.get("theta", -150.0),
        more.get("legs", legs),
    )


def test_every_part_by_hand() -> None:
    """A minute in which spot rose a dollar and volatility a point, 700 shares short, 100 more sold on the way."""
    begun = Attribution(start=picture(100.0), latest=picture(101.0, 60.0, iv=0.36), booked=Booked(50.0, 3.0))
    # Sold 100 at 100.38, decided at a mid of 100.40, for a dollar of commission.
    traded = Booked(650.0, 4.0, 0.0, -2.0, -100.0, -100.0 * 100.40, held_shares=-800.0)
    closed, interval = attributions.close(begun, traded)
    assert interval is not None
    parts = interval.parts
    assert parts.delta == pytest.approx((1200.0 - 700.0) * 1.0 - 100.0 * (101.0 - 100.40))
    assert parts.gamma == pytest.approx(0.5 * 80.0)
    assert parts.theta == pytest.approx(-150.0 * 60.0 / 86400.0)
    assert parts.vega == pytest.approx(10.0 * 100.0 * 11.0 * 0.01)
    assert parts.slippage == pytest.approx(-2.0)
    assert parts.commissions == pytest.approx(-1.0)
    assert parts.dividends == 0.0
    assert parts.total == pytest.approx(600.0)
    assert parts.residual == pytest.approx(600.0 - (440.0 + 40.0 - 150.0 / 1440.0 + 110.0 - 2.0 - 1.0))
    assert (interval.start_s, interval.end_s) == (NOON, NOON + 60.0)
    assert (interval.spot_start, interval.spot_end) == (100.0, 101.0)
    assert closed.closed == parts and closed.start == closed.latest == begun.latest and closed.booked == traded


def test_the_values_at_the_start_count_not_those_at_the_end() -> None:
    end = picture(101.0, 60.0, delta=9999.0, gamma=9999.0, theta=9999.0, legs=(StoredLeg(CALL, 1.0, 1.0, 999.0, 0.35),))
    _, interval = attributions.close(Attribution(start=picture(100.0), latest=end), Booked())
    assert interval is not None
    assert interval.parts.delta == 1200.0 and interval.parts.gamma == 40.0 and interval.parts.vega == 0.0


def test_volatility_is_attributed_leg_by_leg() -> None:
    start = picture(100.0, legs=(StoredLeg(CALL, 10.0, 100.0, 11.0, 0.30), StoredLeg(PUT, -5.0, 100.0, 12.0, 0.40)))
    end = picture(100.0, 60.0, legs=(StoredLeg(CALL, 10.0, 100.0, 0.0, 0.31), StoredLeg(PUT, -5.0, 100.0, 0.0, 0.38)))
    _, interval = attributions.close(Attribution(start=start, latest=end), Booked())
    assert interval is not None
    assert interval.parts.vega == pytest.approx(11_000 * 0.01 + -6_000 * -0.02)
    gone = replace(end, legs=(StoredLeg(CALL, 10.0, 100.0, 0.0, None),))
    _, interval = attributions.close(Attribution(start=start, latest=gone), Booked())
    assert interval is not None and interval.parts.vega == 0.0


def straddle(spot: float, t_years: float, iv: float) -> tuple[float, Picture, float]:
    """Value, picture and exact revaluation inputs of 20 straddles by the desk's own model."""
    greeks = book_greeks(
        spot, np.array([140.0, 140.0]), np.array([t_years] * 2), 0.05, 0.0, np.array([iv, iv]), ["C", "P"]
    )
    legs = tuple(
        StoredLeg(key, 20.0, 100.0, float(vega), iv) for key, vega in zip((CALL, PUT), greeks.vega, strict=True)
    )
    seen = Picture(
        0.0, spot, 2000 * float(greeks.delta.sum()), 2000 * float(greeks.gamma.sum()),
        2000 * float(greeks.theta_day.sum()), legs,
    )  # fmt: skip
    return 2000 * float(greeks.price.sum()), seen, t_years


@pytest.mark.parametrize(("move", "points"), [(0.0, 0.0), (0.4, 0.0), (-0.4, 0.0), (0.0, 0.004), (0.3, -0.003)])
def test_the_residual_of_a_model_book_is_of_third_order(move: float, points: float) -> None:
    """Twenty straddles revalued after a minute: what the parts leave over is small beside what they explain."""
    t0 = 29.0 / 365.0
    value0, start, _ = straddle(140.0, t0, 0.35)
    value1, end, _ = straddle(140.0 + move, t0 - 60.0 / (365.0 * 86400.0), 0.35 + points)
    end = replace(end, market_s=60.0)
    _, interval = attributions.close(Attribution(start=start, latest=end), Booked(pnl_usd=value1 - value0))
    assert interval is not None
    gross = sum(abs(getattr(interval.parts, part)) for part in PARTS if part != "residual")
    assert abs(interval.parts.residual) <= 0.02 * gross + 0.01
    assert interval.parts.total == pytest.approx(value1 - value0)


def fresh() -> TradingDay:
    return days.roll(TradingDay("DU1", Mode.LIVE), times(), config_with(), CALENDAR, STOCK)


TRADE = st.tuples(
    st.integers(-300, 300).filter(bool), st.floats(90, 110), st.floats(-0.05, 0.05), st.floats(90, 110), st.booleans()
)


@settings(max_examples=60, deadline=None)
@given(trades=st.lists(TRADE, max_size=12), cost=st.floats(0, 5))
def test_shares_alone_leave_no_residual(trades: list[tuple[int, float, float, float, bool]], cost: float) -> None:
    """A book of shares is linear: delta, slippage and commissions explain all of it, whatever the order of things."""
    day, ledger, spot = fresh(), Ledger(), 100.0
    day = look(day, spot, 0)
    for number, (shares, mid, off, then, close) in enumerate(trades, 1):
        fill = execution(f"e.{number}.01", shares, mid + off, order_ref=f"BF{number}", mid_at_decision=mid)
        after, _ = fold(ledger, fill)
        day = days.add_commission(days.book_fill(day, fill, ledger, after, CALENDAR), cost)
        ledger = after
        day = look(day, then, number)
        if close:
            attribution, _ = attributions.close(day.attribution, day.booked)
            day = replace(day, attribution=attribution)
    parts = day.attribution.now(day.booked)
    assert parts.residual == pytest.approx(0.0, abs=1e-6)
    assert parts.total == pytest.approx(day.daily_pnl_usd, abs=1e-6)
    assert parts.commissions == pytest.approx(-cost * len(trades))


def look(day: TradingDay, spot: float, minute: int) -> TradingDay:
    """Good marks of the stock in a book without legs."""
    flat = Exposure(True, "", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    day = days.mark_to_market(day, {STOCK: spot})
    attribution, _ = attributions.seen(day.attribution, flat, spot, NOON + 60.0 * minute, complete=True)
    return replace(day, attribution=attribution)


def test_delivered_shares_have_no_slippage_and_a_correction_moves_all_of_it() -> None:
    day, ledger = fresh(), Ledger()
    reports = (
        execution("exer:x:20260123", 100, 90.0, origin=Origin.SYNTHETIC, mid_at_decision=100.0),
        execution("e.1.01", -100, 99.0, order_ref="BF1", mid_at_decision=99.5),
        execution("e.1.02", -100, 99.2, order_ref="BF1", mid_at_decision=99.5),
    )
    for report in reports:
        before = ledger
        ledger, _ = fold(before, report)
        day = days.book_fill(day, report, before, ledger, CALENDAR)
    assert day.slippage_usd == pytest.approx(-100 * (99.5 - 99.2))
    assert day.traded_shares == 0.0 and day.traded_usd == pytest.approx(100 * 100.0 - 100 * 99.5)
    again = days.replay_own(days.from_row(through_json(day), times())[0], ledger.counted(), {}, CALENDAR)
    assert again.booked == day.booked


def through_json(day: TradingDay) -> dict[str, Any]:
    """The row as the database gives it back."""
    row = day.as_row()
    for column in ("day_start_marks", "last_marks", "last_hedge", "attribution"):
        row[column] = json.loads(json.dumps(row[column]))
    return row


# ---------------------------------------------------------------- in the engine


def hours(**keys: Any) -> Rig:
    """A desk in the exchange's real hours that has hedged its straddle: Thursday 7 May 2026."""
    rig = Rig(rules(always_open=False, gates__intent__hedge__cooldown_seconds=0, **keys))
    rig.start()
    fill_all(rig)
    return rig


def fill_all(rig: Rig) -> None:
    for order_ref in list(rig.broker):
        rig.status(order_ref, "Submitted")
        rig.fill(order_ref, price=round(rig.spot - 0.01, 2))
        execution_ = rig.executions[-1]
        rig.send(ev.CommissionReported(rig.at, execution_.exec_id, 1.0, "USD", None))


def intervals(rig: Rig) -> list[fx.RecordAttribution]:
    """What the table holds: the same start of the same day is written over."""
    rows = {(row.trading_day, row.interval.start_s): row for row in rig.of(fx.RecordAttribution)}
    return list(rows.values())


def add_up(rig: Rig, day: date) -> Parts:
    total = Parts()
    for row in intervals(rig):
        if row.trading_day == day:
            total += row.interval.parts
    return total


def check_sums(rig: Rig) -> None:
    """Parts of the day = its P&L; recorded intervals = the closed ones; rows say the same."""
    day = rig.state.day
    assert day.day is not None
    now = day.attribution.now(day.booked)
    assert now.total == pytest.approx(day.daily_pnl_usd, abs=CENT)
    assert sum(getattr(now, part) for part in PARTS) == pytest.approx(now.total, abs=1e-9)
    closed = add_up(rig, day.day)
    for part in PARTS:
        assert getattr(closed, part) == pytest.approx(getattr(day.attribution.closed, part), abs=CENT), part


def move(rig: Rig, spot: float, seconds: float = 20.0) -> None:
    rig.spot = spot
    rig.pass_time(seconds, step_s=2.0)
    fill_all(rig)


def test_each_minute_is_recorded_and_the_day_is_their_sum() -> None:
    rig = hours()
    for spot in (140.3, 140.1, 139.6, 139.9, 140.4, 140.2):
        move(rig, spot, 30.0)
        check_sums(rig)
    rows = intervals(rig)
    ends = [row.interval.end_s // 60 for row in rows]
    assert len(set(ends)) == len(ends) == 3, "one a minute"
    assert all(after.interval.start_s == before.interval.end_s for before, after in pairwise(rows))
    day = rig.state.day.attribution.now(rig.state.day.booked)
    assert day.commissions == -len(rig.executions) and day.slippage < 0 and day.theta < 0 and day.gamma > 0
    stored = rig.last(fx.RecordTradingDay).row["attribution"]
    assert isinstance(stored, dict) and stored["parts"]["total"] == pytest.approx(rig.state.day.daily_pnl_usd)


def test_the_night_is_one_interval_of_the_day_that_it_leads_to() -> None:
    rig = hours()
    move(rig, 140.5, 60.0)
    rig.market_s = new_york("2026-05-07 15:59:30")
    move(rig, 140.6, 29.0)
    friday_close = rig.market_s
    rig.market_s = new_york("2026-05-07 16:00:10")
    rig.pass_time(4.0, 2.0)
    rig.market_s = new_york("2026-05-08 00:00:01")
    rig.pass_time(2.0, 2.0)
    thursday = add_up(rig, date(2026, 5, 7))
    rows = [e.row for e in rig.of(fx.RecordTradingDay) if e.row["trading_day"] == date(2026, 5, 7)]
    assert thursday.total == pytest.approx(rows[-1]["daily_pnl"], abs=CENT)
    assert rig.state.day.daily_pnl_usd == 0.0
    rig.market_s = new_york("2026-05-08 09:29:59")
    rig.pass_time(0.5)
    assert not [row for row in intervals(rig) if row.trading_day == date(2026, 5, 8)]
    # The stock opens first; the night ends when the legs are quoted too.
    rig.market_s = new_york("2026-05-08 09:30:01")
    rig.wall_s += 1.0
    one = Quote(STOCK, 141.79, 141.81, 500, 500, 141.8, rig.wall_s, traded=True)
    rig.send(ev.QuotesChanged(rig.at, (one,), rig.wall_s, rig.wall_s))
    rig.spot = 141.8
    rig.pass_time(3.0)
    night, *others = [row for row in intervals(rig) if row.trading_day == date(2026, 5, 8)]
    assert not others
    assert night.interval.start_s == pytest.approx(friday_close, abs=2.0)
    assert night.interval.end_s == pytest.approx(new_york("2026-05-08 09:30:02"), abs=3.0)
    assert night.interval.spot_start == pytest.approx(140.6) and night.interval.spot_end == pytest.approx(141.8)
    hours_dark = (night.interval.end_s - night.interval.start_s) / 86400.0
    assert night.interval.parts.theta < 0
    assert hours_dark == pytest.approx(17.5 / 24.0, abs=0.001)
    check_sums(rig)


def test_a_dividend_is_a_part_of_its_own_on_the_ex_date() -> None:
    rig = hours(greeks__dividends=[{"ex_date": "2026-05-08", "amount_usd": 0.5}])
    move(rig, 140.0, 60.0)
    shares = rig.state.ledger.position(STOCK)
    assert shares
    rig.market_s = new_york("2026-05-08 09:31")
    rig.pass_time(4.0)
    parts = rig.state.day.attribution.now(rig.state.day.booked)
    assert parts.dividends == pytest.approx(0.5 * shares)
    check_sums(rig)


def test_a_leg_that_comes_or_goes_ends_the_interval() -> None:
    rig = hours()
    move(rig, 140.2, 60.0)
    before = len(intervals(rig))
    rig.send(ev.CommandReceived(rig.at, 7, "release_leg", {"contract_key": str(PUT)}))
    rig.pass_time(1.0)
    cut = intervals(rig)[before:]
    assert len(cut) == 1
    start = rig.state.day.attribution.start
    assert start is not None and [leg.key for leg in start.legs] == [CALL]
    move(rig, 140.6, 60.0)
    check_sums(rig)


def test_a_restart_goes_on_from_the_row_as_if_nothing_had_been() -> None:
    rig = hours()
    for spot in (140.3, 139.7, 140.5):
        move(rig, spot, 30.0)
    rig.pass_time(60.0, 2.0)
    row = json.loads(json.dumps(rig.last(fx.RecordTradingDay).row, default=str))
    costs = {e.exec_id: e.commission or 0.0 for e in rig.of(fx.RecordCost)}
    again = rig.restart(trading_day=row, costs=costs)
    assert again.state.day.attribution.closed == rig.state.day.attribution.closed
    assert again.state.day.booked.slippage_usd == pytest.approx(rig.state.day.booked.slippage_usd)
    again.effects += rig.of(fx.RecordAttribution)
    again.start()
    for spot in (141.0, 140.4):
        move(again, spot, 40.0)
    check_sums(again)


def test_a_kill_between_the_interval_and_its_day_counts_no_minute_twice() -> None:
    """The interval's row is written first: the day that does not know of it closes it again under the same start."""
    rig = hours()
    move(rig, 140.3, 60.0)
    rig.pass_time(4.0, 2.0)
    stale = rig.last(fx.RecordTradingDay).row
    known = len(rig.of(fx.RecordTradingDay))
    move(rig, 140.9, 60.0)
    assert len(rig.of(fx.RecordTradingDay)) > known
    costs = {e.exec_id: e.commission or 0.0 for e in rig.of(fx.RecordCost)}
    lost = json.loads(json.dumps(stale, default=str))
    again = rig.restart(trading_day=lost, costs=costs)
    first_lost = next(r for r in intervals(rig) if r.interval.start_s == again.state.day.attribution.start.market_s)
    again.effects += [row for row in intervals(rig) if row.interval.start_s <= first_lost.interval.start_s]
    again.start()
    move(again, 140.5, 70.0)
    check_sums(again)


def test_without_good_marks_the_interval_waits() -> None:
    rig = hours()
    move(rig, 140.2, 60.0)
    count = len(intervals(rig))
    for _ in range(70):
        rig.wall_s += 1.0
        rig.market_s = (rig.market_s or 0.0) + 1.0
        rig.send(ev.TimePassed(rig.at, rig.wall_s - 30.0))
    # The minute under way when the marks ended is closed, and no other.
    assert len(intervals(rig)) == count + 1
    move(rig, 140.9, 30.0)
    check_sums(rig)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("spot"), st.floats(138.5, 141.5)),
        st.tuples(st.just("leg"), st.floats(4.0, 7.0)),
        st.tuples(st.just("fill"), st.floats(-0.05, 0.05)),
        st.tuples(st.just("wait"), st.floats(5.0, 90.0)),
        st.tuples(st.just("release"), st.just(0.0)),
        st.tuples(st.just("adopt"), st.just(0.0)),
        st.tuples(st.just("restart"), st.just(0.0)),
        st.tuples(st.just("cut"), st.just(0.0)),
    ),
    min_size=3,
    max_size=10,
)


# A failing case of ten steps is read as it is: making it shorter would take minutes.
@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(steps=STEPS)
def test_whatever_happens_the_parts_add_up_to_the_cent(steps: list[tuple[str, float]]) -> None:
    rig = hours()
    mark = 5.5
    for what, value in steps:
        match what:
            case "spot":
                rig.spot = value
                rig.pass_time(6.0, 2.0)
            case "leg":
                mark = value
                quotes = tuple(Quote(k, mark - 0.1, mark + 0.1, 50, 50, mark, rig.wall_s) for k in (CALL, PUT))
                rig.send(ev.QuotesChanged(rig.at, quotes, rig.wall_s, rig.wall_s))
            case "fill":
                for order_ref in list(rig.broker):
                    rig.fill(order_ref, price=round(rig.spot + value, 4))
                    rig.send(ev.CommissionReported(rig.at, rig.executions[-1].exec_id, 0.37, "USD", None))
            case "wait":
                rig.pass_time(value, 5.0)
            case "release" | "adopt":
                rig.send(ev.CommandReceived(rig.at, 3, f"{what}_leg", {"contract_key": str(PUT)}))
            case "cut":
                rig.send(ev.LinkDown(rig.at, "cut"))
                rig.link_up()
                rig.pass_time(8.0, 2.0)
            case "restart":
                costs = {e.exec_id: e.commission or 0.0 for e in rig.of(fx.RecordCost)}
                again = rig.restart(costs=costs)
                again.effects = [*rig.effects, *again.effects]
                again.start()
                rig = again
        day = rig.state.day
        assert day.attribution.now(day.booked).total == pytest.approx(day.daily_pnl_usd, abs=1e-6)
    check_sums(rig)
    assert rig.state.account == ACCOUNT
