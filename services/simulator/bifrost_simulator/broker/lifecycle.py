"""The steps of an order's life that requests, time and fills share, with what each does to its family and group."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bifrost_simulator.api import BrokerError
from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.broker import checks, families
from bifrost_simulator.broker.book import Book, BookOrder
from bifrost_simulator.broker.conditions import Conditions
from bifrost_simulator.broker.following import follow, is_hit
from bifrost_simulator.broker.order_states import OrderEvent
from bifrost_simulator.broker.order_types import ORDER_TYPES, Waits
from bifrost_simulator.broker.windows import Windows
from bifrost_simulator.clock import SimClock
from bifrost_simulator.events import Dispatcher
from bifrost_simulator.faults.base import OrderHooks
from bifrost_simulator.hours import NEW_YORK, Hours, MarketSession

WAITS_FOR_PARENT, WAITS_FOR_TRIGGER = "child", "trigger"
_NOTHING_LEFT = 1e-9


class Lifecycle:
    """Moves orders through their statuses and tells their owners."""

    def __init__(
        self,
        book: Book,
        board: QuoteBoard,
        hours: Hours,
        clock: SimClock,
        out: Dispatcher,
        hooks: OrderHooks,
        conditions: Conditions,
    ) -> None:
        self._book = book
        self._board = board
        self._hours = hours
        self._clock = clock
        self._out = out
        self._hooks = hooks
        self._conditions = conditions
        self.windows = Windows(hours)
        self.wall_s = 0.0
        # Set when an order ended outside `Broker.step`, by a fault or a request; the world clears it once it is stored.
        self.touched = False

    def tell(self, order: BookOrder) -> None:
        """The order and its status, in this order: clients forget the status of an order that they do not know."""
        order.why_held = self._why_held(order)
        view = order.view()
        self._out.open_order(view)
        self._out.order_status(view)

    def warn(self, order: BookOrder, error: BrokerError) -> None:
        """A warning or notice under the order's id."""
        self._out.order_error(order.client_id, order.order_id, order.perm_id, error)

    def watch(self, order: BookOrder) -> None:
        """Have the quotes published that the order is matched against and its conditions look at."""
        for contract in (order.contract, *self._conditions.contracts(order.request)):
            self._board.watch(contract)

    def unwatch(self, order: BookOrder) -> None:
        """The counterpart of `watch`."""
        for contract in (order.contract, *self._conditions.contracts(order.request)):
            self._board.unwatch(contract)

    def session(self, order: BookOrder) -> MarketSession | None:
        """The hours in which ``order`` may work now, None while it has to wait."""
        return self.windows.session(order.request, order.contract, self._clock.market_s, order.placed_s)

    # -- beginning

    def submit(self, order: BookOrder) -> None:
        """Transmit: the order leaves the gateway and works as soon as it may."""
        order.released = True
        order.apply(OrderEvent.ACCEPTED)
        order.session_end_s = self.windows.ends_s(order.request, order.contract, self._clock.market_s)
        session = self.session(order)
        order.warning = self._outside_hours(order) if session is None else ""
        self.tell(order)
        self._hooks.accepted(order)
        if session is None:
            self.warn(order, BrokerError(checks.OUTSIDE_HOURS_WARNING, f"Order Message:\n{order.warning}"))
        elif self.is_ready(order):
            self.route(order)
        ignored = order.request.outside_rth and not self.windows.works_outside(order.request, order.contract)
        if ignored and not self._hours.always_open:
            self.warn(order, checks.OUTSIDE_ATTRIBUTE_IGNORED)

    def route(self, order: BookOrder) -> None:
        """The exchange has taken the order."""
        order.apply(OrderEvent.ROUTED)
        order.warning = ""
        order.routed_wall_s = self.wall_s
        self.tell(order)

    def is_ready(self, order: BookOrder) -> bool:
        """True when nothing but the hours holds the order: parent filled, time come, conditions met, triggered."""
        if self._hooks.keeps_back(order) or order.waits_for_parent:
            return False
        if self._clock.market_s < self.windows.starts_s(order.request):
            return False
        if not order.conditions_met:
            order.conditions_met = self._conditions.met(order, self._clock.market_s)
        return order.conditions_met and self.is_triggered(order)

    def is_triggered(self, order: BookOrder) -> bool:
        """True once the market was where a stop or if-touched order waits for it; a trailing stop moves first."""
        if not order.triggered:
            quote = self._board.quote_of(order.contract)
            if follow(order, quote):
                self.touched = True
            order.triggered = is_hit(order, quote)
        return order.triggered

    # -- ending

    def end(self, order: BookOrder, reason: str) -> None:
        """Cancel ``order``: its status first, then 202, which is right for every client library.

        Children that still wait for it and the rest of its group go with it.
        """
        self.touched = True
        order.apply(OrderEvent.CANCELLED)
        self.complete(order, "Cancelled" if not reason else f"Cancelled by System: {reason}")
        self._out.order_status(order.view())
        self.warn(order, BrokerError(checks.CANCELLED, f"Order Canceled - reason:{reason}"))
        for child in families.children(self._book, order):
            self._end_if_open(child, reason)
        for member in families.group(self._book, order):
            self._end_if_open(member, reason)

    def complete(self, order: BookOrder, text: str) -> None:
        """The order has ended; nothing of it is watched any more."""
        order.completed_s = self._clock.market_s
        order.completed_status = text
        order.why_held = ""
        self.unwatch(order)

    def filled(self, order: BookOrder, quantity: float) -> None:
        """After a fill: the group is cancelled or reduced, and children of a parent that is done begin."""
        before = order.remaining + quantity
        for member in families.group(self._book, order):
            if not member.is_open:
                continue
            if families.cancels_group(order):
                self._end_alone(member)
            else:
                self._reduce(member, families.reduced(member, quantity, before))
        if order.remaining > _NOTHING_LEFT:
            return
        for child in families.children(self._book, order):
            child.waits_for_parent = False
            if self.session(child) is not None and self.is_ready(child):
                self.route(child)
            elif child.released:
                self.tell(child)

    def _reduce(self, member: BookOrder, quantity: float) -> None:
        if quantity <= member.filled + _NOTHING_LEFT:
            self._end_alone(member)
        elif quantity < member.request.quantity:
            member.request = replace(member.request, quantity=quantity)
            self.tell(member)

    def _end_alone(self, member: BookOrder) -> None:
        """End one member of a group by a fill of another: the others have their own reckoning with that fill."""
        self.touched = True
        member.apply(OrderEvent.CANCELLED)
        self.complete(member, "Cancelled by System: another order of its group has filled")
        self._out.order_status(member.view())
        self.warn(member, BrokerError(checks.CANCELLED, "Order Canceled - reason:"))
        for child in families.children(self._book, member):
            self._end_if_open(child, "")

    def _end_if_open(self, order: BookOrder, reason: str) -> None:
        # One cancel can reach an order twice, by its parent and by its group.
        if order.is_open and (order.waits_for_parent or order.request.oca_group):
            self.end(order, reason)

    # -- texts

    def _why_held(self, order: BookOrder) -> str:
        if not order.is_open:
            return ""
        reasons = [WAITS_FOR_PARENT] if order.waits_for_parent else []
        kept_back = self._hooks.keeps_back(order)
        if kept_back:
            reasons.append(kept_back)
        if not order.triggered and ORDER_TYPES[order.request.order_type].waits is not Waits.NOTHING:
            reasons.append(WAITS_FOR_TRIGGER)
        return ",".join(reasons)

    def _outside_hours(self, order: BookOrder) -> str:
        opens = datetime.fromtimestamp(self._hours.next_open_s(self._clock.market_s), UTC).astimezone(NEW_YORK)
        return (
            f"{order.request.action} {order.request.quantity:g} {order.contract.local_symbol}\n"
            f"Warning: your order will not be placed at the exchange until {opens:%Y-%m-%d %H:%M:%S} US/Eastern"
        )
