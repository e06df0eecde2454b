"""What goes wrong, when: kills at numbered points, fates of messages. All of it follows from the seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
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
    fate_of: Mapping[int, Fate] = field(default_factory=dict)
    """What becomes of single messages about orders, by their number: a sweep tries every fate of every message."""
    messages: int = 0
    statement_fault: tuple[int, str] | None = None
    """The number of one commit and what happens to it, ``refused`` or ``in doubt``: a sweep tries both of each."""
    statements: int = 0
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
        self.messages += 1
        chosen = self.fate_of.get(self.messages)
        if chosen is not None:
            self.struck[f"{chosen} {message}"] += 1
            return chosen
        if self.noise and self.rng.random() < self.noise:
            fate = self.rng.choice(FATES)
            self.struck[f"{fate} {message}"] += 1
            return fate
        return Fate.NORMAL

    def commit(self) -> str:
        """What happens to the commit that is due now: ``refused``, ``in doubt``, or nothing."""
        self.statements += 1
        if self.statement_fault is not None and self.statement_fault[0] == self.statements:
            self.struck[f"commit {self.statement_fault[1]}"] += 1
            return self.statement_fault[1]
        return ""

    def strike(self, name: str) -> None:
        """Count a fault that the world brings about itself."""
        self.struck[name] += 1
