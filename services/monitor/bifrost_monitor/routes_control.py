"""Routes that change something: commands, the IB address, the browser's session."""

from __future__ import annotations

import json
from typing import Annotated, Any

from bifrost.control import ARGUMENTS, Command, CommandError, CommandStatus, parse_args, parse_command
from bifrost.db import Connection, control_rows
from bifrost.db.queries import status as shared
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from . import queries, receipts
from .contract import body as body_of
from .errors import ApiError, describe
from .ib_address import IbAddressForm
from .models.base import answers, errors
from .models.control import CommandAccepted, CommandsAnswer, CommandState, IbConfigSaved, Session, SignIn
from .params import LARGEST_ID, Wired
from .security import Caller, cookie_value
from .services import Services

router = APIRouter()
SESSION_S = 400 * 24 * 3600
"""Browsers keep a cookie 400 days at most; a new token ends it earlier."""


async def json_body(request: Request) -> Any:
    """The JSON body, ``{}`` where there is none; 422 for what is no JSON object."""
    raw = await request.body()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(422, "invalid", f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(422, "invalid", "the body must be a JSON object")
    return body


def changing_caller(request: Request, services: Wired) -> Caller:
    """Whoever may change something; refused before the body is looked at."""
    return services.guard.require_change(request)


@router.post(
    "/control/{command}",
    status_code=202,
    summary="Ask the engine for something; needs the token",
    responses={
        **answers(CommandAccepted, 403, 404, 409, 422, 429, 503, status=202, description="written for the engine"),
        200: {"model": CommandAccepted, "description": "the idempotency key had been used for the same command"},
    },
    openapi_extra=body_of(*dict.fromkeys(ARGUMENTS.values())),
)
def post_control(
    command: Annotated[str, Path(json_schema_extra={"enum": [str(known) for known in Command]})],
    caller: Annotated[Caller, Depends(changing_caller)],
    services: Wired,
    body: Annotated[dict[str, Any], Depends(json_body)],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> JSONResponse:
    """The body holds the command's arguments. 202 with the id; follow it at GET /control/{id}.

    With an Idempotency-Key that was used for the same command and body the first id comes back with 200.
    """
    known, args = _parsed(command, body)
    services.guard.require_rate(str(known))
    try:
        with services.pool.connection() as conn:
            command_id, created = _enqueue(conn, known, args, str(caller), idempotency_key)
            row = None if created else control_rows.get(conn, command_id)
    except control_rows.IdempotencyConflict as error:
        raise ApiError(409, "idempotency_conflict", str(error), id=error.first_id) from None
    if created:
        services.metrics.command(str(known))
    status = CommandStatus.PENDING if row is None else row.status
    answer = {"id": command_id, "command": str(known), "status": str(status), "created": created}
    return JSONResponse(answer, 202 if created else 200)


def _enqueue(
    conn: Connection, command: Command, args: dict[str, Any], requested_by: str, key: str | None
) -> tuple[int, bool]:
    """Insert the command; three of them change ``daemon_run_status`` in the same transaction."""
    if command in (Command.SUSPEND, Command.RESUME):
        return control_rows.set_suspended(conn, command is Command.SUSPEND, requested_by, key)
    if command is Command.SET_HEARTBEAT_INTERVAL:
        return control_rows.set_heartbeat_interval(conn, args["seconds"], requested_by, key)
    return control_rows.enqueue(conn, command, args, requested_by, key)


def _parsed(name: str, body: dict[str, Any]) -> tuple[Command, dict[str, Any]]:
    try:
        command = parse_command(name)
    except CommandError as error:
        raise ApiError(404, "unknown_command", str(error)) from None
    try:
        return command, parse_args(command, body).model_dump(mode="json", exclude_none=True)
    except CommandError as error:
        raise ApiError(422, "invalid", str(error)) from None


@router.get(
    "/control",
    summary="The newest commands, who asked for them and what came of them",
    responses=answers(CommandsAnswer, 422, 503),
)
def get_controls(services: Wired, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> JSONResponse:
    """Newest first."""
    with services.pool.connection() as conn:
        rows = queries.read_commands(conn, limit)
    return JSONResponse({"commands": [receipts.command(row) for row in rows]})


@router.get(
    "/control/{command_id}",
    summary="State and result of a command",
    responses=answers(CommandState, 404, 422, 503),
)
def get_control(services: Wired, command_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]) -> JSONResponse:
    """pending, accepted, done, refused, expired or failed, and the engine's result."""
    with services.pool.connection() as conn:
        row = queries.read_command(conn, command_id)
    if row is None:
        raise ApiError(404, "not_found", f"there is no command {command_id}")
    return JSONResponse(receipts.command(row))


@router.post(
    "/config/ib",
    summary="Save the address of TWS or IB Gateway; needs the token",
    responses=answers(IbConfigSaved, 403, 409, 422, 429, 503),
    openapi_extra=body_of(IbAddressForm, required=True),
)
def post_ib_config(
    caller: Annotated[Caller, Depends(changing_caller)],
    services: Wired,
    body: Annotated[dict[str, Any], Depends(json_body)],
) -> JSONResponse:
    """Used by the engine at its next connection. 409 when environment or scenario decide the address."""
    address = services.settings.ib_address
    if address.overridden_by is not None:
        reason = f"the IB address is set by {address.overridden_by}; a saved one would have no effect"
        raise ApiError(409, "overridden", reason, variable=address.overridden_by)
    try:
        form = IbAddressForm.model_validate(body)
    except ValidationError as error:
        raise ApiError(422, "invalid", describe(error.errors())) from None
    if form.ib_port_type.live and not form.confirm:
        port = f"{form.ib_port_type} (port {form.ib_port_type.port})"
        raise ApiError(422, "confirm_required", f"{port} is where a funded account listens: repeat with confirm=true")
    services.guard.require_rate("config")
    with services.pool.connection() as conn:
        shared.save_settings(conn, form.ib_host, str(form.ib_port_type), str(caller))
    saved = {"ib_host": form.ib_host, "ib_port_type": str(form.ib_port_type)}
    return JSONResponse({"saved": saved, "ib_config": address.answer(saved)})


@router.get("/session", summary="Whether this caller may change something", responses=answers(Session))
def get_session(request: Request, services: Wired) -> JSONResponse:
    """For the page: which of its controls can work."""
    caller = services.guard.caller(request)
    return JSONResponse({"signed_in": caller is not None, "read_only": services.settings.read_only})


@router.post(
    "/session",
    status_code=204,
    summary="Exchange the token for the browser's cookie",
    responses=errors(422),
)
def post_session(services: Wired, form: SignIn) -> Response:
    """``{"token": …}``; for a page that was opened without the link."""
    if not services.guard.is_token(form.token):
        raise ApiError(401, "unauthorized", "the token is not this monitor's; `make token` prints the right link")
    answer = Response(status_code=204)
    set_cookie(services, answer)
    return answer


def set_cookie(services: Services, answer: Response) -> None:
    """Let this browser in from now on."""
    answer.set_cookie(
        services.settings.cookie_name,
        cookie_value(services.settings.token or ""),
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        path="/",
    )
