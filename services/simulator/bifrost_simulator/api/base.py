"""The error both sides raise and the journal both sides write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol


class BrokerError(Exception):
    """An error frame (message 4): IB's code, its text, and for >= 166 the advanced reject JSON."""

    def __init__(self, code: int, text: str, advanced_json: str = "") -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.advanced_json = advanced_json


class Direction(StrEnum):
    """Side of a journalled message, as seen from the gateway."""

    FROM_CLIENT = "in"
    TO_CLIENT = "out"


class JournalledBurst(Protocol):
    """Messages that went out together, spelled out only when read."""

    @property
    def names(self) -> Sequence[str]:
        """Protocol names, in the order of the wire."""
        ...

    def fields(self, req_id: int) -> Iterable[Mapping[str, object]]:
        """Decoded fields of each message, as sent under a request id."""
        ...


class Journal(Protocol):
    """Where the wire writes every message it decodes or sends; read back by ``GET /journal``."""

    def record(self, direction: Direction, client_id: int | None, message: str, fields: Mapping[str, object]) -> None:
        """Keep one message. ``message`` is its protocol name (``placeOrder``), ``fields`` its decoded fields."""
        ...

    def record_burst(self, client_id: int | None, req_id: int, burst: JournalledBurst) -> None:
        """Keep market data sent to a client at one moment; its fields are asked for only when somebody reads it."""
        ...
