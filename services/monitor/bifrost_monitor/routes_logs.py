"""GET /logs/{service}: the newest lines, or the lines as they come."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from .contract import SECURED
from .errors import ApiError
from .log_follow import follow_log
from .log_tail import log_files, tail
from .models.base import answers
from .models.control import LogAnswer, LogLevel, LogService
from .params import Limit, Wired, moment
from .sse import EventStream

router = APIRouter()


@router.get(
    "/logs/{service}",
    summary="The newest log lines of a service, or with follow=true each as it comes; needs the token",
    responses=answers(LogAnswer, 422, 429, 503),
    openapi_extra=SECURED,
)
def get_logs(
    request: Request,
    services: Wired,
    service: LogService,
    level: LogLevel | None = None,
    since: Annotated[str | None, Query(description="wall time, RFC 3339, exclusive")] = None,
    limit: Limit = 200,
    follow: Annotated[bool, Query(description="server-sent events `log`, oldest first, without end")] = False,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Oldest first, as one reads them. ``exists`` is false when the service has written no log here."""
    services.guard.require_caller(request)
    after = moment(since, "since")
    folder, lowest = services.settings.log_dir, None if level is None else str(level)
    try:
        if follow:
            lines = follow_log(folder, str(service), limit=limit, level=lowest, since=after, resume=last_event_id)
            return EventStream(services.streams.admitted(lines))
        lines_now = tail(folder, str(service), limit=limit, level=lowest, since=after)
    except OSError as error:
        reason = f"the log of {service} cannot be read: {error.strerror}"
        raise ApiError(503, "log_unreadable", reason) from error
    exists = bool(log_files(folder, str(service)))
    return JSONResponse({"service": str(service), "exists": exists, "lines": lines_now})
