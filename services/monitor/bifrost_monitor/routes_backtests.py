"""Routes of backtests: runs and their decisions, and launching one in the backtest process."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from bifrost.backtest import BacktestRequest, JobStatus
from bifrost.config import ConfigError
from bifrost.db import Connection
from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from . import queries_backtests as queries
from .contract import SECURED, body
from .errors import ApiError, describe
from .json_text import plain
from .models.backtests import (
    BacktestJob,
    BacktestJobs,
    BacktestRunDetail,
    BacktestRuns,
    BacktestTicks,
    Obstacle,
)
from .models.base import answers
from .params import LARGEST_ID, Limit, Text, Wired, text_filter
from .routes_control import changing_caller, json_body
from .security import Caller
from .services import Services

router = APIRouter()
JobId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Changing = Annotated[Caller, Depends(changing_caller)]
START = "`make run` and `make up` start one beside the engine; alone: python -m bifrost_engine backtests"


@router.get("/backtests", summary="Backtest runs, newest first", responses=answers(BacktestRuns, 422, 503))
def get_backtests(services: Wired, limit: Limit = 100) -> JSONResponse:
    """Summaries; configuration, curves and single days are in GET /backtests/{run_id}."""
    with services.pool.connection() as conn:
        rows = queries.read_runs(conn, limit)
    return JSONResponse({"runs": [plain(row) for row in rows]})


@router.post(
    "/backtests",
    status_code=202,
    summary="Launch a backtest on recorded data; needs the token",
    responses=answers(BacktestJob, 403, 409, 422, 429, 503, status=202, description="written for the backtest process"),
    openapi_extra=body(BacktestRequest, required=True),
)
def post_backtest(
    caller: Changing, services: Wired, form: Annotated[dict[str, Any], Depends(json_body)]
) -> JSONResponse:
    """One at a time. 409 while another one runs, where no backtest process runs and where it has no recorded data.

    Follow it at GET /backtests/jobs/{id}. The engine takes no part in it.
    """
    request = _checked(services, form)
    services.guard.require_rate("backtest")
    with services.pool.connection() as conn:
        worker = queries.read_worker(conn)
        refusal = _obstacle(services, worker)
        if refusal is not None:
            raise ApiError(409, str(refusal[0]), refusal[1])
        known = [source["id"] for source in worker["offer"]["sources"]] if worker else []
        if request.source not in known:
            reason = f"source = {request.source!r} is no recorded data of this desk; there is {', '.join(known)}"
            raise ApiError(422, "invalid", reason)
        try:
            row = queries.add_job(conn, request.as_row(), str(caller))
        except queries.Busy as busy:
            reason = f"backtest {busy.job_id} is still under way: one runs at a time; wait for its end or cancel it"
            raise ApiError(409, "busy", reason, id=busy.job_id) from None
    return JSONResponse(plain(row), 202)


@router.get(
    "/backtests/jobs",
    summary="What can be launched, and what was launched",
    responses=answers(BacktestJobs, 422, 503),
)
def get_jobs(services: Wired, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> JSONResponse:
    """``reason`` and ``obstacle`` say why nothing can be launched now."""
    with services.pool.connection() as conn:
        worker = queries.read_worker(conn)
        rows = queries.read_jobs(conn, limit)
    refusal = _obstacle(services, worker)
    offer = worker["offer"] if worker is not None and worker["alive"] else {}
    answer = {
        "reason": None if refusal is None else refusal[1],
        "obstacle": None if refusal is None else str(refusal[0]),
        "sources": offer.get("sources", []),
        "defaults": offer.get("defaults"),
        "jobs": [plain(row) for row in rows],
    }
    return JSONResponse(answer)


@router.get(
    "/backtests/jobs/{job_id}",
    summary="How far a launched backtest is",
    responses=answers(BacktestJob, 404, 422, 503),
)
def get_job(services: Wired, job_id: JobId) -> JSONResponse:
    """Its progress is what the run itself has told last."""
    with services.pool.connection() as conn:
        row = _job(conn, job_id)
    return JSONResponse(plain(row))


@router.post(
    "/backtests/jobs/{job_id}/cancel",
    summary="End a launched backtest; needs the token",
    responses=answers(BacktestJob, 403, 404, 409, 422, 429, 503),
    openapi_extra=SECURED,
)
def post_cancel(caller: Changing, services: Wired, job_id: JobId) -> JSONResponse:
    """The job after it was asked to end; nothing of a cancelled run is stored. 409 when it has ended."""
    services.guard.require_rate("backtest")
    with services.pool.connection() as conn:
        row = _job(conn, job_id)
        if row["status"] not in (JobStatus.PENDING, JobStatus.RUNNING):
            raise ApiError(409, "ended", f"backtest {job_id} has ended: {row['status']}")
        queries.cancel_job(conn, job_id)
        row = _job(conn, job_id)
    return JSONResponse(plain(row))


@router.get(
    "/backtests/{run_id}",
    summary="One backtest run with its configuration, curves and counts per block reason",
    responses=answers(BacktestRunDetail, 404, 422, 503),
)
def get_backtest(services: Wired, run_id: UUID) -> JSONResponse:
    """404 when there is no such run."""
    with services.pool.connection() as conn:
        row = queries.read_run(conn, run_id)
    if row is None:
        raise ApiError(404, "not_found", f"there is no backtest run {run_id}")
    return JSONResponse(plain(row))


@router.get(
    "/backtests/{run_id}/ticks",
    summary="The decisions of a run, tick by tick",
    responses=answers(BacktestTicks, 404, 422, 503),
)
def get_backtest_ticks(
    services: Wired,
    run_id: UUID,
    after: Annotated[int, Query(ge=0, le=LARGEST_ID, description="next_seq of the page before")] = 0,
    decision: Text = None,
    block_reason: Text = None,
    limit: Limit = 500,
) -> JSONResponse:
    """In order of seq."""
    wanted = {"decision": text_filter(decision, "decision"), "block_reason": text_filter(block_reason, "block_reason")}
    with services.pool.connection() as conn:
        rows = queries.read_ticks(conn, run_id, after, wanted, limit + 1)
    if rows is None:
        raise ApiError(404, "not_found", f"there is no backtest run {run_id}")
    more = rows[limit - 1]["seq"] if len(rows) > limit else None
    return JSONResponse(plain({"ticks": rows[:limit], "next_seq": more}))


def _checked(services: Services, form: dict[str, Any]) -> BacktestRequest:
    """The request, judged as far as it can be without the recorded data."""
    try:
        request = BacktestRequest.model_validate(form)
    except ValidationError as error:
        raise ApiError(422, "invalid", describe(error.errors())) from None
    try:
        services.settings.judge_overrides({**request.overrides, "symbol": request.symbol})
    except ConfigError as error:
        raise ApiError(422, "invalid", " ".join(str(error).split())) from None
    return request


def _obstacle(services: Services, worker: queries.Found | None) -> tuple[Obstacle, str] | None:
    """Why nothing can be launched now, for programs and for people."""
    if services.settings.read_only:
        return Obstacle.READ_ONLY, "this monitor is read-only (monitor.read_only)"
    if worker is None:
        return Obstacle.NO_WORKER, f"no backtest process has run on this desk: {START}"
    if not worker["alive"]:
        return Obstacle.NO_WORKER, f"the backtest process has been silent for {worker['silent_s']:.0f} s: {START}"
    if not worker["offer"].get("sources"):
        reason = "the backtest process finds no recorded data: BIFROST_DATA names a folder in the LEAN format"
        return Obstacle.NO_DATA, reason
    return None


def _job(conn: Connection, job_id: int) -> queries.Found:
    row = queries.read_job(conn, job_id)
    if row is None:
        raise ApiError(404, "not_found", f"there is no launched backtest {job_id}")
    return row
