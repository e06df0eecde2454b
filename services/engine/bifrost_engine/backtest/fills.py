"""The broker of a backtest: fills against the recorded bid and ask up to the size shown, after a latency, at a cost."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from bifrost.contract import ContractKey
from bifrost.tape import Publication

from bifrost_engine.domain.effects import BrokerEffect, CancelOrder, FetchTruth, ModifyOrder, PlaceOrder
from bifrost_engine.domain.events import (
    BrokerTruth,
    CommissionReported,
    Event,
    ExecutionReported,
    OrderErrorReported,
    OrderPlaced,
    OrderStatusReported,
)
from bifrost_engine.domain.words import (
    BrokerOrder,
    BrokerPosition,
    Execution,
    OrderErrorKind,
    OrderIntent,
    OrderType,
    Side,
    Times,
)

CLIENT_ID = 1
_UNKNOWN_ORDER = 10147


@dataclass(frozen=True, slots=True)
class FillModel:
    """What trading costs. The defaults are IB's fixed US schedule, dollars."""

    latency_s: float = 0.5
    """From the order handed to the socket to the broker's book, and from there to a cancel."""
    per_share: float = 0.005
    least_per_order: float = 1.0
    most_of_value: float = 0.01
    """Part of the order's value that its commission never exceeds."""
    per_contract: float = 0.65
    sizes: bool = True
    """Fills are limited to the size shown at each publication; False fills whole orders at the touch."""

    def stock_commission(self, shares: float, value_usd: float) -> float:
        """Of one order that has filled ``shares``."""
        if not shares:
            return 0.0
        return min(max(self.least_per_order, self.per_share * shares), self.most_of_value * value_usd)

    def option_commission(self, contracts: float) -> float:
        return max(self.least_per_order, self.per_contract * contracts) if contracts and self.per_contract else 0.0


FREE = FillModel(latency_s=0.0, per_share=0.0, least_per_order=0.0, per_contract=0.0, sizes=False)


@dataclass(slots=True)
class _Order:
    intent: OrderIntent
    order_id: int
    order_type: OrderType
    limit_price: float | None
    arrived: bool = False
    filled: int = 0
    value_usd: float = 0.0
    paid_usd: float = 0.0
    fills: int = 0

    @property
    def remaining(self) -> int:
        return self.intent.quantity - self.filled

    def allows(self, price: float) -> bool:
        if self.order_type is OrderType.MARKET or self.limit_price is None:
            return True
        return (price - self.limit_price) * self.intent.side.sign <= 0


@dataclass(slots=True)
class Agenda:
    """What is due at which instant, in order; of one instant what was put there first."""

    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def at(self, when_s: float, work: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (when_s, self._count, work))

    def only_s(self, work: Callable[[], None]) -> float | None:
        """When ``work`` is due, if nothing else is."""
        return self._due[0][0] if len(self._due) == 1 and self._due[0][2] == work else None

    def next_s(self) -> float | None:
        return self._due[0][0] if self._due else None

    def pop(self) -> tuple[float, Callable[[], None]]:
        when_s, _, work = heapq.heappop(self._due)
        return when_s, work


