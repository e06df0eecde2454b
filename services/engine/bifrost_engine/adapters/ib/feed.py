"""Market data and the state of the line, as events. Subscribes the stock and every option held on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from bifrost.contract import ContractKey
from bifrost.ib import ContractCache, IbConnection, IbError, LineError, MarketDataLines, QuoteUpdate
from bifrost.ib.errors import FARM_BROKEN, IbCode, is_farm_status, is_information

from bifrost_engine.app.ports import Sink
from bifrost_engine.app.times import EngineClock
from bifrost_engine.domain.events import ConnectivityLost, ConnectivityRestored, FarmChanged, LineFailed, QuotesChanged
from bifrost_engine.domain.words import Quote

log = logging.getLogger(__name__)


class Feed:
    """Hears the lines of one connection."""

    def __init__(
        self,
        connection: IbConnection,
        contracts: ContractCache,
        lines: MarketDataLines,
        sink: Sink,
        clock: EngineClock,
    ) -> None:
        self._connection = connection
        self._contracts = contracts
        self._lines = lines
        self._sink = sink
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        lines.on_quote.add(self._on_quote)
        lines.on_line_error.add(self._on_line_error)
        connection.on_error.add(self._on_error)

    def want(self, keys: Iterable[ContractKey], con_ids: dict[ContractKey, int] | None = None) -> None:
        """Have lines of ``keys`` as soon as the gateway has confirmed the contracts."""
        missing = [key for key in keys if key not in self._lines.keys]
        if missing and self._connection.is_connected:
            task = asyncio.ensure_future(self._subscribe(missing, con_ids or {}))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _subscribe(self, keys: list[ContractKey], con_ids: dict[ContractKey, int]) -> None:
        try:
            found = await self._contracts.qualify(keys, con_ids)
        except Exception as error:
            log.warning("no lines for %s yet: %s", ", ".join(map(str, keys)), error)
            return
        for key in keys:
            info = found.get(key)
            if info is not None:
                self._lines.subscribe(info)
            elif (failure := self._contracts.failure(key)) is not None:
                self._sink(LineFailed(self._clock.now(), key, failure.code or IbCode.NO_CONTRACT, failure.reason))

    def _on_quote(self, update: QuoteUpdate) -> None:
        arrived = self._clock.wall_of(update.arrived_monotonic)
        model = update.model
        quote = Quote(
            key=update.contract_key,
            bid=update.bid,
            ask=update.ask,
            bid_size=update.bid_size,
            ask_size=update.ask_size,
            last=update.last,
            arrived_wall_s=arrived,
            last_size=update.last_size,
            traded=update.traded,
            close=update.prev_close,
            halted=bool(update.halted),
            shortable_shares=update.shortable_shares,
            data_type=int(update.market_data_type or 1),
            model_iv_annual=model.iv_annual if model else None,
            model_delta=model.delta if model else None,
            model_wall_s=self._clock.wall_of(model.arrived_monotonic) if model else None,
        )
        last = self._clock.wall_of(self._connection.last_arrival)
        self._sink(QuotesChanged(self._clock.now(), (quote,), arrived, last))

    def _on_line_error(self, key: ContractKey, error: LineError | None) -> None:
        # A broken farm is told as such; a cleared error shows in the tick that cleared it.
        if error is not None and error.code not in FARM_BROKEN:
            self._sink(LineFailed(self._clock.now(), key, error.code, error.text))

    def _on_error(self, error: IbError) -> None:
        now = self._clock.now()
        if error.code == IbCode.CONNECTIVITY_LOST:
            self._sink(ConnectivityLost(now))
        elif error.code in (IbCode.RESTORED_DATA_LOST, IbCode.RESTORED_DATA_KEPT):
            self._sink(ConnectivityRestored(now, error.code))
        elif is_farm_status(error.code):
            log.log(logging.INFO if is_information(error.code) else logging.WARNING, "%s (%s)", error, error.meaning)
            farm = error.text.rpartition(":")[2].strip()
            self._sink(FarmChanged(now, error.code, farm, error.meaning))
        elif error.code == IbCode.COMPETING_SESSION and error.req_id < 0:
            self._sink(LineFailed(now, None, error.code, error.text))
