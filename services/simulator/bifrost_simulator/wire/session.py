"""One client's socket: handshake, negotiated version, pacing, what it subscribed to, and its send queue."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, cast

from bifrost_simulator.api import BrokerError, Direction, Journal
from bifrost_simulator.api.wire import Passage
from bifrost_simulator.wire.bursts import Burst
from bifrost_simulator.wire.fields import FieldError, shorten
from bifrost_simulator.wire.framing import FrameError, FrameReader, encode_frame, parse_version_range, split_fields
from bifrost_simulator.wire.layout import OLDEST_VERSION, Values
from bifrost_simulator.wire.messages import REQUEST_BY_NUMBER, RESPONSE_BY_NAME, START_API
from bifrost_simulator.wire.pacing import STRIKES, Pacer, PacingMode
from bifrost_simulator.wire.readable import readable, request_id
from bifrost_simulator.wire.subscriptions import Subscriptions
from bifrost_simulator.wire.throttle import Throttle
from bifrost_simulator.wire.unsupported import unsupported_answer

log = logging.getLogger(__name__)

CHUNK_BYTES = 8192
"""Larger writes make ib_insync re-slice its receive buffer once a message (tws-protocol.md §11)."""
BACKLOG_MESSAGES = 2000
"""Paced messages kept before the socket is no longer read, so that a flood stays in the peer's buffers."""
CLOSE_GRACE_S = 2.0
RATE_EXCEEDED = 100
READ_ERROR = 320


