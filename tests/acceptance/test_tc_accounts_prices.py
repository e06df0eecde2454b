"""Accounts and positions as the broker has them, and a price for everything held (R-A1, R-M6)."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.support.acceptance import STOCK, Desk

pytestmark = pytest.mark.integration


def account_of(told: dict[str, Any]) -> dict[str, Any]:
    (account,) = told["accounts"]
    return dict(account)


def positions_of(told: dict[str, Any]) -> dict[str, float]:
    return {row["contract_key"]: row["position"] for row in account_of(told)["positions"]}


def calm(desk: Desk) -> None:
    """No hedging, so that what is compared does not move: cash and positions only change by trades."""
    desk.command("suspend")
    desk.engine.until(lambda: desk.quiet() and desk.agrees(), "a quiet desk", 30)
    assert desk.command("refresh_accounts")[0] == "done"


def test_TC_3_R_A1_1_the_account_summary_is_the_brokers(desk: Desk) -> None:
    """TC-3-R-A1-1: every managed account with cash, net liquidation and buying power, and when IB answered."""
    calm(desk)
    world = desk.simulator.get("/state")["accounts"][0]
    account = desk.until(
        lambda: (
            math.isclose((now := account_of(desk.status()))["summary"]["total_cash"], world["cash"], abs_tol=0.01)
            and now
        ),
        "the broker's cash",
        10,
    )
    assert account["account_id"] == world["id"] and account["reported"]
    value = float(world["values"]["NetLiquidation"])
    assert account["summary"]["net_liquidation"] == pytest.approx(value, rel=0.05)
    assert account["summary"]["buying_power"] > 0
    fetched = datetime.fromisoformat(account["fetched_at"]).timestamp()
    assert desk.status()["accounts_fetched_at"] == pytest.approx(fetched, abs=0.01)


def test_TC_3_R_A1_2_positions_are_usable_for_hedging(desk: Desk) -> None:
    """TC-3-R-A1-2: every position with contract, multiplier and cost; the net delta is made of just these."""
    calm(desk)
    desk.until(lambda: positions_of(desk.status()) == desk.broker_positions(), "the broker's positions", 10)
    rows = {row["contract_key"]: row for row in account_of(desk.status())["positions"]}
    options = {key: row for key, row in rows.items() if row["sec_type"] == "OPT"}
    assert len(options) == 2 and all(row["managed"] and row["multiplier"] == 100 for row in options.values())
    assert all(row["avg_cost"] > 0 for row in rows.values())
    managed = desk.database.query("SELECT contract_key, quantity FROM managed_legs WHERE released_at IS NULL")
    assert dict(managed) == {key: row["position"] for key, row in options.items()}
    state = desk.engine.status()
    made = state["details"]["stock_in_scope"] + sum(
        leg["quantity"] * leg["multiplier"] * leg["delta"] for leg in state["details"]["legs"]
    )
    assert {leg["contract_key"]: leg["quantity"] for leg in state["details"]["legs"]} == dict(managed)
    assert state["net_delta"] == pytest.approx(made, abs=0.01)


def test_TC_3_R_A1_3_they_keep_updating_and_keep_their_time_on_disconnect(desk: Desk) -> None:
    """TC-3-R-A1-3: fetched again by themselves and on request; without IB the last ones stay, with their own time."""
    before = desk.status()["accounts_fetched_at"]
    desk.until(lambda: desk.status()["accounts_fetched_at"] > before, "another reading by itself", 20)
    assert desk.command("refresh_accounts")[0] == "done"
    desk.to_gateway.cut()
    desk.until(lambda: not desk.status()["daemon_heartbeat"]["ib_connected"], "the loss of IB", 10)
    # Behind a reading that IB had still answered.
    status, result = desk.command("refresh_accounts")
    assert status == "failed" and result["reason"]
    ((written,),) = desk.database.query("SELECT extract(epoch FROM max(fetched_at))::float8 FROM accounts")
    # What the page shows follows the rows by a notification.
    desk.until(lambda: desk.status()["accounts_fetched_at"] == pytest.approx(written, abs=1e-3), "the last reading", 10)
    told = desk.status()
    last, held = told["accounts_fetched_at"], positions_of(told)
    assert held and account_of(told)["reported"]
    beat = desk.status()["daemon_heartbeat"]["last_ts"]
    desk.until(lambda: desk.status()["daemon_heartbeat"]["last_ts"] > beat, "a heartbeat without IB", 10)
    assert desk.status()["accounts_fetched_at"] == last, "a time at which IB did not answer"
    assert positions_of(desk.status()) == held
    desk.to_gateway.mend()
    desk.command("retry_ib")
    desk.until(lambda: desk.status()["accounts_fetched_at"] > last, "a reading after the reconnect", 30)


def test_TC_3_R_M6_1_the_spot_reaches_status_current(desk: Desk) -> None:
    """TC-3-R-M6-1: status_current has the market's price, and follows it."""
    quotes = "SELECT spot, bid, ask FROM status_current"
    spot, bid, ask = desk.database.query(quotes)[0]
    assert bid <= spot <= ask
    desk.until(lambda: desk.database.query(quotes)[0][0] != spot, "another price", 20)
    mark = desk.simulator.get("/state")["accounts"][0]["positions"]
    strikes = {float(item["contract_key"].split("|")[3]) for item in mark if "|OPT|" in item["contract_key"]}
    assert all(abs(spot / strike - 1) < 0.5 for strike in strikes)


