"""Green, yellow and red exactly as engine.md section 7 has them, and the sentence that says why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bifrost_engine.domain import gates
from bifrost_engine.domain.machines.hedge import HedgeState
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.selfcheck.selfcheck import SelfCheck, Surroundings, self_check
from bifrost_engine.domain.view import OrderView, SessionView, View
from bifrost_engine.domain.words import DeltaState, ExecutionState, HealthState, LiquidityState, MarketState

from tests.engine.rule_builders import NOON, OPEN, READY, config_with, view

ROOT = Path(__file__).parents[2]
CALM = replace(READY, delta=DeltaState.IN_BAND)
ORDER = OrderView("BF1", -50, 1.0, within_timeouts=True, probes=0, unresolved=False)
BUSY = replace(READY, execution=ExecutionState.ORDER_WORKING)


def judge(seen: View, **surroundings: Any) -> SelfCheck:
    around = Surroundings(**({"daemon_state": "running", "trading_since_s": NOON - 10.0} | surroundings))
    return self_check(seen, gates.evaluate(seen), around)


def calm(**changes: Any) -> View:
    """Nothing to hedge."""
    return view(**({"dimensions": CALM, "net_delta_shares": 2.0, "need_shares": -2, "order_shares": -2,
                    "trading_state": TradingState.NO_TRADE} | changes))  # fmt: skip


GREEN: list[tuple[str, View]] = [
    ("in band", calm()),
    ("nothing to do at all", calm(net_delta_shares=0.0, need_shares=0, order_shares=0)),
    ("a hedge is due", view()),
    ("cooldown", view(last_fill_s=NOON - 1.0)),
    ("a comparison with the broker is due", view(comparison_late_s=1.0)),
    ("pause for cost", calm(trading_state=TradingState.PAUSE_COST)),
    ("too many orders this minute", view(order_times_s=(NOON,) * 10)),
    ("price collar", view(bid=90.0)),
    ("own order within its time-out", view(dimensions=BUSY, hedge_state=HedgeState.WORKING, order=ORDER)),
    ("wide", calm(dimensions=replace(CALM, liquidity=LiquidityState.WIDE))),
    ("gap", calm(dimensions=replace(CALM, market=MarketState.GAP))),
]


@pytest.mark.parametrize(("what", "seen"), GREEN)
def test_green(what: str, seen: View) -> None:
    """INV-V1."""
    check = judge(seen)
    assert check.status_lamp == "green", (what, check.block_reasons)
    assert check.self_check == "ok" and check.block_reasons == ()
    assert all(row["state"] == "ok" for row in check.checks), [row for row in check.checks if row["state"] != "ok"]


YELLOW: list[tuple[str, View, dict[str, Any]]] = [
    ("suspended", calm(suspended=True), {}),
    ("hold", calm(hold="flatten"), {}),
    ("standby", calm(leading=False), {}),
    ("db_unavailable", calm(database_available=False), {}),
    ("outside_session", calm(session=SessionView(False, OPEN, None, False)), {}),
    ("halted", calm(halted=True), {}),
    ("safe_mode", calm(dimensions=replace(CALM, health=HealthState.DATA_LAG)), {}),
    ("safe_mode", calm(dimensions=replace(CALM, liquidity=LiquidityState.EXTREME_WIDE)), {}),
    ("safe_mode", calm(trading_state=TradingState.SAFE, safe_cause="data_stale"), {}),
    ("no_legs", calm(legs_count=0), {}),
    ("max_daily_hedge_count", calm(hedges_today=50), {}),
    ("flat_volatility", calm(flat_volatility=True), {}),
    ("not_reconciled", calm(reconciled=False, link_up_since_s=NOON - 59.0), {}),
    ("order_working", view(dimensions=BUSY, order=replace(ORDER, within_timeouts=False)), {}),
    ("starting", calm(trading_state=TradingState.SYNC), {}),
    ("backoff", calm(), {"retry_in_s": 3.0}),
    ("strategy_disabled", calm(config=config_with({"strategy_enabled": False})), {}),
]


@pytest.mark.parametrize(("reason", "seen", "around"), YELLOW)
def test_yellow(reason: str, seen: View, around: dict[str, Any]) -> None:
    check = judge(seen, **around)
    assert check.status_lamp == "yellow" and check.self_check == "degraded"
    assert check.block_reasons[0].startswith(f"{reason}:"), check.block_reasons
    assert all(row["state"] != "blocked" for row in check.checks)
    assert check.one_line.startswith("not hedging: " + reason)


RED: list[tuple[str, View, dict[str, Any]]] = [
    ("stopped", calm(), {"stopping": "stop by command 3"}),
    ("circuit_breaker", calm(breaker_reason="daily P&L -5,100 USD"), {}),
    ("orphan_hedge", calm(legs_count=0, own_shares=-300.0), {}),
    ("orphan_hedge", calm(), {"orphan_reason": "300 shares since 12:00"}),
    ("order_unresolved", calm(order=replace(ORDER, unresolved=True, probes=6)), {}),
    ("not_reconciled", calm(reconciled=False, link_up_since_s=NOON - 60.0), {}),
    ("safe", calm(trading_state=TradingState.SAFE, safe_cause="data_stale"), {"trading_since_s": NOON - 60.1}),
    ("exposed", view(net_delta_shares=500.0, suspended=True), {}),
    ("exposed", view(net_delta_shares=-500.0, need_shares=500, order_shares=500, hedges_today=50), {}),
]


@pytest.mark.parametrize(("reason", "seen", "around"), RED)
def test_red(reason: str, seen: View, around: dict[str, Any]) -> None:
    """INV-V2."""
    check = judge(seen, **around)
    assert check.status_lamp == "red" and check.self_check == "blocked"
    assert check.block_reasons[0].startswith(f"{reason}:"), check.block_reasons


IB_DOWN = replace(CALM, execution=ExecutionState.DISCONNECTED, market=MarketState.STALE)
NEVER_RED: list[View] = [
    calm(dimensions=IB_DOWN, link_up=False, link_up_since_s=None, reconciled=False, trading_state=TradingState.SAFE),
    calm(trading_state=TradingState.SAFE, session=SessionView(False, OPEN, None, False)),
    calm(trading_state=TradingState.PAUSE_LIQ, dimensions=replace(CALM, liquidity=LiquidityState.EXTREME_WIDE)),
    view(net_delta_shares=499.9, suspended=True),
    view(net_delta_shares=600.0, suspended=True, link_up_since_s=NOON - 59.0),
]


@pytest.mark.parametrize("seen", NEVER_RED)
def test_ib_down_and_closed_markets_are_never_worse_than_yellow(seen: View) -> None:
    """RE-7: the light is yellow, never red, for IB being down alone."""
    assert judge(seen, trading_since_s=NOON - 3600.0).status_lamp == "yellow"


def test_a_forced_order_at_work_does_not_turn_the_lamp_red() -> None:
    working = view(net_delta_shares=600.0, forced=True, dimensions=BUSY, order=ORDER, hedge_state=HedgeState.WORKING)
    assert judge(working).status_lamp == "green"


def test_without_need_either_side_must_be_possible() -> None:
    """At the position limit on the long side one more share could not be bought."""
    full = calm(net_delta_shares=0.0, need_shares=0, order_shares=0, stock_in_scope=2000.0)
    check = judge(full)
    assert check.status_lamp == "yellow" and check.block_reasons[0].startswith("max_position_shares:")
    selling = calm(net_delta_shares=30.0, need_shares=-30, order_shares=-30, stock_in_scope=2000.0)
    assert judge(selling).status_lamp == "green"


def test_pacing_gates_are_shown_with_their_remaining_time() -> None:
    check = judge(view(last_fill_s=NOON - 10.0))
    row = next(row for row in check.checks if row["name"] == "gate:cooldown")
    assert row["kind"] == "pacing" and row["state"] == "ok" and row["remaining_s"] == pytest.approx(50.0)
    assert "cooldown" in check.one_line and "50 s" in check.one_line


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (calm(), "in balance: net delta +2.0"),
        (calm(dimensions=replace(CALM, delta=DeltaState.MINOR), net_delta_shares=12.0), "watching: net delta +12.0"),
        (view(), "about to hedge: net delta +120.0"),
        (view(dimensions=BUSY, order=ORDER, hedge_state=HedgeState.WORKING), "hedging: selling 50 NVDA"),
        (calm(suspended=True, hold="flatten"), "not hedging: suspended: suspended by the operator"),
        (calm(suspended=True, hold="flatten"), "(and 1 more)"),
    ],
)
def test_one_line(seen: View, words: str) -> None:
    assert words in judge(seen).one_line


def test_the_cause_of_a_red_lamp_is_the_blocked_check() -> None:
    for seen, name in (
        (calm(breaker_reason="loss"), "breaker"),
        (calm(legs_count=0, own_shares=5.0), "orphan"),
        (calm(reconciled=False), "reconciliation"),
    ):
        blocked = {row["name"] for row in judge(seen).checks if row["state"] == "blocked"}
        assert name in blocked


@pytest.mark.parametrize("seen", [seen for _, seen in GREEN] + [seen for _, seen, _ in YELLOW + RED] + NEVER_RED)
def test_checks_have_the_shape_of_the_contract(seen: View) -> None:
    schema = json.loads((ROOT / "tests/contract/status.schema.json").read_text())["$defs"]["check"]
    check = judge(seen)
    names = [row["name"] for row in check.checks]
    assert len(set(names)) == len(names)
    wanted = {"db", "lease", "ib", "market_data", "quotes", "greeks", "reconciliation", "machines", "session",
              "breaker", "orphan", "legs"}  # fmt: skip
    assert wanted | {f"gate:{gate.name}" for gate in gates.evaluate(seen)} <= set(names)
    for row in check.checks:
        assert set(schema["required"]) <= set(row)
        assert row["state"] in schema["properties"]["state"]["enum"]
        assert row["kind"] in schema["properties"]["kind"]["enum"]
        assert isinstance(row["observed"], int | float | str | bool | None)
        assert isinstance(row["limit"], int | float | str | bool | None)
        assert row["state"] == "ok" or row["reason"]
    json.dumps(check.checks, allow_nan=False)
