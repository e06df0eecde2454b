"""A TWS client of bare frames, for what a well-behaved library never sends."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from bifrost_simulator.wire.framing import encode_frame, split_fields
from bifrost_simulator.wire.gateway import Gateway
from bifrost_simulator.wire.layout import Values
from bifrost_simulator.wire.messages import REQUEST_BY_NAME, RESPONSE_BY_NUMBER
from bifrost_simulator.wire.session import SessionLimits

from tests.simulator.wire_support import FakeWorld

LIMIT_S = 5.0


class RawClient:
    """One socket; `expect` reads until the named message comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.version = 0
        self.seen: list[tuple[str, Values]] = []

    @classmethod
    async def open(cls, port: int) -> RawClient:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @classmethod
    async def connect(cls, port: int, client_id: int = 1, version: int = 176) -> RawClient:
        """Open, shake hands and wait for the first order id."""
        client = await cls.open(port)
        await client.handshake(f"v157..{version}")
        client.request("startApi", clientId=client_id)
        await client.expect("nextValidId")
        return client

    async def handshake(self, versions: str) -> list[str]:
        self.write(b"API\0" + encode_frame(versions.encode()))
        fields = split_fields(await self.frame())
        self.version = int(fields[0])
        return fields

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def request(self, name: str, **values: Any) -> None:
        self.write(encode_frame(REQUEST_BY_NAME[name].encode(values, self.version)))

    def fields(self, *texts: str) -> None:
        self.write(encode_frame("".join(f"{text}\0" for text in texts).encode()))

    async def frame(self) -> bytes:
        async with asyncio.timeout(LIMIT_S):
            (length,) = struct.unpack(">I", await self.reader.readexactly(4))
            return await self.reader.readexactly(length)

    async def message(self) -> tuple[str, Values]:
        number, *fields = split_fields(await self.frame())
        spec = RESPONSE_BY_NUMBER[int(number)]
        self.seen.append((spec.name, spec.decode(fields, self.version)))
        return self.seen[-1]

    async def expect(self, name: str) -> Values:
        """Return the fields of the next message called ``name``."""
        while True:
            got, values = await self.message()
            if got == name:
                return values

    async def closed(self) -> list[tuple[str, Values]]:
        """Read to the end of the stream and return what came before it."""
        start = len(self.seen)
        while True:
            try:
                await self.message()
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return self.seen[start:]

    def names(self) -> list[str]:
        return [name for name, _ in self.seen]

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


@asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[tuple[FakeWorld, Gateway]]:
    """A gateway with a fake world on a free port."""
    world = FakeWorld()
    gateway = Gateway(world, port=0, limits=SessionLimits(**limits))
    await gateway.start()
    try:
        yield world, gateway
    finally:
        await gateway.stop()


def reasons(world: FakeWorld) -> Iterable[str]:
    return [fields["reason"] for fields in world.journal.of("sessionClosed")]
