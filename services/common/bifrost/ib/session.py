"""The library's wrapper, told to hand the desk what it needs at the lowest level it offers.

Overriding the wrapper instead of listening to ``Ticker`` events keeps three promises that the tickers cannot: every
chunk of bytes has one arrival time, a line that is requested again starts empty (the library would drop a first tick
that equals the last one of the old line), and both libraries behave alike (ib_async asserts on tick types it does not
know and rewrites -1; tws-protocol.md sections 5 and 12).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from .errors import IbError
from .library import IB, Client, Wrapper
from .ticks import LineState

_log = logging.getLogger(__name__)


class SessionListener(Protocol):
    """What one library session tells its connection. Called on the loop, in the order of the wire."""

    def session_bytes(self, monotonic: float) -> None:
        """Bytes arrived; called before they are decoded."""
        ...

    def session_error(self, error: IbError) -> None: ...
    def session_time(self, epoch_s: int) -> None: ...
    def session_chunk_end(self, touched: dict[int, LineState]) -> None:
        """A network chunk has been decoded; ``touched`` maps request ids to the lines that changed."""
        ...

    def session_type_changed(self, req_id: int) -> None: ...


class SessionWrapper(Wrapper):  # type: ignore[misc]
    """Keeps the desk's own lines, answers keyed by request id, and arrival times; the rest stays the library's."""

    def __init__(self, ib: Any, listener: SessionListener) -> None:
        self.listener = listener
        self.lines: dict[int, LineState] = {}
        self.touched: dict[int, LineState] = {}
        self.rows: dict[int, list[Any]] = {}
        self.snapshot_ends: dict[int, Callable[[], None]] = {}
        self.now_s = time.time()
        self.now_monotonic = time.monotonic()
        super().__init__(ib)

    # -- arrival and chunks

    def tcpDataArrived(self) -> None:
        self.now_s, self.now_monotonic = time.time(), time.monotonic()
        self.listener.session_bytes(self.now_monotonic)
        super().tcpDataArrived()

    def tcpDataProcessed(self) -> None:
        super().tcpDataProcessed()
        if self.touched:
            touched, self.touched = self.touched, {}
            self.listener.session_chunk_end(touched)

    # -- market data of the desk's own lines

    def _line(self, req_id: int) -> LineState | None:
        line = self.lines.get(req_id)
        if line is not None:
            self.touched[req_id] = line
        return line

    def priceSizeTick(self, reqId: int, tickType: int, price: float, size: float) -> None:
        if (line := self._line(reqId)) is not None:
            line.price(tickType, price, size, self.now_s, self.now_monotonic)
        elif reqId in self.reqId2Ticker:
            super().priceSizeTick(reqId, tickType, price, size)

    def tickSize(self, reqId: int, tickType: int, size: float) -> None:
        if (line := self._line(reqId)) is not None:
            line.size(tickType, size, self.now_s, self.now_monotonic)
        elif reqId in self.reqId2Ticker:
            super().tickSize(reqId, tickType, size)

    def tickGeneric(self, reqId: int, tickType: int, value: float) -> None:
        if (line := self._line(reqId)) is not None:
            line.generic(tickType, value, self.now_s, self.now_monotonic)
        else:
            super().tickGeneric(reqId, tickType, value)

    def tickString(self, reqId: int, tickType: int, value: str) -> None:
        if (line := self._line(reqId)) is not None:
            line.string(tickType, value, self.now_s, self.now_monotonic)
        else:
            super().tickString(reqId, tickType, value)

    def tickOptionComputation(
        self,
        reqId: int,
        tickType: int,
        tickAttrib: int,
        impliedVol: float,
        delta: float,
        optPrice: float,
        pvDividend: float,
        gamma: float,
        vega: float,
        theta: float,
        undPrice: float,
    ) -> None:
        if (line := self._line(reqId)) is not None:
            line.option_model(
                tickType,
                impliedVol,
                delta,
                optPrice,
                gamma,
                vega,
                theta,
                undPrice,
                self.now_s,
                self.now_monotonic,
            )
        else:
            super().tickOptionComputation(
                reqId, tickType, tickAttrib, impliedVol, delta, optPrice, pvDividend, gamma, vega, theta, undPrice
            )

    def marketDataType(self, reqId: int, marketDataId: int) -> None:
        line = self.lines.get(reqId)
        if line is None:
            super().marketDataType(reqId, marketDataId)
        elif line.set_type(marketDataId):
            self.listener.session_type_changed(reqId)
        else:
            _log.warning("%s: market data type %s is unknown", line.contract_key, marketDataId)

    def tickSnapshotEnd(self, reqId: int) -> None:
        done = self.snapshot_ends.pop(reqId, None)
        if done is not None:
            done()
        else:
            super().tickSnapshotEnd(reqId)

    # -- answers that the library does not key by request id

    def accountSummary(self, reqId: int, account: str, tag: str, value: str, currency: str) -> None:
        if reqId in self.rows:
            self.rows[reqId].append((account, tag, value, currency))
        else:
            super().accountSummary(reqId, account, tag, value, currency)

    def positionMulti(
        self, reqId: int, account: str, modelCode: str, contract: Any, pos: float, avgCost: float
    ) -> None:
        if reqId in self.rows:
            self.rows[reqId].append((account, contract, pos, avgCost))

    def positionMultiEnd(self, reqId: int) -> None:
        self._endReq(reqId)

    # -- errors and time

    def error(self, reqId: int, errorCode: int, errorString: str, advancedOrderRejectJson: str = "") -> None:
        contract = self._reqId2Contract.get(reqId)
        self.listener.session_error(IbError(int(errorCode), int(reqId), str(errorString), contract))
        super().error(reqId, errorCode, errorString, advancedOrderRejectJson)

    def currentTime(self, time: int) -> None:
        self.listener.session_time(int(time))
        super().currentTime(time)


def build_ib(listener: SessionListener) -> Any:
    """A fresh library ``IB`` whose wrapper is a :class:`SessionWrapper`.

    Fresh for each connection, so that nothing of an old socket (orders, tickers, futures) is taken for the new one's.
    """
    ib = IB()
    wrapper = SessionWrapper(ib, listener)
    client = Client(wrapper)
    client.apiEnd += ib.disconnectedEvent
    # Orders must never queue behind data requests (tws-protocol.md G11): the library's throttle is off, and the
    # desk paces its data requests itself, below what the gateway takes.
    client.MaxRequests = 0
    ib.wrapper, ib.client = wrapper, client
    ib.RaiseRequestErrors = True
    # On 1102 the library would open one more account summary that nobody cancels; the desk re-reads by itself.
    ib.errorEvent -= ib._onError
    return ib
