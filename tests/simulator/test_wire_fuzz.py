"""Bytes that no client sends: the gateway never falls over, and whoever sends them is closed with a reason."""

from __future__ import annotations

import asyncio
import random
import struct
from pathlib import Path

import pytest
from bifrost_simulator.wire.fields import FieldError
from bifrost_simulator.wire.framing import API_PREFIX, MAX_FRAME_BYTES, FrameError, FrameReader, encode_frame
from bifrost_simulator.wire.messages import REQUEST_BY_NUMBER, REQUESTS
from bifrost_simulator.wire.session import SessionState
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.fault_stage import FaultStage, play, told
from tests.simulator.wire_raw import RawClient, reasons, serving
from tests.simulator.wire_support import run, until

FRAMES = st.lists(st.binary(min_size=1, max_size=60), max_size=8)


@given(FRAMES, st.lists(st.integers(1, 9), max_size=30))
@settings(max_examples=200, deadline=None)
def test_frames_come_out_as_they_went_in_however_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = API_PREFIX + b"".join(map(encode_frame, payloads))
    reader = FrameReader()
    received: list[bytes] = []
    for size in [*cuts, len(stream)]:
        received += reader.feed(stream[:size])
        stream = stream[size:]
    assert received == payloads
    assert reader.pending_bytes == 0


@given(st.lists(st.binary(max_size=200), max_size=6))
@settings(max_examples=200, deadline=None)
def test_random_bytes_are_frames_or_a_frame_error(chunks: list[bytes]) -> None:
    reader = FrameReader(expect_api_prefix=False, max_frame_bytes=100)
    try:
        for chunk in chunks:
            for payload in reader.feed(chunk):
                assert 0 < len(payload) <= 100
            assert reader.pending_bytes <= 104
    except FrameError as error:
        assert "bytes announced" in str(error)


def _mangled(rng: random.Random, frame: bytes) -> bytes:
    """One frame with something wrong: bytes flipped, cut short, doubled, or a false length."""
    data = bytearray(frame)
    match rng.randrange(5):
        case 0:
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(4, len(data))] = rng.randrange(256)
        case 1:
            del data[rng.randrange(4, len(data)) :]
        case 2:
            data = data * 2
        case 3:
            data[:4] = rng.randbytes(4)
        case _:
            data = bytearray(encode_frame(rng.randbytes(rng.randrange(1, 300))))
    return bytes(data)


def test_mangled_requests_never_stop_the_gateway() -> None:
    """Seeded, so that a failure can be repeated: every request of the table, bent in five ways, from 150 clients."""
    rng = random.Random(20260302)
    ids = {"reqId": 3, "orderId": 3, "clientId": 3, "conId": 3, "marketRuleId": 3}

    async def main() -> None:
        async with serving(messages_per_second=0) as (world, gateway):
            good = await RawClient.connect(gateway.port, 1)
            for client_id in range(100, 250):
                bad = await RawClient.connect(gateway.port, client_id)
                for _ in range(6):
                    spec = rng.choice(REQUESTS)
                    values = {name: value for name, value in ids.items() if name in spec.field_names}
                    bad.write(_mangled(rng, encode_frame(spec.encode(values, 176))))
                bad.writer.close()
            await until(lambda: gateway.client_ids == (1,), limit_s=10, what="the end of the mangled sessions")
            good.request("reqCurrentTime")
            await good.expect("currentTime")
            defects = [fields for fields in world.journal.of("error") if "Error processing" in str(fields["text"])]
            assert defects == [], "input that cannot be read must be refused before the world sees it"
            await good.close()

    run(main)


def test_many_connections_at_once_leave_nothing_behind() -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            half_open = [await RawClient.open(gateway.port) for _ in range(150)]
            clients = await asyncio.gather(*(RawClient.connect(gateway.port, client_id) for client_id in range(100)))
            assert gateway.client_ids == tuple(range(100))
            for client in [*half_open, *clients]:
                client.writer.close()
            await until(lambda: not gateway.client_ids and world.connected == [])
            await until(lambda: not gateway.sessions, what="the last socket")

    run(main)


