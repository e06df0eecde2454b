"""Routes of the Simulator page: a narrow way to the simulator's admin API, which itself has no token."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from .contract import SECURED, body
from .errors import ApiError, describe
from .models.base import answers
from .models.simulator import (
    ClockForm,
    FaultEnded,
    FaultInjected,
    FaultsAnswer,
    JournalAnswer,
    ManualOrderForm,
    SimulatorAnswer,
    SimulatorClock,
    SimulatorOrder,
)
from .params import LARGEST_ID, Wired
from .routes_control import changing_caller, json_body
from .security import Caller
from .services import Services
from .simulator import SimulatorAbsent

log = logging.getLogger(__name__)
router = APIRouter()
FaultName = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,60}$")]
Changing = Annotated[Caller, Depends(changing_caller)]
Body = Annotated[dict[str, Any], Depends(json_body)]


@router.get("/simulator", summary="The simulated world, where one runs", responses=answers(SimulatorAnswer))
def get_simulator(services: Wired) -> JSONResponse:
    """``running`` false with the reason where the desk has no simulator or it does not answer."""
    try:
        state = services.simulator.ask("GET", "/state")
    except SimulatorAbsent as absent:
        return JSONResponse({"running": False, "reason": str(absent), "state": None})
    return JSONResponse({"running": True, "reason": None, "state": state})


@router.post(
    "/simulator/clock",
    summary="Change speed, pause, or move on; needs the token",
    responses=answers(SimulatorClock, 403, 409, 422, 429, 502, 503),
    openapi_extra=body(ClockForm, required=True),
)
def post_clock(caller: Changing, services: Wired, form: Body) -> JSONResponse:
    """The clock after the change. 409 where the desk has no simulator."""
    change = _checked(ClockForm, form)
    services.guard.require_rate("simulator")
    return JSONResponse(_asked(services, "POST", "/clock", body=change))


@router.get(
    "/simulator/faults",
    summary="The catalogue of faults, and those that are active",
    responses=answers(FaultsAnswer, 409, 502, 503),
)
def get_faults(services: Wired) -> JSONResponse:
    """409 where the desk has no simulator."""
    told = _asked(services, "GET", "/faults")
    known = [{"name": name, **fault} for name, fault in sorted(told["known"].items())]
    return JSONResponse({"active": told["active"], "known": known})


@router.post(
    "/simulator/faults/{name}",
    summary="Inject a fault; needs the token",
    responses=answers(FaultInjected, 403, 404, 409, 422, 429, 502, 503),
    openapi_extra={
        "requestBody": {"content": {"application/json": {"schema": {"type": "object", "title": "FaultParameters"}}}},
        **SECURED,
    },
)
def post_fault(caller: Changing, services: Wired, name: FaultName, parameters: Body) -> JSONResponse:
    """The body holds the parameters that GET /simulator/faults describes."""
    services.guard.require_rate("simulator")
    log.warning("fault %s injected by %s", name, caller)
    return JSONResponse({"fault": _asked(services, "POST", f"/faults/{name}", body=parameters)})


@router.delete(
    "/simulator/faults/{name}",
    summary="End a fault; needs the token",
    responses=answers(FaultEnded, 403, 404, 409, 422, 429, 502, 503),
    openapi_extra=SECURED,
)
def delete_fault(caller: Changing, services: Wired, name: FaultName) -> JSONResponse:
    """How many of that name were active."""
    services.guard.require_rate("simulator")
    return JSONResponse(_asked(services, "DELETE", f"/faults/{name}"))


@router.post(
    "/simulator/orders",
    summary="Trade the simulated account by hand, as the human at TWS does; needs the token",
    responses=answers(SimulatorOrder, 403, 409, 422, 429, 502, 503),
    openapi_extra=body(ManualOrderForm, required=True),
)
def post_manual_order(caller: Changing, services: Wired, form: Body) -> JSONResponse:
    """409 when the simulated broker rejects it."""
    order = _checked(ManualOrderForm, form)
    services.guard.require_rate("simulator")
    return JSONResponse(_asked(services, "POST", "/orders", body=order))


@router.get(
    "/simulator/journal",
    summary="What crossed the wire, oldest first",
    responses=answers(JournalAnswer, 409, 422, 502, 503),
)
def get_journal(
    services: Wired,
    since: Annotated[int, Query(ge=0, le=LARGEST_ID, description="only messages with a larger seq")] = 0,
    message: Annotated[str | None, Query(pattern=r"^[A-Za-z:]{1,60}$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ticks: bool = False,
) -> JSONResponse:
    """Market data only with ``ticks``."""
    asked = {"since": since, "message": message, "limit": limit, "ticks": ticks}
    params = {name: value for name, value in asked.items() if value is not None}
    return JSONResponse(_asked(services, "GET", "/journal", params=params))


def _checked(form: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    try:
        return form.model_validate(values).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        raise ApiError(422, "invalid", describe(error.errors())) from None


def _asked(services: Services, method: str, path: str, **options: Any) -> dict[str, Any]:
    try:
        return services.simulator.ask(method, path, **options)
    except SimulatorAbsent as absent:
        if absent.configured:
            raise ApiError(503, "simulator_unavailable", str(absent)) from None
        raise ApiError(409, "no_simulator", str(absent)) from None
