"""Routes of figures: statistics, attribution."""

from __future__ import annotations

from typing import Annotated

from bifrost.db.queries.stats import read_statistics
from bifrost.stats import By, StatsError
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from . import figures, params, queries_figures
from .errors import ApiError
from .json_text import plain
from .models.base import Mode, answers
from .models.figures import AttributionAnswer, StatsAnswer
from .params import Text, Wired, days, text_filter

router = APIRouter()
Day = Annotated[str | None, Query(description="a New York trading day, 2026-03-20")]


@router.get("/stats", summary="Figures per day, week or month (R-H2)", responses=answers(StatsAnswer, 404, 422, 503))
def get_stats(
    services: Wired,
    from_: Annotated[str | None, Query(alias="from", description="first New York trading day, 2026-03-02")] = None,
    to: Annotated[str | None, Query(description="last New York trading day")] = None,
    by: By = By.DAY,
    account: Text = None,
    mode: Mode | None = None,
) -> JSONResponse:
    """The figures of `bifrost stats`, from the same code. Without an account that of the newest trading day.

    404 when nothing is recorded of what was asked; the reason says what there is. P&L is the sum of the days' rows, the
    last of which may be under way: it equals that of GET /attribution for one day that is over, and for today when both
    are read between two writes of its row (each fill, each market minute).
    """
    first, last = days(from_, to)
    try:
        with services.pool.connection() as conn:
            answer = read_statistics(
                conn,
                first=first,
                last=last,
                by=by,
                account=text_filter(account, "account"),
                mode=None if mode is None else str(mode),
            )
    except StatsError as error:
        raise ApiError(404, "not_found", str(error)) from None
    return JSONResponse(plain(figures.stats_answer(answer)))


@router.get(
    "/attribution",
    summary="The P&L of a trading day by gamma, theta, vega, delta, hedge cost and commissions",
    responses=answers(AttributionAnswer, 404, 422, 503),
)
def get_attribution(services: Wired, day: Day = None, account: Text = None, mode: Mode | None = None) -> JSONResponse:
    """Without a day the newest trading day. 404 while there has been none.

    ``totals.total`` is ``daily_pnl`` to the cent: both are of the day's row, which is written with each fill and each
    market minute. The last point is the end of the last closed interval: the minute under way is in ``totals`` alone.
    """
    with services.pool.connection() as conn:
        found = queries_figures.read_attribution(
            conn, params.day(day, "day"), text_filter(account, "account"), None if mode is None else str(mode)
        )
    if found is None:
        raise ApiError(404, "not_found", f"no trading day{f' {day}' if day else ''} is recorded")
    return JSONResponse(plain(figures.attribution_answer(*found)))
