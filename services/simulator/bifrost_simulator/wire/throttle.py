"""A socket whose peer seems to read slowly: what is written goes out a few bytes at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_EVERY_S = 0.05


class Throttle:
    """Holds back bytes and writes ``bytes_per_s`` of them; `backlog_bytes` is what waits.

    Parameters
    ----------
    write : callable
        Takes what is let go.
    bytes_per_s : float
        0 lets nothing go.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, write: Callable[[bytes], None], bytes_per_s: float) -> None:
        self._loop = loop
        self._write = write
        self._bytes_per_s = bytes_per_s
        self._waiting = bytearray()
        self._credit = 0.0
        self._filled_s = loop.time()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def backlog_bytes(self) -> int:
        return len(self._waiting)

    def write(self, data: bytes) -> None:
        self._waiting += data
        self._let_go()

    def drain(self) -> None:
        """Let everything go at once and stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._write(bytes(self._waiting))
            self._waiting.clear()

    def discard(self) -> None:
        """Forget what waits and stop."""
        self._waiting.clear()
        self.drain()

    def _let_go(self) -> None:
        now = self._loop.time()
        # Credit is not saved up over more than a second: a quiet line must not pay for a burst.
        self._credit = min(self._bytes_per_s, self._credit + (now - self._filled_s) * self._bytes_per_s)
        self._filled_s = now
        count = min(len(self._waiting), int(self._credit))
        if count:
            self._credit -= count
            self._write(bytes(self._waiting[:count]))
            del self._waiting[:count]
        if self._waiting and self._timer is None and self._bytes_per_s > 0:
            self._timer = self._loop.call_later(_EVERY_S, self._again)

    def _again(self) -> None:
        self._timer = None
        self._let_go()
