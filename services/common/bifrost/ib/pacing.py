"""A budget of data requests a second, so that the gateway's 50 messages a second always leave room for orders."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable


class RequestPacer:
    """At most ``rate_per_s`` data requests in any second; orders do not ask here and never wait.

    Parameters
    ----------
    rate_per_s : int
        Requests per second, 1 to 50 (the gateway's own limit, tws-protocol.md G11).
    """

    def __init__(self, rate_per_s: int = 30, monotonic: Callable[[], float] = time.monotonic) -> None:
        if not 1 <= rate_per_s <= 50:
            raise ValueError(f"rate_per_s {rate_per_s} must be 1 to 50 messages a second")
        self.rate_per_s = rate_per_s
        self._monotonic = monotonic
        self._sent: deque[float] = deque()

    def wait_s(self) -> float:
        """Seconds until the next request may leave; 0 when it may leave now."""
        now = self._monotonic()
        while self._sent and now - self._sent[0] >= 1.0:
            self._sent.popleft()
        return 0.0 if len(self._sent) < self.rate_per_s else 1.0 - (now - self._sent[0])

    def try_take(self) -> bool:
        """Take a place in this second's budget; False when there is none."""
        if self.wait_s() > 0:
            return False
        self._sent.append(self._monotonic())
        return True

    async def take(self) -> None:
        """Wait for a place in the budget and take it."""
        while True:
            if self.try_take():
                return
            await asyncio.sleep(max(self.wait_s(), 0.001))
