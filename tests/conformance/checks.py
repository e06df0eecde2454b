"""The checks, in the order in which they run: one function each, the same for every library and version.

A check may use what earlier ones put into the story (the qualified contracts, a price), never their orders.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.client import CheckFailed, Client, Placed, wait

SYMBOL = "NVDA"
FARMS_OK = {2104, 2106, 2158}


@dataclass
class Story:
    """One library's way through one simulator."""

    client: Client
    port: int
    client_id: int
    account: str
    other_account: str
    stock: dict[str, Any] = field(default_factory=dict)
    option: dict[str, Any] = field(default_factory=dict)
    bid: float = 0.0
    ask: float = 0.0
    refs: Any = field(default_factory=lambda: itertools.count(1))

    def order(self, action: str, quantity: float, kind: str = "MKT", **fields: Any) -> dict[str, Any]:
        """An order of this story's account under a reference of its own."""
        ref = f"CF{self.client_id}-{next(self.refs)}"
        return {
            "action": action,
            "totalQuantity": quantity,
            "orderType": kind,
            "account": self.account,
            "orderRef": ref,
            "tif": "DAY",
            **fields,
        }

    def resting(self, action: str = "BUY", quantity: float = 10, **fields: Any) -> dict[str, Any]:
        """A limit order that nobody fills: five dollars from the market."""
        price = self.bid - 5 if action == "BUY" else self.ask + 5
        return self.order(action, quantity, "LMT", lmtPrice=round(price, 2), **fields)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        return wait(self.client, condition, what)

    def until_status(self, placed: Placed, *wanted: str) -> None:
        self.until(lambda: placed.status in wanted, f"{' or '.join(wanted)} of {placed.order['orderRef']}")

    def until_filled(self, placed: Placed) -> None:
        """Until the fill, its executions and all their commissions are there."""
        self.until_status(placed, "Filled")
        self.until(lambda: sum(_own(placed).values()) == placed.order["totalQuantity"], "the executions")
        self.until(lambda: set(placed.commissions) == set(placed.executions), "the commissions")

    def errors_of(self, req_id: int) -> list[int]:
        return [code for heard, code, _ in self.client.errors if heard == req_id]


def _own(placed: Placed) -> dict[str, float]:
    """Shares by execution of the order itself; a combination's own execution, not those of its legs."""
    wanted = "BAG" if placed.contract.get("secType") == "BAG" else None
    return {
        exec_id: row["shares"]
        for exec_id, row in placed.executions.items()
        if wanted is None or row["secType"] == wanted
    }


def expect(condition: Any, text: str) -> None:
    """Fail the check with ``text`` unless ``condition`` holds."""
    if not condition:
        raise CheckFailed(text)


def handshake(story: Story) -> None:
    client = story.client
    expect(client.is_connected, "the client says that it is not connected")
    expect({story.account, story.other_account} <= set(client.accounts), f"accounts are {client.accounts}")
    story.until(lambda: FARMS_OK <= set(story.errors_of(-1)), "the notices of the farms")


def managed_accounts(story: Story) -> None:
    found = story.client.managed_accounts()
    expect({story.account, story.other_account} <= set(found), f"managed accounts are {found}")


def next_order_id(story: Story) -> None:
    expect(story.client.next_order_id() > 0, "no order id above 0")


def log_level(story: Story) -> None:
    story.client.log_level(2)


def current_time(story: Story) -> None:
    first = story.client.current_time_s()
    expect(first > 1_000_000_000, f"the time is {first}")
    expect(story.client.current_time_s() >= first, "time went back")


def details_of_the_stock(story: Story) -> None:
    asked = {"symbol": SYMBOL, "secType": "STK", "exchange": "SMART", "currency": "USD"}
    (found,) = story.client.contract_details(asked)
    expect(found["conId"] > 0 and found["symbol"] == SYMBOL and found["secType"] == "STK", f"details are {found}")
    expect(found["minTick"] == 0.01 and "SMART" in found["validExchanges"], f"details are {found}")
    expect(found["tradingHours"] and found["timeZoneId"] and found["longName"], f"details are {found}")
    story.stock = {**asked, "conId": found["conId"]}
    (same,) = story.client.contract_details({"conId": found["conId"], "exchange": "SMART"})
    expect(same["conId"] == found["conId"], "the conId does not lead back to its contract")


def unknown_contract(story: Story) -> None:
    before = len(story.client.errors)
    found = story.client.contract_details({"symbol": "NOSUCH", "secType": "STK", "exchange": "SMART"})
    expect(found == [], f"found {found}")
    expect([code for _, code, _ in story.client.errors[before:]] == [200], f"errors {story.client.errors[before:]}")


