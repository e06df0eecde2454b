"""The gateway on a real socket: handshake, refusals, bad input, pacing, slow and half-closed peers."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

import pytest
from bifrost_simulator.api import BrokerError, PriceTick, StringTick, TickType
from bifrost_simulator.wire.framing import API_PREFIX, FrameError, FrameReader, encode_frame, parse_version_range
from bifrost_simulator.wire.gateway import Gateway, PortInUseError
from bifrost_simulator.wire.handlers import HANDLERS
from bifrost_simulator.wire.messages import REQUEST_BY_NAME
from bifrost_simulator.wire.pacing import Pacer, PacingMode
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


def test_unknown_message_ids_are_noted_and_cost_nothing() -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            client = await RawClient.connect(gateway.port)
            for head in ("999", "22", "x", "", "-1", "٣"):
                client.fields(head, "1", "2")
            client.write(encode_frame(b"\xff\xfe\0\xc3\0"))
            client.request("reqCurrentTime")
            await client.expect("currentTime")
            assert [fields["id"] for fields in world.journal.of("unsupported")][:2] == ["999", "22"]
            assert len(world.journal.of("unsupported")) == 7
            await client.close()

    run(main)


def test_an_unreadable_order_is_answered_under_its_id_and_the_session_lives() -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            client = await RawClient.connect(gateway.port)
            client.fields("3", "41", "5", "NVDA")
            values = await client.expect("error")
            while values["code"] == 2104:
                values = await client.expect("error")
            assert (values["reqId"], values["code"]) == (41, 320)
            assert "placeOrder" in values["text"] and "the message ends after 3 fields" in values["text"]
            assert world.orders == {}
            client.request("reqIds")
            await client.expect("nextValidId")
            await client.close()

    run(main)


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "no TWS API client"),
        (b"API\0" + struct.pack(">I", 100 << 20) + b"x" * 100, "frame of 104857600 bytes announced"),
        (b"API\0" + struct.pack(">I", 0), "frame of 0 bytes announced"),
        (b"API\0" + encode_frame(b"v157..176") + b"\xff" * 64, "frame of 4294967295 bytes announced"),
    ],
)
def test_garbage_is_closed_with_a_reason_and_others_do_not_notice(garbage: bytes, reason: str) -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            good = await RawClient.connect(gateway.port)
            bad = await RawClient.open(gateway.port)
            bad.write(garbage)
            async with asyncio.timeout(5):
                await bad.reader.read()
            assert any(reason in text for text in reasons(world)), list(reasons(world))
            good.request("reqCurrentTime")
            await good.expect("currentTime")
            await good.close()

    run(main)


def test_whole_frames_before_a_broken_one_still_count() -> None:
    async def main() -> None:
        async with serving() as (_, gateway):
            client = await RawClient.connect(gateway.port)
            request = encode_frame(REQUEST_BY_NAME["reqCurrentTime"].encode({}, 176))
            client.write(request + request + b"\xff" * 8)
            answers = [name for name, _ in await client.closed()]
            assert answers.count("currentTime") == 2

    run(main)


def test_bytes_may_come_one_at_a_time() -> None:
    async def main() -> None:
        async with serving() as (_, gateway):
            client = await RawClient.open(gateway.port)
            start = REQUEST_BY_NAME["startApi"].encode({"clientId": 1}, 176)
            for byte in API_PREFIX + encode_frame(b"v157..176") + encode_frame(start):
                client.write(bytes([byte]))
                await client.writer.drain()
                await asyncio.sleep(0)
            await client.frame()
            client.version = 176
            await client.expect("nextValidId")
            await client.close()

    run(main)


def test_a_half_closed_client_still_gets_its_answers() -> None:
    async def main() -> None:
        async with serving(messages_per_second=5) as (world, gateway):
            client = await RawClient.connect(gateway.port)
            for _ in range(7):
                client.request("reqIds")
            client.writer.write_eof()
            answers = [name for name, _ in await client.closed()]
            assert answers.count("nextValidId") == 7
            assert world.connected == []

    run(main)


def test_a_defect_in_the_world_is_an_error_frame_not_a_lost_session(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            client = await RawClient.connect(gateway.port)
            world.fail_on_positions = True
            client.request("reqPositionsMulti", reqId=9)
            values = await client.expect("error")
            while values["code"] == 2104:
                values = await client.expect("error")
            assert (values["reqId"], values["code"]) == (9, 321)
            assert "a defect in the world" in values["text"]
            world.fail_on_positions = False
            client.request("reqPositions")
            await client.expect("positionEnd")
            await client.close()

    run(main)
    assert "failed inside the simulator" in caplog.text


def test_more_than_the_limit_is_delayed_in_order() -> None:
    async def main() -> None:
        async with serving(messages_per_second=10) as (_, gateway):
            client = await RawClient.connect(gateway.port)
            began = time.monotonic()
            for rule in range(25):
                client.request("reqMarketRule", marketRuleId=rule)
            order = [(await client.expect("marketRule"))["marketRuleId"] for _ in range(25)]
            assert order == list(range(25))
            assert time.monotonic() - began >= 1.9
            await client.close()

    run(main)


def test_the_rejecting_gateway_answers_100_and_hangs_up_at_the_third() -> None:
    async def main() -> None:
        async with serving(messages_per_second=10, pacing_mode=PacingMode.REJECT) as (world, gateway):
            client = await RawClient.connect(gateway.port)
            for rule in range(20):
                client.request("reqMarketRule", marketRuleId=rule)
            got = await client.closed()
            assert [values["code"] for name, values in got if name == "error"][-3:] == [100, 100, 100]
            assert sum(name == "marketRule" for name, _ in got) == 10
            assert "Max rate of messages per second has been exceeded:max=10" in next(iter(reasons(world)))

    run(main)


def test_the_window_slides() -> None:
    pacer = Pacer(2)
    for moment, waits in ((0.0, 0.0), (0.25, 0.0), (0.5, 0.5), (1.0, 0.0), (1.125, 0.125), (1.25, 0.0)):
        assert pacer.wait_s(moment) == pytest.approx(waits)
        if waits == 0:
            pacer.admit(moment)
    unlimited = Pacer(0)
    for _ in range(1000):
        unlimited.admit(0.0)
    assert unlimited.wait_s(0.0) == 0.0


def test_a_reader_that_stops_reading_is_cut_off_and_the_others_go_on() -> None:
    async def main() -> None:
        async with serving(send_buffer_bytes=64 << 10) as (world, gateway):
            good = await RawClient.connect(gateway.port, 1)
            slow = await RawClient.connect(gateway.port, 2)
            slow.writer.transport.pause_reading()
            news = StringTick(TickType.LAST_EXCHANGE, "N" * 100_000)

            def cut_off() -> bool:
                world.tell.on_ticks(2, 5, [news])
                world.tell.on_flush()
                return gateway.client_ids == (1,)

            await until(cut_off)
            assert any("slow reader" in reason for reason in reasons(world))
            good.request("reqCurrentTime")
            await good.expect("currentTime")
            await good.close()
            slow.writer.transport.abort()

    run(main)


def test_a_connection_that_never_starts_is_closed() -> None:
    async def main() -> None:
        async with serving(handshake_timeout_s=0.1) as (world, gateway):
            mute = await RawClient.open(gateway.port)
            assert await mute.closed() == []
            assert list(reasons(world)) == ["no startApi in time"]

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


def test_a_message_that_cannot_be_written_is_dropped_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving() as (_, gateway):
            session = Session(gateway)
            session.version = 176
            session.send("tickSize", {"reqId": 1, "tickType": 0, "wrong": 3})

    run(main)
    assert "tickSize for client None cannot be sent: tickSize has no field wrong" in caplog.text


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


def test_version_ranges() -> None:
    assert parse_version_range(b"v157..176") == (157, 176, "")
    assert parse_version_range(b"v100..157 +PACEAPI\0") == (100, 157, "+PACEAPI")
    assert parse_version_range(b"v176") == (176, 176, "")
    with pytest.raises(FrameError):
        parse_version_range(b"v1x..2")
