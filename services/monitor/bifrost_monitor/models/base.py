"""What all answers share: the base, times, errors, and the words of enumerations."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

UtcTime = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""RFC 3339 in UTC with a ``Z``: ``2026-03-02T14:30:00.123456Z``."""
Day = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
"""A New York trading day, ``2026-03-02``."""
Scalar = float | str | bool | None
"""A number, a text, a flag, or null where nothing could be observed."""


class Answer(BaseModel):
    """Base of everything that is answered. Keys are only ever added, so no object is closed.

    These models are the contract: the OpenAPI document is made from them, the page's types from the document. A field
    without a default is always there; one with a default may be left out.
    """

    model_config = ConfigDict(frozen=True)


class Lamp(StrEnum):
    """One to one with `SelfCheckState`."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class SelfCheckState(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    BLOCKED = "blocked"


class GateKind(StrEnum):
    """A pacing gate passes by itself and never colours the lamp."""

    BLOCKING = "blocking"
    PACING = "pacing"


class Mode(StrEnum):
    """``live``: orders cross the wire. ``paper``: fills are made inside the engine."""

    PAPER = "paper"
    LIVE = "live"


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class PriceSource(StrEnum):
    LIVE = "live"
    FROZEN = "frozen"
    DELAYED = "delayed"
    MODEL = "model"


class ErrorAnswer(Answer):
    """Every answer that is no success."""

    error: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="a stable word for programs")
    reason: str = Field(min_length=1, description="a sentence for the operator")
    id: int | None = Field(default=None, description="idempotency_conflict: the command the key belongs to")
    variable: str | None = Field(default=None, description="overridden: the environment variable that decides")


_ERRORS = {
    400: "the Host header names another machine (bad_host), or the request cannot be read",
    401: "no token, or a wrong one",
    403: "read_only, or cross_origin: a browser's request from another page",
    404: "there is no such thing",
    405: "another method",
    409: "it contradicts what is already so",
    413: "the body is larger than 64 KiB",
    422: "a parameter or argument is missing or wrong; the reason names it, its value and what would be right",
    429: "too many commands; Retry-After says when",
    502: "the simulator answered with something else than expected",
    503: "the database (or what else is needed) cannot be reached; the reason says why",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses`` of a route: those every route can give, and ``statuses``."""
    return {
        status: {"model": ErrorAnswer, "description": _ERRORS[status]} for status in sorted({400, 401, 413, *statuses})
    }


def answers(model: Any, *statuses: int, status: int = 200, description: str = "done") -> dict[int | str, Any]:
    """``responses`` of a route that answers ``model`` with ``status`` and may refuse with ``statuses``."""
    return {status: {"model": model, "description": description}, **errors(*statuses)}
