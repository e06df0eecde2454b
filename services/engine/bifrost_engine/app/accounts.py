"""Reads accounts and positions when it is worth it, and sees them written: on a beat, after a change, on request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bifrost.db import DatabaseError
from bifrost.ib import AccountsReport, IbNotConnected, IbRequestError, IbRequestTimeout

from bifrost_engine.domain.events import AccountReported

from .ports import Clock, Sink
from .service_ports import Desk, Gateway

log = logging.getLogger(__name__)
#: A burst of pushed positions costs one reading.
SETTLE_S = 0.5
_FAILURES = (IbNotConnected, IbRequestError, IbRequestTimeout, OSError, DatabaseError)


class AccountsKeeper:
    """Keeps the rows of accounts and positions close to what the broker says.

    A failed reading leaves the rows as they are, with their own time: a failure is unknown, never flat.
    """

    def __init__(self, gateway: Gateway, desk: Desk, sink: Sink, clock: Clock, account: Callable[[], str]) -> None:
        self._gateway = gateway
        self._desk = desk
        self._sink = sink
        self._clock = clock
        self._account = account
        self._wanted = asyncio.Event()
        self._busy = asyncio.Lock()

    def want(self) -> None:
        """Have the accounts read soon."""
        self._wanted.set()

    async def run(self) -> None:
        while True:
            await self._wanted.wait()
            await asyncio.sleep(SETTLE_S)
            self._wanted.clear()
            if not self._gateway.connected:
                continue
            try:
                await self.refresh()
            except _FAILURES as error:
                log.warning("accounts were not refreshed: %s", error)

    async def refresh(self) -> AccountsReport:
        """Read and write now; returns when the rows are in the database.

        Raises
        ------
        IbNotConnected, IbRequestError, IbRequestTimeout, DatabaseError
        """
        async with self._busy:
            report = await self._gateway.fetch_accounts()
            for account in report.accounts:
                if account.account == self._account():
                    now = self._clock.now()
                    self._sink(AccountReported(now, account.buying_power, account.net_liquidation))
            await self._desk.write_accounts(report)
            return report
