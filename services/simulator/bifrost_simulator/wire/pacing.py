"""The gateway's limit on messages from one client: 50 in any second.

The real gateway has two ways, chosen by a setting ("Reject messages above maximum allowed rate vs. applying
pacing"): it slows the client down, or it answers error 100 and hangs up on the third offence.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

WINDOW_S = 1.0
STRIKES = 3
"""Offences at which the gateway hangs up when it rejects."""


class PacingMode(StrEnum):
    """What happens to a message above the limit."""

    DELAY = "delay"
    REJECT = "reject"


class Pacer:
    """A sliding window over the times at which messages were admitted.

    Parameters
    ----------
    messages_per_second : int
        Messages admitted in any second; 0 admits all.
    """

    def __init__(self, messages_per_second: int) -> None:
        self._limit = messages_per_second
        self._admitted: deque[float] = deque()

    def wait_s(self, now_s: float) -> float:
        """Seconds until one more message is admitted; 0 when it may pass now."""
        admitted = self._admitted
        while admitted and now_s - admitted[0] >= WINDOW_S:
            admitted.popleft()
        if not self._limit or len(admitted) < self._limit:
            return 0.0
        return admitted[0] + WINDOW_S - now_s

    def admit(self, now_s: float) -> None:
        """Count one message admitted at ``now_s`` (monotonic seconds)."""
        if self._limit:
            self._admitted.append(now_s)

    @property
    def limit(self) -> int:
        return self._limit
