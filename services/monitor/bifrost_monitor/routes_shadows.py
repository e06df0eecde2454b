"""The route of shadow hedgers: what other policies would have done with this day."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from . import params
from .json_text import plain
from .models.base import Mode, answers
from .models.shadows import ShadowHedgers
from .params import Text, Wired, text_filter
from .queries_shadows import read_shadows

router = APIRouter()


@router.get(
    "/shadows",
    summary="Hedging policies beside the engine: cost against movement of the hedged book",
    responses=answers(ShadowHedgers, 422, 503),
)
def get_shadows(
    services: Wired,
    day: Annotated[str | None, Query(description="a New York trading day; the newest without")] = None,
    account: Text = None,
    mode: Mode | None = None,
) -> JSONResponse:
    """Configured by ``shadow_hedgers``; they send nothing. Nobody ran: an empty list."""
    with services.pool.connection() as conn:
        found = read_shadows(
            conn, params.day(day, "day"), text_filter(account, "account"), None if mode is None else str(mode)
        )
    return JSONResponse(plain(found))
