"""Checks of what a client trades: the lives of orders, executions, reconnects."""

from __future__ import annotations

import time
from typing import Any

from tests.conformance.client import Placed
from tests.conformance.story import SYMBOL, Story, expect


def market_order(story: Story) -> None:
    placed = story.client.place(story.stock, story.order("BUY", 30))
    story.until_filled(placed)
    expect(placed.filled == 30 and placed.perm_id > 0, f"{placed}")
    cost = sum(row["shares"] * row["price"] for row in placed.executions.values())
    expect(abs(placed.avg_price - cost / 30) < 1e-6, f"the average price {placed.avg_price} is not of its fills")
    expect({row["orderRef"] for row in placed.executions.values()} == {placed.order["orderRef"]}, "other references")
    expect({row["side"] for row in placed.executions.values()} == {"BOT"}, "another side")
    expect(all(fee > 0 for fee in placed.commissions.values()), f"commissions are {placed.commissions}")
    story.until(
        lambda: (story.account, story.stock["conId"]) in story.client.positions(), "the position in the account"
    )
    sold = story.client.place(story.stock, story.order("SELL", 30))
    story.until_filled(sold)


def option_order(story: Story) -> None:
    placed = story.client.place(story.option, story.order("BUY", 2))
    story.until_filled(placed)
    expect({row["conId"] for row in placed.executions.values()} == {story.option["conId"]}, f"{placed.executions}")


def limit_order_modified_and_cancelled(story: Story) -> None:
    placed = story.client.place(story.stock, story.resting())
    story.until_status(placed, "Submitted")
    price = round(story.bid - 4, 2)
    story.client.modify(placed, lmtPrice=price)
    story.until(
        lambda: [row["lmtPrice"] for row in _mine(story, placed)] == [price], "the new price among the open orders"
    )
    story.client.cancel(placed)
    story.until_status(placed, "Cancelled")
    story.until(lambda: 202 in story.errors_of(placed.order_id), "error 202")
    expect(_mine(story, placed) == [], "a cancelled order is still open")


def _mine(story: Story, placed: Placed, everybody: bool = False) -> list[dict[str, Any]]:
    found = story.client.open_orders(everybody)
    return [row for row in found if row["orderRef"] == placed.order["orderRef"]]


def cancel_of_an_unknown_order(story: Story) -> None:
    unknown = story.client.next_order_id() + 500_000
    story.client.cancel_id(unknown)
    story.until(lambda: 10147 in story.errors_of(unknown), "error 10147")


def refused_order(story: Story) -> None:
    placed = story.client.place(story.stock, story.order("BUY", 10, "LMT", lmtPrice=0.003))
    story.until(lambda: {110, 201} & set(story.errors_of(placed.order_id)), "a price off the tick refused with 110")
    expect("Filled" not in placed.statuses, "a refused order is filled")


def what_if(story: Story) -> None:
    answer = story.client.what_if(story.stock, story.order("BUY", 100))
    expect(answer["margin"] > 0 and 0 < answer["commission"] < 100, f"{answer}")
    expect(story.client.open_orders(False) == [], "a what-if became an order")


def stop_order(story: Story) -> None:
    placed = story.client.place(story.stock, story.order("SELL", 10, "STP", auxPrice=round(story.bid - 20, 2)))
    story.until_status(placed, "PreSubmitted", "Submitted")
    story.client.cancel(placed)
    story.until_status(placed, "Cancelled")


def every_order_type(story: Story) -> None:
    """Each type is taken by its name, comes back among the open orders, and can be cancelled."""
    low, high = round(story.bid - 20, 2), round(story.ask + 20, 2)
    kinds: dict[str, dict[str, Any]] = {
        "STP LMT": {"auxPrice": low, "lmtPrice": low},
        "MIT": {"auxPrice": high},
        "LIT": {"auxPrice": high, "lmtPrice": high},
        "TRAIL": {"trailingPercent": 30.0},
        "TRAIL LIMIT": {"auxPrice": 30.0, "trailStopPrice": low, "lmtPriceOffset": 0.1},
        "MOC": {},
        "LOC": {"lmtPrice": high},
        "REL": {"lmtPrice": high, "auxPrice": 0.01},
    }
    orders = {kind: story.client.place(story.stock, story.order("SELL", 10, kind, **kinds[kind])) for kind in kinds}
    for kind, placed in orders.items():
        story.until_status(placed, "PreSubmitted", "Submitted")
        (seen,) = _mine(story, placed)
        expect(seen["orderType"] == kind, f"{kind} came back as {seen}")
        story.client.cancel(placed)
        story.until_status(placed, "Cancelled")
    first = story.client.place(story.stock, story.order("SELL", 10, "MTL"))
    story.until_filled(first)


def bracket(story: Story) -> None:
    """Nothing of a family works before its last member transmits; one child's end is the other's."""
    parent = story.client.place(story.stock, story.order("BUY", 10, transmit=False))
    target = story.client.place(
        story.stock,
        story.order("SELL", 10, "LMT", lmtPrice=round(story.ask + 5, 2), parentId=parent.order_id, transmit=False),
    )
    story.client.current_time_s()
    expect(parent.status not in ("Submitted", "Filled"), f"the parent is {parent.status} before its family is whole")
    stop = story.client.place(
        story.stock, story.order("SELL", 10, "STP", auxPrice=round(story.bid - 20, 2), parentId=parent.order_id)
    )
    story.until_filled(parent)
    story.until_status(target, "Submitted")
    story.until_status(stop, "PreSubmitted", "Submitted")
    story.client.modify(target, lmtPrice=round(story.bid - 2, 2), transmit=True)
    story.until_filled(target)
    story.until_status(stop, "Cancelled")


