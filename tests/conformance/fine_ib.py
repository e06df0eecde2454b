"""The order book, single ticks and ticks of the past through ib_insync and ib_async."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from tests.conformance.client import Fields, Line


class FineIbRequests:
    """Part of `IbClient`; the rest of it has these."""

    ib: Any

    def _contract(self, fields: Fields) -> Any:
        raise NotImplementedError

    def _run(self, awaitable: Awaitable[Any]) -> Any:
        raise NotImplementedError

    def book(self, contract: Fields, smart: bool) -> Line:
        asked = self._contract(contract)
        ticker = self.ib.reqMktDepth(asked, 5, isSmartDepth=smart)
        line = Line((asked, smart))

        def follow(_: Any) -> None:
            for name, rows in (("bid", ticker.domBids), ("ask", ticker.domAsks)):
                if rows:
                    line.values[name], line.values[f"{name}_size"] = rows[0].price, rows[0].size

        ticker.updateEvent += follow
        return line

    def cancel_book(self, line: Line) -> None:
        contract, smart = line.handle
        self.ib.cancelMktDepth(contract, isSmartDepth=smart)

    def depth_exchanges(self) -> set[tuple[str, str]]:
        return {(one.exchange, one.secType) for one in self._run(self.ib.reqMktDepthExchangesAsync())}

    def single_ticks(self, contract: Fields, kind: str) -> Line:
        asked = self._contract(contract)
        ticker = self.ib.reqTickByTickData(asked, kind)
        line = Line((asked, kind))

        def follow(_: Any) -> None:
            for tick in ticker.tickByTicks:
                for ours, theirs in (("last", "price"), ("bid", "bidPrice"), ("ask", "askPrice"), ("mid", "midPoint")):
                    if hasattr(tick, theirs):
                        line.values[ours] = getattr(tick, theirs)

        ticker.updateEvent += follow
        return line

    def cancel_single_ticks(self, line: Line) -> None:
        contract, kind = line.handle
        self.ib.cancelTickByTickData(contract, kind)

    def past_ticks(self, contract: Fields, end: str, count: int, what: str) -> list[float]:
        """Prices, bids for BID_ASK, oldest first."""
        asked = self._contract(contract)
        ticks = self._run(self.ib.reqHistoricalTicksAsync(asked, "", end, count, what, True))
        return [tick.priceBid if what == "BID_ASK" else tick.price for tick in ticks]
