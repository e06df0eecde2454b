"""The gateway on a real socket: handshake, refusals, who hears what, and how it leaves the socket."""

from __future__ import annotations

import asyncio
import socket

import pytest
from bifrost_simulator.api import BrokerError, PriceTick, TickType
from bifrost_simulator.wire.framing import API_PREFIX, FrameReader, encode_frame
from bifrost_simulator.wire.gateway import Gateway, PortInUseError
from bifrost_simulator.wire.handlers import HANDLERS
from bifrost_simulator.wire.messages import REQUEST_BY_NAME
from bifrost_simulator.wire.session import CHUNK_BYTES, Session, SessionLimits

from tests.simulator.wire_raw import RawClient, reasons, serving
from tests.simulator.wire_support import ACCOUNT, FakeWorld, RecordingJournal, run, until


def test_every_request_of_the_table_has_a_handler() -> None:
    assert set(HANDLERS) | {"startApi"} == set(REQUEST_BY_NAME)


@pytest.mark.parametrize(
    ("cap", "versions", "answer"),
    [(176, "v157..176", 176), (176, "v100..157", 157), (176, "v157..178", 176), (178, "v157..222 +PACEAPI", 178)],
)
def test_the_answer_is_the_lower_of_both_highest_versions(cap: int, versions: str, answer: int) -> None:
    async def main() -> None:
        async with serving(version_cap=cap) as (_, gateway):
            client = await RawClient.open(gateway.port)
            assert await client.handshake(versions) == [str(answer), "20260302 15:00:00 UTC"]
            await client.close()

    run(main)


def test_nothing_is_sent_between_handshake_and_start_api() -> None:
    """ibapi drops whatever follows the handshake in the same read (gotcha G1)."""

    async def main() -> None:
        async with serving() as (world, gateway):
            client = await RawClient.open(gateway.port)
            await client.handshake("v157..176")
            client.request("reqCurrentTime")
            client.request("startApi", clientId=3)
            await client.expect("error")
            assert client.names() == ["managedAccounts", "nextValidId", "error"]
            assert client.seen[0][1] == {"accounts": ACCOUNT}
            assert client.seen[2][1]["code"] == 2104
            assert world.connected == [3] and gateway.client_ids == (3,)
            await client.close()

    run(main)


@pytest.mark.parametrize("versions", ["v100..150", "v201..222", "hello", "v176..157", ""])
def test_a_client_of_no_common_version_is_closed_with_a_reason(versions: str) -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            client = await RawClient.open(gateway.port)
            client.write(API_PREFIX + encode_frame(versions.encode()))
            assert await client.closed() == []
            (reason,) = reasons(world)
            assert (
                "versions" in reason or "v<min>..<max>" in reason or "highest version" in reason or "0 bytes" in reason
            )

    run(main)


def test_a_client_id_in_use_gets_326_and_is_closed_and_is_free_again_later() -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            first = await RawClient.connect(gateway.port, 7)
            second = await RawClient.open(gateway.port)
            await second.handshake("v157..176")
            second.request("startApi", clientId=7)
            ((name, values),) = await second.closed()
            assert (name, values["code"], values["reqId"]) == ("error", 326, -1)
            first.request("reqCurrentTime")
            assert (await first.expect("currentTime"))["time"] == 1772463600
            await first.close()
            await until(lambda: world.connected == [])
            third = await RawClient.connect(gateway.port, 7)
            await third.close()

    run(main)


def test_streams_go_to_those_who_asked() -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            asker = await RawClient.connect(gateway.port, 1)
            other = await RawClient.connect(gateway.port, 2)
            asker.request("reqPositions")
            asker.request("reqAccountUpdates", subscribe=True, account="")
            asker.request("reqAccountUpdatesMulti", reqId=5, account=ACCOUNT)
            asker.request("reqAccountSummary", reqId=6, groupName="All", tags="NetLiquidation")
            asker.request("reqPositionsMulti", reqId=7, account=ACCOUNT)
            asker.request("reqPnL", reqId=8, account=ACCOUNT)
            asker.request("reqPnLSingle", reqId=9, account=ACCOUNT, conId=200_000_002)
            await asker.expect("pnlSingle")
            other.request("reqCurrentTime")
            await other.expect("currentTime")
            del asker.seen[:], other.seen[:]
            world.tell.on_position(world.positions()[0])
            world.tell.on_portfolio(world.portfolio(ACCOUNT)[0])
            world.tell.on_account_values(ACCOUNT, world.account_values(ACCOUNT))
            world.tell.on_marks()
            world.tell.on_error(None, -1, BrokerError(1100, "Connectivity between IBKR and TWS has been lost."))
            world.tell.on_flush()
            for client in (asker, other):
                assert (await client.expect("error"))["code"] == 1100
            assert other.names() == ["error"]
            assert asker.names() == [
                "position", "positionMulti", "updatePortfolio", "updateAccountValue", "updateAccountValue",
                "accountUpdateMulti", "accountUpdateMulti", "accountSummary", "error",
            ], "figures that did not change are not sent again"  # fmt: skip
            for name, values in (
                ("cancelPositions", {}),
                ("reqAccountUpdates", {"subscribe": False}),
                ("cancelAccountUpdatesMulti", {"reqId": 5}),
                ("cancelAccountSummary", {"reqId": 6}),
                ("cancelPositionsMulti", {"reqId": 7}),
                ("cancelPnL", {"reqId": 8}),
                ("cancelPnLSingle", {"reqId": 9}),
                ("reqCurrentTime", {}),
            ):
                asker.request(name, **values)
            await asker.expect("currentTime")
            del asker.seen[:]
            world.tell.on_position(world.positions()[0])
            world.tell.on_account_values(ACCOUNT, world.account_values(ACCOUNT))
            world.tell.on_marks()
            asker.request("reqCurrentTime")
            await asker.expect("currentTime")
            assert asker.names() == ["currentTime"]
            await asker.close()
            await other.close()

    run(main)


