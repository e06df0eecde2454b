"""Orders: accepting, changing, cancelling, routing and matching them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bifrost_simulator.api import BrokerError, Contract, OrderRequest, OrderState, OrderStatus
from bifrost_simulator.board import QuoteBoard
from bifrost_simulator.broker import checks
from bifrost_simulator.broker.book import Book, BookOrder
from bifrost_simulator.broker.commissions import order_commission
from bifrost_simulator.broker.order_states import OrderEvent
from bifrost_simulator.broker.order_types import ORDER_TYPES, displayed
from bifrost_simulator.broker.settlement import Settlement
from bifrost_simulator.broker.values import STOCK_INITIAL, STOCK_MAINTENANCE, Figures
from bifrost_simulator.clock import SimClock
from bifrost_simulator.events import Dispatcher
from bifrost_simulator.faults.base import OrderHooks
from bifrost_simulator.hours import NEW_YORK, Hours
from bifrost_simulator.market.base import Market
from bifrost_simulator.universe import Universe

FILL_DELAY_WALL_S = 0.05
MANUAL_CLIENT = 0


@dataclass(slots=True)
class Timing:
    """Wall seconds between the steps of an order's life."""

    fill_delay_s: float = FILL_DELAY_WALL_S


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
        self.timing = Timing()
        self._settlement = settlement
        self._board = board
        self._market = market
        self._universe = universe
        self._hours = hours
        self._clock = clock
        self._out = dispatcher
        self._hooks = hooks
        self._wall_s = 0.0
        self.binds_manual = False
        # Set when an order ended outside `step`, by a fault or a request; the world clears it once it is stored.
        self.touched = False
        for order in book.open():
            board.watch(order.contract)

    # -- requests

    def place(self, client_id: int, order_id: int, request: OrderRequest, *, manual: bool = False) -> BookOrder | None:
        """Accept, change or answer a what-if; None for a what-if. Raises `BrokerError` on a reject."""
        contract = self._universe.qualify(request.contract, self._clock.market_s)
        accounts = tuple(self._settlement.accounts)
        if not request.account and len(accounts) == 1:
            request = replace(request, account=accounts[0])
        checks.check_request(request, contract, accounts)
        if request.what_if:
            self._answer_what_if(client_id, order_id, request, contract)
            return None
        known = self.book.find(client_id, order_id) if order_id else None
        if known is not None:
            self._modify(known, request, contract)
            return known
        refusal = self._hooks.refusal(client_id, request)
        if refusal is not None:
            raise refusal
        self._check_funds(request, contract)
        return self._accept(client_id, order_id, request, contract, manual)

    def cancel(self, client_id: int, order_id: int) -> None:
        """Cancel an order of ``client_id``; raises 10147 or 10148."""
        order = self.book.find(client_id, order_id)
        if order is None:
            raise BrokerError(checks.UNKNOWN_ORDER, f"OrderId {order_id} that needs to be cancelled is not found.")
        if not order.is_open:
            raise BrokerError(
                checks.NOT_CANCELLABLE,
                f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}.",
            )
        if not self._hooks.takes_cancel(order):
            self.end(order, "")

    def cancel_all(self) -> None:
        """Cancel every open order, whoever placed it (global cancel)."""
        for order in self.book.open():
            self.end(order, "")

    def end(self, order: BookOrder, reason: str) -> None:
        """Cancel ``order``: its status first, then 202, which is right for every client library."""
        self.touched = True
        order.apply(OrderEvent.CANCELLED)
        self._complete(order, "Cancelled" if not reason else f"Cancelled by System: {reason}")
        self._out.order_status(order.view())
        text = f"Order Canceled - reason:{reason}"
        self._out.order_error(order.client_id, order.order_id, order.perm_id, BrokerError(checks.CANCELLED, text))

    # -- time

    def step(self, wall_s: float) -> bool:
        """Route, expire and match; True when anything changed."""
        self._wall_s = wall_s
        changed = False
        for order in self.book.open():
            changed |= self._step_order(order)
        return self._settlement.report_commissions(wall_s) or changed

    def _step_order(self, order: BookOrder) -> bool:
        session = self._hours.session_at(self._clock.market_s)
        if order.session_end_s and order.request.tif == "DAY" and self._clock.market_s >= order.session_end_s:
            self.end(order, "the session of this DAY order has ended")
            return True
        if order.contract.sec_type == "OPT" and self._expired(order.contract):
            self.end(order, "the contract has expired")
            return True
        if session is None or not order.released:
            return False
        if order.status is OrderStatus.PRE_SUBMITTED:
            if not self._triggered(order):
                return False
            self._route(order, session.close_s)
            return True
        return self._match(order)

    # -- accepting

    def _accept(
        self, client_id: int, order_id: int, request: OrderRequest, contract: Contract, manual: bool
    ) -> BookOrder:
        order = BookOrder(
            client_id=client_id,
            order_id=order_id,
            perm_id=self.book.take_perm_id(),
            contract=contract,
            request=request,
            status=OrderStatus.PENDING_SUBMIT,
            placed_s=self._clock.market_s,
            released=request.transmit,
            manual=manual,
        )
        self.book.add(order)
        if manual and self.binds_manual:
            self.book.bind(order)
        self._board.watch(contract)
        self._hooks.taken(order)
        if self._hooks.mutes(order):
            self._out.mute(order.perm_id)
        order.apply(OrderEvent.ACCEPTED)
        session = self._hours.session_at(self._clock.market_s)
        if session is None:
            order.warning = self._outside_hours(order)
        self._tell(order)
        self._hooks.accepted(order)
        if session is None:
            warning = BrokerError(checks.OUTSIDE_HOURS_WARNING, f"Order Message:\n{order.warning}")
            self._out.order_error(client_id, order.order_id, order.perm_id, warning)
        elif order.released and self._triggered(order):
            self._route(order, session.close_s)
        return order

    def _modify(self, order: BookOrder, request: OrderRequest, contract: Contract) -> None:
        checks.check_modify(order, request, contract)
        order.request = replace(request, account=order.request.account)
        order.released = order.released or request.transmit
        order.routed_wall_s = self._wall_s
        if order.status is OrderStatus.SUBMITTED and not self._triggered(order):
            order.apply(OrderEvent.UNROUTED)
        self._tell(order)

    def _route(self, order: BookOrder, session_close_s: float) -> None:
        order.apply(OrderEvent.ROUTED)
        order.warning, order.why_held = "", ""
        order.session_end_s = session_close_s
        order.routed_wall_s = self._wall_s
        self._tell(order)

    def _tell(self, order: BookOrder) -> None:
        view = order.view()
        self._out.open_order(view)
        self._out.order_status(view)

    def _triggered(self, order: BookOrder) -> bool:
        if self._hooks.keeps_back(order):
            return False
        if not order.triggered:
            kind = ORDER_TYPES[order.request.order_type]
            quote = self._board.quote(order.contract.con_id)
            order.triggered = kind.triggered(order.request, order.is_buy, quote)
        return order.triggered

    def _outside_hours(self, order: BookOrder) -> str:
        opens = datetime.fromtimestamp(self._hours.next_open_s(self._clock.market_s), UTC).astimezone(NEW_YORK)
        return (
            f"{order.request.action} {order.request.quantity:g} {order.contract.local_symbol}\n"
            f"Warning: your order will not be placed at the exchange until {opens:%Y-%m-%d %H:%M:%S} US/Eastern"
        )

    def _expired(self, contract: Contract) -> bool:
        key = self._universe.key(contract.con_id)
        return self._clock.market_s >= self._hours.last_trading_s(key.expiry_date)

    # -- matching

    def _match(self, order: BookOrder) -> bool:
        """Fill at the published touch, up to the size displayed there and not yet taken."""
        con_id = order.contract.con_id
        if self._wall_s - order.routed_wall_s < self.timing.fill_delay_s:
            return False
        if not self._market.is_tradable(self._universe.key(con_id)) or self._hooks.holds_quotes(con_id):
            return False
        quote = self._board.quote(con_id)
        price = ORDER_TYPES[order.request.order_type].price(order.request, order.is_buy, quote)
        shown = self._board.available(con_id, order.is_buy, displayed(order.is_buy, quote))
        quantity = 0.0 if price is None else min(order.remaining, shown)
        limit = self._hooks.fill_limit(order)
        if limit is not None:
            quantity = min(quantity, max(0.0, limit - order.filled))
        if order.request.tif == "FOK" and quantity < order.remaining:
            quantity = 0.0
        if price is None or quantity <= 0:
            return self._end_immediate(order)
        self._board.take(con_id, order.is_buy, quantity)
        self._fill(order, quantity, price)
        return self._end_immediate(order) or True

    def _fill(self, order: BookOrder, quantity: float, price: float) -> None:
        done = self._settlement.fill(order, quantity, price, self._wall_s)
        if order.remaining <= 0:
            order.apply(OrderEvent.FULLY_FILLED)
            self._complete(order, f"Filled Size: {order.filled:g}")
        else:
            order.apply(OrderEvent.PARTLY_FILLED)
        self._tell(order)
        self._settlement.announce(order.request.account, order.contract)
        self._hooks.filled(order, done.execution)

    def _end_immediate(self, order: BookOrder) -> bool:
        if order.is_open and order.request.tif in ("IOC", "FOK"):
            self.end(order, "")
            return True
        return False

    def _complete(self, order: BookOrder, text: str) -> None:
        order.completed_s = self._clock.market_s
        order.completed_status = text
        self._board.unwatch(order.contract)

    # -- money

    def _check_funds(self, request: OrderRequest, contract: Contract) -> None:
        """Reject what would leave less than nothing available, unless it closes."""
        before, after, _ = self._estimate(request, contract)
        if after.available < 0 and after.available < before.available:
            raise checks.rejected(
                "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE "
                f"[{after.loan_value:.2f} USD] MUST EXCEED THE INITIAL MARGIN [{after.initial_margin:.2f} USD]"
            )

    def _answer_what_if(self, client_id: int, order_id: int, request: OrderRequest, contract: Contract) -> None:
        before, after, fee = self._estimate(request, contract)
        order = BookOrder(client_id, order_id, 0, contract, request, OrderStatus.PRE_SUBMITTED, self._clock.market_s)
        state = OrderState(
            init_margin_before=_cents(before.initial_margin),
            maint_margin_before=_cents(before.maintenance_margin),
            equity_before=_cents(before.loan_value),
            init_margin_change=_cents(after.initial_margin - before.initial_margin),
            maint_margin_change=_cents(after.maintenance_margin - before.maintenance_margin),
            equity_change=_cents(after.loan_value - before.loan_value),
            init_margin_after=_cents(after.initial_margin),
            maint_margin_after=_cents(after.maintenance_margin),
            equity_after=_cents(after.loan_value),
            commission=_cents(fee),
            min_commission=None,
            max_commission=None,
        )
        self._out.what_if(order.view(), state)

    def _estimate(self, request: OrderRequest, contract: Contract) -> tuple[Figures, Figures, float]:
        """Figures before and after a fill of the whole order at its limit or the touch, and its commission."""
        before = self._settlement.figures(request.account)
        self._board.watch(contract)
        quote = self._board.quote(contract.con_id)
        self._board.unwatch(contract)
        buying = request.action == "BUY"
        seen = quote.ask if buying else quote.bid
        price = request.limit_price if request.limit_price is not None else (seen if seen > 0 else quote.mark or 0.0)
        value = request.quantity * price * contract.multiplier_units
        fee = order_commission(contract.sec_type, request.quantity, value)
        held = self._settlement.accounts[request.account].holdings.get(contract.con_id)
        signed = request.quantity if buying else -request.quantity
        quantity = held.quantity if held is not None else 0.0
        grown = (abs(quantity + signed) - abs(quantity)) * price * contract.multiplier_units
        if contract.sec_type == "STK":
            initial, maintenance = STOCK_INITIAL * grown, STOCK_MAINTENANCE * grown
            loan = -fee
        else:
            initial = maintenance = 0.0
            loan = -fee - (value if buying else -value if quantity > 0 else 0.0)
        after = replace(
            before,
            initial_margin=before.initial_margin + initial,
            maintenance_margin=before.maintenance_margin + maintenance,
            loan_value=before.loan_value + loan,
        )
        return before, after, fee


def _cents(value: float) -> float:
    return round(value, 2)