class BacktestBroker:
    """Implements the port Broker over an agenda and the newest publications.

    Parameters
    ----------
    sink : callable
        Where facts go; called only while the agenda works or a publication is matched.
    now : callable
        Epoch seconds of the run's clock.
    """

    def __init__(
        self, account: str, model: FillModel, agenda: Agenda, sink: Callable[[Event], None], now: Callable[[], float]
    ) -> None:
        self.account = account
        self.positions: dict[ContractKey, float] = {}
        self.multipliers: dict[ContractKey, float] = {}
        self.executions: list[Execution] = []
        """Those of the newest day, as a broker tells them."""
        self._model = model
        self._agenda = agenda
        self._sink = sink
        self._now = now
        self._quotes: dict[ContractKey, Publication] = {}
        self._shown: dict[ContractKey, list[float]] = {}
        """Shares still shown at the bid and at the ask of the newest publication."""
        self._orders: dict[str, _Order] = {}
        self._done: dict[str, _Order] = {}
        self._next_id = 1

    # -- the port

    def carry_out(self, effect: BrokerEffect) -> None:
        match effect:
            case PlaceOrder(intent=intent):
                order = _Order(intent, self._next_id, intent.order_type, intent.limit_price)
                self._next_id += 1
                self._orders[intent.order_ref] = order
                self._sink(OrderPlaced(self._times(), intent.order_ref, order.order_id))
                self._later(lambda: self._arrive(order))
            case ModifyOrder(intent=intent):
                known = self._orders.get(intent.order_ref)
                self._later(lambda: self._modify(intent.order_ref, known, effect))
            case CancelOrder(order_ref=order_ref):
                self._later(lambda: self._cancel(order_ref))
            case FetchTruth(trigger=trigger):
                asked_s = self._now()
                self._later(lambda: self._sink(self._truth(trigger, asked_s)))
            case _:
                # Lines and accounts: everything recorded comes anyway.
                return

    def publish(self, quotes: tuple[Publication, ...]) -> None:
        """Newest quotes: what is shown is there again; resting orders are matched by `match`."""
        for quote in quotes:
            self._quotes[quote.key] = quote
            self._shown[quote.key] = [quote.bid_size, quote.ask_size]

    def match(self) -> None:
        """Fill what rests against what is shown."""
        for order in list(self._orders.values()):
            if order.arrived:
                self._fill(order)

    @property
    def busy(self) -> bool:
        return bool(self._orders)

    def new_day(self) -> None:
        """A broker tells executions of today only."""
        self.executions.clear()
        self._done.clear()

    def trade_option(self, key: ContractKey, quantity: float, multiplier: float) -> None:
        """Somebody bought or sold an option in the account."""
        self.positions[key] = self.positions.get(key, 0.0) + quantity
        self.multipliers[key] = multiplier

    def position_rows(self) -> tuple[BrokerPosition, ...]:
        return tuple(
            BrokerPosition(self.account, key, quantity, 0.0, 1, self.multipliers.get(key, 1.0), key.symbol)
            for key, quantity in sorted(self.positions.items())
            if quantity
        )

    # -- orders

    def _later(self, work: Callable[[], None]) -> None:
        self._agenda.at(self._now() + self._model.latency_s, work)

    def _times(self) -> Times:
        return Times(self._now(), self._now())

    def _arrive(self, order: _Order) -> None:
        if order.intent.order_ref in self._orders:
            order.arrived = True
            self._status(order, "Submitted")
            self._fill(order)

    def _modify(self, order_ref: str, order: _Order | None, change: ModifyOrder) -> None:
        if order is None or order_ref not in self._orders:
            self._unknown(order_ref, "change")
            return
        order.order_type, order.limit_price = change.order_type, change.limit_price
        self._status(order, "Submitted")
        self._fill(order)

    def _cancel(self, order_ref: str) -> None:
        order = self._orders.pop(order_ref, None)
        if order is None:
            self._unknown(order_ref, "cancel")
            return
        self._done[order_ref] = order
        self._status(order, "Cancelled")

    def _unknown(self, order_ref: str, what: str) -> None:
        if order_ref in self._done and not self._done[order_ref].remaining:
            return  # it filled on the way: the fill has been told
        text = f"no working order {order_ref} to {what}"
        self._sink(OrderErrorReported(self._times(), order_ref, _UNKNOWN_ORDER, OrderErrorKind.UNCERTAIN, text))

    def _fill(self, order: _Order) -> None:
        quote, intent = self._quotes.get(order.intent.key), order.intent
        # A crossed quote is no market: nobody trades on it.
        if quote is None or not 0 < quote.bid <= quote.ask or not order.remaining:
            return
        buying = intent.side is Side.BUY
        price, shown = (quote.ask if buying else quote.bid), self._shown[intent.key]
        if not order.allows(price):
            return
        shares = min(order.remaining, int(shown[buying])) if self._model.sizes else order.remaining
        if shares <= 0:
            return
        shown[buying] -= shares
        self._book(order, shares, price)

    def _book(self, order: _Order, shares: int, price: float) -> None:
        now, intent = self._times(), order.intent
        order.filled += shares
        order.fills += 1
        order.value_usd += shares * price
        execution = Execution(
            exec_id=f"bt:{intent.order_ref}:{order.fills}",
            account=self.account,
            key=intent.key,
            side=intent.side,
            quantity=shares,
            price=price,
            time_s=now.wall_s,
            order_ref=intent.order_ref,
            perm_id=order.order_id,
            order_id=order.order_id,
            client_id=CLIENT_ID,
            exchange="BACKTEST",
            mid_at_decision=intent.mid,
        )
        self.executions.append(execution)
        self.positions[intent.key] = self.positions.get(intent.key, 0.0) + execution.signed_quantity
        done = not order.remaining
        if done:
            self._done[intent.order_ref] = self._orders.pop(intent.order_ref)
        self._sink(ExecutionReported(now, execution))
        self._status(order, "Filled" if done else "Submitted")
        due = self._model.stock_commission(order.filled, order.value_usd)
        commission, order.paid_usd = round(due - order.paid_usd, 6), due
        self._sink(CommissionReported(now, execution.exec_id, commission, "USD", None))

    def _status(self, order: _Order, status: str) -> None:
        average = order.value_usd / order.filled if order.filled else None
        self._sink(
            OrderStatusReported(
                self._times(),
                order.intent.order_ref,
                status,
                order.filled,
                order.remaining,
                average,
                order.order_id,
                order.order_id,
            )
        )

    def _truth(self, trigger: object, asked_s: float) -> BrokerTruth:
        return BrokerTruth(
            self._times(),
            trigger,  # type: ignore[arg-type]
            True,
            asked_s,
            open_orders=tuple(self._row(order, "Submitted", False) for order in self._orders.values()),
            completed_orders=tuple(
                self._row(order, "Cancelled" if order.remaining else "Filled", True) for order in self._done.values()
            ),
            executions=tuple(self.executions),
            positions=self.position_rows(),
        )

    def _row(self, order: _Order, status: str, completed: bool) -> BrokerOrder:
        intent = order.intent
        return BrokerOrder(
            intent.order_ref,
            self.account,
            intent.key,
            intent.side,
            intent.quantity,
            order.filled,
            status,
            order.order_id,
            order.order_id,
            CLIENT_ID,
            completed=completed,
        )
