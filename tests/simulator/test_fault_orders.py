"""Faults of orders, fills and commissions on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from bifrost_simulator.api import OrderStatus

from tests.simulator.fault_stage import FaultStage, codes, play, statuses, told
from tests.simulator.wire_ib import ib_insync


def test_a_rejected_order_is_an_error_and_nothing_else(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("order_rejected_201", reason="no margin")
        await client.place(7, "BUY", 100)
        heard = await client.sync()
        assert [(e["reqId"], e["code"], e["text"]) for e in told(heard, "error")] == [
            (7, 201, "Order rejected - reason:no margin")
        ]
        assert statuses(heard) == [] and stage.world.book.find(1, 7) is None
        await client.place(8, "BUY", 100)
        assert "Submitted" in statuses(await client.sync()), "the next order is taken"

    play(tmp_path, body)


@pytest.mark.parametrize(("name", "code"), [("order_info_10349", 10349), ("order_info_399", 399)])
def test_a_remark_on_an_order_leaves_it_alive(tmp_path: Path, name: str, code: int) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject(name)
        await client.place(7, "BUY", 100)
        heard = await client.sync()
        names = [got for got, _ in heard]
        assert codes(heard, 7) == [code]
        assert names.index("openOrder") < names.index("error"), "the order is known before the remark"
        await stage.live(2.0)
        assert statuses(await client.sync())[-1] == "Filled"
        await client.place(8, "BUY", 100)
        assert codes(await client.sync()) == []

    play(tmp_path, body)


def test_ib_insync_takes_10349_for_the_end_of_an_order_that_fills(tmp_path: Path) -> None:
    """What makes the fault worth having: the library calls the order cancelled while the broker fills it."""

    async def body(stage: FaultStage) -> None:
        ib = await stage.ib()
        stage.inject("order_info_10349")
        stock = ib_insync.Stock("NVDA", "SMART", "USD")
        trade = ib.placeOrder(stock, ib_insync.MarketOrder("BUY", 50, account="DU1234567"))
        seen: list[str] = []
        trade.statusEvent += lambda t: seen.append(t.orderStatus.status)
        await stage.until(lambda: trade.fills, "the fill")
        assert "Cancelled" in seen
        assert stage.position() == sum(fill.execution.shares for fill in trade.fills) > 0

    play(tmp_path, body)


def test_a_short_sale_waits_for_shares_and_ticks_say_so(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch(generics="236")
        await client.sync()
        stage.inject("not_shortable_404")
        await client.place(7, "SELL", 100)
        await stage.live(2.0)
        heard = await client.sync()
        assert codes(heard, 7) == [404]
        assert {(s["status"], s["whyHeld"]) for s in told(heard, "orderStatus")} == {("PreSubmitted", "locate")}
        assert [t["value"] for t in told(heard, "tickGeneric") if t["tickType"] == 46] == [1.0]
        assert [t["size"] for t in told(heard, "tickSize") if t["tickType"] == 89] == [0.0]
        await client.place(8, "BUY", 100)
        await stage.live(2.0)
        assert statuses(await client.sync())[-1] == "Filled", "who buys need not borrow"
        stage.end("not_shortable_404")
        await stage.live(2.0)
        heard = await client.sync()
        assert statuses(heard)[-1] == "Filled"
        assert [t["value"] for t in told(heard, "tickGeneric") if t["tickType"] == 46] == [3.0]

    play(tmp_path, body)


def test_a_sale_of_what_is_held_is_no_short_sale(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        await client.place(1, "BUY", 100)
        await stage.live(2.0)
        await client.sync()
        stage.inject("not_shortable_404")
        await client.place(2, "SELL", 100)
        await stage.live(2.0)
        heard = await client.sync()
        assert codes(heard) == [] and statuses(heard)[-1] == "Filled"

    play(tmp_path, body)


def test_a_lost_acknowledgement_is_found_by_asking(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("ack_lost")
        await client.place(7, "BUY", 100, 100.0)
        await stage.live(1.0)
        assert not {name for name, _ in await client.sync()} & {"openOrder", "orderStatus", "error"}
        client.request("reqOpenOrders")
        heard = await client.sync()
        assert [(o["orderId"], o["status"]) for o in told(heard, "openOrder")] == [(7, "Submitted")]

    play(tmp_path, body)


def test_a_slow_acknowledgement_comes_whole_and_in_order(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("ack_slow", delay_s=3)
        await client.place(7, "BUY", 100)
        await stage.live(2.5)
        assert not {name for name, _ in await client.sync()} & {"openOrder", "orderStatus", "execDetails"}
        assert stage.position() == 100, "the order itself was not slow"
        await stage.live(1.0)
        heard = await client.sync()
        order = [name for name, _ in heard if name in ("openOrder", "orderStatus", "execDetails", "commissionReport")]
        assert order[:2] == ["openOrder", "orderStatus"] and order[-1] == "commissionReport"
        assert statuses(heard)[0] == "PreSubmitted" and statuses(heard)[-1] == "Filled"
        assert stage.active == []

    play(tmp_path, body)


def test_ending_a_slow_acknowledgement_lets_go_what_waits(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("ack_slow", delay_s=3600)
        await client.place(7, "BUY", 100, 100.0)
        await stage.live(1.0)
        assert statuses(await client.sync()) == []
        stage.end("ack_slow")
        assert statuses(await client.sync()) == ["PreSubmitted", "Submitted"]

    play(tmp_path, body)


def test_a_partial_fill_holds_its_remainder(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("fill_partial", shares=30, then="cancel")
        await client.place(7, "BUY", 100)
        await stage.live(2.0)
        heard = await client.sync()
        assert [e["shares"] for e in told(heard, "execDetails")] == [30]
        last = told(heard, "orderStatus")[-1]
        assert (last["status"], last["filled"], last["remaining"]) == ("Cancelled", 30, 70)
        assert codes(heard, 7) == [202]

    play(tmp_path, body)


def test_a_duplicated_fill_is_one_execution(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("fill_duplicate", copies=2, delay_s=0.5)
        await client.place(7, "BUY", 100)
        await stage.live(3.0)
        heard = await client.sync()
        executions = told(heard, "execDetails")
        assert len(executions) == 3 and len({e["execId"] for e in executions}) == 1
        assert len(told(heard, "commissionReport")) == 3
        assert statuses(heard).count("Filled") == 3
        assert stage.position() == 100, "booked once"
        client.request("reqExecutions", reqId=5)
        assert len(told(await client.sync(), "execDetails")) == 1
        assert stage.active == []

    play(tmp_path, body)


def test_a_fill_crosses_the_cancel(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        await client.place(7, "BUY", 100, 100.0)
        stage.inject("fill_after_cancel")
        client.request("cancelOrder", orderId=7)
        assert statuses(await client.sync())[-1] == "PendingCancel"
        client.request("cancelOrder", orderId=7)
        await stage.live(1.0)
        heard = await client.sync()
        assert [e["shares"] for e in told(heard, "execDetails")] == [100]
        assert statuses(heard) == ["Filled"] and codes(heard) == []
        client.request("cancelOrder", orderId=7)
        assert codes(await client.sync(), 7) == [10148]
        assert stage.position() == 100

    play(tmp_path, body)


def test_a_fill_is_told_after_the_cancel(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        await client.place(7, "BUY", 100, 100.0)
        await client.sync()
        stage.inject("fill_after_cancel", mode="late", fraction=0.4)
        client.request("cancelOrder", orderId=7)
        heard = await client.sync()
        assert statuses(heard) == ["Cancelled"] and codes(heard, 7) == [202]
        await stage.live(1.0)
        heard = await client.sync()
        assert [e["shares"] for e in told(heard, "execDetails")] == [40]
        assert [(s["status"], s["filled"], s["remaining"]) for s in told(heard, "orderStatus")] == [
            ("Cancelled", 40, 60)
        ]
        assert stage.position() == 40
        assert stage.active == []

    play(tmp_path, body)


def test_an_execution_comes_before_any_status(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("exec_before_status")
        await client.place(7, "BUY", 100)
        await stage.live(2.0)
        heard = await client.sync()
        order = [name for name, _ in heard if name in ("openOrder", "orderStatus", "execDetails")]
        assert order[0] == "execDetails" and set(order[1:]) == {"openOrder", "orderStatus"}
        assert statuses(heard)[-1] == "Filled"

    play(tmp_path, body)


def test_an_order_that_does_not_fill_is_told_in_the_end(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("exec_before_status", max_wait_s=1)
        await client.place(7, "BUY", 100, 100.0)
        await stage.live(0.5)
        assert statuses(await client.sync()) == []
        await stage.live(1.0)
        assert statuses(await client.sync()) == ["PreSubmitted", "Submitted"]

    play(tmp_path, body)


def test_executions_come_after_the_last_status(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("exec_after_status", lag_s=1)
        await client.place(7, "BUY", 100)
        await stage.until(lambda: stage.position() == 100, "the fill")
        heard = await client.sync()
        assert statuses(heard)[-1] == "Filled" and told(heard, "execDetails") == []
        await stage.live(1.5)
        assert [name for name, _ in await client.sync() if name in ("execDetails", "commissionReport")] == [
            "execDetails",
            "commissionReport",
        ]

    play(tmp_path, body)


def test_a_late_commission(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("commission_late", delay_s=5)
        await client.place(7, "BUY", 100)
        await stage.live(4.0)
        heard = await client.sync()
        (execution,) = told(heard, "execDetails")
        assert told(heard, "commissionReport") == []
        client.request("reqExecutions", reqId=5)
        assert told(await client.sync(), "commissionReport") == [], "nobody knows it yet"
        await client.place(8, "BUY", 100)
        await stage.live(3.0)
        heard = await client.sync()
        second = told(heard, "execDetails")[0]["execId"]
        reports = [report["execId"] for report in told(heard, "commissionReport")]
        assert set(reports) == {execution["execId"], second}, "a late report does not hold up the others"

    play(tmp_path, body)


def test_a_commission_never_comes_until_the_gateway_is_started_anew(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("commission_never")
        await client.place(7, "BUY", 100)
        await stage.live(10.0, step_s=0.25)
        heard = await client.sync()
        assert len(told(heard, "execDetails")) == 1 and told(heard, "commissionReport") == []
        (done,) = stage.world.book.executions
        assert done.commission is not None and done.commission.commission == 1.0, "it was charged"

    play(tmp_path, body)


def test_an_order_is_forgotten_by_the_broker(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("order_lost", after_s=0.5)
        await client.place(7, "BUY", 100)
        assert statuses(await client.sync())[-1] == "Submitted"
        await stage.live(2.0)
        client.request("reqAllOpenOrders")
        client.request("reqCompletedOrders", apiOnly=False)
        client.request("cancelOrder", orderId=7)
        heard = await client.sync()
        assert told(heard, "openOrder") == [] and told(heard, "completedOrder") == []
        assert statuses(heard) == [] and codes(heard, 7) == [10147]
        assert stage.position() == 0
        client.request("reqIds", numIds=1)
        assert told(await client.sync(), "nextValidId")[-1]["orderId"] == 8, "its id stays used"
        assert stage.active == []

    play(tmp_path, body)


def test_only_the_orders_meant_are_struck(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("order_lost", order_ref="BF", after_s=0)
        await client.place(7, "BUY", 100, 100.0, orderRef="mine")
        await stage.live(0.5)
        order = stage.world.book.find(1, 7)
        assert order is not None and order.status is OrderStatus.SUBMITTED
        await client.place(8, "BUY", 100, 100.0, orderRef="BF1")
        await stage.live(0.5)
        assert stage.world.book.find(1, 8) is None

    play(tmp_path, body)
