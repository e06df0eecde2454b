"""Who may ask: Host header, token or cookie, same origin, rate of control posts, and what every answer must carry.

The browser's cookie does not hold the token but a keyed hash of it: what leaks from a browser cannot be used as a
bearer token, and the monitor keeps no session (it can be restarted or doubled at any time).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request

from .errors import ApiError
from .settings import LOOPBACK_NAMES, MonitorSettings

CSRF_HEADER = "x-bifrost"
OPEN_PATHS = frozenset({"/livez", "/readyz"})
"""Answered to everybody, so that health checks need no secret; they tell nothing but alive or not."""
URGENT = frozenset({"stop", "suspend", "flatten"})
"""Commands with a rate of their own: a page that repeats something harmless must not use up the way to stop."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked, for the audit columns: ``token`` or ``browser``, and from where."""

    kind: str
    address: str

    def __str__(self) -> str:
        return f"{self.kind}@{self.address}"


def cookie_value(token: str) -> str:
    """What the browser keeps instead of the token."""
    return hmac.new(token.encode(), b"bifrost browser session", hashlib.sha256).hexdigest()


class Guard:
    """Answers who a request comes from and refuses what it may not do."""

    def __init__(self, settings: MonitorSettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._cookie = cookie_value(settings.token) if settings.token else None
        self._limits = RateLimits(settings.control_posts_per_minute, monotonic)

    def caller(self, request: Request) -> Caller | None:
        """The authenticated caller, None for an anonymous one. Compares in constant time."""
        token, address = self._settings.token, request.client.host if request.client else "unknown"
        if token is None or self._cookie is None:
            return None
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal(presented.strip(), token):
            return Caller("token", address)
        if _equal(request.cookies.get(self._settings.cookie_name, ""), self._cookie):
            return Caller("browser", address)
        return None

    def is_token(self, presented: str) -> bool:
        """Whether ``presented`` is the operator's token."""
        token = self._settings.token
        return token is not None and _equal(presented.strip(), token)

    def require_caller(self, request: Request) -> Caller:
        """The caller; 401 for an anonymous one, with words on where the token is."""
        caller = self.caller(request)
        if caller is not None:
            return caller
        if self._settings.token is None:
            reason = "this monitor has no token: set BIFROST_TOKEN or BIFROST_TOKEN_FILE and start it again"
        elif "authorization" in request.headers:
            reason = "the token is not this monitor's; `make token` prints the right link"
        else:
            reason = "this needs Authorization: Bearer <token>, or the page opened by the link that `make token` prints"
        raise ApiError(401, "unauthorized", reason, headers={"WWW-Authenticate": "Bearer"})

    def require_change(self, request: Request) -> Caller:
        """The caller of a request that changes something: known, from our own page, and not in read-only mode."""
        caller = self.require_caller(request)
        if caller.kind == "browser" and not same_origin(request):
            raise ApiError(403, "cross_origin", "a browser's request must come from this monitor's own page")
        if self._settings.read_only:
            raise ApiError(403, "read_only", "this monitor is read-only (monitor.read_only); use another one to change")
        return caller

    def require_rate(self, command: str) -> None:
        """429 when control posts come too fast."""
        wait_s = self._limits.wait_s(command if command in URGENT else "other")
        if wait_s > 0:
            limit = self._settings.control_posts_per_minute
            reason = f"more than {limit} commands a minute; try again in {wait_s:.0f} s"
            raise ApiError(429, "too_many", reason, headers={"Retry-After": str(max(1, round(wait_s)))})

    def host_allowed(self, header: str) -> bool:
        """Whether a Host header names this monitor: a page of another name must not reach it (DNS rebinding).

        Bound to more than loopback, addresses are allowed too: rebinding needs a name.
        """
        name = host_name(header)
        if name is None:
            return False
        if name in self._settings.allowed_hosts or name in LOOPBACK_NAMES:
            return True
        if self._settings.loopback:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def host_name(header: str) -> str | None:
    """The name in a Host header without port and brackets, lower case; None when there is none."""
    try:
        parts = urlsplit(f"//{header.strip()}")
        name, _ = parts.hostname, parts.port  # reading the port is what checks it
    except ValueError:
        return None
    return name.rstrip(".") if name else None


def same_origin(request: Request) -> bool:
    """Whether the browser says that our own page sent this.

    A cookie is shared by all ports of a host, so "same-site" is not enough. Where neither Sec-Fetch-Site nor Origin
    is sent (old or unusual clients), a header that only a script of the same origin can set must be there.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower() != ""
    return CSRF_HEADER in request.headers


class RateLimits:
    """Token buckets by name: ``per_minute`` at once, refilled evenly."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._per_s = per_minute / 60.0
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, name: str) -> float:
        """Take one; 0.0 when there was one, else the seconds until there is."""
        with self._lock:
            now = self._monotonic()
            left, at = self._buckets.get(name, (self._capacity, now))
            left = min(self._capacity, left + (now - at) * self._per_s)
            if left < 1.0:
                self._buckets[name] = (left, now)
                return (1.0 - left) / self._per_s
            self._buckets[name] = (left - 1.0, now)
            return 0.0


def _equal(presented: str, expected: str) -> bool:
    return hmac.compare_digest(presented.encode("utf-8", "surrogateescape"), expected.encode())
