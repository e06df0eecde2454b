"""Ending asyncio tasks for certain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

log = logging.getLogger(__name__)

#: A cancelled task that has not ended after this time is cancelled again (wall seconds).
CANCEL_AGAIN_S = 0.5


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], limit_s: float = 5.0) -> list[asyncio.Task[Any]]:
    """Cancel every task and wait until all have ended.

    A cancellation can get lost in a library that catches it (before Python 3.12 `asyncio.wait_for` does when its
    future is done in the same turn). The task would then go on for ever and whoever awaits it would hang: it is
    cancelled again and again.

    Parameters
    ----------
    limit_s : float
        Wall seconds after which a task that still runs is left behind and named in the log.

    Returns
    -------
    list
        The tasks left behind; normally empty. What tasks raised is not raised here.
    """
    pending = {task for task in tasks if not task.done()}
    deadline = asyncio.get_running_loop().time() + limit_s
    while pending and asyncio.get_running_loop().time() < deadline:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
    for task in pending:
        log.error("task %s does not end: it is left behind", task.get_name())
    return list(pending)
