"""Commands at the edge: refused with a reason, never left open, never more than the operator meant (section 7)."""

from __future__ import annotations

from typing import Any

import pytest
from bifrost.control import ARGUMENTS, Command, parse_args
from bifrost_engine.app.control import OF_THE_PROCESS
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import HedgeState

from tests.engine.rig import CALL, PUT, STOCK, Rig, rules
from tests.engine.test_decide_orders import quick_rig


def answer(rig: Rig, command_id: int) -> fx.FinishCommand:
    (end,) = [e for e in rig.of(fx.FinishCommand) if e.command_id == command_id]
    return end


def unknown_rig() -> tuple[Rig, str]:
    """An order of 134 shares that the gateway went silent about, 30 of them known to be filled."""
    rig, ref = quick_rig()
    rig.status(ref, "Submitted")
    rig.fill(ref, 30)
    rig.answers_truth = False
    rig.pass_time(15)
    rig.send(ev.LinkDown(rig.at, "cut"))
    rig.link_up()
    rig.pass_time(2)
    assert rig.state.hedge is HedgeState.UNKNOWN
    return rig, ref


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"outcome": "partial", "quantity": 29, "price": 140.0}, "30 of 134 shares are known to be filled"),
        ({"outcome": "filled", "quantity": 135, "price": 140.0}, "135 filled cannot be"),
        ({"outcome": "filled", "quantity": 134}, "needs its price"),
    ],
)
def test_resolve_order_takes_no_number_that_cannot_be(args: dict[str, Any], reason: str) -> None:
    rig, ref = unknown_rig()
    rig.send(ev.CommandReceived(rig.at, 4, "resolve_order", {"order_ref": ref, **args}))
    end = answer(rig, 4)
    assert end.status == "refused" and reason in str(end.result["reason"])
    assert rig.state.ledger.position(STOCK) == -30


def test_resolve_order_books_the_rest_at_the_price_that_makes_the_average() -> None:
    rig, ref = unknown_rig()
    named = {"order_ref": ref, "outcome": "partial", "quantity": 100, "price": 139.93}
    rig.send(ev.CommandReceived(rig.at, 4, "resolve_order", named))
    assert answer(rig, 4).status == "done"
    fills = rig.state.ledger.fills(ref)
    assert (fills.quantity, fills.average_price) == (100, pytest.approx(139.93))
    booked = rig.last(fx.RecordExecution).execution
    assert booked.quantity == 70 and booked.price == pytest.approx((139.93 * 100 - 140.0 * 30) / 70)


def test_resolve_order_not_filled_means_no_more_than_is_known() -> None:
    rig, ref = unknown_rig()
    rig.send(ev.CommandReceived(rig.at, 4, "resolve_order", {"order_ref": ref, "outcome": "not_filled"}))
    assert answer(rig, 4).status == "done"
    assert rig.state.ledger.position(STOCK) == -30
    assert rig.state.hedge is not HedgeState.UNKNOWN


def test_a_flatten_behind_an_order_without_an_end_says_so_instead_of_waiting_for_ever() -> None:
    rig, ref = unknown_rig()
    rig.send(ev.CommandReceived(rig.at, 4, "flatten", {"target": "zero", "force": True}))
    rig.pass_time(110, step_s=1)
    assert not [e for e in rig.of(fx.FinishCommand) if e.command_id == 4]
    rig.pass_time(15, step_s=1)
    end = answer(rig, 4)
    assert end.status == "failed" and ref in str(end.result["reason"]) and "UNKNOWN" in str(end.result["reason"])
    assert rig.state.day.hold == "flatten", "hedging stays off"


def test_nothing_is_begun_while_the_engine_stops() -> None:
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(1)
    rig.send(ev.Stopping(rig.at, "SIGTERM"))
    rig.send(ev.CommandReceived(rig.at, 4, "flatten", {"target": "zero"}))
    end = answer(rig, 4)
    assert end.status == "refused" and "SIGTERM" in str(end.result["reason"])
    assert rig.state.day.hold == ""


@pytest.mark.parametrize("what", ["adopt_leg", "accept_positions"])
def test_what_the_broker_has_not_told_is_unknown_not_nothing(what: str) -> None:
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.send(ev.CommandReceived(rig.at, 1, "release_leg", {"contract_key": str(PUT)}))
    rig.send(ev.LinkDown(rig.at, "cut"))
    rig.answers_truth = False
    rig.link_up()
    args = {"contract_key": str(PUT)} if what == "adopt_leg" else {"expected": {str(CALL): 20.0}}
    rig.send(ev.CommandReceived(rig.at, 4, what, args))
    end = answer(rig, 4)
    assert (end.status, end.result["reason"]) == ("refused", "the broker's positions are not known now")