def option_chain(story: Story) -> None:
    chains = story.client.option_chains(SYMBOL, story.stock["conId"])
    (smart,) = [chain for chain in chains if chain["exchange"] == "SMART"]
    expect(smart["multiplier"] == "100" and smart["tradingClass"] == SYMBOL, f"the chain is {smart}")
    expect(len(smart["expirations"]) > 3 and len(smart["strikes"]) > 10, "few expiries or strikes")


def details_of_options(story: Story) -> None:
    asked = {"symbol": SYMBOL, "secType": "OPT", "exchange": "SMART", "currency": "USD"}
    chain = next(one for one in story.client.option_chains(SYMBOL, story.stock["conId"]) if one["exchange"] == "SMART")
    expiry = sorted(chain["expirations"])[2]
    strikes = story.client.contract_details({**asked, "lastTradeDateOrContractMonth": expiry, "right": "C"})
    expect({found["expiry"][:8] for found in strikes} == {expiry}, "other expiries than asked for")
    expect(all(found["underConId"] == story.stock["conId"] for found in strikes), "other underlyings")
    middle = sorted(found["strike"] for found in strikes)[len(strikes) // 2]
    (found,) = story.client.contract_details(
        {**asked, "lastTradeDateOrContractMonth": expiry, "right": "C", "strike": middle}
    )
    expect((found["strike"], found["right"], found["multiplier"]) == (middle, "C", "100"), f"details are {found}")
    story.option = {
        **asked,
        "lastTradeDateOrContractMonth": expiry,
        "right": "C",
        "strike": middle,
        "multiplier": "100",
        "conId": found["conId"],
    }


def matching_symbols(story: Story) -> None:
    found = story.client.matching_symbols(SYMBOL[:2])
    expect([one["conId"] for one in found] == [story.stock["conId"]], f"found {found}")
    expect("OPT" in found[0]["derivatives"], f"found {found}")


def market_rules(story: Story) -> None:
    (found,) = story.client.contract_details(story.option)
    rule = int(found["marketRuleIds"].split(",")[0])
    steps = story.client.market_rule(rule)
    expect([(round(low, 4), round(step, 4)) for low, step in steps] == [(0, 0.01), (3, 0.05)], f"the rule is {steps}")


def account_values(story: Story) -> None:
    values = story.client.account_values(story.account)
    expect(float(values["NetLiquidation"]) > 0 and float(values["BuyingPower"]) > 0, f"values are {sorted(values)}")
    portfolio = story.client.portfolio(story.account)
    expect(portfolio, "no portfolio")
    for con_id, item in portfolio.items():
        units = item["position"] * (1 if con_id == story.stock["conId"] else 100)
        adds_up = abs(item["marketValue"] - units * item["marketPrice"]) < 0.01 * abs(units)
        expect(adds_up, f"a portfolio item does not add up: {item}")


def account_values_multi(story: Story) -> None:
    for account in (story.account, story.other_account):
        expect("NetLiquidation" in story.client.account_values_multi(account), f"no values of {account}")


def account_summary(story: Story) -> None:
    summary = story.client.account_summary()
    for account in (story.account, story.other_account):
        expect(float(summary[account, "NetLiquidation"]) > 0, f"the summary is {sorted(summary)}")


def positions(story: Story) -> None:
    held = story.client.positions()
    expect({account for account, _ in held} == {story.account, story.other_account}, f"positions are {held}")
    expect(all(cost > 0 for _, cost in held.values()), f"positions are {held}")
    first = story.client.positions_multi(story.account)
    expect(first == {key: row for key, row in held.items() if key[0] == story.account}, f"{first} is not of {held}")


def profit_and_loss(story: Story) -> None:
    expect(story.client.pnl(story.account).values["unrealized"] is not None, "no unrealised profit")
    (con_id, (position, _)), *_ = [
        (con_id, row) for (account, con_id), row in story.client.positions().items() if account == story.account
    ]
    single = story.client.pnl_single(story.account, con_id)
    expect(single.values["position"] == position and single.values["value"] > 0, f"{single.values}")


def streaming_stock(story: Story) -> None:
    line = story.client.stream(story.stock, "236")
    names = {"bid", "ask", "bid_size", "ask_size", "volume", "shortable_shares", "data_type"}
    story.until(lambda: names <= set(line.values), f"all of {sorted(names)}; there are {line.values}")
    expect(0 < line.values["bid"] < line.values["ask"], f"quotes are {line.values}")
    expect(line.values["data_type"] == 1, "the data is not live")
    story.bid, story.ask = line.values["bid"], line.values["ask"]
    story.until(lambda: (line.values["bid"], line.values["ask"]) != (story.bid, story.ask), "a change of the quote")
    story.client.cancel_stream(line)


def streaming_option(story: Story) -> None:
    line = story.client.stream(story.option)
    story.until(lambda: {"bid", "ask", "delta", "under_price"} <= set(line.values), "quotes and greeks of an option")
    expect(0 < line.values["delta"] < 1, f"delta is {line.values['delta']}")
    expect(abs(line.values["under_price"] - story.ask) < 10, f"the underlying is at {line.values['under_price']}")
    story.client.cancel_stream(line)


def snapshot(story: Story) -> None:
    line = story.client.stream(story.stock, snapshot=True)
    expect(line.ended and line.values["bid"] > 0 and line.values["ask"] > 0, f"the snapshot is {line.values}")


def cancel_of_nothing(story: Story) -> None:
    line = story.client.stream(story.stock)
    story.until(lambda: "bid" in line.values, "a quote")
    story.client.cancel_stream(line)
    heard = len(story.client.errors)
    story.client.current_time_s()  # answered after the cancel, so nothing of the stream is under way
    before = dict(line.values)
    story.client.current_time_s()
    expect(line.values == before, "quotes come after the end of the stream")
    expect(300 not in [code for _, code, _ in story.client.errors[heard:]], "the first cancel found nothing")


def market_data_types(story: Story) -> None:
    for kind in (2, 1):
        story.client.market_data_type(kind)
    line = story.client.stream(story.stock)
    story.until(lambda: line.values.get("data_type") == 1, "live data again")
    story.client.cancel_stream(line)


def historical_bars(story: Story) -> None:
    minutes = story.client.bars(story.stock, "1800 S", "1 min", "TRADES").rows
    expect(len(minutes) > 5, f"{len(minutes)} bars of half an hour")
    _check_bars(minutes, 60)
    days = story.client.bars(story.stock, "5 D", "1 day", "MIDPOINT").rows
    expect(len(days) >= 3, f"{len(days)} daily bars of five days")
    _check_bars(days, 86_400)


def _check_bars(rows: list[dict[str, float]], step_s: float) -> None:
    for row in rows:
        expect(row["low"] <= min(row["open"], row["close"]) <= row["high"], f"a bar is {row}")
        expect(row["start_s"] % step_s == 0, f"a bar begins at {row['start_s']}")
    starts = [row["start_s"] for row in rows]
    expect(starts == sorted(set(starts)), "bars are not in order")


def bars_kept_up_to_date(story: Story) -> None:
    bars = story.client.bars(story.stock, "300 S", "5 secs", "TRADES", keep=True)
    last = bars.rows[-1]["start_s"]
    story.until(lambda: bars.rows[-1]["start_s"] > last, "a bar after the last one")
    story.client.cancel_bars(bars)


def real_time_bars(story: Story) -> None:
    bars = story.client.real_time_bars(story.stock, "TRADES")
    story.until(lambda: len(bars.rows) >= 2, "two bars")
    expect(bars.rows[0]["start_s"] % 5 == 0 and bars.rows[0]["low"] <= bars.rows[0]["high"], f"{bars.rows}")
    story.client.cancel_real_time_bars(bars)


def head_timestamp(story: Story) -> None:
    expect(0 < story.client.head_timestamp_s(story.stock, "TRADES") < story.client.current_time_s(), "not in the past")


def option_calculations(story: Story) -> None:
    priced = story.client.option_price(story.option, 0.4, story.ask)
    expect(priced["price"] > 0 and 0 < priced["delta"] < 1, f"{priced}")
    found = story.client.implied_volatility(story.option, priced["price"], story.ask)
    expect(abs(found["volatility"] - 0.4) < 0.02, f"{priced} gives back {found}")


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


CHECKS: tuple[Callable[[Story], None], ...] = (
    handshake,
    managed_accounts,
    next_order_id,
    log_level,
    current_time,
    details_of_the_stock,
    unknown_contract,
    option_chain,
    details_of_options,
    matching_symbols,
    market_rules,
    account_values,
    account_values_multi,
    account_summary,
    positions,
    profit_and_loss,
    streaming_stock,
    streaming_option,
    snapshot,
    cancel_of_nothing,
    market_data_types,
    historical_bars,
    bars_kept_up_to_date,
    real_time_bars,
    head_timestamp,
    option_calculations,
    market_order,
    option_order,
    limit_order_modified_and_cancelled,
    cancel_of_an_unknown_order,
    refused_order,
    what_if,
    stop_order,
    conditions_and_algo_are_kept,
    open_orders_of_everybody,
    global_cancel,
    executions,
    completed_orders,
    manual_orders_belong_to_client_0,
    disconnect_and_reconnect,
)
