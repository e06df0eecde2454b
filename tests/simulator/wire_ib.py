"""The IB library of this environment for tests: ib_insync, or ib_async where that is installed in its place.

Importing it needs a current event loop, and its objects need a fair comparison. Both are called ``ib_insync`` here:
they share their API, and the same tests run once with each.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

# eventkit asks for the current loop while it is imported, and asyncio.run of an earlier test leaves none behind.
asyncio.set_event_loop(asyncio.new_event_loop())
LIBRARY = "ib_insync" if importlib.util.find_spec("ib_insync") else "ib_async"
IS_IB_ASYNC = LIBRARY == "ib_async"
ib_insync: Any = importlib.import_module(LIBRARY)
Client: Any = importlib.import_module(f"{LIBRARY}.client").Client
Decoder: Any = importlib.import_module(f"{LIBRARY}.decoder").Decoder
UNSET_DOUBLE: float = ib_insync.util.UNSET_DOUBLE
UNSET_INTEGER: int = ib_insync.util.UNSET_INTEGER
NEWEST: int = Client.MaxClientVersion
"""Highest server version that the library speaks: 176 or 178."""

__all__ = [
    "IS_IB_ASYNC",
    "LIBRARY",
    "NEWEST",
    "UNSET_DOUBLE",
    "UNSET_INTEGER",
    "Callbacks",
    "EncodingClient",
    "decode",
    "ib_insync",
    "plain",
    "quiet",
]


class Callbacks:
    """A wrapper that keeps what the decoder calls."""

    defaultTimezone = UTC  # ib_async's decoder asks for it

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.calls.append((name, args))


class EncodingClient(Client):
    """ib_insync's own client without a socket: keeps the payloads that it would send."""

    def __init__(self, version: int) -> None:
        super().__init__(Callbacks())
        self._serverVersion = version
        self.connState = Client.CONNECTED
        self.payloads: list[bytes] = []

    def sendMsg(self, msg: str) -> None:
        self.payloads.append(msg.encode())


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def decode(payload: bytes, version: int) -> list[tuple[str, tuple[Any, ...]]]:
    """Give one payload to ib_insync's decoder as its client would; fails on anything the decoder logs."""
    fields = payload.decode(errors="backslashreplace").split("\0")
    assert fields.pop() == "", "a payload ends with a NUL"
    callbacks = Callbacks()
    decoder = Decoder(callbacks, version)
    complaints = _Complaints()
    decoder.logger.addHandler(complaints)
    try:
        decoder.interpret(fields)
    finally:
        decoder.logger.removeHandler(complaints)
    assert not complaints.texts, complaints.texts
    return callbacks.calls


def plain(value: Any) -> Any:
    """Objects as (class name, fields that differ from the default), since ib_insync compares some by identity."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = {}
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            default = field.default if field.default is not dataclasses.MISSING else None
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            if item != default and item not in (None, []):
                shown[field.name] = plain(item)
        return type(value).__name__, shown
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


@contextmanager
def quiet() -> Iterator[None]:
    """Silence ib_insync's log, which writes every order status."""
    loggers = [logging.getLogger(f"{LIBRARY}.{name}") for name in ("client", "wrapper", "ib", "Decoder")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
