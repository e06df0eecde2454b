"""Suspend, resume and flatten (R-C2, R-C3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.acceptance import EPSILON_BAND, STOCK, Desk, for_seconds

pytestmark = pytest.mark.integration


def blocked_by(desk: Desk, reason: str, since: object) -> int:
    """Decisions of the market's minutes since then in which a hedge was wanted and not sent for this reason."""
    counted = "SELECT count(*) FROM decisions WHERE block_reason LIKE %s AND written_at > %s"
    return int(desk.database.value(counted, f"{reason}%", since))


def now(desk: Desk) -> object:
    return desk.database.value("SELECT clock_timestamp()")


def test_TC_1_R_C2_1_suspended_it_decides_and_sends_nothing(desk: Desk) -> None:
    """TC-1-R-C2-1: zero new hedges while decisions, heartbeats and self-check go on; resume hedges as before."""
    assert desk.command("suspend")[0] == "done"
    desk.engine.until(desk.quiet, "the working order to end", 20)
    began, placed = now(desk), len(desk.placed())
    desk.engine.until(lambda: blocked_by(desk, "suspended", began), "a hedge that is wanted and held back", 60)
    beats = "SELECT last_ts > %s FROM daemon_heartbeat"
    desk.engine.until(lambda: desk.database.value(beats, began), "a heartbeat", 15)
    fresh = "SELECT written_at > %s AND ts IS NOT NULL FROM status_current"
    desk.engine.until(lambda: desk.database.value(fresh, began), "a snapshot", 15)
    told = desk.status()
    assert told["trading_suspended"] and told["status_lamp"] == "yellow"
    assert told["status"]["daemon_state"] == "running_suspended"
    for_seconds(2.0, lambda: len(desk.placed()) == placed, "an order while suspended")
    assert desk.command("resume")[0] == "done"
    desk.engine.until(lambda: len(desk.placed()) > placed, "hedging again", 30)
    in_band = "SELECT count(*) FROM status_history WHERE abs(net_delta) <= %s AND written_at > %s"
    resumed = now(desk)
    desk.engine.until(lambda: desk.database.value(in_band, EPSILON_BAND, resumed), "a delta in the band", 30)
    assert desk.until(lambda: desk.status()["status_lamp"] == "green", "green", 20)


def test_TC_1_R_C2_2_a_restart_does_not_forget_the_suspension(desk: Desk) -> None:
    """TC-1-R-C2-2: suspended before a kill, suspended after it; what cannot be read counts as suspended, too."""
    desk.command("suspend")
    desk.engine.until(desk.quiet, "the working order to end", 20)
    placed = len(desk.placed())
    desk.engine.kill()
    began = now(desk)
    desk.engine.start()
    desk.engine.until(lambda: blocked_by(desk, "suspended", began), "a hedge that is wanted and held back", 60)
    desk.engine.until(lambda: state(desk) == "running_suspended", "the engine to be up and suspended", 30)
    assert len(desk.placed()) == placed
    desk.command("resume")
    desk.engine.until(lambda: len(desk.placed()) > placed, "hedging again", 30)


def state(desk: Desk) -> str:
    return str(desk.engine.status()["daemon_state"])


def some_own_shares(desk: Desk) -> None:
    desk.engine.until(lambda: desk.engine.ledger_shares() != 0 and desk.quiet(), "own shares", 90)


def orders_of(desk: Desk, refs: list[str]) -> list[dict[str, Any]]:
    names = ("order_ref", "side", "quantity", "purpose", "contract_key")
    rows = desk.database.query(f"SELECT {', '.join(names)} FROM order_intents WHERE order_ref = ANY(%s)", refs)
    return [dict(zip(names, row, strict=True)) for row in rows]


def only_reduced(desk: Desk, refs: list[str]) -> None:
    """Each fill of these orders brought our own shares closer to zero, and none went through it."""
    own = 0.0
    for ref, side, quantity in desk.database.query(
        "SELECT order_ref, side, quantity FROM executions WHERE origin = 'own' ORDER BY written_at, exec_id"
    ):
        before, own = own, own + (quantity if side == "BUY" else -quantity)
        if ref in refs:
            assert abs(own) < abs(before) and own * before >= 0, (ref, before, own)


def test_TC_1_R_C3_1_flatten_to_zero(desk: Desk) -> None:
    """TC-1-R-C3-1: previewed, done and reported; only our shares are traded, towards zero; the hold lasts to resume."""
    some_own_shares(desk)
    others = {key: held for key, held in desk.broker_positions().items() if key != STOCK}
    began = now(desk)
    status, result = desk.command("flatten", 60)
    assert status == "done" and result["own_shares"] == 0 and result["hold"] == "flatten"
    preview = desk.database.query(
        "SELECT details FROM alerts WHERE code = 'flatten' AND written_at > %s ORDER BY id", began
    )
    assert preview[0][0]["own_shares"] == result["own_shares_before"] and preview[0][0]["target_shares"] == 0
    orders = orders_of(desk, result["orders"])
    assert {order["purpose"] for order in orders} <= {"flatten"}
    assert {order["contract_key"] for order in orders} <= {STOCK}
    only_reduced(desk, result["orders"])
    desk.until(lambda: desk.broker_shares() == desk.by_hand, "no share of ours at the broker", 10)
    assert {key: held for key, held in desk.broker_positions().items() if key != STOCK} == others
    placed = len(desk.placed())
    desk.engine.until(lambda: blocked_by(desk, "hold", began), "a hedge that is wanted and held back", 60)
    assert len(desk.placed()) == placed

    assert desk.engine.terminate() == 0
    restarted = now(desk)
    desk.engine.start()
    desk.engine.until(lambda: blocked_by(desk, "hold", restarted), "the hold after a restart", 60)
    desk.engine.until(lambda: state(desk) == "running", "the engine to be up", 30)
    assert len(desk.placed()) == placed
    assert desk.command("flatten", 60)[0] == "done", "flatten repeats safely"
    assert len(desk.placed()) == placed
    assert desk.command("resume")[0] == "done"
    desk.engine.until(lambda: len(desk.placed()) > placed, "hedging again", 60)


def test_TC_1_R_C3_2_flatten_to_delta_only_reduces_and_bad_arguments_are_refused(desk: Desk) -> None:
    """TC-1-R-C3-2: to what the option delta wants, never through zero or beyond; wrong arguments change nothing."""
    for body in ({"target": "moon"}, {"force": "maybe"}, {"shares": 3}):
        assert desk.post("/control/flatten", body).status_code == 422, body
    assert not desk.engine.status()["details"]["hold"]
    some_own_shares(desk)
    status, result = desk.command("flatten", 60, target="delta")
    assert status == "done" and result["hold"] == "flatten"
    only_reduced(desk, result["orders"])
    desk.engine.until(lambda: desk.quiet() and desk.agrees(), "the ledger and the broker to agree", 30)
    assert desk.engine.ledger_shares() == result["own_shares"]
