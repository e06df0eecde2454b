"""The way to the simulator's admin API, only where the configuration names one (contracts.md, "Scenario")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from .errors import ApiError, describe
from .json_text import plain

TIMEOUT_S = 5.0
_WORDS = {404: "not_found", 409: "rejected", 422: "invalid"}


class SimulatorAbsent(Exception):
    """No simulator is configured, or it does not answer; the message says which."""

    def __init__(self, reason: str, *, configured: bool) -> None:
        super().__init__(reason)
        self.configured = configured


class SimulatorClient:
    """Asks the admin API. Its answers pass as they are; what it refuses becomes an `ApiError` in its own words.

    Parameters
    ----------
    url
        Address of the admin API from the configuration, never from a request; None on a desk with a real gateway.
    """

    def __init__(self, url: str | None, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        # No proxy of the environment: the simulator is on this machine or in this stack.
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(
        self, method: str, path: str, *, body: object = None, params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The answer as JSON.

        Raises
        ------
        SimulatorAbsent
            When there is none, or it does not answer.
        ApiError
            404, 409 and 422 as the simulator said it; 502 for anything else.
        """
        if self._url is None:
            reason = "this desk has no simulator: clock.source is not simulator"
            raise SimulatorAbsent(reason, configured=False)
        try:
            answer = self._client.request(method, self._url.rstrip("/") + path, json=body, params=params)
        except httpx.HTTPError as error:
            cause = str(error) or type(error).__name__
            raise SimulatorAbsent(f"the simulator does not answer: {cause}", configured=True) from None
        try:
            told = answer.json()
        except ValueError:
            told = None
        if answer.is_success and isinstance(told, dict):
            found: dict[str, Any] = plain(told)
            return found
        word = _WORDS.get(answer.status_code)
        if word is None:
            raise ApiError(502, "simulator_failed", f"the simulator answered {answer.status_code} to {method} {path}")
        raise ApiError(answer.status_code, word, _detail(told))


def _detail(told: object) -> str:
    detail = told.get("detail") if isinstance(told, dict) else None
    if isinstance(detail, list):
        return describe(detail)
    if isinstance(detail, dict):
        return f"{detail.get('text') or detail} (code {detail.get('code')})"
    return str(detail or "the simulator refused without a word")
