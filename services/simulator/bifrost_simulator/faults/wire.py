"""Faults on the wire itself: slow sockets, bytes that are no message, and a gateway that finds a client too fast."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bifrost_simulator.api import BrokerError
from bifrost_simulator.api.wire import Passage
from bifrost_simulator.faults.base import Fault, FaultParameters, Timed
from bifrost_simulator.faults.registry import register

if TYPE_CHECKING:
    from bifrost_simulator.world import SimulatedWorld


class SlowParameters(Timed):
    client_id: int | None = Field(default=None, ge=0, description="one client, or all connected ones")
    bytes_per_s: float = Field(default=0.0, ge=0, le=1e9, description="what passes; 0: nothing")
    buffer_bytes: int = Field(default=65_536, ge=1, le=1 << 30, description="unread bytes at which it is dropped")


@register
class SlowReader(Fault):
    """A client seems to read slowly: its messages trickle or stop, and when too many wait the gateway drops it.

    It is about the sockets there are; who reconnects is served at full speed. What waits goes out when it ends.
    """

    name: ClassVar[str] = "slow_reader"
    parameters_type = SlowParameters

    def begin(self, world: SimulatedWorld) -> None:
        self.struck = 1
        p = self.given(SlowParameters)
        for gateway in world.faults.gateways:
            gateway.throttle(p.client_id, p.bytes_per_s, p.buffer_bytes)

    def end(self, world: SimulatedWorld) -> None:
        p = self.given(SlowParameters)
        for gateway in world.faults.gateways:
            gateway.throttle(p.client_id, None, p.buffer_bytes)


def _framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


GARBAGE: dict[str, Callable[[], bytes]] = {
    "unknown_message": lambda: _framed(b"999\x001\x00nobody knows this message\x00"),
    "missing_fields": lambda: _framed(b"3\x0017\x00Submitted\x00"),
    "surplus_fields": lambda: _framed(b"1\x006\x001\x001\x00140.0\x00100\x000\x00more\x00and more\x00"),
    "not_numbers": lambda: _framed(b"9\x001\x00not a number\x00"),
    "no_text": lambda: _framed(bytes(range(128, 256))),
    "empty_frame": lambda: _framed(b""),
    "half_frame": lambda: struct.pack(">I", 1 << 16) + b"4\x002\x00-1\x00",
    "huge_length": lambda: struct.pack(">I", 0xFFFFFFFF),
}


class GarbageParameters(FaultParameters):
    kind: Literal[
        "unknown_message", "missing_fields", "surplus_fields", "not_numbers", "no_text", "empty_frame", "half_frame",
        "huge_length",
    ] = Field(default="missing_fields", description="what is wrong with the bytes")  # fmt: skip
    client_id: int | None = Field(default=None, ge=0, description="one client, or all connected ones")
    count: int = Field(default=1, ge=1, le=1000, description="how many in a row")


@register
class GarbageFrame(Fault):
    """The gateway sends bytes that are no message.

    ``half_frame`` and ``huge_length`` take the stream out of step for good: all that follows is read as part of it.
    """

    name: ClassVar[str] = "garbage_frame"
    parameters_type = GarbageParameters

    def begin(self, world: SimulatedWorld) -> None:
        self.finished = True
        p = self.given(GarbageParameters)
        for gateway in world.faults.gateways:
            for _ in range(p.count):
                self.struck += gateway.send_bytes(p.client_id, GARBAGE[p.kind](), p.kind)


class PacingParameters(Timed):
    kind: Literal["messages", "historical"] = Field(
        default="messages", description="error 100 for any message, or 162 for requests of bars"
    )
    client_id: int | None = Field(default=None, ge=0, description="only this client")
    count: int | None = Field(default=1, ge=1, le=1_000_000, description="how many messages; null: no limit")
    disconnect_after: int | None = Field(default=3, ge=1, description="messages: the offence at which it is dropped")


@register
class PacingViolation(Fault):
    """The gateway finds a client too fast: its message is thrown away with 100, and the third costs the connection.

    ``historical``: its request of bars is refused with 162, nothing else.
    """

    name: ClassVar[str] = "pacing_violation"
    parameters_type = PacingParameters

    def __init__(self, parameters: PacingParameters) -> None:
        super().__init__(parameters)
        self._offences: dict[int, int] = {}
        self._world: SimulatedWorld | None = None

    def begin(self, world: SimulatedWorld) -> None:
        self._world = world

    def incoming(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        p = self.given(PacingParameters)
        if p.kind != "messages" or not self._strikes(client_id):
            return Passage.PASS
        offences = self._offences[client_id] = self._offences.get(client_id, 0) + 1
        assert self._world is not None, "a fault begins before it is asked"
        text = f"Max rate of messages per second has been exceeded:max=50 rec=51 ({offences})"
        self._world.dispatcher.error(client_id, -1, BrokerError(100, text))
        if p.disconnect_after is not None and offences >= p.disconnect_after:
            self._world.dispatcher.drop(client_id, text)
        return Passage.LOSE

    def history_refusal(self, client_id: int) -> BrokerError | None:
        if self.given(PacingParameters).kind != "historical" or not self._strikes(client_id):
            return None
        text = "Historical Market Data Service error message:Historical data request pacing violation"
        return BrokerError(162, text)

    def _strikes(self, client_id: int) -> bool:
        p = self.given(PacingParameters)
        if self.finished or p.client_id not in (None, client_id):
            return False
        self.struck += 1
        self.finished = p.count is not None and self.struck >= p.count
        return True
