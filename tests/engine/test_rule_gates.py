"""Every gate at its limit and one step either side (engine.md section 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from bifrost_engine.domain import gates
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.view import GateKind, GateResult, OrderView, SessionView, View
from bifrost_engine.domain.words import (
    DeltaState,
    ExecutionState,
    HealthState,
    LiquidityState,
    MarketState,
    OrderType,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.rule_builders import CLOSE, NOON, OPEN, READY, config_with, last_hedge, new_york, times, view

PACING = {"below_min_size", "cooldown", "order_rate", "min_price_move", "price_collar", "must_reduce_delta"}
RISK, HEDGE = "gates.guard.risk.", "gates.intent.hedge."
FORCED = replace(READY, delta=DeltaState.FORCE_HEDGE)


def result(name: str, seen: View, among: tuple[gates.Gate, ...] = gates.GATES) -> GateResult:
    return next(answer for answer in gates.evaluate(seen, among) if answer.name == name)


def working(**changes: Any) -> OrderView:
    order = OrderView("BFX", -50, 1.0, within_timeouts=True, probes=0, unresolved=False)
    return replace(order, **changes)


def clock(text: str) -> View:
    moment = new_york(text)
    return view(at=times(0.0, moment))


PASS_FAIL: list[tuple[str, View, View]] = [
    ("suspended", view(), view(suspended=True)),
    ("suspended", view(), view(suspension_known=False)),
    ("hold", view(), view(hold="flatten")),
    ("standby", view(), view(leading=False)),
    ("db_unavailable", view(), view(database_available=False, database_reason="gone")),
    ("live_not_allowed", view(), view(live_orders_allowed=False, account="U1", simulated_account=False)),
    ("not_reconciled", view(), view(reconciled=False, not_reconciled_reason="external_stock_unconfirmed")),
    ("circuit_breaker", view(), view(breaker_reason="daily P&L -5,000.00 USD")),
    ("halted", view(), view(halted=True)),
    ("strategy_disabled", view(), view(config_with({"strategy_enabled": False}))),
    ("no_legs", view(legs_count=1), view(legs_count=0)),
    ("below_min_size", view(order_shares=10), view(order_shares=9)),
    ("below_min_size", view(order_shares=-10), view(order_shares=-9)),
    (
        "cooldown",
        view(last_hedge=last_hedge(market_s=NOON - 60.0)),
        view(last_hedge=last_hedge(market_s=NOON - 59.99)),
    ),
    ("max_daily_hedge_count", view(hedges_today=49), view(hedges_today=50)),
    ("order_rate", view(order_times_s=(NOON - 60.0, *[NOON - 1.0] * 9)), view(order_times_s=(NOON - 59.9,) * 10)),
    (
        "max_position_shares",
        view(stock_in_scope=1880.0, order_shares=120),
        view(stock_in_scope=1881.0, order_shares=120),
    ),
    (
        "max_position_shares",
        view(stock_in_scope=-1830.0, order_shares=-120, order=working()),
        view(stock_in_scope=-1831.0, order_shares=-120, order=working()),
    ),
    ("buying_power", view(order_shares=120, buying_power=12001.2), view(order_shares=120, buying_power=12001.0)),
    ("shortable", view(shortable_shares=120.0), view(shortable_shares=119.0)),
    (
        "spread_too_wide",
        view(config_with({RISK + "max_spread_pct": 0.3}), spread_pct=0.3),
        view(config_with({RISK + "max_spread_pct": 0.3}), spread_pct=0.301),
    ),
    (
        "spread_too_wide",
        view(spread_pct=None),
        view(config_with({RISK + "max_spread_pct": 0.3}), spread_pct=None),
    ),
    (
        "max_notional",
        view(config_with({RISK + "max_notional": 12000.0})),
        view(config_with({RISK + "max_notional": 11999.0})),
    ),
    ("price_collar", view(bid=99.0), view(bid=98.99)),
    ("price_collar", view(order_type=OrderType.LIMIT, limit_price=101.0), view(limit_price=101.01)),
    ("price_collar", view(), view(mid_1s_ago=None)),
    ("must_reduce_delta", view(net_delta_shares=61.0), view(net_delta_shares=60.0)),
    ("must_reduce_delta", view(net_delta_shares=111.0, order=working()), view(net_delta_shares=110.0, order=working())),
    ("must_reduce_delta", view(), view(net_delta_shares=None)),
]


@pytest.mark.parametrize(("name", "good", "bad"), PASS_FAIL)
def test_gate_passes_up_to_its_limit_and_fails_beyond(name: str, good: View, bad: View) -> None:
    yes, no = result(name, good), result(name, bad)
    assert yes.passed, yes.reason
    assert not no.passed
    assert no.reason and no.reason != "ok"
    assert (no.kind is GateKind.PACING) == (name in PACING)


def test_the_order_of_the_specification_is_kept() -> None:
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
    answers = gates.evaluate(view(suspended=True, halted=True, hedges_today=99))
    assert len(answers) == len(gates.GATES)
    failing = [answer.name for answer in answers if not answer.passed]
    assert failing == ["suspended", "halted", "max_daily_hedge_count"]
    first = gates.first_failing(answers)
    assert first is not None and first.name == "suspended"


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("L2", {"dimensions": replace(READY, liquidity=LiquidityState.EXTREME_WIDE)}),
        ("L3", {"dimensions": replace(READY, liquidity=LiquidityState.NO_QUOTE)}),
        ("S1", {"dimensions": replace(READY, health=HealthState.GREEKS_BAD)}),
        ("S2", {"dimensions": replace(READY, health=HealthState.DATA_LAG)}),
        ("S3", {"dimensions": replace(READY, health=HealthState.RISK_HALT)}),
        ("E3", {"dimensions": replace(READY, execution=ExecutionState.DISCONNECTED)}),
        ("E4", {"dimensions": replace(READY, execution=ExecutionState.BROKER_ERROR)}),
        ("M5", {"dimensions": replace(READY, market=MarketState.STALE), "stale_cause": "no tick"}),
        ("trading=SAFE", {"trading_state": TradingState.SAFE, "safe_cause": "data_stale"}),
    ],
)
def test_safe_mode_names_its_cause(cause: str, changes: dict[str, Any]) -> None:
    answer = result("safe_mode", view(**changes))
    assert not answer.passed
    assert answer.reason.startswith(f"safe_mode:{cause}")
    assert result("safe_mode", view(dimensions=replace(READY, liquidity=LiquidityState.WIDE))).passed


def test_order_working_is_pacing_only_within_its_timeouts() -> None:
    busy = replace(READY, execution=ExecutionState.ORDER_WORKING)
    patient = result("order_working", view(dimensions=busy, hedge_state=HedgeState.WORKING, order=working()))
    late = result("order_working", view(dimensions=busy, order=working(within_timeouts=False)))
    assert not patient.passed and patient.kind is GateKind.PACING
    assert not late.passed and late.kind is GateKind.BLOCKING
    assert not result("order_working", view(dimensions=busy)).passed


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1.0, False), (4.99, False), (5.0, True), (23369.9, True), (23370.0, False), (23400.0, False)],
)
def test_session_from_open_delay_to_close_guard(seconds: float, expected: bool) -> None:
    inside = 0 <= seconds < 23400
    session = SessionView(inside, OPEN if seconds < 23400 else None, CLOSE if inside else None, False)
    moment = times(0.0, OPEN + seconds)
    answer = result("outside_session", view(at=moment, session=session))
    assert answer.passed is expected
    if seconds < 5:
        assert answer.remaining_s == pytest.approx(5.0 - seconds)


def test_session_gate_knows_always_open_and_the_unknown_clock() -> None:
    closed = SessionView(False, None, None, False)
    assert result("outside_session", view(session=replace(closed, always_open=True))).passed
    everything = config_with({"gates.strategy.trading_hours_only": False})
    assert result("outside_session", view(everything, session=closed)).passed
    assert not result("outside_session", view(everything, at=times(0.0, None), session=closed)).passed


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


def test_earnings_blackout_lets_forced_hedges_pass_only_when_told() -> None:
    keys: dict[str, Any] = {"gates.strategy.earnings.dates": ["2026-01-23"]}
    assert not result("earnings_blackout", view(config_with(keys), forced=True)).passed
    allowed = config_with(keys | {"gates.strategy.earnings.allow_forced": True})
    assert result("earnings_blackout", view(allowed, forced=True)).passed
    assert not result("earnings_blackout", view(allowed, forced=False)).passed


def test_breaker_lets_only_d3_pass_under_forced_only() -> None:
    config = config_with({RISK + "on_breaker": "forced_only"})
    latched = view(config, breaker_reason="loss")
    assert not result("circuit_breaker", latched).passed
    assert result("circuit_breaker", replace(latched, dimensions=FORCED)).passed
    assert not result("circuit_breaker", view(breaker_reason="loss", dimensions=FORCED)).passed


def test_cooldown_spares_residues_and_forced_hedges_and_tells_how_long() -> None:
    recent = last_hedge(market_s=NOON - 10.0)
    waiting = result("cooldown", view(last_hedge=recent))
    assert not waiting.passed and waiting.remaining_s == pytest.approx(50.0)
    assert result("cooldown", view(last_hedge=replace(recent, residue=True))).passed
    assert result("cooldown", view(last_hedge=recent, forced=True)).passed
    assert result("cooldown", view(last_hedge=last_hedge(market_s=NOON + 10.0))).passed


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


def test_limits_let_an_order_pass_that_shrinks_the_position() -> None:
    over = view(stock_in_scope=3000.0, order_shares=-120)
    assert result("max_position_shares", over).passed
    notional = config_with({RISK + "max_notional": 1000.0})
    assert result("max_notional", view(notional, stock_in_scope=3000.0, order_shares=-120)).passed
    assert not result("max_position_shares", view(stock_in_scope=-3000.0, order_shares=-120)).passed


def test_buying_power_and_shortable_look_only_at_what_enlarges() -> None:
    covering = view(stock_in_scope=-500.0, order_shares=120, buying_power=0.0, shortable_shares=0.0)
    assert result("buying_power", covering).passed
    assert result("shortable", covering).passed
    unknown = view(buying_power=None, shortable_shares=None)
    assert result("buying_power", unknown).reason == "unknown"
    assert result("shortable", unknown).reason == "unknown"
    flip = view(stock_in_scope=100.0, order_shares=-300, shortable_shares=199.0)
    assert not result("shortable", flip).passed
    assert result("shortable", replace(flip, shortable_shares=200.0)).passed


def test_order_rate_tells_when_a_place_is_free() -> None:
    sent = tuple(NOON - 50.0 + i for i in range(10))
    answer = result("order_rate", view(order_times_s=sent))
    assert not answer.passed and answer.remaining_s == pytest.approx(10.0)


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
def test_position_limit_never_lets_risk_grow_beyond_it(stock: int, order: int, open_: int) -> None:
    seen = view(stock_in_scope=float(stock), order_shares=order, order=working(signed_remaining=open_))
    after = abs(stock + open_ + order)
    assert result("max_position_shares", seen).passed == (after <= 2000 or after <= abs(stock))


@settings(max_examples=60, deadline=None)
@given(delta=st.floats(-1000, 1000), order=st.integers(-1000, 1000))
def test_must_reduce_delta_means_what_it_says(delta: float, order: int) -> None:
    seen = view(net_delta_shares=delta, order_shares=order)
    assert result("must_reduce_delta", seen).passed == (abs(delta + order) < abs(delta))


def test_reasons_carry_the_numbers() -> None:
    """Each failing gate shows what it saw and where its limit stands."""
    checks: list[tuple[str, View, Callable[[GateResult], bool]]] = [
        ("below_min_size", view(order_shares=9), lambda r: r.observed == 9 and r.limit == 10 and "9" in r.reason),
        ("max_position_shares", view(stock_in_scope=-1990.0), lambda r: r.observed == -2110.0 and "-2110" in r.reason),
        ("price_collar", view(bid=98.0), lambda r: "98.00" in r.reason and r.limit == 1.0),
        ("cooldown", view(last_hedge=last_hedge(market_s=NOON - 10)), lambda r: r.observed == 10.0 and r.limit == 60.0),
    ]
    for name, seen, holds in checks:
        assert holds(result(name, seen)), (name, result(name, seen))
