"""The gateway as a fault handles it: its port, its sockets, and the bytes in them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bifrost_simulator.wire.gateway import Gateway
    from bifrost_simulator.wire.session import Session

log = logging.getLogger(__name__)

REOPEN_EVERY_S = 0.5


class Control:
    """`GatewayControl` of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._opening: asyncio.Task[None] | None = None

    def send_bytes(self, client_id: int | None, data: bytes, note: str) -> int:
        reached = list(self._addressed(client_id))
        for session in reached:
            session.send_bytes(data, note)
            session.flush()
        return len(reached)

    def throttle(self, client_id: int | None, bytes_per_s: float | None, buffer_bytes: int) -> None:
        for session in self._addressed(client_id):
            session.throttle(bytes_per_s, buffer_bytes)

    def close_port(self) -> None:
        self.stop()
        self._gateway.close_port()

    def stop(self) -> None:
        """No longer try to take the port back."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None

    def open_port(self) -> None:
        if not self._gateway.is_listening and self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open(), name="open port")

    def close_handshakes(self, reason: str) -> None:
        for session in self._gateway.sessions:
            if not session.is_ready:
                session.close(reason)

    def _addressed(self, client_id: int | None) -> Iterator[Session]:
        ready = [session for session in self._gateway.sessions if session.is_ready]
        for session in sorted(ready, key=lambda one: one.client_id or 0):  # two runs must disturb in one order
            if client_id in (None, session.client_id):
                yield session

    async def _open(self) -> None:
        """Take the port back; whoever holds it meanwhile is waited for."""
        while not self._gateway.is_listening:
            try:
                await self._gateway.start()
            except OSError as error:
                log.error("%s; trying again", error)
                await asyncio.sleep(REOPEN_EVERY_S)
        self._opening = None
