"""Reads frames from stdin with ibapi's own decoder and writes what it calls back; runs in ibapi's environment.

In: a JSON list of ``[version, payload]``, the payload as text with its NULs. Out: a JSON list of lists of
``[callback, arguments]``, objects as dicts of what differs from a new one.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

from ibapi.decoder import Decoder


class Callbacks:
    """Keeps what the decoder calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, [plain(argument) for argument in arguments]))

    def logAnswer(self, name: str, arguments: Any) -> None:
        """The decoder logs each message here."""


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in (sorted(value) if isinstance(value, set) else value)]
    if isinstance(value, bytes):
        return value.decode()
    if not hasattr(value, "__dict__"):
        return value
    return {name: plain(item) for name, item in differing(value)}


def differing(value: Any) -> Iterator[tuple[str, Any]]:
    try:
        fresh = vars(type(value)())
    except TypeError:  # ComboLeg and a few others cannot be made without arguments
        fresh = {}
    for name, item in vars(value).items():
        if name not in fresh or item != fresh[name]:
            yield name, item


def decode(version: int, payload: str) -> list[tuple[str, list[Any]]]:
    callbacks = Callbacks()
    decoder = Decoder(callbacks, version)
    fields = tuple(payload.encode().split(b"\0")[:-1])
    decoder.interpret(fields)
    return callbacks.calls


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    json.dump([decode(version, payload) for version, payload in json.load(sys.stdin)], sys.stdout)
