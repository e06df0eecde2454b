"""Every intent, order, fill, reject and cancel is on record and readable from outside (R-M4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg2
import pytest

from tests.support.acceptance import STOCK, Desk

pytestmark = pytest.mark.integration


def executions_on_the_wire(desk: Desk) -> dict[str, dict[str, Any]]:
    """exec_id → the fields that the gateway sent to the engine."""
    entries = desk.simulator.get("/journal?message=execDetails&client_id=1&limit=100000")["entries"]
    return {entry["fields"]["execId"]: entry["fields"] for entry in entries}


def row_of(desk: Desk, order_ref: str, kind: str) -> dict[str, Any] | None:
    return next((row for row in desk.operations(kind) if row["order_ref"] == order_ref), None)


def filled_in_part(desk: Desk, known: set[str]) -> str:
    """A new order of which one share was filled; empty while there is none."""
    fills = desk.database.query(
        "SELECT order_ref FROM operations WHERE type = 'fill' AND quantity = 1 ORDER BY id DESC"
    )
    return next((ref for (ref,) in fills if ref not in known), "")


def test_TC_1_R_M4a_1_intent_order_fill_cancel_and_reject_each_leave_a_row(desk: Desk) -> None:
    """TC-1-R-M4a-1: an order that fills in part and is cancelled, and one that is refused, tell their whole story."""
    known = set(desk.placed())
    desk.simulator.fault("fill_partial", shares=1, count=1)
    try:
        partly = desk.engine.until(lambda: filled_in_part(desk, known), "an order that is filled in part", 60)
        desk.command("suspend")
        desk.until(lambda: row_of(desk, partly, "cancel"), "the cancel of the rest", 20)
    finally:
        desk.clear_fault("fill_partial")
    for kind in ("hedge_intent", "order_sent", "fill"):
        assert row_of(desk, partly, kind), f"no {kind} of {partly}"
    fill = row_of(desk, partly, "fill")
    assert fill is not None and fill["quantity"] == 1
    desk.engine.until(lambda: desk.quiet() and desk.agrees(), "the partial fill in the ledger", 30)

    desk.simulator.fault("order_rejected_201", count=1, reason="the acceptance test says no")
    desk.command("resume")
    newest = desk.until(lambda: desk.operations("reject"), "the reject", 30)[0]
    assert "the acceptance test says no" in newest["state_reason"]
    assert row_of(desk, newest["order_ref"], "hedge_intent")
    desk.hedge_again(60)
    desk.nothing_doubled()


def test_TC_1_R_M4a_2_time_type_side_quantity_price_reason(desk: Desk) -> None:
    """TC-1-R-M4a-2: no field is missing in any row, and a fill says what the broker said on the wire."""
    desk.hedge_again()
    names = ("ts", "type", "side", "quantity", "price", "state_reason", "order_ref")
    rows = desk.database.query(f"SELECT {', '.join(names)} FROM operations")
    for values in rows:
        row = dict(zip(names, values, strict=True))
        assert all(row[name] is not None for name in names), row
        assert row["side"] in ("BUY", "SELL") and row["quantity"] > 0 and row["state_reason"], row
        assert row["price"] > 0, row
    wire = executions_on_the_wire(desk)
    fills = desk.database.query("SELECT exec_id, side, quantity, price, order_ref FROM operations WHERE type = 'fill'")
    assert fills
    for exec_id, side, quantity, price, order_ref in fills:
        said = wire[exec_id]
        assert (said["shares"], said["price"], said["orderRef"]) == (quantity, price, order_ref)
        assert said["side"] == {"BUY": "BOT", "SELL": "SLD"}[side]


def test_TC_1_R_M4a_3_readable_from_outside_and_changed_by_nobody(desk: Desk) -> None:
    """TC-1-R-M4a-3: another process reads the rows, by SQL and by HTTP alike; no service can change or remove one."""
    by_sql = desk.database.query("SELECT id, type, order_ref FROM operations ORDER BY id DESC LIMIT 1", role="monitor")[
        0
    ]
    by_http = desk.until(
        lambda: next((row for row in desk.operations() if row["id"] == by_sql[0]), None), "the row by HTTP", 5
    )
    assert (by_http["type"], by_http["order_ref"]) == by_sql[1:]
    for role in ("engine", "monitor", "pricer"):
        for statement in ("UPDATE operations SET quantity = 1", "DELETE FROM operations"):
            with pytest.raises(psycopg2.Error, match=r"append-only|permission denied"):
                desk.database.query(statement, role=role)


def test_TC_2_R_M4b_1_get_operations_filters(desk: Desk) -> None:
    """TC-2-R-M4b-1: by type and by market time, both ends included, newest first, page by page."""
    desk.hedge_again()
    everything = desk.operations()
    assert [row["id"] for row in everything] == sorted((row["id"] for row in everything), reverse=True)
    for kind in ("hedge_intent", "order_sent", "fill"):
        assert {row["type"] for row in desk.operations(kind)} == {kind}
    middle = everything[len(everything) // 2]
    older = desk.operations(until_ts=middle["ts"])
    newer = desk.operations(since_ts=middle["ts"])
    at = datetime.fromisoformat(middle["ts"])
    assert middle in older and middle in newer
    assert all(datetime.fromisoformat(row["ts"]) <= at for row in older)
    assert all(datetime.fromisoformat(row["ts"]) >= at for row in newer)
    page = desk.get("/operations", limit=2)
    following = desk.get("/operations", limit=2, cursor=page["next_cursor"])
    ids = [row["id"] for row in (*page["operations"], *following["operations"])]
    assert len(set(ids)) == 4 and ids == sorted(ids, reverse=True)


def every_operation(desk: Desk, kind: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = desk.get("/operations", limit=1000, type=kind, **({"cursor": cursor} if cursor else {}))
        rows += page["operations"]
        cursor = page["next_cursor"]
        if cursor is None:
            return rows


def test_TC_2_R_M4b_2_the_fills_are_what_changed_the_position(desk: Desk) -> None:
    """TC-2-R-M4b-2: the fills of GET /operations, summed up, are the shares that the broker holds for the engine."""
    desk.command("suspend")
    desk.engine.until(lambda: desk.quiet() and desk.agrees(), "a quiet desk", 30)
    fills = every_operation(desk, "fill")
    total = sum(row["quantity"] * (1 if row["side"] == "BUY" else -1) for row in fills)
    assert fills and {row["contract_key"] for row in fills} == {STOCK}
    assert total == desk.broker_shares() - desk.by_hand
    assert total == desk.status()["status"]["stock_position"]
