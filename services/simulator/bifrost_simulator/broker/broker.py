"""Orders as clients ask for them: accepting, changing, cancelling; and the step of time that works them."""

from __future__ import annotations

from dataclasses import replace

from bifrost_simulator.api import BrokerError, Contract, OrderRequest, OrderStatus
from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.broker import checks, families
from bifrost_simulator.broker.book import Book, BookOrder
from bifrost_simulator.broker.conditions import Conditions
from bifrost_simulator.broker.estimates import Estimates
from bifrost_simulator.broker.lifecycle import Lifecycle
from bifrost_simulator.broker.matching import FILL_DELAY_WALL_S, Matcher, Timing
from bifrost_simulator.broker.order_states import OrderEvent
from bifrost_simulator.broker.settlement import Settlement
from bifrost_simulator.clock import SimClock
from bifrost_simulator.events import Dispatcher
from bifrost_simulator.faults.base import OrderHooks
from bifrost_simulator.hours import Hours
from bifrost_simulator.market.base import Market
from bifrost_simulator.universe import Universe

__all__ = ["FILL_DELAY_WALL_S", "MANUAL_CLIENT", "Broker", "Timing"]

MANUAL_CLIENT = 0
_END_REASONS = {
    "DAY": "the session of this DAY order has ended",
    "GTD": "its good till date has passed",
    "OPG": "the opening is over",
}


