"""What no well-behaved client sends: unreadable requests, garbage, floods, peers that stop reading or half close."""

from __future__ import annotations

import asyncio
import struct
import time

import pytest
from bifrost_simulator.api import StringTick, TickType
from bifrost_simulator.wire.framing import API_PREFIX, FrameError, encode_frame, parse_version_range
from bifrost_simulator.wire.messages import REQUEST_BY_NAME
from bifrost_simulator.wire.pacing import Pacer, PacingMode
from bifrost_simulator.wire.session import Session

from tests.simulator.wire_raw import RawClient, reasons, serving
from tests.simulator.wire_support import run, until


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


def test_a_known_request_that_is_not_simulated_is_answered() -> None:
    """Scanner, news, fundamentals: a client that waits for them must hear that they do not come."""

    async def main() -> None:
        async with serving() as (_, gateway):
            client = await RawClient.connect(gateway.port)
            client.fields("22", "77", "10", "STK")
            client.fields("52", "2", "78", "NVDA")
            client.fields("80")
            client.fields("104", "0")
            answers = []
            while len(answers) < 4:
                values = await client.expect("error")
                if values["code"] == 10089:
                    answers.append((values["reqId"], values["text"].split(": ")[1]))
            assert answers == [
                (77, "reqScannerSubscription is not simulated."),
                (78, "reqFundamentalData is not simulated."),
                (-1, "reqFamilyCodes is not simulated."),
                (0, "reqUserInfo is not simulated."),
            ]
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


def test_a_message_that_cannot_be_written_is_dropped_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving() as (_, gateway):
            session = Session(gateway)
            session.version = 176
            session.send("tickSize", {"reqId": 1, "tickType": 0, "wrong": 3})

    run(main)
    assert "tickSize for client None cannot be sent: tickSize has no field wrong" in caplog.text


def test_version_ranges() -> None:
    assert parse_version_range(b"v157..176") == (157, 176, "")
    assert parse_version_range(b"v100..157 +PACEAPI\0") == (100, 157, "+PACEAPI")
    assert parse_version_range(b"v176") == (176, 176, "")
    with pytest.raises(FrameError):
        parse_version_range(b"v1x..2")
