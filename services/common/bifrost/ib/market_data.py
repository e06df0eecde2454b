"""Market-data lines: each contract once, dropped with the connection, asked for again when in error."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from bifrost.contract import ContractKey

from .connection import IbConnection
from .contracts import ContractInfo
from .errors import FARM_BROKEN, FARM_OK, IbCode, IbError, is_information, is_market_data_line_error
from .failures import IbRequestError, IbRequestTimeout
from .hooks import Hook
from .quotes import LineError, MarketDataType, QuoteUpdate
from .ticks import LineState

_log = logging.getLogger(__name__)
# 233 RT volume (trades with their time), 236 shortable shares. Halts (49) come without being asked for.
STOCK_GENERIC_TICKS = "233,236"
OPTION_GENERIC_TICKS = ""
# Frozen and delayed data are taken where live is missing; each line says what it got (engine.md section 6).
_ASKED_TYPE = MarketDataType.DELAYED_FROZEN


@dataclass(slots=True)
class _Line:
    info: ContractInfo
    generic_ticks: str
    req_id: int | None = None
    state: LineState | None = None
    error: LineError | None = None
    requested_at: float | None = None


class MarketDataLines:
    """Streaming lines of one connection.

    `subscribe` says what is wanted; what is wanted survives a disconnect and is requested again, once, after the next
    log-on. Requests leave within the connection's budget, in the order in which they were wanted.

    Parameters
    ----------
    retry_interval_s : float
        A line in error is cancelled and requested again this often.
    allowed_types : collection of MarketDataType
        Kinds of data whose ticks clear a line's error.

    Attributes
    ----------
    on_quote : Hook[[QuoteUpdate]]
        Once per line and network chunk.
    on_line_error : Hook[[ContractKey, LineError | None]]
        A line's error was noted, or cleared (None).
    """

    def __init__(
        self,
        connection: IbConnection,
        *,
        retry_interval_s: float = 30.0,
        allowed_types: Collection[MarketDataType] = (MarketDataType.LIVE,),
    ) -> None:
        self._connection = connection
        self.retry_interval_s = retry_interval_s
        self.allowed_types = frozenset(allowed_types)
        self.on_quote: Hook[[QuoteUpdate]] = Hook("on_quote")
        self.on_line_error: Hook[[ContractKey, LineError | None]] = Hook("on_line_error")
        self._lines: dict[ContractKey, _Line] = {}
        self._by_req_id: dict[int, _Line] = {}
        self._to_cancel: list[int] = []
        self._type_requested = False
        self._snapshots: dict[int, asyncio.Future[None]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._retrier: asyncio.Task[None] | None = None
        connection.on_connected.add(self._connected)
        connection.on_disconnected.add(self._disconnected)
        connection.on_error.add(self._error)
        connection.on_lines_changed.add(self._chunk)
        connection.on_line_type.add(self._type_told)
        if connection.is_connected:
            self._connected()

    # -- what is wanted

    def subscribe(self, info: ContractInfo, generic_ticks: str | None = None) -> None:
        """Want a streaming line of ``info``; wanting it twice changes nothing."""
        key = info.contract_key
        if key in self._lines:
            return
        if generic_ticks is None:
            generic_ticks = STOCK_GENERIC_TICKS if key.is_stock else OPTION_GENERIC_TICKS
        self._lines[key] = _Line(info, generic_ticks)
        self._wake()

    def unsubscribe(self, key: ContractKey) -> None:
        """Want the line no more; unknown keys are ignored."""
        line = self._lines.pop(key, None)
        if line is not None:
            self._release(line)
            self._wake()

    @property
    def keys(self) -> tuple[ContractKey, ...]:
        """Contracts that are wanted, in the order in which they were."""
        return tuple(self._lines)

    @property
    def lines_in_use(self) -> int:
        """Requests open at the gateway: streams and snapshots."""
        return len(self._by_req_id) + len(self._snapshots)

    def quote(self, key: ContractKey) -> QuoteUpdate | None:
        """The line's newest values, None before its first tick (or data type) of this connection."""
        line = self._lines.get(key)
        if line is None or line.state is None or line.state.arrived_monotonic == 0.0:
            return None
        traded = line.state.traded
        quote = line.state.quote()
        line.state.traded = traded
        return quote

    def error(self, key: ContractKey) -> LineError | None:
        """The line's uncleared error."""
        line = self._lines.get(key)
        return line.error if line else None

    def errors(self) -> dict[ContractKey, LineError]:
        """Every line with an uncleared error."""
        return {key: line.error for key, line in self._lines.items() if line.error is not None}

    def retry_now(self) -> None:
        """Cancel and request every line in error again, at once (command ``retry_ib``)."""
        for line in self._lines.values():
            if line.error is not None:
                self._release(line)
        self._wake()

    def resubscribe_all(self) -> None:
        """Request every line again: the gateway has lost them (1101)."""
        for line in self._lines.values():
            self._release(line, cancel=False)
        self._wake()

    # -- requests

    def _wake(self) -> None:
        if self._connection.is_connected and (self._pump is None or self._pump.done()):
            self._pump = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        """Send cancels first (they free lines), then what is wanted and not requested."""
        while self._connection.is_connected:
            waiting = next((line for line in self._lines.values() if line.req_id is None), None)
            if not self._to_cancel and waiting is None:
                return
            if not self._connection.pacer.try_take():
                await asyncio.sleep(max(self._connection.pacer.wait_s(), 0.001))
                continue
            if self._to_cancel:
                self._connection.ib.client.cancelMktData(self._to_cancel.pop(0))
            elif waiting is not None:
                self._request(waiting)

    def _ask_type_once(self) -> None:
        if not self._type_requested:
            self._connection.ib.client.reqMarketDataType(int(_ASKED_TYPE))
            self._type_requested = True

    def _request(self, line: _Line) -> None:
        ib = self._connection.ib
        self._ask_type_once()
        req_id = int(ib.client.getReqId())
        line.state = LineState(line.info.contract_key)
        line.req_id, line.requested_at = req_id, time.monotonic()
        self._by_req_id[req_id] = line
        ib.wrapper.lines[req_id] = line.state
        ib.client.reqMktData(req_id, line.info.ib_contract, line.generic_ticks, False, False, [])

    def _release(self, line: _Line, *, cancel: bool = True) -> None:
        if line.req_id is None:
            return
        self._by_req_id.pop(line.req_id, None)
        if self._connection.is_connected:
            self._connection.ib.wrapper.lines.pop(line.req_id, None)
            if cancel:
                self._to_cancel.append(line.req_id)
        line.req_id = None

    async def snapshot(self, info: ContractInfo, timeout_s: float = 15.0) -> QuoteUpdate:
        """One quote without a stream; the gateway ends it by itself after about 11 s at most (tws-protocol.md G10).

        Raises
        ------
        IbNotConnected, IbRequestError, IbRequestTimeout
        """
        connection = self._connection
        await connection.pacer.take()
        ib = connection.ib
        self._ask_type_once()
        req_id = int(ib.client.getReqId())
        state = LineState(info.contract_key)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._snapshots[req_id] = future
        ib.wrapper.lines[req_id] = state
        ib.wrapper.snapshot_ends[req_id] = partial(_finish, future)
        try:
            # Generic ticks are illegal with a snapshot (tws-protocol.md G10).
            ib.client.reqMktData(req_id, info.ib_contract, "", True, False, [])
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            if state.arrived_monotonic == 0.0:
                raise IbRequestTimeout(f"snapshot of {info.contract_key}: no end within {timeout_s:g} s") from None
            _log.debug("snapshot of %s had no end within %g s; its ticks are used", info.contract_key, timeout_s)
        finally:
            self._snapshots.pop(req_id, None)
            ib.wrapper.lines.pop(req_id, None)
            ib.wrapper.snapshot_ends.pop(req_id, None)
        return state.quote()

    # -- what the connection says

    def _connected(self) -> None:
        self._type_requested = False
        self._to_cancel.clear()
        self._wake()
        self._retrier = asyncio.ensure_future(self._retry())

    def _disconnected(self, _reason: str) -> None:
        self._by_req_id.clear()
        self._to_cancel.clear()
        for line in self._lines.values():
            line.req_id, line.state, line.error = None, None, None
        for future in self._snapshots.values():
            if not future.done():
                future.set_exception(IbRequestTimeout("the connection ended during a snapshot"))
        self._snapshots.clear()
        for task in (self._pump, self._retrier):
            if task is not None:
                task.cancel()
        self._pump = self._retrier = None

    async def _retry(self) -> None:
        while self._connection.is_connected:
            await asyncio.sleep(min(1.0, self.retry_interval_s / 4))
            now = time.monotonic()
            for line in list(self._lines.values()):
                asked = line.requested_at or 0.0
                if line.error is not None and line.req_id is not None and now - asked >= self.retry_interval_s:
                    self._release(line)
            self._wake()

    def _chunk(self, touched: dict[int, LineState]) -> None:
        for req_id, state in touched.items():
            line = self._by_req_id.get(req_id)
            if line is None:
                continue
            if line.error is not None and state.market_data_type in self.allowed_types:
                self._set_error(line, None)
            self.on_quote.emit(state.quote())

    def _type_told(self, req_id: int) -> None:
        """A change of the kind of data is news by itself: live to frozen may come without a tick."""
        line = self._by_req_id.get(req_id)
        if line is not None and line.state is not None and line.state.arrived_monotonic > 0.0:
            self.on_quote.emit(line.state.quote())

    def _error(self, error: IbError) -> None:
        if error.code == IbCode.RESTORED_DATA_LOST:
            self.resubscribe_all()
        elif error.code in FARM_BROKEN:
            for line in self._by_req_id.values():
                self._set_error(line, error)
        elif error.code in FARM_OK:
            for line in self._by_req_id.values():
                if line.error is not None and line.error.code in FARM_BROKEN:
                    self._set_error(line, None)
        elif error.req_id in self._by_req_id:
            if is_market_data_line_error(error.code) or not is_information(error.code):
                self._set_error(self._by_req_id[error.req_id], error)
        elif error.req_id in self._snapshots and error.code != IbCode.DELAYED_DATA and not is_information(error.code):
            future = self._snapshots[error.req_id]
            if not future.done():
                future.set_exception(IbRequestError("snapshot", error.code, error.text))

    def _set_error(self, line: _Line, error: IbError | None) -> None:
        key = line.info.contract_key
        if error is None:
            line.error = None
        elif line.error is not None and line.error.code == error.code:
            return
        else:
            line.error = LineError(error.code, error.text, time.monotonic())
            _log.warning("line %s: %s (%s)", key, error, error.meaning)
        self.on_line_error.emit(key, line.error)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
