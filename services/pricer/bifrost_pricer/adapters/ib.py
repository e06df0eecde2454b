"""Quotes from IB: keeps a connection, streams what the plan says, lets the rest take turns in snapshots."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from bifrost.clock import MarketClock
from bifrost.contract import ContractKey
from bifrost.db import Backoff
from bifrost.ib import (
    ContractCache,
    ContractInfo,
    IbConnectError,
    IbConnection,
    IbNotConnected,
    IbRequestError,
    IbRequestTimeout,
    LineError,
    MarketDataLines,
    MarketDataType,
    QuoteUpdate,
)
from bifrost.tasks import end_tasks

from ..domain.plan import LinePlan
from ..domain.rows import OptionValues, PriceSource, Quote

_log = logging.getLogger(__name__)
# IB's model values older than this are behind the quote (engine.md, "Volatility and greeks").
MODEL_MAX_AGE_S = 60.0
FRESH_S = 60.0
_SNAPSHOT_LIMIT_S = 15.0
_ROTATION_PAUSE_S = 1.0
_LOOK_AGAIN_S = 1.0
_SOURCES = {
    MarketDataType.LIVE: PriceSource.LIVE,
    MarketDataType.FROZEN: PriceSource.FROZEN,
    MarketDataType.DELAYED: PriceSource.DELAYED,
    MarketDataType.DELAYED_FROZEN: PriceSource.DELAYED,
}


class _Known:
    """The newest of one contract with the market time at which its quote came."""

    __slots__ = ("quote", "quote_ts", "update", "values")

    def __init__(self) -> None:
        self.update: QuoteUpdate | None = None
        self.quote: Quote | None = None
        self.quote_ts: datetime | None = None
        self.values: OptionValues | None = None

    def take(self, update: QuoteUpdate, market_now: datetime | None) -> None:
        before, model = self.update, update.model
        if before is None or update.quote_arrived_monotonic != before.quote_arrived_monotonic:
            self.quote_ts = market_now
        if model is not None and (before is None or model is not before.model):
            self.values = OptionValues(
                model.iv_annual, model.delta, model.gamma, model.theta, model.vega, model.und_price, model.option_price
            )
        last_ts = datetime.fromtimestamp(update.last_time_s, UTC) if update.last_time_s else None
        source = _SOURCES[update.market_data_type] if update.market_data_type is not None else PriceSource.LIVE
        self.update = update
        self.quote = Quote(update.bid, update.ask, update.last, source, self.quote_ts, last_ts)


class IbFeed:
    """The market as the pricer sees it; implements `bifrost_pricer.domain.book.Lines`.

    Parameters
    ----------
    address : callable
        Gives host and port, read before every attempt to connect: the operator may change them.
    client_id : int
    clock : MarketClock
        Stamps quotes with market time as they come.
    """

    def __init__(
        self,
        address: Callable[[], tuple[str, int]],
        client_id: int,
        clock: MarketClock,
        *,
        connect_timeout_s: float = 15.0,
        retry_interval_s: float = 30.0,
        messages_per_second: int = 40,
        backoff: Backoff | None = None,
    ) -> None:
        self._address = address
        self._clock = clock
        self.connection = IbConnection(
            client_id,
            connect_timeout_s=connect_timeout_s,
            readonly=True,
            messages_per_second=messages_per_second,
        )
        self.contracts = ContractCache(self.connection)
        self.lines = MarketDataLines(
            self.connection, retry_interval_s=retry_interval_s, allowed_types=frozenset(MarketDataType)
        )
        self.lines.on_quote.add(self._take)
        self._known: dict[ContractKey, _Known] = {}
        self._snapshot_errors: dict[ContractKey, str] = {}
        self._plan = LinePlan((), (), 0)
        self._con_ids: Mapping[ContractKey, int] = {}
        self._backoff = backoff or Backoff(first_s=0.5, limit_s=15.0)
        self._ended = asyncio.Event()
        self._work = asyncio.Event()
        self._plan_changed = asyncio.Event()
        self._tried: tuple[str, int] | None = None
        self.last_failure: str | None = None
        self.connection.on_disconnected.add(self._disconnected)

    # -- Lines

    def quote(self, key: ContractKey) -> Quote | None:
        known = self._known.get(key)
        return known.quote if known else None

    def model_values(self, key: ContractKey) -> OptionValues | None:
        known = self._known.get(key)
        model = known.update.model if known and known.update else None
        if model is None or model.iv_annual is None or time.monotonic() - model.arrived_monotonic > MODEL_MAX_AGE_S:
            return None
        return known.values if known else None

    def trouble(self, key: ContractKey) -> str | None:
        failure = self.contracts.failure(key)
        if failure is not None:
            return f"not resolved by IB: {failure.reason}"
        error: LineError | None = self.lines.error(key)
        if error is not None:
            return f"IB {error.code}: {error.text}"
        return self._snapshot_errors.get(key)

    def fresh(self, key: ContractKey) -> bool:
        known = self._known.get(key)
        return (
            self.connection.is_connected
            and known is not None
            and known.update is not None
            and time.monotonic() - known.update.arrived_monotonic <= FRESH_S
        )

    @property
    def connected(self) -> bool:
        """True while logged on to a gateway."""
        return self.connection.is_connected

    @property
    def lines_in_use(self) -> int:
        """Streams and snapshots open at the gateway."""
        return self.lines.lines_in_use

    # -- plan

    def follow(self, plan: LinePlan, con_ids: Mapping[ContractKey, int]) -> None:
        """Stream and rotate what ``plan`` says; what it no longer names is unsubscribed and forgotten."""
        if plan != self._plan:
            named = {*plan.stream, *plan.rotate}
            for key in self.lines.keys:
                if key not in plan.stream:
                    self.lines.unsubscribe(key)
            for key in [key for key in self._known if key not in named]:
                del self._known[key]
            self._snapshot_errors = {key: text for key, text in self._snapshot_errors.items() if key in plan.rotate}
            self._plan = plan
            self._plan_changed.set()
        self._con_ids = con_ids
        self._work.set()

    @property
    def streaming(self) -> tuple[ContractKey, ...]:
        """Contracts with a line of their own."""
        return self.lines.keys

    def _take(self, update: QuoteUpdate) -> None:
        self._known.setdefault(update.contract_key, _Known()).take(update, self._clock.now())

    def _disconnected(self, _reason: str) -> None:
        # What the lines said is over; the book keeps the last good prices with their times.
        self._known.clear()
        self._ended.set()

    # -- running

    async def run(self) -> None:
        """Connect, serve, connect again, until cancelled."""
        workers = [asyncio.ensure_future(self._subscribe()), asyncio.ensure_future(self._rotate())]
        try:
            while True:
                await self._connect_once()
        finally:
            self.connection.disconnect()
            await end_tasks(workers)

    async def _connect_once(self) -> None:
        host, port = self._tried = self._address()
        try:
            await self.connection.connect(host, port)
        except IbConnectError as error:
            text = str(error)
            pause_s = self._backoff.next_s()
            if text != self.last_failure:
                _log.warning("waiting for IB: %s; trying again, next in %.1f s", text, pause_s)
            self.last_failure = text
            await asyncio.sleep(pause_s)
            return
        self.last_failure = None
        self._backoff.reset()
        self._ended.clear()
        self._work.set()
        self._plan_changed.set()
        await self._ended.wait()
        await asyncio.sleep(self._backoff.next_s())

    def check_address(self) -> None:
        """Leave a gateway that the operator has moved away from."""
        if self._tried is not None and self.connection.is_connected and self._address() != self._tried:
            host, port = self._address()
            self.connection.disconnect(f"the IB address is now {host}:{port}")

    async def _subscribe(self) -> None:
        """Resolve what the plan streams and subscribe it, in the plan's order."""
        while True:
            # Besides what is new, contracts whose back-off is over are due.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._work.wait()
            self._work.clear()
            if not self.connection.is_connected:
                continue
            subscribed = set(self.lines.keys)
            missing = [key for key in self._plan.stream if key not in subscribed]
            for key, info in (await self._resolve(missing)).items():
                if key in self._plan.stream:
                    self.lines.subscribe(info)

    async def _resolve(self, keys: Iterable[ContractKey]) -> dict[ContractKey, ContractInfo]:
        try:
            return await self.contracts.qualify(keys, self._con_ids)
        except IbNotConnected:
            return {}

    async def _rotate(self) -> None:
        """Give every contract without a line a snapshot, in turn, as many at once as the plan allows."""
        while True:
            self._plan_changed.clear()
            plan = self._plan
            if not plan.rotate or not self.connection.is_connected:
                await self._plan_changed.wait()
                continue
            infos = await self._resolve(plan.rotate)
            waiting = list(reversed(infos.values()))

            async def worker(waiting: list[ContractInfo] = waiting, plan: LinePlan = plan) -> None:
                while waiting and self._plan is plan and self.connection.is_connected:
                    await self._snapshot(waiting.pop())

            await asyncio.gather(*(worker() for _ in range(max(1, plan.snapshots_at_once))))
            with suppress(TimeoutError):
                async with asyncio.timeout(_ROTATION_PAUSE_S):
                    await self._plan_changed.wait()

    async def _snapshot(self, info: ContractInfo) -> None:
        key = info.contract_key
        try:
            update = await self.lines.snapshot(info, _SNAPSHOT_LIMIT_S)
        except IbRequestError as error:
            self._snapshot_errors[key] = f"IB {error.code}: {error.text}"
        except (IbRequestTimeout, IbNotConnected) as error:
            _log.debug("%s", error)
        else:
            self._snapshot_errors.pop(key, None)
            if update.arrived_monotonic > 0.0:
                self._take(update)
