"""Faults of connections, logins, farms and clocks on the wire, and what recovery looks like."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.simulator.fault_stage import Client, FaultStage, codes, play, prices, statuses, told
from tests.simulator.wire_ib import ib_insync
from tests.simulator.wire_support import until


async def _refused(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


def test_sockets_are_dropped_and_orders_stay(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        one, two = await stage.client(1), await stage.client(2)
        await one.place(7, "BUY", 100, 100.0)
        stage.inject("disconnect", client_id=1)
        await one.closed()
        await two.sync()
        assert stage.close_reasons() == ["fault disconnect"]
        again = await stage.client(1)
        again.request("reqOpenOrders")
        assert [o["orderId"] for o in told(await again.sync(), "openOrder")] == [7]

    play(tmp_path, body)


@pytest.mark.parametrize(
    ("message", "when", "lives", "last"),
    [
        ("placeOrder", "before", False, None),
        ("placeOrder", "after", True, "orderStatus"),
        ("openOrder", "before", True, None),
        ("orderStatus:Submitted", "after", True, "orderStatus"),
    ],
)
def test_the_connection_breaks_at_a_message(
    tmp_path: Path, message: str, when: str, lives: bool, last: str | None
) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("disconnect", message=message, when=when)
        client.request(
            "placeOrder", orderId=7, symbol="NVDA", secType="STK", exchange="SMART", currency="USD", action="BUY",
            totalQuantity=100, orderType="LMT", lmtPrice=100.0, tif="DAY", account="DU1234567", transmit=True,
        )  # fmt: skip
        names = [name for name, _ in await client.closed()]
        assert (names[-1] if names else None) == last
        assert stage.close_reasons() == [f"the connection was cut {when} {message.partition(':')[0]}"]
        assert (stage.world.book.find(1, 7) is not None) is lives
        if message == "openOrder":
            assert stage.journal("openOrder") == [], "the journal knows only what left"

    play(tmp_path, body)


def test_ib_insync_finds_the_fill_that_broke_its_connection(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        ib = await stage.ib()
        stage.inject("disconnect", message="execDetails", when="before", nth=1)
        order = ib_insync.MarketOrder("BUY", 50, account="DU1234567", orderRef="BFCUT")
        trade = ib.placeOrder(ib_insync.Stock("NVDA", "SMART", "USD"), order)
        await stage.until(lambda: not ib.isConnected(), "the end of the connection")
        assert trade.fills == [] and not trade.isDone(), "all the client knows is an order that works"
        await stage.until(lambda: stage.position() == 50, "the fill at the broker")
        again = await stage.ib()
        assert {fill.execution.orderRef for fill in again.fills()} == {"BFCUT"}
        assert [p.position for p in again.positions() if p.contract.secType == "STK"] == [50]

    play(tmp_path, body)


def test_connectivity_is_lost_and_comes_back_with_all_that_happened(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch()
        await client.place(7, "BUY", 100)
        await client.sync()
        stage.inject("connectivity_lost_1100", duration_s=3)
        await stage.live(2.5)
        heard = await client.sync()
        assert codes(heard) == [1100] and {name for name, _ in heard} == {"error"}
        assert stage.position() == 100, "the broker works on"
        late = await stage.client(2)
        assert codes(late.seen) == [1100], "who connects meanwhile is told"
        await stage.live(1.0)
        heard = await client.sync()
        assert codes(heard) == [1102] and statuses(heard)[-1] == "Filled"
        assert told(heard, "execDetails") and [name for name, _ in heard].index("error") == 0

    play(tmp_path, body)


@pytest.mark.parametrize(("name", "code", "goes_on"), [("restored_1101", 1101, False), ("restored_1102", 1102, True)])
def test_restored_with_and_without_the_subscriptions(tmp_path: Path, name: str, code: int, goes_on: bool) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch()
        await client.sync()
        stage.inject("connectivity_lost_1100")
        await stage.live(1.0)
        stage.inject(name)
        await stage.live(2.0)
        heard = await client.sync()
        assert codes(heard) == [1100, code]
        assert bool(told(heard, "tickSize")) is goes_on
        client.watch(req_id=901)
        assert told(await client.sync(), "tickPrice"), "asking again helps in any case"

    play(tmp_path, body)


def test_the_nightly_restart_shuts_the_port_and_brings_all_back(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        await client.place(7, "BUY", 100, 100.0)
        port = stage.gateway.port
        stage.inject("nightly_restart", duration_s=10)
        await client.closed()
        assert await _refused(port)
        assert stage.close_reasons() == ["the nightly restart"]
        await stage.live(9.0, step_s=0.25)
        assert await _refused(port)
        await stage.live(1.5)
        await until(lambda: stage.gateway.is_listening, what="the open port")
        assert stage.gateway.port == port
        again = await stage.client()
        again.request("reqOpenOrders")
        assert [o["orderId"] for o in told(await again.sync(), "openOrder")] == [7]
        assert codes(again.seen)[:3] == [2104, 2106, 2158]

    play(tmp_path, body)


def test_the_weekly_login_takes_connections_and_says_nothing(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        stage.inject("weekly_login")
        await client.closed()
        waiting = await Client.open(stage.gateway.port)
        stage.clients.append(waiting)
        waiting.write(b"API\0\0\0\0\x09v157..176")
        await waiting.writer.drain()
        await until(lambda: stage.gateway.sessions, what="the socket")
        await stage.live(30.0, step_s=1.0)
        assert not waiting.reader.at_eof()
        assert len(stage.journal("handshake")) == 2, "only those of the first client"
        stage.end("weekly_login")
        assert await waiting.closed() == [], "its handshake was with nobody"
        assert (await stage.client()).version == 176

    play(tmp_path, body)


def test_a_login_that_shuts_the_port(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        stage.inject("weekly_login", port="closed", duration_s=5)
        assert await _refused(stage.gateway.port)
        await stage.live(5.5, step_s=0.5)
        await until(lambda: stage.gateway.is_listening, what="the open port")
        await stage.client()

    play(tmp_path, body)


def test_a_gateway_that_stops_while_its_port_is_shut(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        stage.inject("nightly_restart")
        await stage.gateway.stop()
        assert await _refused(stage.gateway.port)
        await stage.gateway.start()

    play(tmp_path, body)


def test_the_market_data_farm_breaks_and_comes_back(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch()
        await client.sync()
        stage.inject("farm_broken_2103", duration_s=3)
        await stage.live(2.0)
        heard = await client.sync()
        assert [e["text"] for e in told(heard, "error")] == ["Market data farm connection is broken:usfarm"]
        assert told(heard, "tickPrice") == [] and told(heard, "tickSize") == []
        assert 2103 in codes((await stage.client(2)).seen), "who connects meanwhile is told"
        await stage.live(2.0)
        heard = await client.sync()
        assert codes(heard) == [2104] and told(heard, "tickSize")
        assert codes((await stage.client(3)).seen)[:3] == [2104, 2106, 2158]

    play(tmp_path, body)


def test_the_history_farm_breaks_and_comes_back(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        bars = {
            "symbol": "NVDA", "secType": "STK", "exchange": "SMART", "currency": "USD", "endDateTime": "",
            "durationStr": "600 S", "barSizeSetting": "1 min", "whatToShow": "TRADES", "useRTH": False,
            "formatDate": 1, "keepUpToDate": False,
        }  # fmt: skip
        stage.inject("farm_broken_2105")
        client.request("reqHistoricalData", reqId=5, **bars)
        heard = await client.sync()
        assert codes(heard, -1) == [2105] and codes(heard, 5) == [162]
        stage.end("farm_broken_2105")
        client.request("reqHistoricalData", reqId=6, **bars)
        heard = await client.sync()
        assert codes(heard) == [2106] and told(heard, "historicalData")

    play(tmp_path, body)


def test_a_client_id_in_use(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        stage.inject("client_id_in_use_326", client_id=1)
        other = await stage.client(2)
        refused = await Client.open(stage.gateway.port)
        await refused.handshake("v157..176")
        refused.request("startApi", clientId=1)
        ((name, values),) = await refused.closed()
        assert (name, values["reqId"], values["code"]) == ("error", -1, 326)
        assert any("326" in reason for reason in stage.close_reasons())
        await stage.client(1)
        assert stage.gateway.client_ids == (1, 2) and await other.sync() == []

    play(tmp_path, body)


def test_ib_insync_cannot_connect_on_an_id_in_use_and_can_afterwards(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        stage.inject("client_id_in_use_326")
        ib = ib_insync.IB()
        seen: list[int] = []
        ib.errorEvent += lambda req_id, code, text, contract: seen.append(code)
        with pytest.raises((TimeoutError, ConnectionError)):
            await ib.connectAsync("127.0.0.1", stage.gateway.port, clientId=1, timeout=0.3)
        assert seen == [326]
        assert (await stage.ib(1)).isConnected()

    play(tmp_path, body)


def test_a_competing_session_takes_the_market_data(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch(req_id=900)
        await client.sync()
        stage.inject("competing_session_10197", duration_s=3)
        client.watch(req_id=901)
        await stage.live(2.0)
        heard = await client.sync()
        assert (codes(heard, 900), codes(heard, 901)) == ([10197], [10197])
        assert told(heard, "tickPrice") == [] and told(heard, "tickSize") == []
        await stage.live(2.0)
        heard = await client.sync()
        assert {t["reqId"] for t in told(heard, "tickSize")} == {900, 901} and codes(heard) == []

    play(tmp_path, body)


@pytest.mark.parametrize("code", [354, 10089])
def test_no_permission_ends_lines_and_refuses_new_ones(tmp_path: Path, code: int) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch(req_id=900)
        await client.sync()
        stage.inject("no_permission_354", sec_type="STK", code=code)
        client.watch(req_id=901)
        client.watch(req_id=902, option="NVDA|OPT|20260605|140|C")
        await stage.live(1.0)
        heard = await client.sync()
        assert (codes(heard, 900), codes(heard, 901)) == ([code], [code])
        ticks = told(heard, "tickPrice")
        assert {t["reqId"] for t in ticks} == {902}, "options are permitted"
        stage.end("no_permission_354")
        client.watch(req_id=903)
        assert prices(await client.sync(), 1, 903)

    play(tmp_path, body)


def test_only_delayed_data_is_permitted(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        client.watch(req_id=900)
        (first,) = prices(await client.sync(), 1)
        stage.inject("delayed_only_10167", delay_s=30)
        client.watch(req_id=901)
        await stage.live(1.0)
        heard = await client.sync()
        assert (codes(heard, 900), codes(heard, 901)) == ([10167], [10167])
        kinds = told(heard, "marketDataType")
        assert {(k["reqId"], k["marketDataType"]) for k in kinds} == {(900, 3), (901, 3)}
        assert set(prices(heard, 66)) == {first} and prices(heard, 1) == []
        live_then = stage.world.board.quote(stage.world.universe.stock.con_id).bid
        await stage.live(30.5, step_s=0.2)
        heard = await client.sync()
        assert prices(heard, 66)[-1] == pytest.approx(live_then, abs=0.03), "what was live thirty seconds ago"
        stage.end("delayed_only_10167")
        await stage.live(1.0)
        heard = await client.sync()
        assert {k["marketDataType"] for k in told(heard, "marketDataType")} == {1}
        assert prices(heard, 1) and not prices(heard, 66)

    play(tmp_path, body)


def test_the_clock_of_the_gateway_is_wrong(tmp_path: Path) -> None:
    async def body(stage: FaultStage) -> None:
        client = await stage.client()
        market_s = stage.world.clock.market_s
        stage.inject("clock_skew", offset_s=120)
        client.request("reqCurrentTime")
        assert (await client.expect("currentTime"))["time"] == int(market_s + 120)
        await client.place(7, "BUY", 100)
        await stage.live(1.0)
        (done,) = stage.world.book.executions
        assert done.execution.time.timestamp() == pytest.approx(stage.world.clock.market_s + 120, abs=2)
        stage.end("clock_skew")
        client.request("reqCurrentTime")
        assert (await client.expect("currentTime"))["time"] == int(stage.world.clock.market_s)
        assert stage.world.clock.market_s == pytest.approx(market_s + 1.0), "market time itself never moved"

    play(tmp_path, body)
