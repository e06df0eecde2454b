"""The clients of the bench: sockets that only count frames, and one unmodified ib_insync. Each in its own process.

``count``: as many connections as asked for, read by one selector. ``ib_insync``: its own connect, subscriptions and
decoding. Both measure from the server's first mark to its last and print one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import selectors
import socket
import time
from typing import Any

from bifrost_simulator.wire.framing import encode_frame
from bifrost_simulator.wire.messages import REQUEST_BY_NAME

from bench._tick_script import END_MARK, START_MARK

VERSION = 176
RECEIVE_BYTES = 256 << 10


class Counter:
    """One connection. Frames between the two marks are counted; an error frame (id 4) may be a mark."""

    def __init__(self, port: int, client_id: int, con_ids: list[int]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._left = b""
        self.frames = 0
        self.began_s = self.ended_s = 0.0
        self.socket.sendall(b"API\0" + encode_frame(f"v157..{VERSION}".encode()))
        self._await_handshake()
        self._request("startApi", clientId=client_id)
        for req_id, con_id in enumerate(con_ids, start=1):
            self._request("reqMktData", reqId=req_id, conId=con_id, exchange="SMART")

    def _await_handshake(self) -> None:
        while len(self._left) < 4 or len(self._left) < 4 + int.from_bytes(self._left[:4]):
            self._left += self.socket.recv(RECEIVE_BYTES)
        self._left = self._left[4 + int.from_bytes(self._left[:4]) :]

    def _request(self, name: str, **values: Any) -> None:
        self.socket.sendall(encode_frame(REQUEST_BY_NAME[name].encode(values, VERSION)))

    def read(self) -> bool:
        """Take what the socket has; False when the measurement is over."""
        received = self.socket.recv(RECEIVE_BYTES)
        if not received:
            return False
        data = self._left + received
        end, size, counted = 0, len(data), 0
        while size - end >= 4:
            start = end + 4
            following = start + (data[end] << 24 | data[end + 1] << 16 | data[end + 2] << 8 | data[end + 3])
            if following > size:
                break
            counted += 1
            if data[start] == 52 and data[start + 1] == 0:  # "4": an error frame
                counted = self._mark(data[start:following], counted)
            end = following
        self._left = data[end:]
        self.frames += counted
        return not self.ended_s

    def _mark(self, payload: bytes, counted: int) -> int:
        if START_MARK.encode() in payload:
            self.began_s, self.frames = time.monotonic(), 0
            return 0
        if END_MARK.encode() in payload:
            self.ended_s = time.monotonic()
            return counted - 1
        return counted


def count(given: argparse.Namespace) -> dict[str, float]:
    """Read all connections to their end mark, or for ``seconds`` from the first frames on."""
    watched = selectors.DefaultSelector()
    counters = [Counter(given.port, given.first_client + number, given.con_ids) for number in range(given.clients)]
    for counter in counters:
        watched.register(counter.socket, selectors.EVENT_READ, counter)
    if given.seconds:
        return _for_a_while(watched, counters, given.seconds)
    open_sockets = len(counters)
    while open_sockets:
        for key, _ in watched.select():
            if not key.data.read():
                watched.unregister(key.fileobj)
                open_sockets -= 1
    began_s = min(counter.began_s for counter in counters)
    ended_s = max(counter.ended_s for counter in counters)
    return {"frames": sum(counter.frames for counter in counters), "seconds": ended_s - began_s}


def _for_a_while(watched: selectors.BaseSelector, counters: list[Counter], seconds: float) -> dict[str, float]:
    """Frames that arrive in ``seconds`` of wall time, after two seconds for the subscriptions to settle."""
    began_s = time.monotonic() + 2
    counting, ended_s = False, began_s + seconds
    while time.monotonic() < ended_s:
        if not counting and time.monotonic() >= began_s:
            counting = True
            print(json.dumps({"counting": True}), flush=True)
            for counter in counters:
                counter.frames = 0
        for key, _ in watched.select(0.1):
            key.data.read()
    return {"frames": sum(counter.frames for counter in counters), "seconds": seconds}


def with_ib_insync(given: argparse.Namespace) -> dict[str, float]:
    """One ib_insync with a listener on pendingTickersEvent, its own throttle off."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # eventkit asks for it while it is imported
    import ib_insync

    ib = ib_insync.IB()
    ib.client.MaxRequests = 0
    over = asyncio.Event()
    marks: dict[str, tuple[float, int]] = {}

    def on_error(_: int, __: int, text: str, ___: Any) -> None:
        if text in (START_MARK, END_MARK):
            marks[text] = (time.monotonic(), ib.client.connectionStats().numMsgRecv)
        if text == END_MARK:
            over.set()

    async def main() -> None:
        await ib.connectAsync("127.0.0.1", given.port, clientId=given.first_client, timeout=10)
        ib.errorEvent += on_error
        ib.pendingTickersEvent += lambda tickers: None
        for con_id in given.con_ids:
            ib.reqMktData(ib_insync.Contract(conId=con_id, exchange="SMART"))
        await over.wait()
        ib.disconnect()

    loop.run_until_complete(main())
    (began_s, first), (ended_s, last) = marks[START_MARK], marks[END_MARK]
    return {"frames": last - first - 1, "seconds": ended_s - began_s}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=("count", "ib_insync"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--con-ids", type=json.loads, required=True)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--first-client", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.0)
    arguments = parser.parse_args()
    figures = count(arguments) if arguments.client == "count" else with_ib_insync(arguments)
    print(json.dumps(figures), flush=True)