def life(state: str) -> Rig:
    """A core in each state of the daemon's life."""
    rig = Rig(rules())
    if state != "fresh":
        rig.start()
    match state:
        case "no link":
            rig.send(ev.LinkDown(rig.at, "cut"))
        case "suspended":
            rig.send(ev.SuspensionRead(rig.at, True))
        case "no database":
            rig.send(ev.DatabaseChanged(rig.at, False, "gone"))
        case "lost":
            rig.send(ev.LeaseChanged(rig.at, held=False, lost=True))
        case "stopping":
            rig.send(ev.Stopping(rig.at, "SIGTERM"))
        case "no clock":
            rig.market_s = None
    return rig


ARGS: dict[Command, dict[str, Any]] = {
    Command.ADOPT_LEG: {"contract_key": str(CALL)},
    Command.RELEASE_LEG: {"contract_key": str(CALL)},
    Command.ACCEPT_POSITIONS: {"expected": {str(CALL): 20.0}},
    Command.RESOLVE_ORDER: {"order_ref": "BF1", "outcome": "not_filled"},
    Command.SET_HEARTBEAT_INTERVAL: {"seconds": 10},
}
STATES = ["fresh", "running", "suspended", "no link", "no database", "lost", "stopping", "no clock"]


@pytest.mark.parametrize("state", STATES)
def test_every_command_ends_or_is_refused_with_a_reason_in_every_state(state: str) -> None:
    """INV-K2."""
    for number, command in enumerate(sorted(set(ARGUMENTS) - OF_THE_PROCESS), 1):
        rig = life(state)
        args = ARGS.get(command, {})
        parse_args(command, args)
        rig.send(ev.CommandReceived(rig.at, number, str(command), args))
        if command is Command.FLATTEN and state in ("running", "suspended", "no database"):
            assert rig.state.day.hold == "flatten"
            rig.pass_time(0.5)
            for ref in list(rig.broker):
                rig.status(ref, "Submitted")
                rig.cancel(ref)
            rig.pass_time(5)
        end = answer(rig, number)
        assert end.status in ("done", "refused"), (state, command, end)
        if end.status == "refused":
            assert end.result["reason"], (state, command)


def test_critical_exposure_behind_the_breaker_is_told_every_five_minutes() -> None:
    rig, ref = quick_rig(gates__guard__risk__max_daily_loss_usd=100.0)
    rig.fill(ref)
    rig.legs = {CALL: -20.0, PUT: -20.0}
    rig.send(ev.PositionsReported(rig.at, rig.positions()))
    rig.pass_time(12)
    rig.send(ev.CommandReceived(rig.at, 1, "accept_positions", {"expected": {str(CALL): -20.0}}))
    rig.spot = 139.0
    rig.pass_time(20)
    rig.spot = 145.0
    rig.pass_time(12)
    assert rig.state.day.breaker_latched
    told = [a for a in rig.of(fx.Alert) if a.code == "breaker_exposed"]
    assert len(told) == 1 and told[0].severity is fx.Severity.CRITICAL
    assert "short gamma" in told[0].message and "shares" in told[0].message and "limit" in told[0].message
    rig.pass_time(299, step_s=1)
    before = len([a for a in rig.of(fx.Alert) if a.code == "breaker_exposed"])
    rig.pass_time(302, step_s=1)
    after = len([a for a in rig.of(fx.Alert) if a.code == "breaker_exposed"])
    assert (before, after) in ((1, 2), (2, 3))
    rig.send(ev.CommandReceived(rig.at, 2, "reset_breaker", {}))
    rig.pass_time(302, step_s=1)
    assert len([a for a in rig.of(fx.Alert) if a.code == "breaker_exposed"]) == after


def test_what_stays_true_for_days_is_told_once_a_trading_day() -> None:
    rig = Rig(rules(gates__strategy__structure__exit_dte=30))
    rig.start()
    rig.pass_time(700, step_s=2)
    told = [a.message for a in rig.of(fx.Alert) if a.code == "exit_dte"]
    assert len(told) == 2, "one a leg"
    rig.market_s = (rig.market_s or 0.0) + 86400.0
    rig.pass_time(2)
    assert len([a for a in rig.of(fx.Alert) if a.code == "exit_dte"]) == 4
    rig.wall_s += 90_000.0
    rig.pass_time(2)
    assert all(rig.wall_s - told_s < 86_400.0 for told_s in rig.state.alerted.values()), "nothing is kept for ever"


def test_the_notes_of_a_start_are_alerts_of_their_own_code() -> None:
    """A clock that went back, and legs that can ask for more shares than the limit allows (section 8)."""
    rig, ref = quick_rig()
    rig.fill(ref)
    rig.pass_time(2)
    row = dict(rig.last(fx.RecordTradingDay).row)
    assert row["last_hedge"]
    again = rig.restart(trading_day=row, last_market_s=(rig.market_s or 0.0) - 3600.0)
    assert again.notes == ()
    early = Rig(rules(gates__guard__risk__max_position_shares=100), again.restored, market_s=(rig.market_s or 0) - 3600)
    codes = [note.partition(": ")[0] for note in early.notes]
    assert codes == ["clock_regression", "limit_below_reach"]
    assert "2000 shares" in early.notes[1] and "100" in early.notes[1]
