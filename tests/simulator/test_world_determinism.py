"""Same seed, same scenario, same client messages: the same journal, apart from wall times."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bifrost.config import load_scenario
from bifrost_simulator.build import build_world
from bifrost_simulator.wire.gateway import Gateway
from bifrost_simulator.wire.session import SessionLimits
from bifrost_simulator.world import SimulatedWorld

from tests.simulator.wire_raw import RawClient
from tests.simulator.world_support import scenario_file

Lines = list[tuple[Any, ...]]
STOCK = {"symbol": "NVDA", "secType": "STK", "exchange": "SMART", "currency": "USD"}
CALL = {**STOCK, "secType": "OPT", "lastTradeDateOrContractMonth": "20260605", "strike": 140.0, "right": "C"}
STEP_WALL_S = 0.05


class Script:
    """Two clients that send the same messages at the same steps of a world whose wall clock is moved by hand."""

    def __init__(self, world: SimulatedWorld, gateway: Gateway) -> None:
        self.world = world
        self.gateway = gateway
        self.wall_s = 0.0

    async def live(self, wall_s: float) -> None:
        for _ in range(round(wall_s / STEP_WALL_S)):
            self.wall_s += STEP_WALL_S
            self.world.step(self.wall_s)
            await asyncio.sleep(0)

    async def send(self, client: RawClient, name: str, **values: Any) -> None:
        """Send one message and wait until the gateway has answered everything sent so far."""
        client.request(name, **values)
        client.request("reqCurrentTime")
        await client.expect("currentTime")

    async def play(self) -> None:
        await self.live(0.5)
        one = await RawClient.connect(self.gateway.port, 1)
        two = await RawClient.connect(self.gateway.port, 7, version=157)
        await self.send(one, "reqMktData", reqId=1, **STOCK, genericTickList="236")
        await self.send(two, "reqMktData", reqId=1, **CALL)
        await self.send(one, "reqAccountUpdates", subscribe=True, account="")
        await self.send(two, "reqPnL", reqId=5, account="DU1234567")
        await self._trade(one, two)
        await self.send(two, "reqExecutions", reqId=9)
        await self.send(one, "reqCompletedOrders", apiOnly=False)
        await self.send(one, "reqHistoricalData", reqId=3, **STOCK, durationStr="1800 S", barSizeSetting="1 min",
                        whatToShow="TRADES", useRTH=True, keepUpToDate=True)  # fmt: skip
        await self.live(2.0)
        await one.close()
        await two.close()

    async def _trade(self, one: RawClient, two: RawClient) -> None:
        order = {"account": "DU1234567", "tif": "DAY", "totalQuantity": 900.0, "action": "BUY"}
        await self.send(one, "placeOrder", orderId=1, **STOCK, **order, orderType="MKT", orderRef="A")
        await self.live(0.7)
        await self.send(two, "placeOrder", orderId=1, **STOCK, **order, orderType="LMT", lmtPrice=120.0)
        few = {**order, "totalQuantity": 5.0}
        await self.send(two, "placeOrder", orderId=2, **CALL, **few, orderType="MKT")
        await self.live(1.0)
        await self.send(two, "cancelOrder", orderId=1)
        await self.send(one, "cancelOrder", orderId=99)
        self.world.inject("connectivity_lost_1100", {"duration_s": 0.5})
        await self.live(1.0)


def journal(folder: Path, seed: int) -> Lines:
    """The journal of the script in a new world, without wall times."""
    folder.mkdir()

    async def main() -> Lines:
        world = build_world(load_scenario(scenario_file(folder, seed=seed, speed=10)))
        # Pacing counts wall seconds, which are no two runs alike.
        gateway = Gateway(world, port=0, limits=SessionLimits(messages_per_second=0))
        await gateway.start()
        try:
            await Script(world, gateway).play()
        finally:
            await gateway.stop()
        found = world.journal.entries(ticks=True, limit=1_000_000)
        return [(e.seq, e.market_s, e.direction, e.client_id, e.message, dict(e.fields)) for e in found]

    return asyncio.run(main())


def test_two_runs_write_the_same_journal(tmp_path: Path) -> None:
    first, second = journal(tmp_path / "a", 7), journal(tmp_path / "b", 7)
    assert first == second
    messages = {line[4] for line in first}
    assert {"tickPrice", "tickOptionComputation", "execDetails", "commissionReport", "historicalDataUpdate"} <= messages
    assert {"pnl", "updatePortfolio", "completedOrder", "error"} <= messages


def test_another_seed_is_another_day(tmp_path: Path) -> None:
    def prices(lines: Lines) -> list[Any]:
        return [line[5]["price"] for line in lines if line[4] == "execDetails"]

    assert prices(journal(tmp_path / "a", 7)) != prices(journal(tmp_path / "b", 8))
