"""The pricer's cycle: what is held, what the market says, what changed."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import psycopg2
from bifrost.clock import MarketClock
from bifrost.contract import ContractKey
from bifrost.db import Backoff, DatabaseUnavailable
from bifrost.db.errors import first_line

from .domain.book import PriceBook
from .domain.plan import HeldContract, plan_lines, underlyings_of
from .health import Health, Metrics
from .ports import AddressBook, Feed, Holdings, Store

_log = logging.getLogger(__name__)
T = TypeVar("T")


class PricerService:
    """Runs the cycle until cancelled; waits for the database and for IB, whichever is missing."""

    def __init__(
        self,
        store: Store,
        feed: Feed,
        book: PriceBook,
        clock: MarketClock,
        addresses: AddressBook,
        *,
        symbol: str,
        cycle_s: float,
        line_budget: int,
        health: Health,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._feed = feed
        self._book = book
        self._clock = clock
        self._addresses = addresses
        self._symbol = symbol
        self._cycle_s = cycle_s
        self._line_budget = line_budget
        self._health = health
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._backoff = Backoff(first_s=0.5, limit_s=15.0)
        self._loaded_for = 0
        self._last_failure: str | None = None
        self._followed: tuple[tuple[HeldContract, ...], tuple[ContractKey, ...]] | None = None

    def positions_changed(self) -> None:
        """Do the next cycle now (NOTIFY ``bifrost_positions``)."""
        self._wake.set()

    async def run(self) -> None:
        """Cycle for ever; the database's failures are waited out."""
        try:
            while True:
                began = time.monotonic()
                self._wake.clear()
                try:
                    await self._cycle()
                    pause_s = max(0.0, self._cycle_s - (time.monotonic() - began))
                    self._database_ok()
                except (DatabaseUnavailable, psycopg2.Error) as error:
                    pause_s = self._database_failed(error)
                self._health.last_cycle = time.monotonic()
                self._metrics.cycle_seconds.set(self._health.last_cycle - began)
                self._metrics.cycles.inc()
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._wake.wait()
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _db(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _cycle(self) -> None:
        holdings = await self._db(self._store.holdings)
        if self._store.connections != self._loaded_for:
            # A new connection may lead to a restored database: what was written is read, not remembered.
            connections = self._store.connections
            self._book.load(await self._db(self._store.rows))
            self._loaded_for = connections
        self._addresses.take_settings(holdings.ib_settings)
        self._feed.check_address()
        self._follow(holdings)
        rows = self._book.cycle(holdings.held, self._feed, self._clock.now())
        await self._db(lambda: self._store.write(rows.changed, rows.removed))
        self._book.written(rows.changed, rows.removed)
        self._metrics.rows_last_cycle.set(len(rows.changed))
        self._metrics.rows.inc(len(rows.changed))
        self._measure(holdings)

    def _follow(self, holdings: Holdings) -> None:
        if (holdings.held, holdings.managed) == self._followed:
            return
        self._followed = (holdings.held, holdings.managed)
        keys = [contract.contract_key for contract in holdings.held]
        held = set(keys)
        legs = sorted(key for key in holdings.managed if key in held)
        priority = [*underlyings_of(self._symbol, keys), *legs]
        plan = plan_lines(keys, priority, self._line_budget, self._feed.streaming)
        con_ids = {contract.contract_key: contract.con_id for contract in holdings.held if contract.con_id}
        self._feed.follow(plan, con_ids)

    def _measure(self, holdings: Holdings) -> None:
        metrics, now = self._metrics, self._clock.now()
        rows = [row for contract in holdings.held if (row := self._book.row(contract.contract_key)) is not None]
        ages = [(now - row.quote_ts).total_seconds() for row in rows if now is not None and row.quote_ts is not None]
        metrics.oldest_quote_age.set(max(ages, default=math.nan))
        metrics.held.set(len(holdings.held))
        metrics.unpriced.set(sum(row.mid is None for row in rows))
        metrics.in_error.set(sum(row.error is not None for row in rows))
        metrics.lines_in_use.set(self._feed.lines_in_use)
        metrics.ib_connected.set(self._feed.connected)
        self._health.ib = "ok" if self._feed.connected else self._feed.last_failure or "not connected"
        self._health.clock = "ok" if now is not None else "market time is unknown: the simulator has not answered"

    def _database_ok(self) -> None:
        if self._last_failure is not None:
            _log.info("the database answers again")
        self._last_failure = None
        self._backoff.reset()
        self._health.database = "ok"
        self._metrics.database_connected.set(1)

    def _database_failed(self, error: Exception) -> float:
        """Note the failure; returns the seconds to wait."""
        text = first_line(error)
        pause_s = self._backoff.next_s()
        if text != self._last_failure:
            _log.warning("waiting for the database: %s; trying again, next in %.1f s", text, pause_s)
        self._last_failure = text
        self._health.database = text
        self._metrics.database_connected.set(0)
        self._store.drop(error)
        return pause_s