class Broker:
    """The order desk of the simulated broker. It has one book per contract: the published touch."""

    def __init__(
        self,
        book: Book,
        settlement: Settlement,
        board: QuoteBoard,
        market: Market,
        universe: Universe,
        hours: Hours,
        clock: SimClock,
        dispatcher: Dispatcher,
        hooks: OrderHooks,
    ) -> None:
        self.book = book
        self._settlement = settlement
        self._universe = universe
        self._hours = hours
        self._clock = clock
        self._out = dispatcher
        self._hooks = hooks
        self._conditions = Conditions(board, universe, book, settlement.figures)
        self._life = Lifecycle(book, board, hours, clock, dispatcher, hooks, self._conditions)
        self._matcher = Matcher(settlement, board, market, universe, hooks, self._life)
        self._estimates = Estimates(settlement, board, universe)
        self.binds_manual = False
        for order in book.open():
            self._life.watch(order)

    @property
    def timing(self) -> Timing:
        return self._matcher.timing

    @property
    def touched(self) -> bool:
        """True when an order ended outside `step`, by a fault or a request; whoever stored that sets it back."""
        return self._life.touched

    @touched.setter
    def touched(self, value: bool) -> None:
        self._life.touched = value

    # -- requests

    def place(self, client_id: int, order_id: int, request: OrderRequest, *, manual: bool = False) -> BookOrder | None:
        """Accept, change or answer a what-if; None for a what-if. Raises `BrokerError` on a reject."""
        contract = self._universe.qualify(request.contract, self._clock.market_s)
        accounts = tuple(self._settlement.accounts)
        if not request.account and len(accounts) == 1:
            request = replace(request, account=accounts[0])
        known = self.book.find(client_id, order_id) if order_id else None
        if known is None and not manual:
            checks.check_order_id(order_id)
        checks.check_request(request, contract, accounts)
        if not manual:
            checks.check_whole(request)
        self._check_times(request, contract)
        self._conditions.contracts(request)
        if request.what_if:
            order = BookOrder(
                client_id, order_id, 0, contract, request, OrderStatus.PRE_SUBMITTED, self._clock.market_s
            )
            self._out.what_if(order.view(), self._estimates.what_if(request, contract))
            return None
        if known is not None:
            self._modify(known, request, contract)
            return known
        return self._accept(client_id, order_id, request, contract, manual)

    def cancel(self, client_id: int, order_id: int) -> None:
        """Cancel an order of ``client_id``; raises 10147, 10148 or 10149."""
        order = self.book.find(client_id, order_id)
        if order is None:
            checks.check_order_id(order_id)
            raise BrokerError(checks.UNKNOWN_ORDER, f"OrderId {order_id} that needs to be cancelled is not found.")
        self._cancel(order)

    def cancel_by_hand(self, perm_id: int) -> BookOrder:
        """Cancel any open order, as a human at TWS may; raises 10147 or 10148."""
        order = self.book.orders.get(perm_id)
        if order is None:
            raise BrokerError(checks.UNKNOWN_ORDER, f"No order has the permId {perm_id}.")
        self._cancel(order)
        return order

    def _cancel(self, order: BookOrder) -> None:
        if not order.is_open:
            raise BrokerError(
                checks.NOT_CANCELLABLE,
                f"OrderId {order.order_id} that needs to be cancelled cannot be cancelled, state: {order.status}.",
            )
        if not self._hooks.takes_cancel(order):
            self.end(order, "")

    def cancel_all(self) -> None:
        """Cancel every open order, whoever placed it (global cancel)."""
        for order in self.book.open():
            if order.is_open:
                self.end(order, "")

    def end(self, order: BookOrder, reason: str) -> None:
        """Cancel ``order`` for ``reason``, and what hangs on it."""
        self._life.end(order, reason)

    def fill(self, order: BookOrder, quantity: float, price: float) -> None:
        """Fill ``order`` whatever the market shows: what an exchange did behind a fault."""
        self._matcher.fill(order, quantity, price)
        self._life.touched = True

    def forget(self, order: BookOrder) -> None:
        """Know nothing of an open order any more; nobody is told."""
        self._life.unwatch(order)
        self.book.remove(order)
        self._life.touched = True

    def bind_manual(self) -> None:
        """Give client 0 the manual orders there are, so that it can change and cancel them."""
        for order in self.book.open():
            if order.manual:
                self.book.bind(order)

    # -- time

    def step(self, wall_s: float) -> bool:
        """Route, expire and match; True when anything changed."""
        self._life.wall_s = wall_s
        changed = False
        for order in self.book.open():
            if order.is_open:  # a fill or an end before it may have ended it
                changed |= self._step_order(order)
        return self._settlement.report_commissions(wall_s) or changed

    def _step_order(self, order: BookOrder) -> bool:
        now_s = self._clock.market_s
        if order.session_end_s and now_s >= order.session_end_s:
            if self._matcher.close(order):
                return True
            self.end(order, _END_REASONS.get(order.request.tif, _END_REASONS["DAY"]))
            return True
        if self._expired(order.contract):
            self.end(order, "the contract has expired")
            return True
        if not order.released or self._life.session(order) is None:
            return False
        if self._cancelled_by_conditions(order):
            self.end(order, "its conditions are met")
            return True
        if order.status is OrderStatus.PRE_SUBMITTED:
            if not self._life.is_ready(order):
                return False
            self._life.route(order)
            return True
        return not self._hooks.keeps_back(order) and self._matcher.match(order)

    def _cancelled_by_conditions(self, order: BookOrder) -> bool:
        cancels = order.request.attributes.get("conditionsCancelOrder")
        return bool(cancels) and self._conditions.met(order, self._clock.market_s)

    def _expired(self, contract: Contract) -> bool:
        for leg in self._universe.legs(contract):
            if leg.contract.sec_type == "OPT":
                key = self._universe.key(leg.contract.con_id)
                if self._clock.market_s >= self._hours.last_trading_s(key.expiry_date):
                    return True
        return False

    # -- accepting

    def _accept(
        self, client_id: int, order_id: int, request: OrderRequest, contract: Contract, manual: bool
    ) -> BookOrder:
        parent = families.parent_of(self.book, client_id, request)
        families.check_group(self.book, client_id, request)
        refusal = self._hooks.refusal(client_id, request)
        if refusal is not None:
            raise refusal
        waits = parent is not None and parent.is_open
        if not waits:
            self._estimates.check_funds(request, contract)
        order = BookOrder(
            client_id=client_id,
            order_id=order_id,
            perm_id=self.book.take_perm_id(),
            contract=contract,
            request=families.as_child(request, parent) if parent is not None else request,
            status=OrderStatus.PENDING_SUBMIT,
            placed_s=self._clock.market_s,
            released=False,
            waits_for_parent=waits,
            parent_perm_id=parent.perm_id if parent is not None else 0,
            conditions_met=bool(request.attributes.get("conditionsCancelOrder")),
            manual=manual,
        )
        self.book.add(order)
        if manual and self.binds_manual:
            self.book.bind(order)
        self._life.watch(order)
        self._hooks.taken(order)
        if self._hooks.mutes(order):
            self._out.mute(order.perm_id)
        if request.transmit:
            self._release(order)
        else:
            self._life.tell(order)
        return order

    def _release(self, order: BookOrder) -> None:
        """Transmit an order and every member of its family that is still held."""
        for member in families.family(self.book, order):
            if member.status is OrderStatus.PENDING_SUBMIT:
                self._life.submit(member)

    def _check_times(self, request: OrderRequest, contract: Contract) -> None:
        """Raise 391 for a date that cannot be read and 201 for one that has passed."""
        windows, now_s = self._life.windows, self._clock.market_s
        windows.starts_s(request)
        ends_s = windows.ends_s(request, contract, now_s)
        if windows.is_past_cutoff(request, now_s):
            raise checks.rejected("The order came after the cut-off time for orders at the close.")
        if ends_s and ends_s <= now_s:
            raise checks.rejected(f"The good till date {request.good_till_date} has passed.")

    # -- changing

    def _modify(self, order: BookOrder, request: OrderRequest, contract: Contract) -> None:
        checks.check_modify(order, request, contract)
        if not order.waits_for_parent and request.quantity > order.request.quantity:
            self._estimates.check_funds(request, contract)
        before = order.request
        self._life.unwatch(order)
        order.request = replace(
            request,
            account=before.account,
            oca_group=before.oca_group,
            oca_type=before.oca_type,
            parent_id=before.parent_id,
        )
        self._life.watch(order)
        if _waits_anew(before, request):
            order.triggered, order.working_price, order.hit_mark = False, None, None
        if request.attributes.get("conditions") != before.attributes.get("conditions"):
            order.conditions_met = bool(request.attributes.get("conditionsCancelOrder"))
        order.routed_wall_s = self._life.wall_s
        if order.status is OrderStatus.PENDING_SUBMIT:
            if request.transmit:
                self._release(order)
            else:
                self._life.tell(order)
            return
        order.session_end_s = self._life.windows.ends_s(order.request, order.contract, self._clock.market_s)
        if order.status is OrderStatus.SUBMITTED and not self._life.is_ready(order):
            order.apply(OrderEvent.UNROUTED)
        self._life.tell(order)


def _waits_anew(before: OrderRequest, now: OrderRequest) -> bool:
    """True when a change gives the order another price to wait for, or another way to follow the market."""
    return any(
        getattr(before, name) != getattr(now, name)
        for name in ("order_type", "aux_price", "trailing_percent", "trail_stop_price")
    )
