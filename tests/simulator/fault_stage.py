"""A real world behind a real gateway, wall time moved by hand: faults as they look from the other end of the socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bifrost.config import load_scenario
from bifrost_simulator.build import build_world
from bifrost_simulator.state import StateStore
from bifrost_simulator.wire.gateway import Gateway
from bifrost_simulator.wire.layout import Values
from bifrost_simulator.wire.session import SessionLimits

from tests.simulator.wire_ib import ib_insync, quiet
from tests.simulator.wire_raw import RawClient
from tests.simulator.wire_support import until
from tests.simulator.world_support import ACCOUNT, scenario_file

CALL, PUT = "NVDA|OPT|20260605|140|C", "NVDA|OPT|20260605|140|P"
POSITIONS = [{"contract_key": CALL, "quantity": 3}, {"contract_key": PUT, "quantity": -2}]
Message = tuple[str, Values]


class Client(RawClient):
    """A raw client that asks for a sign of life to know that all said before it has come."""

    async def sync(self) -> list[Message]:
        """Everything that arrived since the last call; what was written before it has been dealt with."""
        self.request("reqCurrentTime")
        start = getattr(self, "_told", 0)
        await self.expect("currentTime")
        self._told = len(self.seen)
        return self.seen[start : self._told - 1]

    async def place(self, order_id: int, action: str, quantity: float, limit: float | None = None, **more: Any) -> None:
        self.request(
            "placeOrder",
            orderId=order_id,
            symbol="NVDA",
            secType="STK",
            exchange="SMART",
            currency="USD",
            action=action,
            totalQuantity=quantity,
            orderType="MKT" if limit is None else "LMT",
            lmtPrice=limit,
            tif="DAY",
            account=ACCOUNT,
            transmit=True,
            **more,
        )
        # A request has arrived once the one behind it is answered; the answer is left for the next sync.
        self.request("reqIds", numIds=1)
        await self.expect("nextValidId")

    def watch(self, req_id: int = 900, generics: str = "", option: str = "") -> None:
        contract: dict[str, Any] = {"symbol": "NVDA", "secType": "STK"}
        if option:
            _, _, expiry, strike, right = option.split("|")
            contract = {
                "symbol": "NVDA", "secType": "OPT", "lastTradeDateOrContractMonth": expiry, "strike": float(strike),
                "right": right,
            }  # fmt: skip
        self.request("reqMktData", reqId=req_id, exchange="SMART", currency="USD", genericTickList=generics, **contract)


def told(messages: list[Message], name: str) -> list[Values]:
    """The messages of that name."""
    return [values for got, values in messages if got == name]


def codes(messages: list[Message], req_id: int | None = None) -> list[int]:
    """Error codes, of one request or order when given."""
    return [values["code"] for values in told(messages, "error") if req_id in (None, values["reqId"])]


def statuses(messages: list[Message]) -> list[str]:
    return [values["status"] for values in told(messages, "orderStatus")]


def prices(messages: list[Message], tick_type: int, req_id: int = 900) -> list[float]:
    """Prices of one tick type."""
    found = told(messages, "tickPrice")
    return [values["price"] for values in found if (values["reqId"], values["tickType"]) == (req_id, tick_type)]


class FaultStage:
    """World, gateway and a hand on the wall clock."""

    def __init__(self, folder: Path, **scenario: Any) -> None:
        accounts = [{"id": ACCOUNT, "cash": 1_000_000, "positions": POSITIONS}]
        file = scenario_file(folder, **{"accounts": accounts, **scenario})
        self.world = build_world(load_scenario(file), StateStore(folder / "state"))
        self.gateway = Gateway(self.world, port=0, limits=SessionLimits(messages_per_second=0))
        self.wall_s = 0.0
        self.clients: list[RawClient] = []
        self.libraries: list[Any] = []
        self.world.step(0.0)

    async def client(self, client_id: int = 1) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.gateway.port))
        self.clients.append(client)
        await client.handshake("v157..176")
        client.request("startApi", clientId=client_id)
        await client.expect("nextValidId")
        await client.sync()
        return client

    async def ib(self, client_id: int = 1) -> Any:
        """An unmodified ib_insync, connected."""
        ib = ib_insync.IB()
        ib.client.MaxRequests = 0
        self.libraries.append(ib)
        await ib.connectAsync("127.0.0.1", self.gateway.port, clientId=client_id, timeout=4)
        return ib

    def inject(self, name: str, **parameters: Any) -> None:
        self.world.inject(name, parameters)

    def end(self, name: str) -> None:
        assert self.world.faults.clear(self.world, name), f"{name} was not active"
        self.world.commit()

    @property
    def active(self) -> list[str]:
        return [fault.name for fault in self.world.faults.active]

    async def live(self, wall_s: float, step_s: float = 0.05) -> None:
        """Let ``wall_s`` seconds of the world's wall time pass; the sockets get their turn at each step."""
        end = self.wall_s + wall_s
        while self.wall_s < end - 1e-9:
            self.wall_s = min(end, self.wall_s + step_s)
            self.world.step(self.wall_s)
            await asyncio.sleep(0)

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Let the world live until ``condition`` holds."""
        for _ in range(400):
            if condition():
                return
            await self.live(0.05)
            await asyncio.sleep(0.001)
        raise AssertionError(f"{what} did not come")

    def position(self, key: str = "NVDA|STK|||") -> float:
        held = {position.contract.contract_key: position.quantity for position in self.world.positions()}
        return held.get(key, 0.0)

    def journal(self, message: str) -> list[dict[str, Any]]:
        return [dict(entry.fields) for entry in self.world.journal.entries(message=message)]

    def close_reasons(self) -> list[str]:
        return [fields["reason"] for fields in self.journal("sessionClosed")]


Body = Callable[[FaultStage], Awaitable[None]]


@asynccontextmanager
async def _on_stage(folder: Path, scenario: dict[str, Any]) -> AsyncIterator[FaultStage]:
    with quiet():
        stage = FaultStage(folder, **scenario)
        await stage.gateway.start()
        try:
            yield stage
        finally:
            for client in stage.clients:
                client.writer.close()
            for ib in stage.libraries:
                ib.disconnect()
            await until(lambda: all(s.client_id is None for s in stage.gateway.sessions), what="the end of the clients")
            await stage.gateway.stop()
            stage.world.journal.close()


def play(folder: Path, body: Body, **scenario: Any) -> None:
    """Run ``body`` on a stage of its own."""

    async def main() -> None:
        async with _on_stage(folder, scenario) as stage:
            await body(stage)

    asyncio.run(main())
