"""Bytes that no client sends: the gateway never falls over, and whoever sends them is closed with a reason."""

from __future__ import annotations

import asyncio
import random

from bifrost_simulator.wire.framing import API_PREFIX, FrameError, FrameReader, encode_frame
from bifrost_simulator.wire.messages import REQUESTS
from bifrost_simulator.wire.session import SessionState
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.wire_raw import RawClient, serving
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
