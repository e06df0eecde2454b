"""Paper broker: fills inside the engine against the quote, through the same machine (engine.md section 4.7).

Market data, the account's positions and everything else still come from the gateway behind; only orders stay here.
"""

from __future__ import annotations

from dataclasses import dataclass

from bifrost.contract import ContractKey

from bifrost_engine.domain.effects import BrokerEffect, CancelOrder, ModifyOrder, PlaceOrder
from bifrost_engine.domain.events import (
    CommissionReported,
    Event,
    ExecutionReported,
    LinkDown,
    OrderErrorReported,
    OrderPlaced,
    OrderStatusReported,
    QuotesChanged,
)
from bifrost_engine.domain.words import Execution, OrderErrorKind, OrderIntent, OrderType, Quote, Side

from .ports import Broker, Clock, Sink

#: IB's fixed US stock commission: dollars a share, least an order, at most this part of the order's value.
COMMISSION_PER_SHARE, COMMISSION_LEAST, COMMISSION_MOST_OF_VALUE = 0.005, 1.0, 0.01
#: 10147 of the gateway: the order to cancel is unknown.
_UNKNOWN_ORDER = 10147


@dataclass(slots=True)
class _Working:
    intent: OrderIntent
    order_id: int
    order_type: OrderType
    limit_price: float | None
    filled: int = 0
    cost: float = 0.0
    fills: int = 0
    charged_usd: float = 0.0

    @property
    def remaining(self) -> int:
        return self.intent.quantity - self.filled

    def charge(self) -> float:
        """Dollars that the newest fill adds: least and most are the order's, so the first fill carries the least."""
        due = min(max(COMMISSION_LEAST, self.filled * COMMISSION_PER_SHARE), COMMISSION_MOST_OF_VALUE * self.cost)
        added, self.charged_usd = round(max(due - self.charged_usd, 0.0), 6), max(due, self.charged_usd)
        return added

    def allows(self, price: float) -> bool:
        if self.order_type is OrderType.MARKET or self.limit_price is None:
            return True
        return (price - self.limit_price) * self.intent.side.sign <= 0


class PaperBroker:
    """Fills against the newest quote: a buy at the ask, a sale at the bid, up to the size shown there at each update.

    Parameters
    ----------
    behind : Broker
        Carries out every effect that is no order.
    sink : Sink
        Where order events go; quotes come through `watch`.
    """

    def __init__(self, behind: Broker, sink: Sink, clock: Clock) -> None:
        self._behind = behind
        self._sink = sink
        self._clock = clock
        self._quotes: dict[ContractKey, Quote] = {}
        self._working: dict[str, _Working] = {}
        self._next_id = 1

    def carry_out(self, effect: BrokerEffect) -> None:
        match effect:
            case PlaceOrder(intent=intent):
                order = _Working(intent, self._next_id, intent.order_type, intent.limit_price)
                self._next_id += 1
                self._working[intent.order_ref] = order
                self._accepted(order)
            case ModifyOrder(intent=intent):
                known = self._working.get(intent.order_ref)
                if known is None:
                    self._unknown(intent.order_ref, "to change")
                    return
                known.order_type, known.limit_price = effect.order_type, effect.limit_price
                self._accepted(known)
            case CancelOrder(order_ref=order_ref):
                gone = self._working.pop(order_ref, None)
                if gone is None:
                    self._unknown(order_ref, "to cancel")
                else:
                    self._status(gone, "Cancelled")
            case _:
                self._behind.carry_out(effect)

    def watch(self, event: Event) -> None:
        """See each event on its way to the core: a new quote may fill what rests, without a link nothing rests."""
        if isinstance(event, QuotesChanged):
            for quote in event.quotes:
                self._quotes[quote.key] = quote
                self._match(quote)
        elif isinstance(event, LinkDown):
            # Nobody reports a paper order to the probe that follows: it is gone, and must not fill later.
            self._working.clear()
            self._quotes.clear()

    def _accepted(self, order: _Working) -> None:
        self._sink(OrderPlaced(self._clock.now(), order.intent.order_ref, order.order_id))
        self._status(order, "Submitted")
        quote = self._quotes.get(order.intent.key)
        if quote is not None:
            self._match(quote)

    def _match(self, quote: Quote) -> None:
        for order in [order for order in self._working.values() if order.intent.key == quote.key]:
            buying = order.intent.side is Side.BUY
            price, size = (quote.ask, quote.ask_size) if buying else (quote.bid, quote.bid_size)
            # A crossed quote is no market: nobody trades on it.
            if quote.two_sided and price and size and order.allows(price):
                self._fill(order, price, min(order.remaining, int(size)))

    def _fill(self, order: _Working, price: float, shares: int) -> None:
        now = self._clock.now()
        if shares <= 0 or now.market_s is None:
            return
        intent = order.intent
        order.filled += shares
        order.cost += shares * price
        order.fills += 1
        fill = Execution(
            exec_id=f"paper:{intent.order_ref}:{order.fills}",
            account=intent.account,
            key=intent.key,
            side=intent.side,
            quantity=shares,
            price=price,
            time_s=now.market_s,
            order_ref=intent.order_ref,
            order_id=order.order_id,
            exchange="PAPER",
            mid_at_decision=intent.mid,
        )
        done = order.remaining == 0
        if done:
            del self._working[intent.order_ref]
        self._sink(ExecutionReported(now, fill))
        self._status(order, "Filled" if done else "Submitted")
        self._sink(CommissionReported(now, fill.exec_id, order.charge(), "USD", None))

    def _status(self, order: _Working, status: str) -> None:
        average = order.cost / order.filled if order.filled else None
        self._sink(
            OrderStatusReported(
                self._clock.now(),
                order.intent.order_ref,
                status,
                order.filled,
                order.remaining,
                average,
                0,
                order.order_id,
            )
        )

    def _unknown(self, order_ref: str, what: str) -> None:
        text = f"no paper order {order_ref} {what}"
        self._sink(OrderErrorReported(self._clock.now(), order_ref, _UNKNOWN_ORDER, OrderErrorKind.UNCERTAIN, text))
