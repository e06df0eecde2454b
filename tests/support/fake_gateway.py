"""A scripted peer that speaks just enough of the TWS protocol to test the IB client side without the simulator.

It answers what a test tells it to answer; anything else stays unanswered, which is what a sick gateway does.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from contextlib import suppress

Handler = Callable[["FakeSession", list[str]], None]
VERSION = 176


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Wait on the loop until ``condition`` holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not come true within {limit_s:g} s"
        await asyncio.sleep(0.005)


class FakeSession:
    """One client's socket."""

    def __init__(self, gateway: FakeGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.gateway = gateway
        self._reader, self._writer = reader, writer
        self.client_id = -1

    def send(self, *frames: tuple[object, ...]) -> None:
        """Write ``frames`` in one chunk."""
        data = b""
        for fields in frames:
            payload = "".join(f"{field}\0" for field in fields).encode()
            data += struct.pack(">I", len(payload)) + payload
        self._writer.write(data)

    def error(self, req_id: int | str, code: int, text: str) -> None:
        self.send((4, 2, req_id, code, text, ""))

    def close(self) -> None:
        self._writer.close()

    async def _frame(self) -> list[str]:
        (length,) = struct.unpack(">I", await self._reader.readexactly(4))
        return (await self._reader.readexactly(length)).decode().split("\0")[:-1]

    async def serve(self) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._reader.readexactly(4)
            (length,) = struct.unpack(">I", await self._reader.readexactly(4))
            await self._reader.readexactly(length)
            self.send((VERSION, "20260302 09:30:00 EST"))
            self.client_id = int((await self._frame())[2])
            if self.client_id in self.gateway.taken_client_ids:
                self.error(-1, 326, "Unable to connect as the client id is already in use.")
                await self._writer.drain()
                self.close()
                return
            self.send((15, 1, ",".join(self.gateway.accounts)), (9, 1, 1))
            self.gateway.sessions.append(self)
            while True:
                fields = await self._frame()
                self.gateway.received.append(fields)
                handler = self.gateway.handlers.get(int(fields[0]))
                if handler is not None:
                    handler(self, fields)
        self.close()


class FakeGateway:
    """``async with FakeGateway() as gateway``: listens on a free port of the loopback."""

    def __init__(self, accounts: tuple[str, ...] = ("DU1000001",)) -> None:
        self.accounts = accounts
        self.taken_client_ids: set[int] = set()
        self.handlers: dict[int, Handler] = {49: lambda session, _fields: session.send((49, 1, 1_400_000_000))}
        self.received: list[list[str]] = []
        self.sessions: list[FakeSession] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FakeGateway:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the listener and every session."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in self.sessions:
            session.close()
        self.sessions.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(FakeSession(self, reader, writer).serve())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def requests(self, message_id: int) -> list[list[str]]:
        """Every message with this id so far."""
        return [fields for fields in self.received if fields[0] == str(message_id)]


def contract_details(
    req_id: str, con_id: int, contract: list[str], *, rule: int = 26, trading_class: str = "", multiplier: str = "100"
) -> tuple[object, ...]:
    """Frame 10 that confirms a contract (symbol, type, expiry, strike, right) under ``con_id``."""
    symbol, sec_type, expiry, strike, right = contract
    units = multiplier if sec_type == "OPT" else ""
    name = trading_class or symbol
    head = (10, req_id, symbol, sec_type, expiry, strike, right, "SMART", "USD", f"{symbol} LOCAL", name, name)
    rest = (con_id, 0.01, units, "LMT,MKT", "SMART,NASDAQ", 1, 0, symbol, "NASDAQ", "", "", "", "", "US/Eastern")
    tail = ("", "", "", 0, 0, 1, symbol, "STK", f"{rule},99", "", "COMMON", 1, 1, 100)
    return head + rest + tail


def details_end(req_id: str) -> tuple[object, ...]:
    """Frame 52."""
    return (52, 1, req_id)


def answer_contracts(con_ids: dict[str, int]) -> Handler:
    """A handler of reqContractDetails that knows the contracts by key; others get error 200."""
    from bifrost.contract import contract_key

    def handle(session: FakeSession, fields: list[str]) -> None:
        req_id, con_id = fields[2], int(fields[3])
        symbol, sec_type, expiry, strike, right = fields[4:9]
        if con_id:
            found = next((text for text, number in con_ids.items() if number == con_id), None)
        else:
            text = str(contract_key(symbol, sec_type, expiry, float(strike or 0), right))
            found = text if text in con_ids else None
        if found is None:
            session.error(req_id, 200, "No security definition has been found for the request")
            return
        name, kind, date, price, side = found.split("|")
        session.send(
            contract_details(req_id, con_ids[found], [name, kind, date, price or "0", side or "?"]), details_end(req_id)
        )

    return handle


def answer_rule(session: FakeSession, fields: list[str]) -> None:
    """Market rule: 0.01 below 3 dollars, 0.05 above."""
    session.send((93, fields[1], 2, 0, 0.01, 3, 0.05))
