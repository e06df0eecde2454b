"""Matching: orders meet the published touch, up to the size displayed there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bifrost_simulator.api import Execution, OrderStatus
from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.broker.book import BookOrder
from bifrost_simulator.broker.combos import BAG, combo_price
from bifrost_simulator.broker.following import peg
from bifrost_simulator.broker.lifecycle import Lifecycle
from bifrost_simulator.broker.order_states import OrderEvent
from bifrost_simulator.broker.order_types import MARKET_TO_LIMIT, ORDER_TYPES
from bifrost_simulator.broker.settlement import LegFill, Settlement
from bifrost_simulator.faults.base import OrderHooks
from bifrost_simulator.hours import new_york_day
from bifrost_simulator.market.base import Market
from bifrost_simulator.universe import Universe

FILL_DELAY_WALL_S = 0.05
_NOTHING = 1e-9


@dataclass(slots=True)
class Timing:
    """Wall seconds between the steps of an order's life."""

    fill_delay_s: float = FILL_DELAY_WALL_S


class Matcher:
    """Fills orders that the exchange has taken."""

    def __init__(
        self,
        settlement: Settlement,
        board: QuoteBoard,
        market: Market,
        universe: Universe,
        hooks: OrderHooks,
        life: Lifecycle,
    ) -> None:
        self.timing = Timing()
        self._settlement = settlement
        self._board = board
        self._market = market
        self._universe = universe
        self._hooks = hooks
        self._life = life

    def match(self, order: BookOrder) -> bool:
        """Fill what the market offers now; True when anything happened to the order."""
        if self._life.wall_s - order.routed_wall_s < self.timing.fill_delay_s or not self._tradable(order):
            return False
        if ORDER_TYPES[order.request.order_type].at_close:
            return False
        price = self._price(order)
        quantity = 0.0 if price is None else self._quantity(order)
        if price is None or quantity <= 0:
            return self._end_immediate(order)
        self._board.take(order.contract, order.is_buy, quantity)
        self.fill(order, quantity, price)
        return self._end_immediate(order) or True

    def close(self, order: BookOrder) -> bool:
        """At its session's end: fill an order for the close at the closing price, as one print; True when it filled.

        The closing auction takes any size. There is none for a stock that is halted or that a fault holds back.
        """
        kind = ORDER_TYPES[order.request.order_type]
        con_id = order.contract.con_id
        quote = self._market.quotes([self._universe.key(con_id)])[0]
        if not kind.at_close or order.status is not OrderStatus.SUBMITTED or self._hooks.holds_quotes(con_id):
            return False
        is_today = new_york_day(order.session_end_s - 1.0) >= self._market.last_day()
        price = quote.last if is_today else quote.close
        if quote.halted or price <= 0 or kind.price(order.terms, replace(quote, bid=price, ask=price)) is None:
            return False
        limit = self._hooks.fill_limit(order)
        quantity = order.remaining if limit is None else min(order.remaining, limit - order.filled)
        if quantity <= 0:
            return False
        self.fill(order, quantity, price)
        return not order.is_open

    def fill(self, order: BookOrder, quantity: float, price: float) -> None:
        """Book a fill and tell of it. An order that has ended keeps its status: its execution only came late."""
        was_open = order.is_open
        execution = self._settle(order, quantity, price)
        if not was_open:
            order.completed_status = f"Cancelled, filled {order.filled:g}"
        elif order.remaining <= _NOTHING:
            order.apply(OrderEvent.FULLY_FILLED)
            self._life.complete(order, f"Filled Size: {order.filled:g}")
        else:
            order.apply(OrderEvent.PARTLY_FILLED)
            self._limit_remainder(order, price)
        self._life.tell(order)
        for leg in self._universe.legs(order.contract):
            self._settlement.announce(order.request.account, leg.contract)
        if was_open:
            self._life.filled(order, quantity)
        self._hooks.filled(order, execution)

    @staticmethod
    def _limit_remainder(order: BookOrder, price: float) -> None:
        """What a market-to-limit order has left becomes a limit order at the price of its first fill."""
        if order.request.order_type == MARKET_TO_LIMIT:
            order.request = replace(order.request, order_type="LMT", limit_price=price)

    def _tradable(self, order: BookOrder) -> bool:
        outside = self._life.windows.works_outside(order.request, order.contract)
        for leg in self._universe.legs(order.contract):
            con_id = leg.contract.con_id
            key = self._universe.key(con_id)
            open_now = self._market.is_tradable(key) or (outside and self._market.is_tradable_outside(key))
            if not open_now or self._hooks.holds_quotes(con_id):
                return False
        return True

    def _price(self, order: BookOrder) -> float | None:
        """Price at which the order trades now, None while it does not."""
        if order.contract.sec_type != BAG:
            return self._single_price(order)
        legs = self._universe.legs(order.contract)
        price = combo_price(order.contract, legs, order.is_buy, self._board.quote_of)
        limit = order.request.limit_price
        if price is None or limit is None or order.request.order_type == "MKT":
            return price
        return price if (price <= limit if order.is_buy else price >= limit) else None

    def _single_price(self, order: BookOrder) -> float | None:
        kind, quote = ORDER_TYPES[order.request.order_type], self._board.quote(order.contract.con_id)
        if kind.pegged and order.working_price is None:
            peg(order, quote)
        price = kind.price(order.terms, quote)
        if kind.pegged and price is None:
            # Only now: a market that came through the price where the order stood has traded with it there.
            peg(order, quote)
        return price

    def _quantity(self, order: BookOrder) -> float:
        """Units that may fill now: what is displayed, what a fault allows, and all or a least part when asked."""
        request = order.request
        quantity = min(order.remaining, self._board.available(order.contract, order.is_buy))
        limit = self._hooks.fill_limit(order)
        if limit is not None:
            quantity = min(quantity, max(0.0, limit - order.filled))
        whole = request.tif == "FOK" or request.all_or_none
        least = min(request.min_quantity or 0, order.remaining) if not order.filled else 0.0
        return quantity if quantity >= (order.remaining if whole else least) else 0.0

    def _settle(self, order: BookOrder, quantity: float, price: float) -> Execution:
        if order.contract.sec_type != BAG:
            return self._settlement.fill(order, quantity, price, self._life.wall_s).execution
        fills = []
        for leg in self._universe.legs(order.contract):
            signed = leg.signed(order.is_buy) * quantity
            quote = self._board.quote(leg.contract.con_id)
            fills.append(LegFill(leg.contract, signed, quote.ask if signed > 0 else quote.bid))
        return self._settlement.fill_combo(order, quantity, price, fills, self._life.wall_s).execution

    def _end_immediate(self, order: BookOrder) -> bool:
        if order.is_open and order.request.tif in ("IOC", "FOK"):
            self._life.end(order, "")
            return True
        return False