class SessionState(StrEnum):
    """How far the handshake has come."""

    AWAITS_VERSIONS = "awaits_versions"
    AWAITS_START = "awaits_start"
    READY = "ready"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one session.

    Attributes
    ----------
    version_cap : int
        Highest server version answered, 157 to 178.
    messages_per_second : int
        Pacing limit; 0 turns pacing off.
    pacing_mode : PacingMode
        Slow the client down or answer error 100.
    send_buffer_bytes : int
        A client that leaves more than this unread is disconnected.
    handshake_timeout_s : float
        Wall seconds in which a connection must have sent startApi.
    """

    version_cap: int = 176
    messages_per_second: int = 50
    pacing_mode: PacingMode = PacingMode.DELAY
    send_buffer_bytes: int = 16 << 20
    handshake_timeout_s: float = 60.0


class SessionOwner(Protocol):
    """What a session needs of its gateway."""

    @property
    def limits(self) -> SessionLimits: ...

    @property
    def journal(self) -> Journal: ...

    def connection_text(self) -> str: ...

    def opened(self, session: Session) -> None: ...

    def closed(self, session: Session) -> None: ...

    def start_api(self, session: Session, client_id: int) -> None: ...

    def request(self, session: Session, name: str, values: Values) -> None: ...

    @property
    def is_silent(self) -> bool: ...

    def passage(self, session: Session, name: str, values: Mapping[str, Any]) -> Passage: ...


class Session(asyncio.Protocol):
    """The gateway's end of one socket."""

    def __init__(self, owner: SessionOwner) -> None:
        self._owner = owner
        self._journal = owner.journal
        self._limits = owner.limits
        self._frames = FrameReader()
        self._pacer = Pacer(self._limits.messages_per_second)
        self._backlog: deque[bytes] = deque()
        self._strikes = 0
        self._peer_finished = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out = bytearray()
        self._out_chunks: list[int] = []
        self._flush_planned = False
        self._throttle: Throttle | None = None
        self._throttle_bytes = 0
        self._is_cut = False
        self.close_reason = ""
        self.state = SessionState.AWAITS_VERSIONS
        self.version = 0
        self.client_id: int | None = None
        self.subscriptions = Subscriptions()

    @property
    def is_ready(self) -> bool:
        return self.state is SessionState.READY

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timer = self._loop.call_later(self._limits.handshake_timeout_s, self.close, "no startApi in time")
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        if self.state is SessionState.CLOSED:
            return
        broken: FrameError | None = None
        try:
            for payload in self._frames.feed(data):
                self._backlog.append(payload)
        except FrameError as error:
            broken = error
        # What came whole before the broken frame counts, however the network cut the stream.
        self._drain_safely()
        if broken is not None:
            self.close(str(broken))

    def eof_received(self) -> bool:
        """A half-closed peer (gotcha G12) still gets what it asked for; then the socket closes."""
        self._peer_finished = True
        if self._backlog:
            return True
        self.close(self.close_reason or "the client closed the connection")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(self.close_reason or (f"connection lost: {exc}" if exc else "the client closed the connection"))

    # -- receiving

    def _drain(self) -> None:
        """Handle what the pacing limit admits; a timer goes on with the rest."""
        while self._backlog and self.state is not SessionState.CLOSED and not self._is_cut:
            if self._owner.is_silent:
                return
            if self.is_ready:
                wait_s = self._pacer.wait_s(self._loop.time())
                if wait_s > 0 and self._limits.pacing_mode is PacingMode.REJECT:
                    self._backlog.popleft()
                    self._strike()
                    continue
                if wait_s > 0:
                    self._plan_drain(wait_s)
                    return
                self._pacer.admit(self._loop.time())
            self._handle(self._backlog.popleft())
        self._resume_reading()
        if self._peer_finished and not self._backlog:
            self.close("the client closed the connection")

    def _plan_drain(self, wait_s: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(wait_s, self._drain_again)
        if len(self._backlog) > BACKLOG_MESSAGES and self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def _drain_again(self) -> None:
        self._timer = None
        self._drain_safely()

    def _drain_safely(self) -> None:
        try:
            self._drain()
        except FrameError as error:
            self.close(str(error))

    def _resume_reading(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing() and not self._peer_finished:
            transport.resume_reading()

    def _strike(self) -> None:
        self._strikes += 1
        limit = self._pacer.limit
        text = f"Max rate of messages per second has been exceeded:max={limit} rec={limit + 1} ({self._strikes})"
        self.send_error(-1, BrokerError(RATE_EXCEEDED, text))
        if self._strikes >= STRIKES:
            self.close(text)

    def _handle(self, payload: bytes) -> None:
        match self.state:
            case SessionState.AWAITS_VERSIONS:
                self._negotiate(payload)
            case SessionState.AWAITS_START | SessionState.READY:
                self._message(split_fields(payload))
            case SessionState.CLOSED:
                return

    def _negotiate(self, payload: bytes) -> None:
        lowest, highest, options = parse_version_range(payload)
        version = min(highest, self._limits.version_cap)
        self._journal_in("handshake", {"lowest": lowest, "highest": highest, "options": options})
        if version < max(lowest, OLDEST_VERSION):
            raise FrameError(
                f"the client speaks server versions {lowest} to {highest}, "
                f"this gateway {OLDEST_VERSION} to {self._limits.version_cap}"
            )
        self.version = version
        self.state = SessionState.AWAITS_START
        moment = self._owner.connection_text()
        self._journal_out("handshake", {"serverVersion": version, "connectionTime": moment})
        self._queue(f"{version}\0{moment}\0".encode("ascii"))

    def _message(self, fields: list[str]) -> None:
        head = fields[0] if fields else ""
        spec = REQUEST_BY_NUMBER.get(int(head)) if head.isascii() and head.isdigit() and len(head) < 6 else None
        if spec is None:
            # A real gateway knows more messages than this one: what it does not know must not cost the connection.
            log.warning("client %s sent message id %s, which is not supported", self.client_id, shorten(head))
            self._journal_in("unsupported", {"id": shorten(head), "fields": len(fields)})
            answer = unsupported_answer(head, fields[1:]) if self.is_ready else None
            if answer is not None:
                self.send_error(*answer)
            return
        try:
            values = spec.decode(fields[1:], self.version)
        except FieldError as error:
            self._unreadable(spec.name, request_id(spec, fields[1:], self.version), error)
            return
        self._journal_in(spec.name, readable(spec, values))
        if spec.number == START_API:
            self._start(values["clientId"])
        elif self.is_ready:
            self._owner.request(self, spec.name, values)
        else:
            log.warning("%s arrived before startApi and is ignored", spec.name)

    def _unreadable(self, name: str, req_id: int, error: FieldError) -> None:
        log.warning("client %s sent a %s that cannot be read: %s", self.client_id, name, error)
        self._journal_in(name, {"reqId": req_id, "unreadable": str(error)})
        if self.is_ready:
            self.send_error(req_id, BrokerError(READ_ERROR, f"Error reading request. {name}: {error}"))

    def _start(self, client_id: int) -> None:
        if self.is_ready:
            log.warning("client %s sent startApi again; ignored", self.client_id)
            return
        self._owner.start_api(self, client_id)

    def admit(self, client_id: int) -> None:
        """The gateway lets this client in under ``client_id``; from now on its requests count."""
        self.client_id = client_id
        self.state = SessionState.READY
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- sending

    def send(self, name: str, values: Mapping[str, Any] | None = None) -> None:
        """Queue one message; it leaves with the next flush or at the end of this turn of the loop."""
        if self.state is SessionState.CLOSED or self._is_cut:
            return
        spec = RESPONSE_BY_NAME[name]
        fields = values or {}
        passage = self._owner.passage(self, name, fields)
        if passage is Passage.CUT_BEFORE:
            self.cut(f"the connection was cut before {name}")
        if passage in (Passage.CUT_BEFORE, Passage.LOSE):
            return
        try:
            payload = spec.encode(fields, self.version)
        except (FieldError, ValueError, OverflowError) as error:
            # One message that cannot be written must not stop the world that asked for it.
            log.error("%s for client %s cannot be sent: %s", name, self.client_id, error)
            return
        self._journal_out(name, readable(spec, fields))
        self._queue(payload)
        if passage is Passage.CUT_AFTER:
            self.cut(f"the connection was cut after {name}")

    def send_burst(self, req_id: int, burst: Burst) -> None:
        """Queue ticks that were encoded for all clients; no active fault may want to see each message."""
        if self.state is SessionState.CLOSED or self._is_cut:
            return
        data = burst.data(req_id)
        for part in (data,) if len(data) <= CHUNK_BYTES else burst.frames(req_id):
            self._queue_frame(part)
        self._journal.record_burst(self.client_id, req_id, burst)

    def send_error(self, req_id: int, error: BrokerError) -> None:
        """Queue message 4."""
        self.send(
            "error",
            {"reqId": req_id, "code": error.code, "text": error.text}
            | ({"advancedOrderRejectJson": error.advanced_json} if error.advanced_json else {}),
        )

    def send_bytes(self, data: bytes, note: str) -> None:
        """Queue bytes as they are, whole frames or not; ``note`` tells the journal what they are."""
        if self.state is not SessionState.CLOSED and not self._is_cut:
            self._journal_out("garbage", {"note": note, "bytes": len(data), "head": data[:24].hex()})
            self._queue_frame(data)

    def throttle(self, bytes_per_s: float | None, buffer_bytes: int) -> None:
        """Write no faster than this; beyond ``buffer_bytes`` unread the client is dropped. None lifts it."""
        if self._throttle is not None:
            self._throttle.drain()
            self._throttle = None
        if bytes_per_s is not None and self._transport is not None and self.state is not SessionState.CLOSED:
            self._throttle = Throttle(self._loop, self._transport.write, bytes_per_s)
            self._throttle_bytes = buffer_bytes

    def _queue(self, payload: bytes) -> None:
        self._queue_frame(encode_frame(payload))

    def _queue_frame(self, frame: bytes) -> None:
        if not self._out_chunks or self._out_chunks[-1] + len(frame) > CHUNK_BYTES:
            self._out_chunks.append(0)
        self._out_chunks[-1] += len(frame)
        self._out += frame
        if not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is queued in chunks that end at frame boundaries."""
        self._flush_planned = False
        if not self._out or self._transport is None or self._transport.is_closing():
            return
        data, chunks = bytes(self._out), self._out_chunks
        self._out.clear()
        self._out_chunks = []
        start = 0
        write = self._transport.write if self._throttle is None else self._throttle.write
        for length in chunks:
            write(data[start : start + length])
            start += length
        unread, allowed = self._transport.get_write_buffer_size(), self._limits.send_buffer_bytes
        if self._throttle is not None:
            unread, allowed = unread + self._throttle.backlog_bytes, min(allowed, self._throttle_bytes)
        if unread > allowed:
            self.abort(f"slow reader: {unread} bytes wait to be read, {allowed} are allowed")

    # -- closing

    def cut(self, reason: str) -> None:
        """Nothing passes any more, in either direction; the socket closes with this turn of the loop.

        Not at once: whoever sends may be walking over the lines that closing takes away.
        """
        if not self._is_cut:
            self._is_cut = True
            self._loop.call_soon(self.close, reason)

    def close(self, reason: str) -> None:
        """Send what is queued, then close the socket."""
        if self.state is SessionState.CLOSED:
            return
        self.flush()
        self._finish(reason)
        if self._transport is not None:
            self._transport.close()
            # A peer that never reads would keep the closing socket for ever.
            self._loop.call_later(CLOSE_GRACE_S, self._transport.abort)

    def abort(self, reason: str) -> None:
        """Close the socket at once and drop what is queued."""
        self._finish(reason)
        if self._transport is not None:
            self._transport.abort()

    def _finish(self, reason: str) -> None:
        if self.state is SessionState.CLOSED:
            return
        self.state = SessionState.CLOSED
        self.close_reason = reason
        self._backlog.clear()
        if self._throttle is not None:
            self._throttle.discard()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._journal_out("sessionClosed", {"reason": reason})
        self._owner.closed(self)

    # -- journal

    def _journal_in(self, name: str, fields: Mapping[str, object]) -> None:
        self._owner.journal.record(Direction.FROM_CLIENT, self.client_id, name, fields)

    def _journal_out(self, name: str, fields: Mapping[str, object]) -> None:
        self._owner.journal.record(Direction.TO_CLIENT, self.client_id, name, fields)
