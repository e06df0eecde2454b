"""What goes wrong, when: kills at numbered points, fates of messages. All of it follows from the seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .clock import Killed


class Fate(StrEnum):
    """What becomes of one message from the gateway."""

    NORMAL = "normal"
    DROPPED = "dropped"
    DUPLICATED = "duplicated"
    DELAYED = "delayed"
    REORDERED = "reordered"


FATES = (Fate.DROPPED, Fate.DUPLICATED, Fate.DELAYED, Fate.REORDERED)


@dataclass
class Faults:
    """Keeps what is armed and counts what has struck.

    A *point* is a place at which the process can be killed: before and after each effect on the broker, each durable
    write, each message heard and each answer awaited. It is named like ``effect:PlaceOrder:before``.
    """

    rng: random.Random
    noise: float = 0.0
    """Chance that a message about orders meets with a fate."""
    struck: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    """How often each point was passed."""
    fatal: Callable[[], None] = lambda: None
    """Told just before the process dies."""
    kill_at_count: int | None = None
    """Kill at exactly this passage of any point: a sweep tries every number."""
    passed: int = 0
    _prefix: str | None = None
    _left: int = 0

    def arm_kill(self, prefix: str, passages: int) -> None:
        """Kill at the ``passages``-th coming point whose name begins with ``prefix``."""
        self._prefix, self._left = prefix, passages

    def disarm(self) -> None:
        self._prefix = None

    @property
    def armed(self) -> bool:
        return self._prefix is not None

    def point(self, name: str) -> None:
        """Pass a point; may not return."""
        self.points[name] += 1
        self.passed += 1
        if self.passed == self.kill_at_count:
            self.kill(name)
        if self._prefix is not None and name.startswith(self._prefix):
            self._left -= 1
            if self._left <= 0:
                self._prefix = None
                self.kill(name)

    def kill(self, name: str) -> None:
        """kill -9, here."""
        self.struck[f"kill {name}"] += 1
        self.fatal()
        raise Killed(name)

    def fate(self, message: str) -> Fate:
        """What becomes of a message named ``message``."""
        if self.noise and self.rng.random() < self.noise:
            fate = self.rng.choice(FATES)
            self.struck[f"{fate} {message}"] += 1
            return fate
        return Fate.NORMAL

    def strike(self, name: str) -> None:
        """Count a fault that the world brings about itself."""
        self.struck[name] += 1
