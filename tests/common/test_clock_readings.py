"""Market time against the simulator: interpolated, never decreasing, honest about not knowing."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from bifrost.clock import SimulatorMarketClock, VirtualClock, WallClock, WallMarketClock, format_utc

START = datetime(2014, 6, 5, 13, 30, tzinfo=UTC)


class HandClock(WallClock):
    """Wall clock moved by the test."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


def answer(offset_s: float, speed: float = 60.0, paused: bool = False, always_open: bool = False) -> dict[str, object]:
    market = (START + timedelta(seconds=offset_s)).isoformat().replace("+00:00", "Z")
    return {"market": market, "speed": speed, "paused": paused, "always_open": always_open}


def test_unknown_before_the_first_answer() -> None:
    assert SimulatorMarketClock("http://127.0.0.1:1").now() is None
    stored = SimulatorMarketClock("http://127.0.0.1:1", START)
    assert stored.now() == START and not stored.known


def test_interpolates_by_speed() -> None:
    wall = HandClock()
    clock = SimulatorMarketClock("http://127.0.0.1:1", wall=wall)
    clock.take(answer(0), wall.seconds)
    wall.seconds += 0.5
    assert clock.now() == START + timedelta(seconds=30)
    assert clock.known and clock.speed == 60


def test_never_decreases_when_a_reading_lies_behind() -> None:
    wall = HandClock()
    clock = SimulatorMarketClock("http://127.0.0.1:1", wall=wall)
    clock.take(answer(0), wall.seconds)
    wall.seconds += 1.0
    seen = clock.now()
    assert seen == START + timedelta(seconds=60)
    clock.take(answer(20), wall.seconds)
    assert clock.now() == seen
    wall.seconds += 1.0
    assert clock.now() == START + timedelta(seconds=80)


def test_pause_holds_and_a_silent_simulator_does_not_run_on() -> None:
    wall = HandClock()
    clock = SimulatorMarketClock("http://127.0.0.1:1", wall=wall, max_ahead_s=3.0)
    clock.take(answer(0, paused=True), wall.seconds)
    wall.seconds += 2.0
    assert clock.now() == START and clock.paused
    clock.take(answer(0, speed=1.0), wall.seconds)
    wall.seconds += 100.0
    assert clock.now() == START + timedelta(seconds=3)


def test_change_is_told_once() -> None:
    wall, told = HandClock(), []
    clock = SimulatorMarketClock("http://127.0.0.1:1", wall=wall, on_change=lambda: told.append(clock.speed))
    for speed in (60.0, 60.0, 10.0):
        clock.take(answer(0, speed=speed), wall.seconds)
    assert told == [60.0, 10.0]


def test_a_market_time_without_zone_is_refused() -> None:
    clock = SimulatorMarketClock("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="no zone"):
        clock.take({"market": "2014-06-05T09:30:00", "speed": 1, "paused": False, "always_open": False}, 0.0)


@contextmanager
def served(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/clock" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_reads_a_real_answer_in_the_background() -> None:
    async def run(url: str) -> tuple[datetime | None, bool]:
        changed = asyncio.Event()
        clock = SimulatorMarketClock(url, on_change=changed.set)
        clock.start()
        await asyncio.wait_for(changed.wait(), 5)
        await clock.stop()
        return clock.now(), clock.always_open

    with served(json.dumps(answer(5, paused=True, always_open=True)).encode()) as url:
        assert asyncio.run(run(url)) == (START + timedelta(seconds=5), True)


@pytest.mark.parametrize("body", [b"[]", b"not json", b'{"market": "x"}'])
def test_a_wrong_answer_is_no_reading(body: bytes) -> None:
    with served(body) as url:
        clock = SimulatorMarketClock(url)
        assert asyncio.run(clock.read_once()) is False
    assert clock.now() is None


def test_virtual_clock_moves_forward_only() -> None:
    clock = VirtualClock(START)
    clock.advance(1.5)
    assert clock.now() == START + timedelta(seconds=1.5) and clock.monotonic() == 1.5
    clock.advance_to(START + timedelta(minutes=1))
    for step in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="forward only"):
            clock.advance(step)
    with pytest.raises(ValueError, match="aware"):
        VirtualClock(START.replace(tzinfo=None))


def test_wall_market_clock_is_the_wall() -> None:
    wall = WallClock()
    before, market, after = wall.time(), WallMarketClock(wall).time_s(), wall.time()
    assert before <= market <= after
    assert WallMarketClock(wall).now().tzinfo is UTC


def test_format_is_rfc_3339_utc() -> None:
    assert format_utc(START + timedelta(milliseconds=7)) == "2014-06-05T13:30:00.007Z"
