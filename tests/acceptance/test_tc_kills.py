"""kill -9 at the three points where money could be counted twice or forgotten: real processes, exact points."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.acceptance import Desk
from tests.support.acceptance_wire import POSTGRES_COMMITTED

pytestmark = pytest.mark.integration

INTENT = b'INSERT INTO "order_intents"'
#: orderRef is the only field of a message to the gateway that begins so.
ORDER = b"\0BF"


def rest(desk: Desk) -> int:
    """Wait until no order is under way; gives the hedge count of the day."""
    desk.hedge_again()
    desk.engine.until(lambda: desk.quiet() and desk.agrees(), "a moment without an order", 30)
    return hedge_count(desk)


def hedge_count(desk: Desk) -> int:
    return int(desk.database.value("SELECT sum(hedge_count) FROM trading_days"))


def intent_of(desk: Desk, order_ref: str) -> dict[str, Any]:
    rows = desk.database.query("SELECT state, state_reason FROM order_intents WHERE order_ref = %s", order_ref)
    return {"state": rows[0][0], "reason": rows[0][1]} if rows else {}


def newest_intent(desk: Desk) -> str:
    return str(desk.database.value("SELECT order_ref FROM order_intents ORDER BY decision_seq DESC LIMIT 1"))


def recovered(desk: Desk, count: int) -> None:
    """After the restart: ledger is broker, nothing twice, no counter back to zero, and the desk hedges on."""
    desk.recover()
    desk.engine.until(lambda: desk.quiet() and desk.agrees(), "ledger and broker to agree", 60)
    desk.nothing_doubled()
    assert hedge_count(desk) >= count
    desk.hedge_again()
    desk.engine.until(desk.agrees, "ledger and broker to agree", 60)
    desk.nothing_doubled()
    forgotten = "SELECT count(*) FROM alerts WHERE message LIKE 'clock_regression%'"
    assert desk.database.value(forgotten) == 0, "the last hedge and its cooldown were forgotten"


def test_TC_1_RE_6_4_killed_between_intent_and_place_order(desk: Desk) -> None:
    """TC-1-RE-6-4: the intent is committed, placeOrder has not been called: the order is never sent, not even later."""
    count = rest(desk)
    hold = desk.to_database.hold(INTENT, POSTGRES_COMMITTED)
    desk.engine.until(hold.holding.is_set, "an intent committed whose answer does not reach the engine", 30)
    desk.engine.kill()
    orphan = newest_intent(desk)
    assert intent_of(desk, orphan)["state"] == "intent"
    assert orphan not in desk.placed()

    recovered(desk, count)
    assert intent_of(desk, orphan)["state"] == "never_sent"
    assert orphan not in desk.placed()
    kinds = {row["type"] for row in desk.operations() if row["order_ref"] == orphan}
    assert kinds <= {"hedge_intent"}


def test_TC_1_RE_6_5_killed_between_place_order_and_acknowledgement(desk: Desk) -> None:
    """TC-1-RE-6-5: the order is at the gateway, no word of it has come back: found, folded, not sent again."""
    count = rest(desk)
    hold = desk.to_gateway.hold(ORDER)
    desk.engine.until(hold.heard.is_set, "an order on its way", 30)
    found = re.search(rb"BF[A-Z2-7]{20}", hold.words)
    assert found is not None, hold.words
    lost = found.group().decode()
    desk.until(lambda: lost in desk.placed(), "the order in the gateway's journal", 10)
    desk.engine.kill()
    assert intent_of(desk, lost)["state"] in ("intent", "sent")
    assert desk.database.value("SELECT count(*) FROM executions WHERE order_ref = %s", lost) == 0
    ledger = desk.engine.ledger_shares()
    desk.until(lambda: desk.broker_shares() - desk.by_hand != ledger, "the fill that nobody hears of", 10)

    recovered(desk, count + 1)
    assert intent_of(desk, lost)["state"] == "filled"
    assert desk.placed().count(lost) == 1
    folded = desk.database.value("SELECT sum(quantity) FROM executions WHERE order_ref = %s", lost)
    wanted = desk.database.value("SELECT quantity FROM order_intents WHERE order_ref = %s", lost)
    assert folded == wanted


def test_TC_1_RE_6_6_killed_between_fill_and_its_record(desk: Desk) -> None:
    """TC-1-RE-6-6: the engine knows the fill and waits to write it: recorded once, after the restart."""
    count = rest(desk)
    with desk.locked("executions"):
        waiting = desk.engine.until(lambda: desk.waits_for("executions"), "a fill that cannot be recorded", 30)
        desk.engine.kill()
        # Its session dies with the engine: what it had asked for must not be carried out behind its back.
        desk.database.query("SELECT pg_terminate_backend(%s)", waiting)
        gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        desk.until(lambda: desk.database.value(gone, waiting) == 0, "the end of the session", 10)
        filled = newest_intent(desk)
        assert desk.database.value("SELECT count(*) FROM executions WHERE order_ref = %s", filled) == 0
        assert desk.broker_shares() - desk.by_hand != desk.engine.ledger_shares()
        assert not any(filled in line for line in _spool_lines(desk))

    recovered(desk, count + 1)
    assert intent_of(desk, filled)["state"] == "filled"
    assert desk.database.value("SELECT count(*) > 0 FROM executions WHERE order_ref = %s", filled)


def _spool_lines(desk: Desk) -> list[str]:
    folder = desk.engine.home / "spool"
    files = sorted(folder.glob("engine-*.jsonl")) if folder.is_dir() else []
    return [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
