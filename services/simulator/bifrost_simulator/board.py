"""The quotes as published: what clients saw last is what orders are matched against."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bifrost.contract import ContractKey

from bifrost_simulator.api import Contract
from bifrost_simulator.market.base import EMPTY_QUOTE, Market, Quote
from bifrost_simulator.universe import Universe


class QuoteBoard:
    """Published quotes by conId, of the contracts that somebody watches.

    A watch is counted: each subscription, holding and open order holds one.
    """

    def __init__(self, market: Market, universe: Universe) -> None:
        self._market = market
        self._universe = universe
        self._quotes: dict[int, Quote] = {}
        self._watches: dict[int, int] = {}
        self._taken: dict[tuple[int, bool], tuple[int, float]] = {}
        self.disturb: Callable[[int, Quote], Quote] | None = None

    def watch(self, contract: Contract) -> None:
        """Publish the contract from now on; a new one is published at once."""
        count = self._watches.get(contract.con_id, 0)
        self._watches[contract.con_id] = count + 1
        if not count:
            self.publish([contract.con_id])

    def unwatch(self, contract: Contract) -> None:
        count = self._watches.get(contract.con_id, 0) - 1
        if count > 0:
            self._watches[contract.con_id] = count
        else:
            self._watches.pop(contract.con_id, None)
            self._quotes.pop(contract.con_id, None)

    def watched(self) -> list[int]:
        """ConIds in the order in which they were first watched."""
        return list(self._watches)

    def publish(self, con_ids: Iterable[int]) -> None:
        """Take the market's newest quotes of these contracts."""
        ids = list(con_ids)
        keys: list[ContractKey] = [self._universe.key(con_id) for con_id in ids]
        for con_id, quote in zip(ids, self._market.quotes(keys), strict=True):
            self._quotes[con_id] = self.disturb(con_id, quote) if self.disturb is not None else quote

    def quote(self, con_id: int) -> Quote:
        """The published quote; `EMPTY_QUOTE` for a contract that nobody watches."""
        return self._quotes.get(con_id, EMPTY_QUOTE)

    def marks(self) -> dict[int, float]:
        """Valuation prices of all watched contracts that have one, dollars a unit."""
        found = {}
        for con_id, quote in self._quotes.items():
            mark = quote.mark
            if mark is not None:
                found[con_id] = mark
        return found

    def available(self, con_id: int, is_buy: bool, displayed: float) -> float:
        """Displayed size that no order has taken since this publication."""
        version, taken = self._taken.get((con_id, is_buy), (-1, 0.0))
        return displayed - taken if version == self.quote(con_id).version else displayed

    def take(self, con_id: int, is_buy: bool, quantity: float) -> None:
        """Remember size taken from this publication."""
        current = self.quote(con_id).version
        version, taken = self._taken.get((con_id, is_buy), (-1, 0.0))
        self._taken[con_id, is_buy] = (current, quantity + (taken if version == current else 0.0))
