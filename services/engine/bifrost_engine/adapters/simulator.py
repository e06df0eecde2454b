"""The simulator's own word on whose accounts it runs: a gateway that manages others is somebody's real one."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

from bifrost_engine.app.link import Trust
from bifrost_engine.app.service_ports import GatewayUnavailable, Login

_TIMEOUT_S = 5.0


async def trust_simulated(url: str, login: Login) -> Trust:
    """Compare the gateway's managed accounts with those of ``GET {url}/state``.

    Raises
    ------
    GatewayUnavailable
        When the simulator does not answer: then it cannot be told whose gateway this is.
    """
    try:
        state = await asyncio.to_thread(_fetch, url.rstrip("/") + "/state")
        known = {_account_id(account) for account in state["accounts"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GatewayUnavailable(
            f"{login.address} answers but the simulator at {url} does not ({error}): "
            "it cannot be told whose gateway that is"
        ) from error
    if known == set(login.accounts):
        return Trust(True)
    return Trust(
        False,
        f"the gateway at {login.address} manages {', '.join(login.accounts)}, the simulator at {url} runs "
        f"{', '.join(sorted(known))}: this is another gateway, maybe a real one, and no order is sent to it",
    )


def _account_id(account: Any) -> str:
    return str(account["id"] if isinstance(account, dict) else account)


def _fetch(url: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy never stands before loopback
    with opener.open(url, timeout=_TIMEOUT_S) as response:
        answer = json.load(response)
    if not isinstance(answer, dict):
        raise ValueError(f"{url} answered {type(answer).__name__}, not an object")
    return answer
