"""The broker's side: account, orders, executions. It knows nothing of engines, only of what came over the wire."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from bifrost.calendar import NEW_YORK
from bifrost.contract import ContractKey
from bifrost_engine.domain.words import BrokerOrder, BrokerPosition, Execution, OrderType, Origin, Side

from .clock import Agenda
from .exchange import STOCK, Exchange

ACCOUNT = "DU1234567"
OUR_PREFIX = "BF"
WORKING, FILLED, CANCELLED = "Submitted", "Filled", "Cancelled"


@dataclass
class Order:
    """An order the broker has taken."""

    order_ref: str
    order_id: int
    perm_id: int
    client_id: int
    side: Side
    quantity: int
    order_type: OrderType
    limit_price: float | None
    placed_s: float
    status: str = WORKING
    filled: int = 0
    cost_usd: float = 0.0
    ended_s: float = 0.0
    held_until_s: float = 0.0
    """Until then the broker looks for shares to borrow (404): the order is open and fills nothing."""
    charged_usd: float = 0.0

    @property
    def open(self) -> bool:
        return self.status == WORKING

    @property
    def remaining(self) -> int:
        return self.quantity - self.filled

    def shown(self) -> BrokerOrder:
        """As a list of open or completed orders shows it."""
        return BrokerOrder(
            order_ref=self.order_ref,
            account=ACCOUNT,
            key=STOCK,
            side=self.side,
            quantity=self.quantity if self.open else float(self.filled),
            filled=self.filled,
            status=self.status,
            perm_id=self.perm_id,
            order_id=self.order_id if self.open else 0,
            client_id=self.client_id,
            avg_fill_price=self.cost_usd / self.filled if self.filled else None,
            completed=not self.open,
            order_type=str(self.order_type),
            limit_price=self.limit_price,
        )


class Listener:
    """Who is logged on and hears of changes. The base hears nothing: nobody is there."""

    def order_changed(self, order: Order) -> None:
        """An order's status or filled quantity is another."""

    def executed(self, execution: Execution) -> None:
        """An execution happened in the account, ours or not."""

    def positions_changed(self) -> None:
        """The positions that the broker shows are others."""


