"""The servers of the bench, each in a process of its own.

``gateway``: the simulator's world and gateway; the script goes in where the feed's ticks go in, at the dispatcher.
``bare``: an asyncio server that answers the handshake and writes the same frames: made when they are due (``plain``),
or made before, in the same chunks (``chunked``) or with one write a tick (``single``). All speak JSON lines on stdout:
the port, then the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from bifrost.config import load_scenario
from bifrost_simulator.api import BrokerError
from bifrost_simulator.build import build_world
from bifrost_simulator.state import StateStore
from bifrost_simulator.wire.framing import FrameReader, encode_frame, split_fields
from bifrost_simulator.wire.gateway import Gateway
from bifrost_simulator.wire.messages import REQUEST_BY_NUMBER, RESPONSE_BY_NAME
from bifrost_simulator.wire.session import SessionLimits

from bench._tick_script import END_MARK, START_MARK, chunks, frames, mark, plainly, script

VERSION = 176
HIGH_WATER, LOW_WATER = 512 << 10, 128 << 10
SCENARIO = Path(__file__).with_name("sim_ticks.yaml")


def say(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


class Paced:
    """Rounds as fast as the readers take them, or ``rate`` ticks a second over all clients.

    What was made for the run is frozen first: it is the bench's, and the collector would walk it again and again.
    """

    def __init__(self, transports: Callable[[], list[asyncio.WriteTransport]], rate: float) -> None:
        self._transports = transports
        self._rate = rate

    async def run(self, rounds: int, ticks_a_round: int, publish: Callable[[int], None]) -> None:
        gc.collect()
        gc.freeze()
        began_s = time.monotonic()
        for number in range(rounds):
            publish(number)
            if self._rate:
                due_s = began_s + (number + 1) * ticks_a_round / self._rate
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            else:
                await self._drained()

    async def _drained(self) -> None:
        await asyncio.sleep(0)
        if any(one.get_write_buffer_size() > HIGH_WATER for one in self._transports()):
            while any(one.get_write_buffer_size() > LOW_WATER for one in self._transports()):
                await asyncio.sleep(0.0005)


async def gateway(given: argparse.Namespace) -> None:
    """The simulator's own way from the dispatcher on, journal and its file included."""
    with tempfile.TemporaryDirectory() as folder:
        world = build_world(load_scenario(SCENARIO), StateStore(Path(folder)), lines=given.contracts)
        limits = SessionLimits(version_cap=VERSION, messages_per_second=0)
        server = Gateway(world, port=0, limits=limits)
        await server.start()
        world.step(time.monotonic())
        say(port=server.port, con_ids=[contract.con_id for contract in options(world, given.contracts)])
        while world.feed.line_count() < given.contracts * given.clients:
            await asyncio.sleep(0.01)
        world.dispatcher.flush()
        publications = script(given.contracts, given.rounds)
        lines = by_contract(world)

        def publish(number: int) -> None:
            for ticks, subscribers in zip(publications[number], lines, strict=True):
                for client_id, req_id in subscribers:
                    world.dispatcher.ticks(client_id, req_id, ticks)
            world.dispatcher.flush()

        transports = [session._transport for session in server.sessions]
        paced = Paced(lambda: cast(list[asyncio.WriteTransport], transports), given.rate)
        world.dispatcher.error(None, -1, BrokerError(2104, START_MARK))
        await measured(given, paced, publish)
        world.dispatcher.error(None, -1, BrokerError(2104, END_MARK))
        world.dispatcher.flush()
        while server.client_ids:
            await asyncio.sleep(0.01)
        await server.stop()


def by_contract(world: Any) -> list[list[tuple[int, int]]]:
    """(client, request) of every line, contract by contract as the feed publishes them."""
    found: dict[int, list[tuple[int, int]]] = {}
    for line in world.feed.requests():
        found.setdefault(line.contract.con_id, []).append((line.client_id, line.req_id))
    return list(found.values())


def options(world: Any, count: int) -> list[Any]:
    """The options nearest to the front, as conIds that a client can ask for."""
    found = [world.universe.add(key) for key in sorted(world.market.chain(), key=str)]
    return found[:count]


