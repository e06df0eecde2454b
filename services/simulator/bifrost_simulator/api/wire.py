"""What the wire asks before a message passes, and what a disturbed gateway can be told to do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol


class Passage(StrEnum):
    """What becomes of one message."""

    PASS = "pass"
    LOSE = "lose"
    CUT_BEFORE = "cut_before"
    """The connection breaks before the message: its receiver never gets it."""
    CUT_AFTER = "cut_after"
    """The message still passes, and nothing behind it."""


class GatewayControl(Protocol):
    """The gateway as something that can be disturbed. ``client_id`` None means every connected client."""

    def send_bytes(self, client_id: int | None, data: bytes, note: str) -> int:
        """Send bytes as they are, frame or not; returns how many clients got them."""
        ...

    def throttle(self, client_id: int | None, bytes_per_s: float | None, buffer_bytes: int) -> None:
        """Let the sockets take only so many bytes a second, as if their peers read no faster; None lifts it."""
        ...

    def close_port(self) -> None:
        """Stop listening: who connects is refused by the system."""
        ...

    def open_port(self) -> None:
        """Listen again on the same port."""
        ...

    def close_handshakes(self, reason: str) -> None:
        """Close the sockets that have not finished the handshake."""
        ...


class WireTap(Protocol):
    """Asked by the gateway for every message; `is_armed` False spares the question."""

    @property
    def is_armed(self) -> bool: ...

    @property
    def is_silent(self) -> bool:
        """True while the gateway takes connections and answers nothing."""
        ...

    def attach(self, control: GatewayControl) -> None: ...

    def incoming(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        """A request that was read; raises `BrokerError` when it is to be refused."""
        ...

    def outgoing(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        """A message about to be sent to a client that finished the handshake."""
        ...


class OpenTap:
    """Lets everything pass: for a world without faults."""

    is_armed = False
    is_silent = False

    def attach(self, control: GatewayControl) -> None:
        """Nothing is ever asked of the gateway."""

    def incoming(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        return Passage.PASS

    def outgoing(self, client_id: int, name: str, values: Mapping[str, Any]) -> Passage:
        return Passage.PASS