def one_cancels_all(story: Story) -> None:
    group = {"ocaGroup": f"OCA{story.client_id}-{next(story.refs)}", "ocaType": 1}
    resting = story.client.place(story.stock, story.resting(**group))
    story.until_status(resting, "Submitted")
    filled = story.client.place(story.stock, story.order("SELL", 10, **group))
    story.until_filled(filled)
    story.until_status(resting, "Cancelled")


def combination(story: Story) -> None:
    """A covered call as one order: the combination and each leg are reported, in their ratio."""
    legs = [
        {"conId": story.stock["conId"], "ratio": 100, "action": "BUY", "exchange": "SMART"},
        {"conId": story.option["conId"], "ratio": 1, "action": "SELL", "exchange": "SMART"},
    ]
    bag = {"symbol": SYMBOL, "secType": "BAG", "exchange": "SMART", "currency": "USD", "legs": legs}
    placed = story.client.place(bag, story.order("BUY", 1))
    story.until_status(placed, "Filled")
    wanted = {story.stock["conId"]: 100.0, story.option["conId"]: 1.0}

    def by_leg() -> dict[int, float]:
        found = dict.fromkeys(wanted, 0.0)
        for row in placed.executions.values():
            if row["conId"] in found:
                found[row["conId"]] += row["shares"]
        return found

    story.until(lambda: by_leg() == wanted, f"executions of the legs; there are {list(placed.executions.values())}")


def conditions_and_algo_are_kept(story: Story) -> None:
    """What the world gives no meaning to is read off the wire and echoed, field by field."""
    price = {"price": 1.5, "isMore": False, "conId": story.stock["conId"], "exch": "SMART", "triggerMethod": 2}
    when = {"isMore": True, "time": "20991231 10:00:00 US/Eastern"}
    first = story.client.place(
        story.stock,
        story.resting(
            conditions=[("price", {**price, "conjunction": "o"}), ("time", {**when, "conjunction": "a"})],
            algoStrategy="Adaptive",
            algoParams={"adaptivePriority": "Normal"},
        ),
    )
    story.until(lambda: _mine(story, first), "the order among the open ones")
    (seen,) = _mine(story, first)
    expect(seen["conditions"] == ["PriceCondition", "TimeCondition"], f"the conditions are {seen}")
    expect(seen["algoStrategy"] == "Adaptive", f"the algo is {seen}")
    expect(seen["algoParams"] == {"adaptivePriority": "Normal"}, f"the algo is {seen}")
    story.client.cancel(first)
    story.until_status(first, "Cancelled")


def open_orders_of_everybody(story: Story) -> None:
    placed = story.client.place(story.stock, story.resting("SELL"))
    story.until_status(placed, "Submitted")
    (seen,) = _mine(story, placed, everybody=True)
    expect((seen["clientId"], seen["orderId"]) == (story.client_id, placed.order_id), f"{seen}")
    expect(seen["permId"] == placed.perm_id and seen["status"] == "Submitted", f"{seen}")
    story.client.cancel(placed)
    story.until_status(placed, "Cancelled")


def global_cancel(story: Story) -> None:
    orders = [story.client.place(story.stock, story.resting(side)) for side in ("BUY", "SELL")]
    for placed in orders:
        story.until_status(placed, "Submitted")
    story.client.global_cancel()
    for placed in orders:
        story.until_status(placed, "Cancelled")


def executions(story: Story) -> None:
    placed = story.client.place(story.stock, story.order("BUY", 5))
    story.until_filled(placed)
    found = {row["execId"]: row for row in story.client.executions()}
    for exec_id, row in placed.executions.items():
        expect(found[exec_id]["orderRef"] == placed.order["orderRef"], f"{found[exec_id]}")
        expect((found[exec_id]["shares"], found[exec_id]["price"]) == (row["shares"], row["price"]), f"{row}")
        expect(found[exec_id]["commission"] == placed.commissions[exec_id], "another commission than before")


def completed_orders(story: Story) -> None:
    filled = story.client.place(story.stock, story.order("BUY", 5))
    story.until_filled(filled)
    gone = story.client.place(story.stock, story.resting())
    story.until_status(gone, "Submitted")
    story.client.cancel(gone)
    story.until_status(gone, "Cancelled")
    found = {row["orderRef"]: row["status"] for row in story.client.completed_orders()}
    expect(found.get(filled.order["orderRef"]) == "Filled", f"completed are {found}")
    expect(found.get(gone.order["orderRef"]) == "Cancelled", f"completed are {found}")


def manual_orders_belong_to_client_0(story: Story) -> None:
    heard = len(story.client.errors)
    story.client.bind_manual_orders()
    story.client.current_time_s()
    codes = [code for _, code, _ in story.client.errors[heard:]]
    expect((327 in codes) == (story.client_id != 0), f"client {story.client_id} heard {codes}")


def disconnect_and_reconnect(story: Story) -> None:
    """Orders and executions outlive the connection; the same client id finds them again."""
    client = story.client
    filled = client.place(story.stock, story.order("BUY", 5))
    story.until_filled(filled)
    resting = client.place(story.stock, story.resting())
    story.until_status(resting, "Submitted")
    client.disconnect()
    expect(not client.is_connected, "still connected")
    time.sleep(0.05)
    client.connect(story.port, story.client_id, story.account)
    (seen,) = _mine(story, resting)
    expect((seen["permId"], seen["orderId"]) == (resting.perm_id, resting.order_id), f"{seen}")
    found = {row["execId"]: row["commission"] for row in client.executions()}
    expect({key: found.get(key) for key in filled.commissions} == filled.commissions, f"{found}")
    expect(client.next_order_id() > resting.order_id, "an order id comes twice")
    client.cancel_id(resting.order_id)
    story.until(lambda: not _mine(story, resting), "the end of the order")