def test_a_drop_sends_what_is_queued_first() -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            one = await RawClient.connect(gateway.port, 1)
            two = await RawClient.connect(gateway.port, 2)
            world.tell.on_error(1, -1, BrokerError(1100, "lost"))
            world.tell.on_drop(1, "fault disconnect")
            assert (await one.closed())[-1][1]["code"] == 1100
            assert gateway.client_ids == (2,) and world.connected == [2]
            world.tell.on_drop(None, "nightly restart")
            await two.closed()
            assert list(reasons(world)) == ["fault disconnect", "nightly restart"]

    run(main)


def test_auto_binding_is_for_client_0_only() -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            for client_id in (0, 5):
                client = await RawClient.connect(gateway.port, client_id)
                client.request("reqAutoOpenOrders", autoBind=True)
                client.request("reqCurrentTime")
                await client.expect("currentTime")
                codes = [values["code"] for name, values in client.seen if name == "error"]
                assert (327 in codes) == (client_id == 5)
                await client.close()
            assert world.auto_bind is True

    run(main)


def test_a_taken_port_is_named_with_its_variable() -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(PortInUseError, match=rf"127\.0\.0\.1:{port} .*SIM_PORT"):
                await Gateway(FakeWorld(), port=port).start()

    run(main)


def test_a_version_cap_outside_the_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="server version cap 201 must lie between 157 and 178"):
        Gateway(FakeWorld(), limits=SessionLimits(version_cap=201))


class _Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


def test_one_step_of_the_world_is_one_write_a_session_in_chunks_of_whole_frames() -> None:
    async def main() -> None:
        world = FakeWorld()
        gateway = Gateway(world)
        session = Session(gateway)
        transport = _Transport()
        session.connection_made(transport)
        session.version = 176
        gateway.start_api(session, 1)
        session.flush()
        del transport.writes[:]
        world.tell.on_ticks(1, 5, [PriceTick(TickType.BID, 140.0, 100)] * 3)
        world.tell.on_ticks(1, 6, [PriceTick(TickType.ASK, 140.1, 100)])
        assert transport.writes == []
        world.tell.on_flush()
        assert len(transport.writes) == 1 and len(list(_frames(transport.writes[0]))) == 4
        world.tell.on_ticks(1, 5, [PriceTick(TickType.BID, 140.0, 100)] * 1000)
        world.tell.on_flush()
        chunks = transport.writes[1:]
        assert len(chunks) > 1 and max(map(len, chunks)) <= CHUNK_BYTES
        assert sum(len(list(_frames(chunk))) for chunk in chunks) == 1000
        gateway.closed(session)

    run(main)


def _frames(data: bytes) -> list[bytes]:
    reader = FrameReader(expect_api_prefix=False)
    frames = list(reader.feed(data))
    assert reader.pending_bytes == 0, "a chunk ends inside a frame"
    return frames


def test_the_journal_tells_the_story() -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            client = await RawClient.connect(gateway.port, 4)
            client.request("cancelOrder", orderId=3)
            await client.expect("error")
            await client.close()
            await until(lambda: world.connected == [])
            journal: RecordingJournal = world.journal
            assert [(direction, client_id, name) for direction, client_id, name, _ in journal.lines][:6] == [
                ("in", None, "handshake"),
                ("out", None, "handshake"),
                ("in", None, "startApi"),
                ("out", 4, "managedAccounts"),
                ("out", 4, "nextValidId"),
                ("out", 4, "error"),
            ]
            assert journal.of("cancelOrder")[0]["orderId"] == 3
            assert journal.of("error")[-1]["code"] == 10147
            assert list(reasons(world)) == ["the client closed the connection"]

    run(main)
