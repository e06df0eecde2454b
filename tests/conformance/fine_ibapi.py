"""The order book, single ticks and ticks of the past through ibapi: what is asked, and what is called back."""

from __future__ import annotations

from typing import Any

from tests.conformance.client import Fields, Line


class FineCallbacks:
    """Part of `Callbacks`."""

    rows: Any
    ended: set[Any]
    lines: dict[int, Line]

    def mktDepthExchanges(self, depthMktDataDescriptions: list[Any]) -> None:
        self.rows["mktDepthExchanges"].append({(one.exchange, one.secType) for one in depthMktDataDescriptions})

    def updateMktDepth(self, reqId: int, position: int, operation: int, side: int, price: float, size: float) -> None:
        name = "bid" if side else "ask"
        self.lines[reqId].values |= {name: price, f"{name}_size": size}

    def updateMktDepthL2(
        self, reqId: int, position: int, maker: str, operation: int, side: int, price: float, size: float, smart: bool
    ) -> None:
        self.updateMktDepth(reqId, position, operation, side, price, size)

    def tickByTickAllLast(self, reqId: int, tickType: int, time: int, price: float, *rest: Any) -> None:
        self.lines[reqId].values["last"] = price

    def tickByTickBidAsk(self, reqId: int, time: int, bidPrice: float, askPrice: float, *rest: Any) -> None:
        self.lines[reqId].values |= {"bid": bidPrice, "ask": askPrice}

    def tickByTickMidPoint(self, reqId: int, time: int, midPoint: float) -> None:
        self.lines[reqId].values["mid"] = midPoint

    def historicalTicks(self, reqId: int, ticks: list[Any], done: bool) -> None:
        self._past(reqId, [tick.price for tick in ticks])

    def historicalTicksBidAsk(self, reqId: int, ticks: list[Any], done: bool) -> None:
        self._past(reqId, [tick.priceBid for tick in ticks])

    def historicalTicksLast(self, reqId: int, ticks: list[Any], done: bool) -> None:
        self._past(reqId, [tick.price for tick in ticks])

    def _past(self, reqId: int, prices: list[float]) -> None:
        self.rows[reqId] += prices
        self.ended.add(reqId)


class FineIbapiRequests:
    """Part of `IbapiClient`; the rest of it has these."""

    _api: Any
    _hears: Any

    def _id(self) -> int:
        raise NotImplementedError

    def _ask(self, request: Any, key: Any, what: str) -> list[Any]:
        raise NotImplementedError

    def _one(self, request: Any, key: Any, what: str) -> Any:
        raise NotImplementedError

    def _named(self, contract: Fields) -> Any:
        raise NotImplementedError

    def _line(self) -> Line:
        request = self._id()
        line = self._hears.lines[request] = Line(request)
        return line

    def book(self, contract: Fields, smart: bool) -> Line:
        line = self._line()
        self._api.reqMktDepth(line.handle, self._named(contract), 5, smart, [])
        line.values["smart"] = smart
        return line

    def cancel_book(self, line: Line) -> None:
        self._api.cancelMktDepth(line.handle, line.values["smart"])

    def depth_exchanges(self) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = self._one(self._api.reqMktDepthExchanges, "mktDepthExchanges", "the exchanges")
        return found

    def single_ticks(self, contract: Fields, kind: str) -> Line:
        line = self._line()
        self._api.reqTickByTickData(line.handle, self._named(contract), kind, 0, False)
        return line

    def cancel_single_ticks(self, line: Line) -> None:
        self._api.cancelTickByTickData(line.handle)

    def past_ticks(self, contract: Fields, end: str, count: int, what: str) -> list[float]:
        """Prices, bids for BID_ASK, oldest first."""
        request, named = self._id(), self._named(contract)
        return self._ask(
            lambda: self._api.reqHistoricalTicks(request, named, "", end, count, what, 1, False, []),
            request,
            "past ticks",
        )
