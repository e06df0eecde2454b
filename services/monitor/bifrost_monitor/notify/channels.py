"""The ways out: a webhook, ntfy, Telegram, behind one port. Adapters only; what is told is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
from bifrost.config.enums import Severity
from bifrost.config.schema import Notify

from ..times import rfc3339
from .notices import Notice

TIMEOUT_S = 10.0
TELEGRAM = "https://api.telegram.org"
_NTFY_PRIORITY = {Severity.INFO: "default", Severity.WARNING: "high", Severity.CRITICAL: "urgent"}


class ChannelError(Exception):
    """A message was not taken; the text holds no address and no secret."""


class Channel(Protocol):
    """One way to tell the operator."""

    @property
    def kind(self) -> str:
        """``webhook``, ``ntfy`` or ``telegram``."""
        ...

    @property
    def target(self) -> str:
        """Host that is told; never the whole address, which is a secret of some services."""
        ...

    def send(self, notice: Notice) -> None:
        """Send it; raises `ChannelError`."""
        ...


class HttpChannel:
    """A channel that is one HTTP request."""

    def __init__(
        self, kind: str, url: str, request: Callable[[Notice], Mapping[str, Any]], client: httpx.Client
    ) -> None:
        self.kind = kind
        self.target = urlsplit(url).hostname or "?"
        self._url = url
        self._request = request
        self._client = client

    def send(self, notice: Notice) -> None:
        """Raises `ChannelError` for a failed request or any answer but success."""
        try:
            answer = self._client.post(self._url, **self._request(notice))
        except httpx.TimeoutException:
            raise ChannelError(f"{self.target} did not answer within {TIMEOUT_S:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The error's own text may hold the address, and the address a token.
            raise ChannelError(f"{self.target} cannot be reached ({type(error).__name__})") from None
        if not answer.is_success:
            raise ChannelError(f"{self.target} answered {answer.status_code}")


def channels_of(config: Notify, transport: httpx.BaseTransport | None = None) -> list[Channel]:
    """The channels that are configured."""
    client = httpx.Client(timeout=TIMEOUT_S, transport=transport)
    made: list[Channel] = []
    if config.webhook_url is not None:
        made.append(HttpChannel("webhook", config.webhook_url.get_secret_value(), _webhook, client))
    if config.ntfy_url is not None:
        token = config.ntfy_token.get_secret_value() if config.ntfy_token else None
        topic = config.ntfy_url.get_secret_value()
        made.append(HttpChannel("ntfy", topic, lambda notice: _ntfy(notice, token), client))
    if config.telegram_token is not None:
        url = f"{TELEGRAM}/bot{config.telegram_token.get_secret_value()}/sendMessage"
        chat = str(config.telegram_chat_id)
        made.append(HttpChannel("telegram", url, lambda notice: _telegram(notice, chat), client))
    return made


def body_of(notice: Notice) -> str:
    """The text of a message."""
    again = f"\n({notice.repeats} more since it was last told)" if notice.repeats else ""
    return f"{notice.text}{again}"


def _webhook(notice: Notice) -> dict[str, Any]:
    return {
        "json": {
            "source": "bifrost",
            "at": rfc3339(notice.at),
            "severity": str(notice.severity),
            "code": notice.code,
            "title": notice.title,
            "text": body_of(notice),
            "repeats": notice.repeats,
        }
    }


def _ntfy(notice: Notice, token: str | None) -> dict[str, Any]:
    """docs.ntfy.sh/publish: the body is the message, headers carry title, priority and tags."""
    headers = {
        "Title": f"Bifrost: {notice.title}".encode("ascii", "replace").decode(),
        "Priority": _NTFY_PRIORITY[notice.severity],
        "Tags": {"info": "information_source", "warning": "warning", "critical": "rotating_light"}[notice.severity],
    }
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return {"content": body_of(notice).encode(), "headers": headers}


def _telegram(notice: Notice, chat: str) -> dict[str, Any]:
    """core.telegram.org/bots/api#sendmessage; plain text, because a reason may hold any character."""
    text = f"Bifrost, {notice.severity}: {notice.title}\n{body_of(notice)}"
    return {"json": {"chat_id": chat, "text": text[:4096], "disable_web_page_preview": True}}