@dataclass
class Broker:
    """One account. What others see of a position comes a moment after the fill that made it."""

    agenda: Agenda
    exchange: Exchange
    rng: random.Random
    listener: Listener = field(default_factory=Listener)
    orders: dict[str, Order] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    commissions: dict[str, float] = field(default_factory=dict)
    held: dict[ContractKey, float] = field(default_factory=dict)
    shown: dict[ContractKey, float] = field(default_factory=dict)
    own_shares: float = 0.0
    """Shares that orders of the engine and deliveries on the managed legs have left."""
    foreign_shares: float = 0.0
    partial_chance: float = 0.4
    slow_fills_s: float = 0.8
    _numbers: int = 0
    on_placed: Callable[[Order], None] = lambda order: None

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    # -- orders

    def place(self, order: Order) -> None:
        self.orders[order.order_ref] = order
        self.on_placed(order)
        self.listener.order_changed(order)
        self._work_soon(order)

    def modify(self, order: Order, order_type: OrderType, limit_price: float | None) -> None:
        order.order_type, order.limit_price = order_type, limit_price
        self.listener.order_changed(order)

    def cancel(self, order: Order) -> None:
        order.status, order.ended_s = CANCELLED, self.agenda.now_s
        self.listener.order_changed(order)

    def _work_soon(self, order: Order) -> None:
        self.agenda.after(0.05 + self.rng.expovariate(1.0 / self.slow_fills_s), lambda: self._work(order))

    def _work(self, order: Order) -> None:
        """Fill what the market gives now; what is left is tried again."""
        if not order.open:
            return
        if self.agenda.now_s < order.held_until_s:
            self._work_soon(order)
            return
        price = self.exchange.touch(order.side is Side.BUY)
        limit = order.limit_price if order.order_type is OrderType.LIMIT else None
        if limit is None or (price - limit) * order.side.sign <= 0:
            partial = order.remaining > 1 and self.rng.random() < self.partial_chance
            self.fill(order, self.rng.randint(1, order.remaining - 1) if partial else order.remaining, price)
        if order.open:
            self._work_soon(order)

    def fill(self, order: Order, quantity: int, price: float) -> None:
        order.filled += quantity
        order.cost_usd += quantity * price
        number = self.next_number()
        execution = Execution(
            exec_id=f"0000e0d5.{number:08x}.01.01",
            account=ACCOUNT,
            key=STOCK,
            side=order.side,
            quantity=float(quantity),
            price=price,
            time_s=float(int(self.agenda.now_s)),
            order_ref=order.order_ref,
            perm_id=order.perm_id,
            order_id=order.order_id,
            client_id=order.client_id,
            exchange="ISLAND",
            origin=Origin.OWN,
        )
        if order.remaining == 0:
            order.status, order.ended_s = FILLED, self.agenda.now_s
        due = max(1.0, 0.005 * order.filled)
        self.commissions[execution.exec_id], order.charged_usd = due - order.charged_usd, due
        self.own_shares += execution.signed_quantity
        self._book(execution)
        self.listener.order_changed(order)

    def correct(self, execution: Execution, price: float) -> None:
        """IB's correction: the same id up to the last dot, a higher number, the right price."""
        root, _, revision = execution.exec_id.rpartition(".")
        corrected = replace(execution, exec_id=f"{root}.{int(revision) + 1:02d}", price=price)
        self.executions[self.executions.index(execution)] = corrected
        self.commissions[corrected.exec_id] = self.commissions[execution.exec_id]
        self.listener.executed(corrected)

    def end_of_session(self) -> None:
        """DAY orders end with the session."""
        for order in self.open_orders():
            self.cancel(order)

    def open_orders(self) -> list[Order]:
        return [order for order in self.orders.values() if order.open]

    def completed_orders(self) -> list[Order]:
        """Those that ended today, as IB keeps them."""
        today = self._new_york_day(self.agenda.now_s)
        return [o for o in self.orders.values() if not o.open and self._new_york_day(o.ended_s) == today]

    def todays_executions(self) -> list[Execution]:
        """Since midnight: what IB tells without being asked for more."""
        today = self._new_york_day(self.agenda.now_s)
        return [e for e in self.executions if self._new_york_day(e.time_s) == today]

    @staticmethod
    def _new_york_day(moment_s: float) -> int:
        return datetime.fromtimestamp(moment_s, NEW_YORK).toordinal()

    # -- positions

    def trade_of_operator(self, key: ContractKey, quantity: float, price: float) -> None:
        """The human at TWS, in the same account."""
        side = Side.of(quantity)
        execution = Execution(
            exec_id=f"0000e0d5.{self.next_number():08x}.01.01",
            account=ACCOUNT,
            key=key,
            side=side,
            quantity=abs(quantity),
            price=price,
            time_s=float(int(self.agenda.now_s)),
            multiplier=100.0 if key.is_option else 1.0,
            exchange="ISLAND",
            origin=Origin.EXTERNAL,
        )
        if not key.is_option:
            self.foreign_shares += quantity
        self._book(execution)

    def deposit(self, key: ContractKey, quantity: float) -> None:
        """A position that was there before anybody looked."""
        self.held[key] = self.held.get(key, 0.0) + quantity
        self.shown[key] = self.held[key]

    def settle(self, key: ContractKey, *, managed: bool) -> None:
        """Expiry: exercised or assigned when in the money, else worthless; without any execution."""
        quantity = self.held.pop(key, 0.0)
        self.shown.pop(key, None)
        sign = 1.0 if key.right == "C" else -1.0
        if quantity and (self.exchange.spot - key.strike) * sign >= 0.01:
            self._deliver(sign * quantity * 100.0, managed=managed)
        self.listener.positions_changed()

    def assign(self, key: ContractKey, contracts: float, *, managed: bool) -> None:
        """``contracts`` (signed like the position) of a leg are exercised early."""
        self.held[key] = self.shown[key] = self.held[key] - contracts
        self._deliver((1.0 if key.right == "C" else -1.0) * contracts * 100.0, managed=managed)
        self.listener.positions_changed()

    def _deliver(self, shares: float, *, managed: bool) -> None:
        for book in (self.held, self.shown):
            book[STOCK] = book.get(STOCK, 0.0) + shares
        if managed:
            self.own_shares += shares
        else:
            self.foreign_shares += shares

    def positions(self) -> tuple[BrokerPosition, ...]:
        """As the broker shows them now."""
        return tuple(
            BrokerPosition(ACCOUNT, key, quantity, 1.0, 1, 100.0 if key.is_option else 1.0, key.symbol)
            for key, quantity in sorted(self.shown.items())
            if quantity
        )

    def _book(self, execution: Execution) -> None:
        self.executions.append(execution)
        key, moved = execution.key, execution.signed_quantity
        self.held[key] = self.held.get(key, 0.0) + moved
        self.listener.executed(execution)
        self.agenda.after(self.rng.choice((0.02, 0.1, 0.1, 1.5)), lambda: self._show(key, moved))

    def _show(self, key: ContractKey, moved: float) -> None:
        self.shown[key] = self.shown.get(key, 0.0) + moved
        self.listener.positions_changed()
