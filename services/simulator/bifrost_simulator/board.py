"""The quotes as published: what clients saw last is what orders are matched against."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bifrost.contract import ContractKey

from bifrost_simulator.api import Contract
from bifrost_simulator.broker.combos import BAG, combo_quote
from bifrost_simulator.market.base import EMPTY_QUOTE, Market, Quote
from bifrost_simulator.universe import Universe


class QuoteBoard:
    """Published quotes by conId, of the contracts that somebody watches.

    A watch is counted: each subscription, holding and open order holds one. A combination is watched by its legs.
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
        for leg in self._universe.legs(contract):
            con_id = leg.contract.con_id
            count = self._watches.get(con_id, 0)
            self._watches[con_id] = count + 1
            if not count:
                self.publish([con_id])

    def unwatch(self, contract: Contract) -> None:
        for leg in self._universe.legs(contract):
            con_id = leg.contract.con_id
            count = self._watches.get(con_id, 0) - 1
            if count > 0:
                self._watches[con_id] = count
            else:
                self._watches.pop(con_id, None)
                self._quotes.pop(con_id, None)

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

    def quote_of(self, contract: Contract) -> Quote:
        """The published quote of a contract or combination."""
        if contract.sec_type != BAG:
            return self.quote(contract.con_id)
        return combo_quote(contract, self._universe.legs(contract), self.quote_of)

    def marks(self) -> dict[int, float]:
        """Valuation prices of all watched contracts that have one, dollars a unit."""
        found = {}
        for con_id, quote in self._quotes.items():
            mark = quote.mark
            if mark is not None:
                found[con_id] = mark
        return found

    def available(self, contract: Contract, is_buy: bool) -> float:
        """Displayed size, in units of ``contract``, that no order has taken since this publication."""
        left = []
        for leg in self._universe.legs(contract):
            buys = leg.signed(is_buy) > 0
            quote = self.quote(leg.contract.con_id)
            version, taken = self._taken.get((leg.contract.con_id, buys), (-1, 0.0))
            shown = quote.ask_size if buys else quote.bid_size
            free = shown - taken if version == quote.version else shown
            left.append(free // leg.ratio if leg.ratio > 1 else free)
        return max(0.0, min(left))

    def take(self, contract: Contract, is_buy: bool, quantity: float) -> None:
        """Remember size taken from this publication."""
        for leg in self._universe.legs(contract):
            con_id, buys = leg.contract.con_id, leg.signed(is_buy) > 0
            current = self.quote(con_id).version
            version, taken = self._taken.get((con_id, buys), (-1, 0.0))
            self._taken[con_id, buys] = (current, quantity * leg.ratio + (taken if version == current else 0.0))
