"""Faults of quotes and of the market itself, and of the humans around the account, on the wire."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from bifrost_simulator.faults import REGISTRY, BadParameters
from bifrost_simulator.scenario import WorldError

from tests.simulator.fault_stage import CALL, PUT, FaultStage, codes, play, prices, statuses, told
from tests.simulator.wire_ib import ib_insync
from tests.simulator.world_support import ACCOUNT

BID, ASK = 1, 2


def test_quotes_stop_for_options_alone(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch(req_id=900)
        client.watch(req_id=901, option=CALL)
        await client.sync()
        stage.inject("quotes_stop", sec_type="OPT", duration_s=3)
        await stage.live(2.5)
        heard = await client.sync()
        ticks = [values["reqId"] for name, values in heard if name.startswith("tick")]
        assert set(ticks) == {900}
        await stage.live(2.0)
        assert 901 in {values["reqId"] for name, values in await client.sync() if name.startswith("tick")}
        assert stage.active == []

    play(tmp_path, body)


@pytest.mark.parametrize(("value", "shown"), [("nan", math.nan), ("zero", 0.0), ("absent", -1.0)])
def test_prices_that_are_no_prices(tmp_path: Path, value: str, shown: float) -> None:
    async def body(stage: FaultStage) -> None:
        ib = await stage.ib()
        ticker = ib.reqMktData(ib_insync.Stock("NVDA", "SMART", "USD"))
        await stage.until(lambda: ticker.bid > 0, "a quote")
        stage.inject("quotes_nan", value=value)
        await stage.until(lambda: not ticker.bid > 0, "no quote")
        assert ticker.bid == shown or (math.isnan(ticker.bid) and math.isnan(shown))
        trade = ib.placeOrder(ticker.contract, ib_insync.MarketOrder("BUY", 10, account=ACCOUNT))
        await stage.live(2.0)
        assert stage.position() == 0, "nothing is matched on it"
        stage.end("quotes_nan")
        await stage.until(lambda: ticker.bid > 0 and trade.isDone(), "the quote and the fill")
        assert stage.position() == 10

    play(tmp_path, body)


def test_option_computations_that_are_no_numbers(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        ib = await stage.ib()
        (option,) = await ib.qualifyContractsAsync(ib_insync.Option("NVDA", "20260605", 140, "C", "SMART"))
        ticker = ib.reqMktData(option)
        await stage.until(lambda: ticker.modelGreeks and ticker.modelGreeks.delta > 0, "the greeks")
        stage.inject("quotes_nan", contract_key=CALL)
        await stage.until(lambda: math.isnan(ticker.modelGreeks.delta), "greeks that are none")

    play(tmp_path, body)


@pytest.mark.parametrize(("by_pct", "gap"), [(0.5, 0.7), (0.0, 0.0)])
def test_the_quote_is_crossed_or_locked(tmp_path: Path, by_pct: float, gap: float) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch()
        await client.sync()
        stage.inject("quotes_crossed", by_pct=by_pct)
        await stage.live(1.0)
        heard = await client.sync()
        bid, ask = prices(heard, BID)[-1], prices(heard, ASK)[-1]
        assert bid - ask == pytest.approx(gap, abs=0.02)
        assert round(bid * 100) == pytest.approx(bid * 100), "on the tick"
        stage.end("quotes_crossed")
        await stage.live(1.0)
        heard = await client.sync()
        assert prices(heard, BID)[-1] < ask + 0.5 and prices(heard, ASK)[-1] > prices(heard, BID)[-1]

    play(tmp_path, body)


@pytest.mark.parametrize(("given", "least", "most"), [({"factor": 30}, 0.5, 3.0), ({"spread_pct": 10}, 13.9, 14.2)])
def test_the_spread_is_wide(tmp_path: Path, given: dict[str, float], least: float, most: float) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch()
        await client.sync()
        stage.inject("spread_wide", **given)
        await stage.live(1.0)
        heard = await client.sync()
        bid, ask = prices(heard, BID)[-1], prices(heard, ASK)[-1]
        assert least <= ask - bid <= most
        assert 0.5 * (bid + ask) == pytest.approx(140, rel=0.01)

    play(tmp_path, body)


def test_trading_is_halted_and_resumes(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch()
        await client.sync()
        stage.inject("halt", duration_s=5)
        await client.place(7, "BUY", 100)
        await stage.live(4.0)
        heard = await client.sync()
        assert 1.0 in [t["value"] for t in told(heard, "tickGeneric") if t["tickType"] == 49]
        assert prices(heard, BID)[-1] == -1 and told(heard, "execDetails") == []
        assert statuses(heard)[-1] == "Submitted", "the order rests"
        await stage.live(3.0)
        heard = await client.sync()
        assert [t["value"] for t in told(heard, "tickGeneric") if t["tickType"] == 49][-1] == 0.0
        assert statuses(heard)[-1] == "Filled"

    play(tmp_path, body)


def test_the_market_gaps_and_stays_there_over_a_restart(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch(req_id=900)
        client.watch(req_id=901, option=CALL)
        heard = await client.sync()
        before, call = prices(heard, BID)[-1], prices(heard, BID, 901)[-1]
        stage.inject("gap", pct=-10)
        await stage.live(2.0)
        heard = await client.sync()
        assert prices(heard, BID)[-1] == pytest.approx(0.9 * before, rel=0.01)
        assert prices(heard, BID, 901)[-1] < 0.5 * call, "options follow the spot"
        stage.world.saver.save_all()  # type: ignore[union-attr]
        again = FaultStage(tmp_path)
        assert again.world.board.quote(again.world.universe.stock.con_id).bid == pytest.approx(0.9 * before, rel=0.01)
        again.world.journal.close()

    play(tmp_path, body)


def test_a_gap_while_the_market_is_closed_opens_the_next_session(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        stock = stage.world.universe.key(stage.world.universe.stock.con_id)
        close = stage.world.market.quotes([stock])[0].mark
        stage.inject("gap", pct=20)
        assert stage.world.market.quotes([stock])[0].mark == close
        stage.world.clock.step(17 * 3600.0)
        await stage.live(0.2)
        opened = stage.world.market.quotes([stock])[0].mark
        assert close is not None and opened is not None and opened == pytest.approx(1.2 * close, rel=0.05)

    play(tmp_path, body, always_open=False, start="2026-05-07 17:00:00")


def test_a_human_trades_the_account(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.request("reqPositions")
        await client.sync()
        stage.inject("manual_trade", side="SELL", quantity=200)
        await stage.live(2.0)
        heard = await client.sync()
        assert told(heard, "position")[-1]["position"] == -200
        assert statuses(heard) == [], "the order is not this client's"
        client.request("reqExecutions", reqId=5)
        fills = told(await client.sync(), "execDetails")
        assert sum(fill["shares"] for fill in fills) == 200 and {fill["clientId"] for fill in fills} == {0}
        with pytest.raises(BadParameters, match="200"):
            stage.inject("manual_trade", contract_key="NVDA|OPT|20300101|1|C")
        with pytest.raises(BadParameters, match="DU9"):
            stage.inject("manual_trade", account="DU9")

    play(tmp_path, body)


def test_a_human_closes_positions(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.request("reqPositions")
        await client.sync()
        stage.inject("manual_close", contract_key=CALL, fraction=0.7)
        await stage.live(3.0)
        assert told(await client.sync(), "position")[-1]["position"] == 1
        stage.inject("manual_close")
        await stage.live(3.0)
        assert (stage.position(CALL), stage.position(PUT)) == (0, 0)
        with pytest.raises(BadParameters, match="there are none"):
            stage.inject("manual_close")

    play(tmp_path, body)


@pytest.mark.parametrize(("name", "key", "left", "shares"), [("exercise", CALL, 2, 100), ("assignment", PUT, -1, 100)])
def test_options_become_shares_without_an_execution(
    tmp_path: Path, name: str, key: str, left: float, shares: float
) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.request("reqPositions")
        await client.sync()
        cash = stage.world.settlement.accounts[ACCOUNT].cash
        stage.inject(name, quantity=1)
        heard = await client.sync()
        assert {(p["secType"], p["position"]) for p in told(heard, "position")} == {("OPT", left), ("STK", shares)}
        assert told(heard, "execDetails") == []
        assert stage.world.settlement.accounts[ACCOUNT].cash == pytest.approx(cash - 14_000), "paid at the strike"
        with pytest.raises(BadParameters, match="quantity 9"):
            stage.inject(name, quantity=9)
        with pytest.raises(BadParameters, match="holds no"):
            stage.inject(name, contract_key=PUT if name == "exercise" else CALL)

    play(tmp_path, body)


def test_a_split_changes_positions_contracts_and_price_and_no_value(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        await client.place(1, "BUY", 100)
        await stage.live(2.0)
        await client.place(2, "BUY", 100, 100.0)
        client.request("reqPositions")
        client.watch()
        before = prices(await client.sync(), BID)[-1]
        worth = stage.world.settlement.figures(ACCOUNT).net_liquidation
        stage.inject("corporate_action", ratio=2)
        await stage.live(1.0)
        heard = await client.sync()
        assert codes(heard, 2) == [202], "orders of the old contract end"
        assert prices(heard, BID)[-1] == pytest.approx(before / 2, rel=0.01)
        held = {p["localSymbol"]: p["position"] for p in told(heard, "position")}
        assert held["NVDA"] == 200
        assert held["NVDA  260605C00140000"] == 0 and held["NVDA  260605C00070000"] == 6
        assert held["NVDA  260605P00070000"] == -4
        assert stage.world.settlement.figures(ACCOUNT).net_liquidation == pytest.approx(worth, rel=0.005)
        stage.world.saver.save_all()  # type: ignore[union-attr]
        again = FaultStage(tmp_path)
        assert (again.position("NVDA|OPT|20260605|70|C"), again.position()) == (6, 200)
        again.world.journal.close()

    play(tmp_path, body)


def test_a_dividend_moves_cash_and_price(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        await client.place(1, "BUY", 100)
        await stage.live(2.0)
        cash = stage.world.settlement.accounts[ACCOUNT].cash
        stage.inject("corporate_action", kind="dividend", usd_per_share=1.5)
        assert stage.world.settlement.accounts[ACCOUNT].cash == pytest.approx(cash + 150)
        with pytest.raises(BadParameters, match="not below the price"):
            stage.inject("corporate_action", kind="dividend", usd_per_share=1e6)
        with pytest.raises(BadParameters, match="usd_per_share"):
            stage.inject("corporate_action", kind="dividend")

    play(tmp_path, body)


def test_a_scenario_with_a_fault_that_cannot_be_is_refused_when_it_is_read(tmp_path: Path) -> None:
    for fault, word in (({"name": "earthquake"}, "earthquake"), ({"name": "gap", "pct": "much"}, "pct")):
        with pytest.raises(WorldError, match=rf"faults: at open\+5m.*{word}"):
            FaultStage(tmp_path, faults=[{"at": "open+5m", **fault}])


def test_a_scripted_fault_whose_position_is_gone_is_reported_and_the_world_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(stage: FaultStage) -> None:
        await stage.live(2.0)
        assert "exercise" in caplog.text and "holds no" in caplog.text
        await (await stage.client()).sync()

    missing = "NVDA|OPT|20260605|150|C"
    play(tmp_path, body, faults=[{"at": 1, "name": "exercise", "contract_key": missing}])


def test_every_fault_has_a_test_on_the_wire() -> None:
    """The catalogue and its tests grow together."""
    texts = "".join(file.read_text() for file in Path(__file__).parent.glob("test_fault_*.py"))
    assert [name for name in REGISTRY if f'"{name}"' not in texts] == []


def test_the_documented_catalogue_is_the_one_that_there_is() -> None:
    """A fault that the document does not name is not found; one that it names and nobody built is a promise broken."""
    document = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
    catalogue = document.partition("## Faults")[2].partition("\n## ")[0]
    named = [name for row in re.findall(r"^\| (`[^|]+) \|", catalogue, re.M) for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(REGISTRY)
