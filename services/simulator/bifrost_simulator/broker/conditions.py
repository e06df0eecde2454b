"""Conditions of an order: price, time, margin, execution, volume, change. It waits until they hold.

They arrive among the order's attributes by the wire's names (tws-protocol.md §6). Each says how it is joined to the
next: ``a`` and, ``o`` or; they are read from left to right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bifrost_simulator.api import BrokerError, Contract, OrderRequest
from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.broker.book import Book, BookOrder
from bifrost_simulator.broker.values import Figures
from bifrost_simulator.broker.windows import moment
from bifrost_simulator.universe import Universe

PRICE, TIME, MARGIN, EXECUTION, VOLUME, CHANGE = 1, 3, 4, 5, 6, 7
_NO_CONTRACT = 200
Condition = Mapping[str, Any]


def conditions_of(request: OrderRequest) -> list[Condition]:
    found = request.attributes.get("conditions") or []
    assert isinstance(found, list)
    return found


class Conditions:
    """Looks whether the conditions of an order hold."""

    def __init__(self, board: QuoteBoard, universe: Universe, book: Book, figures: Callable[[str], Figures]) -> None:
        self._board = board
        self._universe = universe
        self._book = book
        self._figures = figures

    def contracts(self, request: OrderRequest) -> list[Contract]:
        """Contracts whose quotes the conditions need; raises 200 for an unknown conId and 391 for a bad time."""
        found = []
        for condition in conditions_of(request):
            if condition["condType"] == TIME:
                moment(condition["time"], "condition")
            elif condition["condType"] in (PRICE, VOLUME, CHANGE):
                contract = self._universe.by_id(condition["conId"])
                if contract is None:
                    raise BrokerError(_NO_CONTRACT, f"No security definition has been found for {condition['conId']}")
                found.append(contract)
        return found

    def met(self, order: BookOrder, now_s: float) -> bool:
        """True when the order has none or they hold at ``now_s``."""
        result: bool | None = None
        join = "a"
        for condition in conditions_of(order.request):
            holds = self._holds(condition, order, now_s)
            if result is None:
                result = holds
            else:
                result = (result or holds) if join == "o" else (result and holds)
            join = str(condition["conjunction"]).lower()
        return result is None or result

    def _holds(self, condition: Condition, order: BookOrder, now_s: float) -> bool:
        kind = condition["condType"]
        if kind == EXECUTION:
            return self._executed(condition, order)
        value, limit = self._compared(condition, order, now_s)
        if value is None:
            return False
        return value >= limit if condition["isMore"] else value <= limit

    def _compared(self, condition: Condition, order: BookOrder, now_s: float) -> tuple[float | None, float]:
        """What is looked at, None while it is unknown, and the limit that it is held against."""
        kind = condition["condType"]
        if kind == TIME:
            return now_s, moment(condition["time"], "condition") or 0.0
        if kind == MARGIN:
            figures = self._figures(order.request.account)
            worth = figures.net_liquidation
            return (100.0 * figures.excess / worth if worth > 0 else 0.0), float(condition["percent"])
        quote = self._board.quote(condition["conId"])
        if kind == PRICE:
            return (quote.last if quote.last > 0 else quote.mid), float(condition["price"])
        if kind == VOLUME:
            return quote.volume, float(condition["volume"])
        known = quote.last > 0 and quote.close > 0
        return (100.0 * (quote.last / quote.close - 1.0) if known else None), float(condition["changePercent"])

    def _executed(self, condition: Condition, order: BookOrder) -> bool:
        return any(
            (done.execution.contract.symbol, done.execution.contract.sec_type)
            == (condition["symbol"], condition["secType"])
            and done.execution.time.timestamp() >= int(order.placed_s)
            for done in self._book.executions
        )
