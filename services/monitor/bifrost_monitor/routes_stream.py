"""GET /stream: everything the page shows, as it changes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response

from .models.base import errors
from .params import Wired
from .sse import EventStream

router = APIRouter()


@router.get(
    "/stream",
    summary="Server-sent events: status, operation, decision, prices, control; resumed by Last-Event-ID",
    response_class=EventStream,
    response_model=None,
    responses=errors(422, 429, 503),
)
async def get_stream(services: Wired, last_event_id: Annotated[str | None, Header(max_length=200)] = None) -> Response:
    """Begins with the present status and all prices. With Last-Event-ID everything that came meanwhile follows."""
    return EventStream(services.streams.client(last_event_id))
