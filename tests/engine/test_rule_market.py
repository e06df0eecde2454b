"""Quotes, jumps, regimes and staleness (engine.md section 2)."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from bifrost_engine.domain.events import FarmChanged, LineFailed
from bifrost_engine.domain.market import market
from bifrost_engine.domain.market.bars import Bars, annual_volatility
from bifrost_engine.domain.market.freshness import data_lag_ms, market_state, staleness
from bifrost_engine.domain.market.market import MarketBook
from bifrost_engine.domain.market.session import session_view
from bifrost_engine.domain.view import SessionView
from bifrost_engine.domain.words import LiquidityState, MarketState, Times
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.rule_builders import (
    ALWAYS_OPEN,
    CALENDAR,
    CALL,
    CLOSE,
    NOON,
    OPEN,
    PUT,
    STOCK,
    config_with,
    feed,
    live_book,
    new_york,
    quote,
    times,
)

CONFIG = config_with()
SESSION = SessionView(True, OPEN, CLOSE, False)
NAN, INF = math.nan, math.inf


def stale(book: MarketBook, seconds: float = 0.0, keys: tuple[object, ...] = (), **more: object) -> str:
    config = more.pop("config", CONFIG)
    session = more.pop("session", SESSION)
    return staleness(book, times(seconds), config, session, keys, **more)  # type: ignore[arg-type]


def at(book: MarketBook, seconds: float) -> MarketBook:
    return market.on_time(book, times(seconds), book.last_arrival_s, CONFIG, CALENDAR)


@pytest.mark.parametrize(
    ("bid", "ask", "expected"),
    [
        (99.95, 100.04, LiquidityState.NORMAL),
        (99.95, 100.05, LiquidityState.WIDE),
        (99.76, 100.25, LiquidityState.WIDE),
        (99.75, 100.25, LiquidityState.EXTREME_WIDE),
        (100.0, 100.0, LiquidityState.NORMAL),
        (100.01, 100.0, LiquidityState.NO_QUOTE),
        (None, 100.0, LiquidityState.NO_QUOTE),
        (100.0, None, LiquidityState.NO_QUOTE),
        (0.0, 100.0, LiquidityState.NO_QUOTE),
        (-1.0, 100.0, LiquidityState.NO_QUOTE),
        (NAN, 100.0, LiquidityState.NO_QUOTE),
        (100.0, NAN, LiquidityState.NO_QUOTE),
        (100.0, INF, LiquidityState.NO_QUOTE),
    ],
)
def test_liquidity(bid: float | None, ask: float | None, expected: LiquidityState) -> None:
    """Failure story: a NaN quote counted as normal liquidity."""
    assert market.liquidity_state(feed(live_book(), quote(bid, ask, 1.0)), CONFIG) is expected


@settings(max_examples=80, deadline=None)
@given(bid=st.floats(allow_nan=True), ask=st.floats(allow_nan=True))
def test_no_quote_ever_makes_a_spot_that_is_no_price(bid: float, ask: float) -> None:
    """INV-X1."""
    book = feed(live_book(), quote(bid, ask, 1.0))
    assert book.mid is not None and math.isfinite(book.mid) and book.mid > 0


def test_one_bad_print_moves_nothing() -> None:
    """Failure story: a single bad print became the spot and a hedge followed it. INV-X2."""
    book = feed(live_book(100.0), quote(89.0, 89.02, 1.0))
    assert book.mid == pytest.approx(100.0)
    book = feed(book, quote(99.99, 100.01, 1.5))
    assert book.mid == pytest.approx(100.0) and book.pending is None
    assert at(book, 10.0).mid == pytest.approx(100.0)


def test_a_jump_is_believed_after_a_second_quote_near_it() -> None:
    book = feed(live_book(100.0), quote(100.99, 101.01, 1.0))
    assert book.pending is not None and book.mid == pytest.approx(100.0)
    far = feed(book, quote(101.30, 101.32, 1.1))
    assert far.mid == pytest.approx(100.0)
    near = feed(book, quote(101.20, 101.22, 1.1))
    assert near.mid == pytest.approx(101.21) and near.pending is None


def test_a_jump_is_believed_after_a_trade_near_it_or_two_seconds() -> None:
    jumped = feed(live_book(100.0), quote(101.99, 102.01, 1.0, last=100.0, traded=True))
    assert jumped.mid == pytest.approx(100.0)
    traded = feed(live_book(100.0), quote(101.99, 102.01, 1.0, last=102.1, traded=True))
    assert traded.mid == pytest.approx(102.0)
    assert at(jumped, 2.99).mid == pytest.approx(100.0)
    assert at(jumped, 3.0).mid == pytest.approx(102.0)


def test_a_running_market_is_believed_two_seconds_after_its_first_jump() -> None:
    book = live_book(100.0)
    for step, mid in enumerate((98.0, 96.0, 94.0, 92.0, 90.0)):
        book = feed(book, quote(mid - 0.01, mid + 0.01, 1.0 + 0.5 * step))
    assert book.mid == pytest.approx(90.0)


def test_less_than_gap_pct_needs_no_confirmation() -> None:
    book = feed(live_book(100.0), quote(100.97, 100.99, 1.0))
    assert book.mid == pytest.approx(100.98) and book.pending is None
    assert feed(live_book(100.0), quote(100.99, 101.01, 1.0)).pending is not None


def test_gap_regime_lasts_sixty_market_seconds() -> None:
    book = at(feed(live_book(100.0), quote(101.99, 102.01, 1.0)), 4.0)
    assert market_state(book, times(60.9), CONFIG, "") is MarketState.GAP
    assert market_state(book, times(61.0), CONFIG, "") is not MarketState.GAP
    assert market_state(book, times(5.0), CONFIG, "stale") is MarketState.STALE


def test_the_first_mid_of_a_session_is_compared_with_the_last_close() -> None:
    evening, morning = new_york("2026-01-22 15:59"), new_york("2026-01-23 09:30")
    book = market.on_link_up(MarketBook(STOCK), Times(evening, evening))
    close_of_day = replace(quote(99.99, 100.01), arrived_wall_s=evening)
    book = feed(book, close_of_day, at=Times(evening, evening))
    calm = replace(quote(100.4, 100.42, close=100.0), arrived_wall_s=morning)
    jumpy = replace(quote(102.4, 102.42, close=100.0), arrived_wall_s=morning)
    opened = feed(book, calm, at=Times(morning, morning))
    assert opened.mid == pytest.approx(100.41) and opened.gap_until_market_s is None
    gapped = feed(book, jumpy, at=Times(morning, morning))
    assert gapped.mid == pytest.approx(100.0)
    assert market_state(gapped, Times(morning, morning), CONFIG, "") is MarketState.GAP
    assert opened.bars.log_returns(morning, 5) == ()


def minutes(returns: list[float]) -> MarketBook:
    book, mid = live_book(100.0, 0.0), 100.0
    for number, step in enumerate(returns, start=1):
        mid *= math.exp(step)
        book = feed(book, quote(mid - 0.01, mid + 0.01, 60.0 * number))
    return book


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ([0.001, 0.001], MarketState.NORMAL),
        ([0.0006] * 5, MarketState.TREND),
        ([-0.0006] * 5, MarketState.TREND),
        ([0.0001, -0.0001, 0.0001, -0.0001, 0.0001], MarketState.QUIET),
        ([0.004, -0.004, 0.004, -0.004, 0.0], MarketState.CHOPPY_HIGHVOL),
        ([0.001, -0.001, 0.001, -0.001, 0.0], MarketState.NORMAL),
    ],
)
def test_regimes(returns: list[float], expected: MarketState) -> None:
    book = minutes(returns)
    now = times(60.0 * (len(returns) + 1))
    assert market_state(book, now, CONFIG, "") is expected


def test_bars_repeat_the_last_close_and_start_afresh_after_a_long_silence() -> None:
    bars = Bars().add(0.0, 100.0, 6).add(30.0, 101.0, 6).add(190.0, 102.0, 6)
    assert bars.closes == (101.0, 101.0, 101.0)
    assert bars.log_returns(240.0, 5) == pytest.approx((0.0, 0.0, math.log(102 / 101)))
    assert bars.add(190.0 + 7 * 60, 90.0, 6).closes == ()
    assert annual_volatility((0.001, -0.001)) == pytest.approx(math.sqrt(2e-6 * 252 * 390))


def test_mid_of_one_second_ago() -> None:
    book = live_book(100.0)
    assert market.mid_1s_ago(book, times(0.1)) == pytest.approx(100.0)
    book = feed(book, quote(100.09, 100.11, 5.0))
    book = feed(book, quote(100.19, 100.21, 5.5))
    assert market.mid_1s_ago(book, times(5.9)) == pytest.approx(100.0)
    assert market.mid_1s_ago(book, times(6.2)) == pytest.approx(100.1)
    assert market.mid_1s_ago(book, times(6.5)) == pytest.approx(100.2)


def test_data_lag_is_the_larger_of_silence_and_oldest_unseen_tick() -> None:
    book = live_book()
    assert data_lag_ms(book, times(0.4)) == pytest.approx(400.0)
    now = times(2.0)
    late = feed(book, quote(99.99, 100.01, 0.5), quote(99.99, 100.01, 1.9), at=now)
    assert data_lag_ms(late, now) == pytest.approx(1500.0)
    assert data_lag_ms(late, times(2.2)) == pytest.approx(300.0)
    assert data_lag_ms(market.on_link_down(book, times(3.0)), times(3.0)) is None


def test_fresh_market_is_not_stale_however_old_its_unchanged_quote() -> None:
    """INV-X5."""
    book = replace(live_book(), last_arrival_s=NOON + 200.0)
    assert stale(book, 200.0) == ""


def test_stale_by_data_lag_beyond_the_limit() -> None:
    """INV-X5."""
    assert stale(live_book(), 5.0) == ""
    assert "data lag" in stale(live_book(), 5.001)


def test_stale_without_link_or_with_1100() -> None:
    book = live_book()
    assert "connection" in stale(market.on_link_down(book, times()))
    lost = market.on_connectivity_lost(book, times())
    assert "1100" in stale(lost)
    assert stale(market.on_connectivity_restored(lost, times(), 1102)) == ""
    assert "two-sided" in stale(market.on_connectivity_restored(lost, times(), 1101))


def test_stale_until_the_first_two_sided_quote_since_subscribing() -> None:
    book = market.on_link_up(live_book(), times(1.0))
    assert "two-sided" in stale(feed(book, quote(None, 100.01, 1.1)), 1.1)
    assert stale(feed(book, quote(99.99, 100.01, 1.1)), 1.1) == ""


def test_delayed_data_hedges_only_when_allowed_and_harmless() -> None:
    delayed = config_with({"gates.state.system.allow_delayed": True, "gates.guard.risk.paper_trade": False})
    book = feed(live_book(config=delayed), quote(99.99, 100.01, 1.0, data_type=3), config=delayed)
    assert "type 3" in stale(book, 1.0, account="DU1")
    assert stale(book, 1.0, config=delayed, account="DU1") == ""
    assert "type 3" in stale(book, 1.0, config=delayed, account="U1")
    frozen = feed(book, quote(99.99, 100.01, 1.5, data_type=2), config=delayed)
    assert "type 2" in stale(frozen, 1.5, config=delayed, account="DU1")


@pytest.mark.parametrize("code", [354, 10197, 10089])
def test_a_line_error_is_cleared_by_the_next_tick_of_that_line(code: int) -> None:
    book = market.on_line_failed(live_book(), LineFailed(times(1.0), STOCK, code, "no data"))
    assert str(code) in stale(book, 1.0)
    other = feed(book, quote(5.0, 5.1, 1.1, key=CALL))
    assert str(code) in stale(other, 1.1, (CALL,))
    assert stale(feed(other, quote(99.99, 100.01, 1.2)), 1.2, (CALL,)) == ""


def test_a_line_that_does_not_concern_us_is_no_matter() -> None:
    book = market.on_line_failed(live_book(), LineFailed(times(1.0), PUT, 354, "no data"))
    assert stale(book, 1.0, (CALL,)) == ""
    assert "354" in stale(book, 1.0, (CALL, PUT))


def test_10167_passes_with_allow_delayed() -> None:
    book = market.on_line_failed(live_book(), LineFailed(times(1.0), STOCK, 10167, "delayed"))
    allowed = config_with({"gates.state.system.allow_delayed": True})
    assert "10167" in stale(book, 1.0, account="DU1")
    assert stale(book, 1.0, config=allowed, account="DU1") == ""


@pytest.mark.parametrize(("broken", "restored"), [(2103, 2104), (2105, 2106)])
def test_a_broken_farm_is_cleared_by_its_return_or_by_ticks_of_all_our_lines(broken: int, restored: int) -> None:
    book = market.on_farm(feed(live_book(), quote(5.0, 5.1, 0.5, key=CALL)), FarmChanged(times(1.0), broken, "usfarm"))
    assert str(broken) in stale(book, 1.0, (CALL,))
    assert stale(market.on_farm(book, FarmChanged(times(2.0), restored, "usfarm")), 2.0, (CALL,)) == ""
    assert str(broken) in stale(market.on_farm(book, FarmChanged(times(2.0), restored, "eufarm")), 2.0, (CALL,))
    half = feed(book, quote(99.99, 100.01, 2.0))
    assert str(broken) in stale(half, 2.0, (CALL,))
    assert stale(feed(half, quote(5.0, 5.1, 2.1, key=CALL)), 2.1, (CALL,)) == ""


def test_an_error_of_the_whole_feed_is_cleared_by_a_tick_of_the_stock() -> None:
    book = market.on_line_failed(live_book(), LineFailed(times(1.0), None, 10197, "competing session"))
    assert "10197" in stale(book, 1.0)
    assert stale(feed(book, quote(99.99, 100.01, 1.2)), 1.2) == ""


def test_quiet_on_every_line_for_too_long_while_open() -> None:
    book = at(replace(live_book(), last_arrival_s=NOON + 400.0), 0.0)
    assert stale(book, 300.0) == "" and "no tick" in stale(replace(book, last_arrival_s=NOON + 301.0), 300.1)
    closed = replace(SESSION, in_session=False)
    assert stale(replace(book, last_arrival_s=NOON + 301.0), 301.0, session=closed) == ""
    lively = feed(book, quote(5.0, 5.1, 250.0, key=CALL))
    assert stale(replace(lively, last_arrival_s=NOON + 400.0), 400.0, (CALL,)) == ""


def test_the_night_does_not_count_as_quiet() -> None:
    evening, open_s = new_york("2026-01-22 15:59"), new_york("2026-01-23 09:30")
    book = market.on_link_up(MarketBook(STOCK), Times(evening, evening))
    book = feed(book, replace(quote(99.99, 100.01), arrived_wall_s=evening), at=Times(evening, evening))
    for moment in (evening + 120.0, open_s):
        book = market.on_time(book, Times(moment, moment), moment, CONFIG, CALENDAR)
    session = session_view(open_s, CALENDAR)
    assert staleness(book, Times(open_s, open_s), CONFIG, session, ()) == ""


def test_lines_in_error_are_requested_again_at_intervals() -> None:
    book = market.on_line_failed(live_book(), LineFailed(times(0.0), CALL, 354, "no data"))
    assert market.lines_to_request(book, times(29.9), CONFIG) == ()
    assert market.lines_to_request(book, times(30.0), CONFIG) == (CALL,)
    asked = market.on_lines_requested(book, (CALL,), times(30.0))
    assert market.lines_to_request(asked, times(31.0), CONFIG) == ()
    again = market.on_line_failed(asked, LineFailed(times(30.2), CALL, 354, "no data"))
    assert market.lines_to_request(again, times(60.0), CONFIG) == (CALL,)


def test_session_view_of_half_days_nights_and_the_market_that_never_closes() -> None:
    half_day = session_view(new_york("2025-11-28 12:59:59"), CALENDAR)
    assert half_day.in_session and half_day.close_s == new_york("2025-11-28 13:00")
    night = session_view(new_york("2025-11-28 13:00"), CALENDAR)
    assert not night.in_session and night.open_s == new_york("2025-12-01 09:30")
    assert session_view(NOON, ALWAYS_OPEN).in_session
    assert not session_view(None, ALWAYS_OPEN).in_session
