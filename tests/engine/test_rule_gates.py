"""The gates together, and what holds for any numbers; each alone is in test_rule_gates_limits and _sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bifrost_engine.domain import gates
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.view import GateResult, OrderView, SessionView, View
from bifrost_engine.domain.words import ExecutionState, LiquidityState
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.engine.rule_builders import CLOSE, NOON, OPEN, READY, config_with, last_hedge, new_york, times, view


def result(name: str, seen: View, among: tuple[gates.Gate, ...] = gates.GATES) -> GateResult:
    return next(answer for answer in gates.evaluate(seen, among) if answer.name == name)


def working(**changes: Any) -> OrderView:
    order = OrderView("BFX", -50, 1.0, within_timeouts=True, probes=0, unresolved=False)
    return replace(order, **changes)


def clock(text: str) -> View:
    moment = new_york(text)
    return view(at=times(0.0, moment))


def test_the_order_of_the_specification_is_kept() -> None:
    """INV-G12."""
    names = [answer.name for answer in gates.evaluate(view())]
    assert names == [
        "suspended", "hold", "standby", "db_unavailable", "live_not_allowed", "not_reconciled", "circuit_breaker",
        "halted", "safe_mode", "strategy_disabled", "no_legs", "order_working", "outside_session", "reset_window",
        "earnings_blackout", "below_min_size", "cooldown", "order_rate", "max_daily_hedge_count",
        "max_position_shares", "max_notional", "buying_power", "shortable", "spread_too_wide", "min_price_move",
        "price_collar", "must_reduce_delta",
    ]  # fmt: skip
    assert gates.first_failing(gates.evaluate(view())) is None


def test_every_gate_answers_even_when_an_earlier_one_fails() -> None:
    """INV-G12."""
    answers = gates.evaluate(view(suspended=True, halted=True, hedges_today=99))
    assert len(answers) == len(gates.GATES)
    failing = [answer.name for answer in answers if not answer.passed]
    assert failing == ["suspended", "halted", "max_daily_hedge_count"]
    first = gates.first_failing(answers)
    assert first is not None and first.name == "suspended"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1.0, False), (4.99, False), (5.0, True), (23369.9, True), (23370.0, False), (23400.0, False)],
)
def test_session_from_open_delay_to_close_guard(seconds: float, expected: bool) -> None:
    """INV-G11."""
    inside = 0 <= seconds < 23400
    session = SessionView(inside, OPEN if seconds < 23400 else None, CLOSE if inside else None, False)
    moment = times(0.0, OPEN + seconds)
    answer = result("outside_session", view(at=moment, session=session))
    assert answer.passed is expected
    if seconds < 5:
        assert answer.remaining_s == pytest.approx(5.0 - seconds)


def test_reset_window_is_wall_time_of_real_gateways() -> None:
    inside, before, end = (new_york(f"2026-01-21 {text}") for text in ("23:45", "23:44", "00:45"))

    def at(wall_s: float, **changes: Any) -> View:
        return view(at=replace(times(), wall_s=wall_s), **changes)

    assert not result("reset_window", at(inside)).passed
    assert result("reset_window", at(before)).passed
    assert result("reset_window", at(end)).passed
    assert not result("reset_window", at(new_york("2026-01-24 02:59"))).passed
    assert result("reset_window", at(new_york("2026-01-24 03:00"))).passed
    assert result("reset_window", at(inside, session=SessionView(True, None, None, True))).passed
    simulated = config_with({"clock.source": "simulator", "clock.url": "http://127.0.0.1:4010"})
    assert result("reset_window", at(inside, config=simulated)).passed


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-02-21 23:59", True),
        ("2026-02-22 00:00", False),
        ("2026-02-25 12:00", False),
        ("2026-02-26 23:59", False),
        ("2026-02-27 00:00", True),
    ],
)
def test_earnings_blackout_counts_new_york_days_both_ends_included(moment: str, expected: bool) -> None:
    config = config_with({"gates.strategy.earnings.dates": ["2026-02-25"]})
    seen = replace(clock(moment), config=config)
    assert result("earnings_blackout", seen).passed is expected


@pytest.mark.parametrize(
    ("spot", "delta", "expected"),
    [
        (100.2, 16.0, True),
        (99.8, -16.0, True),
        (100.19, 15.2, False),
        (100.0, 25.0, True),
        (100.0, 24.9, False),
        (100.1, 8.0 - 25.0, True),
        (100.1, 8.0 - 24.9, False),
    ],
)
def test_min_price_move_by_spot_or_by_what_would_remain(spot: float, delta: float, expected: bool) -> None:
    """Γ₀ = 80 shares a dollar from S₀ = 100: a move of 0.1 brings 8 shares that a return of spot would undo."""
    seen = view(spot=spot, net_delta_shares=delta, last_hedge=last_hedge())
    assert result("min_price_move", seen).passed is expected


def test_flatten_asks_its_own_gates_and_force_overrides_reconciliation_only() -> None:
    wild = view(
        suspended=True, hold="flatten", breaker_reason="loss", hedges_today=99, reconciled=False,
        dimensions=replace(READY, liquidity=LiquidityState.EXTREME_WIDE), trading_state=TradingState.SAFE,
    )  # fmt: skip
    plain = gates.first_failing(gates.evaluate(wild, gates.flatten_gates(force=False)))
    assert plain is not None and plain.name == "not_reconciled"
    assert gates.first_failing(gates.evaluate(wild, gates.flatten_gates(force=True))) is None


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("standby", {"leading": False}),
        ("live_not_allowed", {"live_orders_allowed": False}),
        ("disconnected", {"dimensions": replace(READY, execution=ExecutionState.DISCONNECTED)}),
        ("outside_session", {"session": SessionView(False, OPEN, None, False)}),
        ("no_quote", {"dimensions": replace(READY, liquidity=LiquidityState.NO_QUOTE)}),
        ("halted", {"halted": True}),
        ("order_rate", {"order_times_s": (NOON,) * 10}),
        ("price_collar", {"bid": 90.0}),
    ],
)
def test_flatten_is_stopped_by_its_gates(name: str, changes: dict[str, Any]) -> None:
    failing = gates.first_failing(gates.evaluate(view(**changes), gates.flatten_gates(force=True)))
    assert failing is not None and failing.name == name


@pytest.mark.parametrize("changes", [{"suspended": True}, {"hold": "flatten"}, {"trading_state": TradingState.SAFE}])
def test_an_unwind_by_itself_respects_what_stops_new_orders(changes: dict[str, Any]) -> None:
    assert gates.first_failing(gates.evaluate(view(legs_count=0), gates.UNWIND_GATES)) is None
    assert gates.first_failing(gates.evaluate(view(legs_count=0, **changes), gates.UNWIND_GATES)) is not None


SHARES = st.integers(-5000, 5000)


@settings(max_examples=60, deadline=None)
@given(stock=SHARES, order=SHARES.filter(bool), open_=st.integers(-500, 500))
@example(stock=4000, order=-500, open_=0)
def test_position_limit_never_lets_risk_grow_beyond_it(stock: int, order: int, open_: int) -> None:
    """INV-G14."""
    seen = view(stock_in_scope=float(stock), order_shares=order, order=working(signed_remaining=open_))
    after = abs(stock + open_ + order)
    assert result("max_position_shares", seen).passed == (after <= 2000 or after <= abs(stock))


@settings(max_examples=60, deadline=None)
@given(delta=st.floats(-1000, 1000), order=st.integers(-1000, 1000))
def test_must_reduce_delta_means_what_it_says(delta: float, order: int) -> None:
    """INV-G16."""
    seen = view(net_delta_shares=delta, order_shares=order)
    assert result("must_reduce_delta", seen).passed == (abs(delta + order) < abs(delta))
