"""Each gate at its limit and one step either side: the whole answer, not only yes or no (engine.md section 4.1).

Here what blocks from outside, safe mode and time; sizes and prices are in test_rule_gates_sizes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bifrost_engine.domain import gates
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.view import SessionView
from bifrost_engine.domain.words import DeltaState, ExecutionState, HealthState, LiquidityState, MarketState, Purpose

from tests.engine.gate_cases import RISK, Case, at, check, dims, names, pacing, working
from tests.engine.rule_builders import CLOSE, NOON, OPEN, READY, config_with, new_york, view
from tests.engine.test_rule_gates_sizes import CASES as SIZES

OVER = {"dimensions": replace(READY, delta=DeltaState.FORCE_HEDGE)}
FORCED_ONLY = config_with({RISK + "on_breaker": "forced_only"})
EARNINGS = config_with({"gates.strategy.earnings.dates": ["2026-01-20", "2026-01-26"]})
EARNINGS_FORCED = config_with(
    {"gates.strategy.earnings.dates": ["2026-01-23"], "gates.strategy.earnings.allow_forced": True}
)
ALLOW_LIVE = config_with({RISK + "allow_live": True})
SESSION = "open + 5 s to close - 30 s"
DUE = "comparison due"
SHUT = SessionView(False, None, None, False)
WINDOWS = "23:45-00:45, Fri 23:00-Sat 03:00"

OUTSIDE = (
    Case("suspended", view(), True, "running", "running"),
    Case("suspended", view(suspended=True), False, "suspended", "running", "resume to hedge again"),
    Case("suspended", view(suspended=True, suspension_known=False), False, "unknown", "running", "cannot be read"),
    Case("suspended", view(suspended=False, suspension_known=False), False, "unknown", "running", "cannot be read"),
    Case("hold", view(), True, "none", "none"),
    Case("hold", view(hold="flatten"), False, "flatten", "none", "hold: flatten"),
    Case("standby", view(), True, "leading", "leading"),
    Case("standby", view(leading=False), False, "standby", "leading", "does not hold the lease"),
    Case("db_unavailable", view(database_reason="old"), True, "available", "available"),
    Case("db_unavailable", view(database_available=False), False, "unavailable", "available", "no connection"),
    Case(
        "db_unavailable",
        view(database_available=False, database_reason="full"),
        False,
        "unavailable",
        "available",
        "database: full",
    ),
    Case("live_not_allowed", view(), True, "live on DU1", "allowed"),
    Case(
        "live_not_allowed",
        view(live_orders_allowed=False, account="U1", simulated_account=False),
        False,
        "live on U1",
        "paper, DU account or allow_live",
        "account U1 is not simulated",
    ),
    Case(
        "live_not_allowed",
        view(live_orders_allowed=False),
        False,
        "live on DU1",
        "paper, DU account or allow_live",
        "not those of the simulator",
    ),
    Case(
        "live_not_allowed",
        view(ALLOW_LIVE, live_orders_allowed=False, account="", simulated_account=False),
        False,
        "live on ?",
        "paper, DU account or allow_live",
        "not those of the simulator",
    ),
    Case(
        "live_not_allowed",
        view(live_orders_allowed=False, account="", simulated_account=False),
        False,
        "live on ?",
        "paper, DU account or allow_live",
        "account ? is not simulated",
    ),
    Case("not_reconciled", view(not_reconciled_reason="old"), True, "reconciled", "reconciled"),
    Case("not_reconciled", view(reconciled=False), False, "not reconciled", "reconciled", "have not been compared yet"),
    Case(
        "not_reconciled",
        view(reconciled=False, not_reconciled_reason="a leg differs"),
        False,
        "not reconciled",
        "reconciled",
        "a leg differs",
    ),
    pacing("not_reconciled", view(comparison_late_s=0.0), False, DUE, "reconciled", "not_reconciled:comparison_due: "),
    pacing("not_reconciled", view(comparison_late_s=14.9), False, DUE, "reconciled", "due for 15 s"),
    Case("not_reconciled", view(comparison_late_s=15.0), False, DUE, "reconciled", "due for 15 s"),
    Case("not_reconciled", view(comparison_late_s=9.0, order=working(5)), True, "reconciled", "reconciled"),
    Case("not_reconciled", view(comparison_late_s=9.0, purpose=Purpose.FLATTEN), True, "reconciled", "reconciled"),
    pacing(
        "not_reconciled", view(comparison_late_s=9.0, purpose=Purpose.UNWIND), False, DUE, "reconciled", "due for 9 s"
    ),
    pacing("not_reconciled", view(comparison_late_s=9.0, forced=True), False, DUE, "reconciled", "due for 9 s"),
    Case("circuit_breaker", view(), True, "open", "open"),
    Case("circuit_breaker", view(breaker_reason="loss"), False, "latched", "halt", "loss; reset_breaker"),
    Case("circuit_breaker", view(breaker_reason="loss", **OVER), False, "latched", "halt", "loss; reset_breaker"),
    Case("circuit_breaker", view(FORCED_ONLY, breaker_reason="loss"), False, "latched", "forced_only", "loss;"),
    Case(
        "circuit_breaker",
        view(FORCED_ONLY, breaker_reason="loss", **OVER),
        True,
        "latched",
        "forced_only",
        "D3 passes under forced_only",
    ),
    Case("halted", view(), True, "trading", "trading"),
    Case("halted", view(halted=True), False, "halted", "trading", "NVDA is halted"),
    Case("strategy_disabled", view(), True, "enabled", "enabled"),
    Case(
        "strategy_disabled",
        view(config_with({"strategy_enabled": False})),
        False,
        "disabled",
        "enabled",
        "strategy_enabled is false",
    ),
    Case("no_legs", view(legs_count=1), True, 1, 1),
    Case("no_legs", view(legs_count=2), True, 2, 1),
    Case("no_legs", view(legs_count=0), False, 0, 1, "no managed option legs"),
    Case("disconnected", view(), True, "connected", "connected"),
    Case(
        "disconnected",
        view(dimensions=replace(READY, execution=ExecutionState.BROKER_ERROR)),
        True,
        "connected",
        "connected",
    ),
    Case(
        "disconnected",
        view(dimensions=replace(READY, execution=ExecutionState.DISCONNECTED)),
        False,
        "E3",
        "connected",
        "no connection to IB",
    ),
    Case("no_quote", view(), True, "L0", "two-sided quote"),
    Case(
        "no_quote",
        view(dimensions=replace(READY, liquidity=LiquidityState.EXTREME_WIDE)),
        True,
        "L2",
        "two-sided quote",
    ),
    Case(
        "no_quote",
        view(dimensions=replace(READY, liquidity=LiquidityState.NO_QUOTE)),
        False,
        "L3",
        "two-sided quote",
        "no valid two-sided quote",
    ),
)


def unsafe(cause: str, why: str, **changes: Any) -> Case:
    return Case("safe_mode", view(**changes), False, f"safe_mode:{cause}", "none", f"safe_mode:{cause}: {why}")


SAFE = (
    Case("safe_mode", view(), True, "none", "none"),
    Case("safe_mode", view(**dims(liquidity=LiquidityState.WIDE)), True, "none", "none"),
    Case("safe_mode", view(**dims(execution=ExecutionState.PARTIAL_FILL)), True, "none", "none"),
    Case("safe_mode", view(**dims(market=MarketState.GAP)), True, "none", "none"),
    unsafe("E3", "no connection to IB", **dims(execution=ExecutionState.DISCONNECTED)),
    unsafe("E4", "the last hedge failed and no retry is left", **dims(execution=ExecutionState.BROKER_ERROR)),
    unsafe("M5", "the market is stale", **dims(market=MarketState.STALE)),
    unsafe("M5", "no tick", **dims(market=MarketState.STALE), stale_cause="no tick"),
    unsafe("S1", "greeks are invalid", **dims(health=HealthState.GREEKS_BAD)),
    unsafe("S1", "no spot", **dims(health=HealthState.GREEKS_BAD), greeks_reason="no spot"),
    unsafe("S3", "the circuit breaker is latched", **dims(health=HealthState.RISK_HALT)),
    unsafe("S3", "daily loss", **dims(health=HealthState.RISK_HALT), breaker_reason="daily loss"),
    unsafe("S2", "data lag 1200 ms, limit 1000 ms", **dims(health=HealthState.DATA_LAG), data_lag_ms=1200.0),
    unsafe("S2", "data lag unknown, limit 1000 ms", **dims(health=HealthState.DATA_LAG), data_lag_ms=None),
    unsafe("L3", "no valid two-sided quote", **dims(liquidity=LiquidityState.NO_QUOTE), spread_pct=None),
    unsafe("L2", "spread 0.600 %, limit 0.5 %", **dims(liquidity=LiquidityState.EXTREME_WIDE), spread_pct=0.6),
    unsafe("L2", "no valid spread, limit 0.5 %", **dims(liquidity=LiquidityState.EXTREME_WIDE), spread_pct=None),
    unsafe("trading=SAFE", "the cause has just gone", trading_state=TradingState.SAFE),
    unsafe("trading=SAFE", "data_stale", trading_state=TradingState.SAFE, safe_cause="data_stale"),
    # The deepest cause is named: with the wire gone everything else follows from that.
    unsafe(
        "E3",
        "no connection",
        **dims(
            execution=ExecutionState.DISCONNECTED,
            market=MarketState.STALE,
            health=HealthState.GREEKS_BAD,
            liquidity=LiquidityState.NO_QUOTE,
        ),
        trading_state=TradingState.SAFE,
    ),
    unsafe("M5", "the market", **dims(market=MarketState.STALE, health=HealthState.GREEKS_BAD)),
    unsafe("S1", "greeks", **dims(health=HealthState.GREEKS_BAD, liquidity=LiquidityState.NO_QUOTE)),
    unsafe("L3", "no valid", **dims(liquidity=LiquidityState.NO_QUOTE), trading_state=TradingState.SAFE),
)
BUSY = {"dimensions": replace(READY, execution=ExecutionState.ORDER_WORKING), "hedge_state": HedgeState.WORKING}
TIME = (
    Case("order_working", view(), True, "E0", "E0"),
    Case("order_working", view(order=working(-5)), True, "E0", "E0"),
    pacing(
        "order_working",
        view(**BUSY, order=working(-50)),
        False,
        "E1",
        "E0",
        "order BFX in WORKING for 1.0 s, -50 shares open",
    ),
    Case(
        "order_working",
        view(**BUSY, order=working(50, within_timeouts=False)),
        False,
        "E1",
        "E0",
        "order BFX in WORKING for 1.0 s, longer than its time-out, +50 shares open",
    ),
    Case("order_working", view(**BUSY), False, "E1", "E0", "not cleared up yet: order machine in WORKING"),
    Case(
        "order_working", view(**dims(execution=ExecutionState.DISCONNECTED)), False, "E3", "E0", "no connection to IB"
    ),
    Case("order_working", view(**dims(execution=ExecutionState.BROKER_ERROR)), False, "E4", "E0", "no retry is left"),
    Case("outside_session", view(), True, "open", SESSION),
    Case("outside_session", view(at=at(market_s=None)), False, "unknown", SESSION, "market time is not known"),
    Case(
        "outside_session",
        view(at=at(market_s=None), session=replace(SHUT, always_open=True)),
        False,
        "unknown",
        SESSION,
        "market time is not known",
    ),
    Case("outside_session", view(session=replace(SHUT, always_open=True)), True, "always open", SESSION),
    Case(
        "outside_session",
        view(config_with({"gates.strategy.trading_hours_only": False}), session=SHUT),
        True,
        "trading_hours_only off",
        SESSION,
    ),
    Case("outside_session", view(session=SHUT), False, "closed", SESSION, "the exchange is closed"),
    Case(
        "outside_session",
        view(session=SessionView(False, NOON + 100.0, None, False)),
        False,
        "closed",
        SESSION,
        "the exchange is closed",
        105.0,
    ),
    Case(
        "outside_session",
        view(session=SessionView(False, NOON - 100.0, None, False)),
        False,
        "closed",
        SESSION,
        "the exchange is closed",
        0.0,
    ),
    Case("outside_session", view(at=at(market_s=OPEN)), False, "opening", SESSION, "5.0 s left", 5.0),
    Case("outside_session", view(at=at(market_s=OPEN + 4.5)), False, "opening", SESSION, "0.5 s left", 0.5),
    Case("outside_session", view(at=at(market_s=OPEN + 5.0)), True, "open", SESSION),
    Case("outside_session", view(at=at(market_s=CLOSE - 30.5)), True, "open", SESSION),
    Case("outside_session", view(at=at(market_s=CLOSE - 30.0)), False, "closing", SESSION, "30.0 s to the close"),
    Case("outside_session", view(at=at(market_s=CLOSE - 29.5)), False, "closing", SESSION, "29.5 s to the close"),
    Case("outside_session", view(session=SessionView(True, None, None, False)), True, "open", SESSION),
    Case("reset_window", view(), True, "outside", WINDOWS),
    Case("reset_window", view(at=at(new_york("2026-01-21 23:44"))), True, "outside", WINDOWS),
    Case("reset_window", view(at=at(new_york("2026-01-21 23:45"))), False, "23:45-00:45", WINDOWS, "IB resets"),
    Case("reset_window", view(at=at(new_york("2026-01-22 00:44"))), False, "23:45-00:45", WINDOWS, "IB resets"),
    Case("reset_window", view(at=at(new_york("2026-01-22 00:45"))), True, "outside", WINDOWS),
    Case("reset_window", view(config_with({"ib.reset_windows": []})), True, "outside", "none"),
    Case(
        "reset_window",
        view(at=at(new_york("2026-01-22 00:44")), session=SessionView(True, None, None, True)),
        True,
        "simulated gateway",
        WINDOWS,
    ),
    Case("earnings_blackout", view(), True, "no dates", "-3 to +1 days"),
    Case("earnings_blackout", view(at=at(market_s=None)), True, "no dates", "-3 to +1 days"),
    Case("earnings_blackout", view(EARNINGS, at=at(market_s=None)), False, "unknown", "-3 to +1 days", "not known"),
    Case(
        "earnings_blackout",
        view(EARNINGS, at=at(market_s=new_york("2026-01-21 23:59"))),
        False,
        "2026-01-21",
        "-3 to +1 days",
        "earnings on 2026-01-20: blackout 2026-01-17 to 2026-01-21",
    ),
    Case(
        "earnings_blackout",
        view(EARNINGS, at=at(market_s=new_york("2026-01-22 12:00"))),
        True,
        "2026-01-22",
        "-3 to +1 days",
    ),
    Case("earnings_blackout", view(EARNINGS), False, "2026-01-23", "-3 to +1 days", "2026-01-23 to 2026-01-27"),
    Case("earnings_blackout", view(EARNINGS, forced=True), False, "2026-01-23", "-3 to +1 days", "earnings on"),
    Case("earnings_blackout", view(EARNINGS_FORCED), False, "2026-01-23", "-3 to +1 days", "earnings on"),
    Case(
        "earnings_blackout",
        view(EARNINGS_FORCED, forced=True),
        True,
        "2026-01-23",
        "-3 to +1 days",
        "a forced hedge passes",
    ),
)
CASES = (*OUTSIDE, *SAFE, *TIME)


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_the_whole_answer_at_the_limit_and_one_step_either_side(case: Case) -> None:
    check(case)


def test_every_gate_is_shown_passing_and_failing() -> None:
    every = {gate.__name__ for gate in (*gates.GATES, *gates.FLATTEN_GATES)}
    assert {case.gate for case in (*CASES, *SIZES) if case.passed} == every
    assert {case.gate for case in (*CASES, *SIZES) if not case.passed} == every


def test_an_unwind_asks_flattens_gates_and_those_that_forbid_what_nobody_asked_for() -> None:
    assert [gate.__name__ for gate in gates.UNWIND_GATES] == [
        "suspended", "hold", "db_unavailable", "circuit_breaker", "safe_mode", "standby", "live_not_allowed",
        "not_reconciled", "disconnected", "outside_session", "no_quote", "halted", "order_rate", "price_collar",
    ]  # fmt: skip


def test_flatten_asks_these_gates_and_no_others_and_force_takes_one_away() -> None:
    asked = ["standby", "live_not_allowed", "not_reconciled", "disconnected", "outside_session", "no_quote", "halted",
             "order_rate", "price_collar"]  # fmt: skip
    assert [gate.__name__ for gate in gates.flatten_gates(force=False)] == asked
    assert [gate.__name__ for gate in gates.flatten_gates(force=True)] == [n for n in asked if n != "not_reconciled"]


def test_a_new_price_of_an_order_asks_what_a_price_can_fail() -> None:
    for purpose in (Purpose.HEDGE, Purpose.UNWIND):
        assert [gate.__name__ for gate in gates.reprice_gates(purpose)] == [
            "halted", "safe_mode", "spread_too_wide", "price_collar",
        ]  # fmt: skip
    assert [gate.__name__ for gate in gates.reprice_gates(Purpose.FLATTEN)] == ["no_quote", "halted", "price_collar"]
