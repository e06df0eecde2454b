"""Checks of what a client reads: connection, contracts, accounts, market data, history."""

from __future__ import annotations

from tests.conformance.story import SYMBOL, Story, expect

FARMS_OK = {2104, 2106, 2158}


def handshake(story: Story) -> None:
    client = story.client
    expect(client.is_connected, "the client says that it is not connected")
    expect({story.account, story.other_account} <= set(client.accounts), f"accounts are {client.accounts}")
    story.until(lambda: set(story.errors_of(-1)) >= FARMS_OK, "the notices of the farms")


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


def services_that_are_not_there(story: Story) -> None:
    """Requests without an id are answered as empty: whoever waits for them would wait for ever."""
    expect(story.client.news_providers() == [], "there are providers of news")
    expect("ScanParameterResponse" in story.client.scanner_parameters(), "no XML")


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