def _hostile_streams(rng: random.Random) -> dict[str, bytes]:
    """Streams of a client that shook hands, each wrong in one way that costs the connection."""
    huge = struct.pack(">I", 100 << 20)
    return {
        "a header of 100 MB": huge,
        "a header of 100 MB with some of it": huge + rng.randbytes(1 << 16),
        "the longest header there is": b"\xff\xff\xff\xff",
        "a negative length": struct.pack(">i", -1) + b"x" * 10,
        "an empty frame": b"\0\0\0\0",
        "one byte more than is taken": struct.pack(">I", MAX_FRAME_BYTES + 1),
        "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a good frame and then garbage": encode_frame(b"49\x001\x00") + b"\xde\xad\xbe\xef" * 8,
        "the API prefix again": API_PREFIX * 4,
    }


@pytest.mark.parametrize("what", sorted(_hostile_streams(random.Random(0))))
def test_a_stream_that_cannot_go_on_is_closed_with_a_reason(what: str) -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            good = await RawClient.connect(gateway.port, 1)
            bad = await RawClient.connect(gateway.port, 2)
            bad.write(_hostile_streams(random.Random(7))[what])
            await bad.closed()
            (reason,) = reasons(world)
            assert "bytes announced, between 1 and 1048576 are taken" in reason
            (entry,) = [line for line in world.journal.lines if line[2] == "sessionClosed"]
            assert entry[1] == 2, "the journal says whose session it was"
            good.request("reqCurrentTime")
            await good.expect("currentTime")
            assert gateway.client_ids == (1,)
            await good.close()

    run(main)


def test_a_frame_at_the_limit_is_read_and_answered() -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            client = await RawClient.connect(gateway.port)
            client.write(encode_frame(b"81\x001\x00" + b"N" * (MAX_FRAME_BYTES - 6) + b"\x00"))
            client.request("reqCurrentTime")
            await client.expect("currentTime")
            assert list(reasons(world)) == []
            await client.close()

    run(main)


def test_half_frames_of_many_sessions_cost_little_and_end_with_the_handshake_limit() -> None:
    """Half a handshake, half a header, half a body: what never becomes whole is closed in time."""
    halves = [b"", b"AP", b"API\0", b"API\0\0\0", b"API\0\0\0\0\x09v157", encode_frame(b"x")[:2]]

    async def main() -> None:
        async with serving(handshake_timeout_s=0.3) as (world, gateway):
            good = await RawClient.connect(gateway.port, 1)
            clients = []
            for number in range(60):
                client = await RawClient.open(gateway.port)
                client.write(halves[number % len(halves)])
                clients.append(client)
            for client in clients:
                assert await client.closed() == []
            found = set(reasons(world))
            assert "no startApi in time" in found
            assert any("no TWS API client" in reason for reason in found)
            good.request("reqCurrentTime")
            await good.expect("currentTime")
            await good.close()

    run(main)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-8", "cp1252"])
def test_text_in_any_encoding_is_text(encoding: str) -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            client = await RawClient.connect(gateway.port)
            client.write(encode_frame(b"81\x005\x00" + "Ünïcödé €".encode(encoding, "replace") + b"\x00"))
            client.request("reqCurrentTime")
            await client.expect("currentTime")
            assert [name for _, _, name, _ in world.journal.lines].count("sessionClosed") == 0
            await client.close()

    run(main)


@given(st.lists(st.text(max_size=12), max_size=30), st.sampled_from([spec.number for spec in REQUESTS]))
@settings(max_examples=150, deadline=None)
def test_any_fields_behind_any_message_number_are_read_or_refused(fields: list[str], number: int) -> None:
    """Counts and contents: the codec answers with values or with an error that names the field, never otherwise."""
    spec = REQUEST_BY_NUMBER[number]
    texts = [text.replace("\0", " ") for text in fields]
    for version in (157, 176, 178):
        try:
            values = spec.decode(texts, version)
        except FieldError as error:
            assert str(error)
        else:
            assert set(values) <= set(spec.field_names) | {"comboLegs"}


