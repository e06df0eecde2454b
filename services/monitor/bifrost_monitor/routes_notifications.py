"""Routes of the notifications: what was told to whom, and the test button."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from .contract import body
from .errors import ApiError, describe
from .models.base import answers
from .models.control import ChannelKind, NotificationsAnswer, TestAnswer, TestForm
from .params import Wired
from .routes_control import changing_caller, json_body
from .security import Caller

router = APIRouter()


@router.get("/notifications", summary="Channels and what they were told", responses=answers(NotificationsAnswer))
async def get_notifications(services: Wired) -> JSONResponse:
    """Since this monitor started."""
    told = services.notifier.answer()
    configured = {channel["kind"] for channel in told["channels"]}
    absent = {"configured": False, "target": None, "sent": 0, "failed": 0, "last_sent_at": None, "last_error": None}
    missing = [{"kind": str(kind), **absent} for kind in ChannelKind if str(kind) not in configured]
    lowest = str(services.settings.notify.min_severity)
    return JSONResponse({**told, "channels": [*told["channels"], *missing], "min_severity": lowest})


@router.post(
    "/notifications/test",
    summary="Send a test message; needs the token",
    responses=answers(TestAnswer, 403, 409, 422, 429),
    openapi_extra=body(TestForm),
)
def post_test(
    caller: Annotated[Caller, Depends(changing_caller)],
    services: Wired,
    form: Annotated[dict[str, Any], Depends(json_body)],
) -> JSONResponse:
    """One result per channel. 409 when none is configured."""
    try:
        wanted = TestForm.model_validate(form).channel
    except ValidationError as error:
        raise ApiError(422, "invalid", describe(error.errors())) from None
    kinds = {channel.kind for channel in services.notifier.channels}
    if not kinds or (wanted is not None and str(wanted) not in kinds):
        what = f"{wanted} is not" if wanted else "no channel is"
        raise ApiError(409, "not_configured", f"{what} configured: see notify in the configuration file")
    services.guard.require_rate("test")
    results = services.notifier.test(None if wanted is None else str(wanted), str(caller))
    return JSONResponse({"results": results})