def test_TC_3_R_M6_2_get_status_has_spot_and_a_price_for_everything_held(desk: Desk) -> None:
    """TC-3-R-M6-2: GET /status carries the spot; each instrument held has a live price with a time, near the market."""

    def priced() -> dict[str, Any] | None:
        told = desk.status()
        rows = account_of(told)["positions"]
        held = {row["contract_key"] for row in rows}
        all_priced = all(row["price"] and row["price_source"] == "live" and row["quote_ts"] for row in rows)
        return told if all_priced and held == set(desk.broker_positions()) and STOCK in held else None

    told = desk.until(priced, "a live price for everything held", 30)
    assert told["status"]["spot"] > 0
    stock = next(row for row in account_of(told)["positions"] if row["contract_key"] == STOCK)
    assert stock["price"] == pytest.approx(told["status"]["spot"], rel=0.02)
    marks = {item["contract_key"]: item["mark"] for item in desk.simulator.get("/state")["accounts"][0]["positions"]}
    for row in account_of(told)["positions"]:
        assert row["price"] == pytest.approx(marks[row["contract_key"]], rel=0.25, abs=1.0), row["contract_key"]


def test_TC_3_R_M6_3_each_row_with_price_profit_and_moneyness(desk: Desk) -> None:
    """TC-3-R-M6-3: the page gets positions joined with prices: value, profit and moneyness are right, row by row."""

    def joined() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = account_of(desk.status())["positions"]
        whole = all(row["price"] is not None and (row["sec_type"] == "STK" or row["moneyness"]) for row in found)
        return found if whole else None

    rows = desk.until(joined, "positions with prices", 30)
    for row in rows:
        value = row["price"] * row["position"] * row["multiplier"]
        assert row["market_value"] == pytest.approx(value)
        assert row["unrealized_pnl"] == pytest.approx(value - row["avg_cost"] * row["position"])
        if row["sec_type"] == "STK":
            assert row["moneyness"] is None
            continue
        assert set(row["greeks"]) >= {"iv", "delta", "gamma", "theta", "vega"}
        assert 0 < row["greeks"]["iv"] < 2 and abs(row["greeks"]["delta"]) <= 1
    call, put = (next(row for row in rows if row["option_right"] == right) for right in "CP")
    assert {call["moneyness"], put["moneyness"]} in ({"ITM", "OTM"}, {"ATM"})
    assert (call["intrinsic"] > 0) + (put["intrinsic"] > 0) <= 1
    # How the page shows them is read in a browser (tests/browser/test_page.py).
    assert httpx.get(desk.url, headers=desk.signed, trust_env=False).status_code == 200
