"""Server-sent events as text, and the answer that carries them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import StreamingResponse

from .json_text import encode

RETRY_MS = 1000
"""How long a browser waits before it connects again."""
ALIVE = b": alive\n\n"
"""Keeps proxies from cutting an idle connection, and shows us a client that is gone."""
ALIVE_S = 10.0


class EventStream(StreamingResponse):
    """An answer that ends only when the client goes or the monitor stops."""

    media_type = "text/event-stream"

    def __init__(self, content: Any, status_code: int = 200) -> None:
        super().__init__(content, status_code, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def event(name: str, data: Mapping[str, Any], event_id: object | None = None) -> bytes:
    """One event. JSON text holds no line break, so the data is one line."""
    head = f"event: {name}\n" if event_id is None else f"id: {event_id}\nevent: {name}\n"
    return b"".join((head.encode(), b"data: ", encode(data), b"\n\n"))


def opening() -> bytes:
    """What a stream begins with."""
    return f"retry: {RETRY_MS}\n\n".encode()