def test_thousands_of_connections_one_after_the_other() -> None:
    """Two thousand sockets, at most forty at a time, half of them rude: nothing is left and nobody else notices."""
    rng = random.Random(99)

    async def one(port: int, number: int) -> None:
        client = await RawClient.open(port)
        match number % 4:
            case 0:
                client.write(rng.randbytes(rng.randrange(1, 200)))
            case 1:
                client.write(API_PREFIX + encode_frame(b"v100..120"))
            case 2:
                client.writer.transport.abort()
            case _:
                client.write(API_PREFIX + encode_frame(b"v157..176"))
                client.write(encode_frame(f"71\x002\x00{number}\x00\x00".encode()))
                await client.frame()
        client.writer.close()

    async def main() -> None:
        async with serving() as (world, gateway):
            good = await RawClient.connect(gateway.port, 1)
            gate = asyncio.Semaphore(40)

            async def bounded(number: int) -> None:
                async with gate:
                    await one(gateway.port, number)

            await asyncio.gather(*(bounded(number) for number in range(2000)))
            await until(lambda: len(gateway.sessions) == 1, limit_s=10, what="the last socket")
            assert world.connected == [1]
            good.request("reqCurrentTime")
            await good.expect("currentTime")
            closed = list(reasons(world))
            assert len(closed) == 2000 and all(closed), "each has a line and a reason"
            await good.close()

    run(main)


def test_a_closed_session_takes_nothing_more() -> None:
    async def main() -> None:
        async with serving() as (world, gateway):
            client = await RawClient.connect(gateway.port)
            (session,) = gateway.sessions
            session.close("enough")
            assert session.state is SessionState.CLOSED
            before = len(world.journal.lines)
            session.data_received(b"\xff" * 100)
            session.send("positionEnd")
            session.close("again")
            assert len(world.journal.lines) == before
            assert session.close_reason == "enough"
            await client.closed()

    run(main)


_ODD = ("", "0", "-1", "1e308", "-1e308", "1e-320", "Infinity", "NaN", "99999999999", "x", "\\u0000", "ü", "A" * 300)
_SOUND = {
    "reqId": 3, "orderId": 3, "conId": 0, "marketRuleId": 26, "symbol": "NVDA", "secType": "STK", "exchange": "SMART",
    "currency": "USD", "action": "BUY", "totalQuantity": 10, "orderType": "LMT", "lmtPrice": 100.0, "tif": "DAY",
    "account": "DU1234567", "transmit": True, "durationStr": "600 S", "barSizeSetting": "1 min",
    "whatToShow": "TRADES", "formatDate": 1, "groupName": "All", "tags": "NetLiquidation", "pattern": "NV",
    "underlyingSymbol": "NVDA", "underlyingSecType": "STK", "optionPrice": 5.0, "volatility": 0.3, "underPrice": 140.0,
}  # fmt: skip


def test_a_real_world_behind_odd_fields_answers_or_refuses(tmp_path: Path) -> None:
    """Sound requests of every kind with a few odd fields, seeded: what the codec lets in the world must refuse."""
    rng = random.Random(20260507)
    specs = [spec for spec in REQUESTS if spec.name not in ("startApi", "reqCurrentTime")]

    async def body(stage: FaultStage) -> None:
        client, good = await stage.client(1), await stage.client(2)
        for number in range(5 * len(specs)):
            spec = specs[number % len(specs)]
            sound = {name: value for name, value in _SOUND.items() if name in spec.field_names}
            head, *texts = spec.encode(sound, 176).decode().split("\0")[:-1]
            for _ in range(rng.randrange(0, 4)):
                if texts:
                    texts[rng.randrange(len(texts))] = rng.choice(_ODD)
            client.fields(head, *texts)
            if number % 100 == 99:
                await client.sync()
                await stage.live(0.2)
        await client.sync()
        texts_of_errors = [str(values["text"]) for values in told(client.seen, "error")]
        assert [text for text in texts_of_errors if "Error processing request. " in text] == []
        assert len(texts_of_errors) > 50, "the odd ones were refused"
        await good.sync()
        assert stage.gateway.client_ids == (1, 2)

    play(tmp_path, body)