async def measured(given: argparse.Namespace, paced: Paced, publish: Callable[[int], None]) -> None:
    ticks_a_round = given.ticks_a_line * given.contracts * given.clients
    cpu_s, wall_s = time.process_time(), time.monotonic()
    await paced.run(given.rounds, ticks_a_round, publish)
    wall_s = time.monotonic() - wall_s
    say(cpu_s=time.process_time() - cpu_s, wall_s=wall_s, ticks=given.rounds * ticks_a_round)


class Bare(asyncio.Protocol):
    """Just enough of a gateway that ib_insync connects and subscribes."""

    def __init__(self, everyone: list[Bare], asked: list[int]) -> None:
        self._reader = FrameReader()
        self._everyone, self._asked = everyone, asked
        self._shaken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)
        self._everyone.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._everyone.remove(self)

    def data_received(self, data: bytes) -> None:
        for payload in self._reader.feed(data):
            if self._shaken:
                self._answer(split_fields(payload))
            else:
                self._shaken = True
                self.transport.write(encode_frame(f"{VERSION}\0 20260101 00:00:00 UTC\0".encode()))

    def _answer(self, fields: list[str]) -> None:
        spec = REQUEST_BY_NUMBER[int(fields[0])]
        values = spec.decode(fields[1:], VERSION)
        match spec.name:
            case "startApi":
                self._send("managedAccounts", accounts="DU1234567")
                self._send("nextValidId", orderId=1)
            case "reqPositions":
                self._send("positionEnd")
            case "reqOpenOrders":
                self._send("openOrderEnd")
            case "reqCompletedOrders":
                self._send("completedOrdersEnd")
            case "reqAccountUpdates":
                self._send("accountDownloadEnd", account=values["account"])
            case "reqAccountUpdatesMulti":
                self._send("accountUpdateMultiEnd", reqId=values["reqId"])
            case "reqExecutions":
                self._send("execDetailsEnd", reqId=values["reqId"])
            case "reqMktData":
                self._asked.append(values["reqId"])

    def _send(self, name: str, **values: Any) -> None:
        self.transport.write(encode_frame(RESPONSE_BY_NAME[name].encode(values, VERSION)))


async def bare(given: argparse.Namespace) -> None:
    """Writes what was encoded before; what it costs is the socket."""
    everyone: list[Bare] = []
    asked: list[int] = []
    server = await asyncio.get_running_loop().create_server(lambda: Bare(everyone, asked), "127.0.0.1", 0)
    say(port=server.sockets[0].getsockname()[1], con_ids=list(range(1, given.contracts + 1)))
    while len(asked) < given.contracts * given.clients:
        await asyncio.sleep(0.01)
    req_ids = asked[: given.contracts]
    publications = script(given.contracts, given.rounds)
    writes = _made_before(given.server, req_ids, publications)
    transports = [one.transport for one in everyone]

    def publish(number: int) -> None:
        due = writes[number] if writes else chunks(plainly(req_ids, publications[number]))
        for transport in transports:
            for data in due:
                transport.write(data)

    for transport in transports:
        transport.write(mark(START_MARK, VERSION))
    await measured(given, Paced(lambda: transports, given.rate), publish)
    for transport in transports:
        transport.write(mark(END_MARK, VERSION))
    while everyone:
        await asyncio.sleep(0.01)
    server.close()


def _made_before(server: str, req_ids: list[int], publications: list[list[list[Any]]]) -> list[list[bytes]]:
    """The writes of each round; none for the server that makes its frames when they are due."""
    if server == "plain":
        return []
    made = [list(frames(req_ids, publication, VERSION)) for publication in publications]
    if made[0] != list(plainly(req_ids, publications[0])):
        raise SystemExit("bench: the servers do not send the same frames")
    return made if server == "single" else [chunks(iter(one)) for one in made]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("server", choices=("gateway", "chunked", "plain", "single"))
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--contracts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--ticks-a-line", type=int, default=6)
    parser.add_argument("--rate", type=float, default=0.0)
    arguments = parser.parse_args()
    asyncio.run(gateway(arguments) if arguments.server == "gateway" else bare(arguments))
