"""What happens around every request: Host check, sign-in for GETs, body limit, headers, access log, measurement."""

from __future__ import annotations

import logging
import time

from fastapi import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import ApiError
from .metrics import Metrics
from .security import OPEN_PATHS, Guard
from .settings import MonitorSettings

log = logging.getLogger("bifrost_monitor.access")

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
QUIET_PATHS = frozenset({"/status", "/livez", "/readyz", "/metrics", "/operations", "/session"})
"""Asked every second by pages and probes: logged at debug level, or the log would hold nothing else."""


class _TooLarge(Exception):
    """The body grew beyond the limit while it was read."""


class Perimeter:
    """The outermost layer: nothing reaches a route, and nothing leaves, except through here."""

    def __init__(self, app: ASGIApp, settings: MonitorSettings, guard: Guard, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._guard = guard
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        told = {"status": 500}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                told["status"] = message["status"]
                message["headers"] = [*message.get("headers", []), *self._headers(scope, message)]
            await send(message)

        request = Request(scope, receive)
        try:
            refusal = self._refusal(request)
            if refusal is not None:
                await refusal.response()(scope, receive, send_guarded)
            else:
                await self._app(scope, self._limited(receive), send_guarded)
        except _TooLarge:
            await self._too_large().response()(scope, receive, send_guarded)
        except Exception:
            # The log has the traceback, the answer has not.
            log.exception("%s %s failed", scope["method"], scope["path"])
            answer = JSONResponse({"error": "internal", "reason": "the monitor failed; its log says why"}, 500)
            await answer(scope, receive, send_guarded)
        finally:
            self._measure(request, told["status"], time.perf_counter() - began)

    def _refusal(self, request: Request) -> ApiError | None:
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not self._guard.host_allowed(hosts[0]):
            shown = ", ".join(hosts) or "none"
            reason = f"Host {shown!r} is not one this monitor answers to; add it to MONITOR_ALLOWED_HOSTS"
            return ApiError(400, "bad_host", reason)
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._settings.max_body_bytes:
            return self._too_large()
        if self._settings.loopback or request.url.path in OPEN_PATHS or _signs_in(request):
            return None
        try:
            self._guard.require_caller(request)
        except ApiError as error:
            return error
        return None

    def _too_large(self) -> ApiError:
        return ApiError(413, "too_large", f"a body may have {self._settings.max_body_bytes} bytes at most")

    def _limited(self, receive: Receive) -> Receive:
        """Count what arrives: a chunked body has no Content-Length."""
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._settings.max_body_bytes:
                raise _TooLarge
            return message

        return counted

    def _headers(self, scope: Scope, message: Message) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in message.get("headers", [])}
        wanted = dict(SECURITY_HEADERS)
        if not scope["path"].startswith("/static/"):
            wanted["cache-control"] = "no-store"
        return [(name.encode(), value.encode()) for name, value in wanted.items() if name.encode() not in present]

    def _measure(self, request: Request, status: int, seconds: float) -> None:
        route = request.scope.get("route")
        self._metrics.request(request.method, getattr(route, "path", "other"), status, seconds)
        quiet = status < 400 and (request.url.path in QUIET_PATHS or request.url.path.startswith("/static/"))
        # The path alone: a query may carry the token.
        log.log(
            logging.DEBUG if quiet else logging.INFO,
            "%s %s %d",
            request.method,
            request.url.path,
            status,
            extra={"client": request.client.host if request.client else None, "took_ms": round(seconds * 1000, 1)},
        )


def _signs_in(request: Request) -> bool:
    """Whether this request brings the token with it and its route checks that itself."""
    path, method = request.url.path, request.method
    return (path == "/" and method == "GET" and "token" in request.query_params) or (
        path == "/session" and method == "POST"
    )
