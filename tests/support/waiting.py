"""Waiting for a condition with a limit, and ports nobody uses: what every test with a process or a socket needs."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(
    condition: Callable[[], T], timeout: float = 30.0, *, what: str = "the condition", every_s: float = 0.02
) -> T:
    """Return the first truthy answer of ``condition``; fail after ``timeout`` seconds, naming ``what`` and the last.

    Raises
    ------
    AssertionError
        When the limit passes.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:g} s for {what}; the last answer was {answer!r}")
        time.sleep(every_s)
