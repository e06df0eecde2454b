"""Keeps the link to IB: connects, waits, counts down, connects again. What it learns goes to the daemon as events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from bifrost_engine.domain.events import LinkDown, LinkUp

from .ports import Clock, Sink
from .service_ports import Gateway, GatewayUnavailable, Login

log = logging.getLogger(__name__)

#: 1100 says that the gateway lost IB; the socket is kept this long, then a new session is tried (engine.md).
LOST_IB_KEEP_S = 120.0
#: After a session ended one attempt follows soon; only then the configured interval counts.
FIRST_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether the gateway is the one whose accounts we may trade (contracts.md, ``clock.source``)."""

    trusted: bool
    reason: str = ""


class LinkListener(Protocol):
    """What the link tells the daemon besides events to the core."""

    def connecting(self) -> None: ...
    def connect_failed(self, reason: str) -> None: ...
    def link_up(self) -> None: ...
    def link_lost(self, reason: str) -> None: ...

    async def prepare(self, login: Login) -> str:
        """Choose and load the trading account of a session; raises GatewayUnavailable when it cannot trade there."""
        ...


class LinkKeeper:
    """Runs until cancelled.

    Parameters
    ----------
    address : callable
        Host and port of the next attempt (an operator may change them while we wait).
    trust : callable
        Judges the managed accounts of a new session; raises GatewayUnavailable when it cannot tell yet.
    retry_s : float
        Wall seconds between attempts.
    """

    def __init__(
        self,
        gateway: Gateway,
        listener: LinkListener,
        sink: Sink,
        clock: Clock,
        *,
        address: Callable[[], Awaitable[tuple[str, int]]],
        trust: Callable[[Login], Awaitable[Trust]],
        retry_s: float,
        keep_lost_ib_s: float = LOST_IB_KEEP_S,
    ) -> None:
        self._gateway = gateway
        self._listener = listener
        self._sink = sink
        self._clock = clock
        self._address = address
        self._trust = trust
        self.retry_s = retry_s
        self._keep_lost_ib_s = keep_lost_ib_s
        self._retry_now = asyncio.Event()
        self._ended: asyncio.Future[str] | None = None
        self._lost_ib_timer: asyncio.TimerHandle | None = None
        self._retry_at: float | None = None
        self.login: Login | None = None
        self.since: datetime | None = None
        self.where = ""
        self.last_error = ""
        self.trust = Trust(True)
        gateway.on_ended = self._session_ended

    # -- what is shown

    @property
    def connected(self) -> bool:
        return self.login is not None

    def seconds_until_retry(self) -> int | None:
        """Whole seconds until the next attempt; None while connected or connecting."""
        if self._retry_at is None:
            return None
        return max(0, round(self._retry_at - time.monotonic()))

    # -- from outside

    def retry(self) -> str:
        """Try at once (command ``retry_ib``); returns what was done."""
        if self.connected:
            self._gateway.retry_lines()
            return f"connected to {self.where}: lines in error are requested again"
        if self._retry_at is None:
            return "an attempt is under way"
        self._retry_now.set()
        return f"connecting to {self.where or 'IB'} now"

    def ib_lost(self) -> None:
        """1100: keep the socket for a while."""
        if self._lost_ib_timer is None:
            loop = asyncio.get_running_loop()
            reason = f"the gateway had no link to IB for {self._keep_lost_ib_s:g} s (1100)"
            self._lost_ib_timer = loop.call_later(self._keep_lost_ib_s, self._gateway.disconnect, reason)

    def ib_restored(self) -> None:
        """1101 or 1102: the socket is good again."""
        if self._lost_ib_timer is not None:
            self._lost_ib_timer.cancel()
            self._lost_ib_timer = None

    # -- the loop

    async def run(self) -> None:
        try:
            while True:
                pause_s = await self._one_session()
                await self._wait(pause_s)
        finally:
            self.ib_restored()
            self._gateway.disconnect("the engine leaves")

    async def _one_session(self) -> float:
        """Connect and stay until the session ends; returns the wait before the next attempt."""
        self._listener.connecting()
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        try:
            host, port = await self._address()
            self.where = f"{host}:{port}"
            login = await self._gateway.connect(host, port)
            account, self.trust = await self._admit(login)
        except GatewayUnavailable as error:
            self._gateway.disconnect(str(error))
            if str(error) != self.last_error:
                log.warning("IB: %s; next attempt in %g s", error, self.retry_s)
            self.last_error = str(error)
            self._listener.connect_failed(str(error))
            return self.retry_s
        self.login, self.since = login, datetime.now(UTC)
        self.last_error = self.trust.reason
        self._listener.link_up()
        self._sink(LinkUp(self._clock.now(), login.accounts, login.client_id, self.trust.trusted))
        self._gateway.trade_for(account)
        reason = await self._ended
        return self._down(reason)

    async def _admit(self, login: Login) -> tuple[str, Trust]:
        trust = await self._trust(login)
        if not trust.trusted:
            log.critical("%s", trust.reason)
        return await self._listener.prepare(login), trust

    def _down(self, reason: str) -> float:
        self.login, self.since = None, None
        self.last_error = reason
        self.ib_restored()
        self._sink(LinkDown(self._clock.now(), reason))
        self._listener.link_lost(reason)
        return min(FIRST_RETRY_S, self.retry_s)

    def _session_ended(self, reason: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(reason)

    async def _wait(self, pause_s: float) -> None:
        self._retry_now.clear()
        self._retry_at = time.monotonic() + pause_s
        try:
            async with asyncio.timeout(pause_s):
                await self._retry_now.wait()
        except TimeoutError:
            pass
        finally:
            self._retry_at = None
