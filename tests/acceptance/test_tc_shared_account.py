"""The account is shared with the human: what is not the engine's is never touched (RE-1)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.wire_ib import ib_insync, quiet
from tests.support.acceptance import Desk

pytestmark = pytest.mark.integration

FOREIGN_CLIENT = 7


def with_foreign_client(desk: Desk, work: Any) -> Any:
    """Log in beside the engine as another program of the human, and out again; what it ordered stays at the broker."""

    async def session() -> Any:
        ib = ib_insync.IB()
        await ib.connectAsync("127.0.0.1", desk.simulator.port, clientId=FOREIGN_CLIENT, timeout=10)
        try:
            return await work(ib)
        finally:
            ib.disconnect()

    with quiet():
        return asyncio.run(session())


async def place_resting(ib: Any) -> int:
    """A bid far below the market; gives its permId."""
    stock = ib_insync.Stock("NVDA", "SMART", "USD")
    await ib.qualifyContractsAsync(stock)
    trade = ib.placeOrder(stock, ib_insync.LimitOrder("BUY", 11, 50.0, tif="GTC", orderRef="mine"))
    async with asyncio.timeout(10):
        while trade.orderStatus.status != "Submitted":
            await trade.statusEvent
    return int(trade.order.permId)


async def cancel_resting(ib: Any) -> None:
    (trade,) = [trade for trade in await ib.reqOpenOrdersAsync() if trade.order.clientId == FOREIGN_CLIENT]
    ib.cancelOrder(trade.order)
    async with asyncio.timeout(10):
        while trade.isActive():
            await trade.statusEvent


@pytest.fixture
def foreign_orders(desk: Desk) -> Iterator[dict[int, dict[str, Any]]]:
    """permId → an order of another client, and one entered at TWS, both working."""
    numbers = {with_foreign_client(desk, place_resting)}
    numbers.add(int(desk.trade_by_hand("SELL", 13, order_type="LMT", limit_price=900.0, tif="GTC")["perm_id"]))
    yield {order["perm_id"]: order for order in desk.open_orders() if order["perm_id"] in numbers}
    with_foreign_client(desk, cancel_resting)


def cancelled_by_engine(desk: Desk) -> set[int]:
    entries = desk.simulator.get("/journal?message=cancelOrder&client_id=1&limit=100000")["entries"]
    return {int(entry["fields"]["orderId"]) for entry in entries}


def test_TC_1_RE_1_1_the_orders_of_others_are_never_touched(
    desk: Desk, foreign_orders: dict[int, dict[str, Any]]
) -> None:
    """TC-1-RE-1-1: another client's order and the human's stay through hedges, a restart, a cancel and a flatten."""
    assert len(foreign_orders) == 2
    desk.hedge_again()
    assert desk.engine.terminate() == 0
    desk.recover()
    desk.simulator.fault("fill_partial", shares=1, count=1)
    desk.engine.until(
        lambda: (desk.engine.status()["details"]["working_order"] or {}).get("filled") == 1, "an order to be cancelled"
    )
    cancels = cancelled_by_engine(desk)
    status, result = desk.command("flatten", 60)
    assert (status, result["own_shares"]) == ("done", 0)
    assert cancelled_by_engine(desk) > cancels
    left = {order["perm_id"]: order for order in desk.open_orders()}
    assert {number: left[number] for number in foreign_orders} == foreign_orders
    own = desk.simulator.get("/journal?message=placeOrder&client_id=1&limit=100000")["entries"]
    assert cancelled_by_engine(desk) <= {int(entry["fields"]["orderId"]) for entry in own}
    assert desk.simulator.get("/journal?message=reqGlobalCancel")["entries"] == []
    intents = {row[0] for row in desk.database.query("SELECT order_ref FROM order_intents")}
    assert {entry["fields"]["orderRef"] for entry in own} <= intents


def by_hand(desk: Desk, side: str, quantity: int) -> int:
    """A market order at TWS, filled, and taken by the engine as not its own; gives its permId."""
    order = desk.trade_by_hand(side, quantity)
    desk.until(lambda: order["perm_id"] not in {item["perm_id"] for item in desk.open_orders()}, "the manual fill", 20)
    desk.by_hand += quantity if side == "BUY" else -quantity
    baseline = "SELECT shares FROM external_baseline"
    # The account is compared five seconds behind the last fill: in this fast market that takes a pause of the hedges.
    desk.command("suspend")
    desk.engine.until(lambda: desk.database.value(baseline) == desk.by_hand, "the shares to be taken as not ours", 60)
    desk.command("resume")
    return int(order["perm_id"])


@pytest.fixture
def human_shares(desk: Desk) -> Iterator[int]:
    """300 shares bought by hand, sold again at the end; their order's permId."""
    yield by_hand(desk, "BUY", 300)
    by_hand(desk, "SELL", 300)


def test_TC_1_RE_1_2_a_manual_trade_is_not_the_engines_to_hedge(desk: Desk, human_shares: int) -> None:
    """TC-1-RE-1-2: 300 shares bought by hand change neither ledger nor delta; flatten leaves them where they are."""
    desk.engine.until(desk.agrees, "the ledger without the human's shares", 30)
    booked = "SELECT count(*) FROM executions WHERE perm_id = %s AND origin <> 'external'"
    assert desk.database.value(booked, human_shares) == 0
    desk.hedge_again()
    desk.engine.until(lambda: desk.engine.ledger_shares() != 0, "own shares")
    status, result = desk.command("flatten", 60)
    if status == "refused":
        # We are short and the account, with the human's shares, is long: buying back enlarges what is not ours.
        assert result["own_shares"] < 0 < desk.broker_shares() - result["own_shares"]
        assert f"our ledger {result['own_shares']:+d}" in result["reason"] and "force" in result["reason"]
        assert not desk.engine.status()["details"]["hold"]
        status, result = desk.command("flatten", 60, force=True)
    assert (status, result["own_shares"]) == ("done", 0), result
    desk.until(lambda: desk.broker_shares() == desk.by_hand == 300, "the human's shares alone", 10)
