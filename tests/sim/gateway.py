"""The engine's port to the broker: one session over a wire that loses, repeats, delays and reorders what it carries."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bifrost.ib import AccountsReport
from bifrost.ib.accounts import AccountReport, SummaryValue
from bifrost_engine.app.ports import Sink
from bifrost_engine.app.service_ports import GatewayUnavailable, Login
from bifrost_engine.app.times import EngineClock
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.words import BrokerOrder, Execution, OrderErrorKind, OrderIntent, Side, Trigger

from .broker import ACCOUNT, FILLED, OUR_PREFIX, Broker, Listener, Order
from .clock import Agenda
from .exchange import STOCK, Exchange
from .faults import Fate, Faults

CLIENT_ID = 1
QUERY_TIMEOUT_S = 10.0
#: How long shares to borrow are looked for.
HELD_S = 20.0
ORDER_MESSAGES = frozenset({"status", "error", "execution", "commission", "positions"})
Make = Callable[[], ev.Event]


@dataclass
class GatewayState:
    """The gateway's process: outlives every engine."""

    down_until_s: float = 0.0
    cut_off: bool = False
    """1100: it has lost IB."""
    silent: bool = False
    """The socket stands and nothing comes."""
    reject_next: int = 0
    lose_orders: int = 0
    """So many placeOrder frames die on the way."""
    delay_orders_s: float = 0.0
    """The next placeOrder frame hangs so long in the gateway."""
    fail_queries: int = 0
    holder: object = None
    """Who is logged on with the engine's client id."""


class SimGateway(Listener):
    """Implements the port Gateway for one life of an engine."""

    def __init__(
        self,
        agenda: Agenda,
        exchange: Exchange,
        broker: Broker,
        state: GatewayState,
        faults: Faults,
        rng: random.Random,
        sink: Sink,
        clock: EngineClock,
    ) -> None:
        self._agenda = agenda
        self._exchange = exchange
        self._broker = broker
        self._state = state
        self._faults = faults
        self._rng = rng
        self._sink = sink
        self._clock = clock
        self._session = 0
        self._up = False
        self._trading = False
        self._refs: dict[int, str] = {}
        self._last_delivery_s = 0.0
        self._closed: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._costs_told: set[str] = set()
        self._last_frame_s = 0.0
        self.dead = False
        self.on_ended: Callable[[str], None] = lambda reason: None
        self.on_accounts_wanted: Callable[[], None] = lambda: None
        self.before_place: Callable[[OrderIntent], None] = lambda intent: None

    # -- the link

    async def connect(self, host: str, port: int) -> Login:
        self._faults.point("await:connect:before")
        await asyncio.sleep(self._rng.uniform(0.05, 0.6))
        self._faults.point("await:connect:after")
        if self._agenda.now_s < self._state.down_until_s:
            raise GatewayUnavailable(f"{host}:{port} refuses the connection")
        if self._state.holder not in (None, self):
            raise GatewayUnavailable("326: client id 1 is in use")
        self._state.holder = self
        self._session += 1
        self._up, self._closed = True, asyncio.Event()
        self._refs.clear()
        self._last_delivery_s = self._agenda.now_s
        self._broker.listener = self
        return Login((ACCOUNT,), CLIENT_ID, f"{host}:{port}")

    def trade_for(self, account: str) -> None:
        if self.dead:
            return
        self._trading = True
        self.positions_changed()
        self.tick()
        if self._state.cut_off:
            self.tell("connectivity", lambda: ev.ConnectivityLost(self._clock.now()))

    def disconnect(self, reason: str) -> None:
        """Also what the gateway does to us; `on_ended` follows on the loop."""
        if self.dead or not self._up:
            return
        self._leave()
        asyncio.get_running_loop().call_soon(self.on_ended, reason)

    def _leave(self) -> None:
        self._up = self._trading = False
        if self._closed is not None:
            self._closed.set()
        if self._broker.listener is self:
            self._broker.listener = Listener()
        if self._state.holder is self:
            self._state.holder = None

    def die(self) -> None:
        """The process is killed: its socket closes, nothing is said any more."""
        self._leave()
        self.dead = True

    @property
    def connected(self) -> bool:
        return self._up

    def last_arrival_s(self) -> float | None:
        if not self._up:
            return None
        # An open session brings at least a message a second, and the engine asks for the time when it does not.
        return self._last_delivery_s if self._state.silent else self._agenda.now_s

    def retry_lines(self) -> None:
        self.tick()

    async def fetch_accounts(self) -> AccountsReport:
        await asyncio.sleep(0.05)
        self._faults.point("await:accounts:after")
        if not self._up:
            raise OSError("not connected")
        summary = {"BuyingPower": SummaryValue("1000000", "USD"), "NetLiquidation": SummaryValue("500000", "USD")}
        now = datetime.fromtimestamp(self._agenda.now_s, UTC)
        return AccountsReport(now, (AccountReport(ACCOUNT, summary, ()),))

    # -- effects of the core

    def carry_out(self, effect: fx.BrokerEffect) -> None:
        if self.dead:
            return
        name = type(effect).__name__
        self._faults.point(f"effect:{name}:before")
        match effect:
            case fx.PlaceOrder(intent=intent):
                self._place(intent)
            case fx.ModifyOrder():
                self._modify(effect)
            case fx.CancelOrder():
                self._cancel(effect)
            case fx.FetchTruth(trigger=trigger):
                task = asyncio.ensure_future(self._read_truth(trigger))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case fx.FetchAccounts():
                self.on_accounts_wanted()
            case fx.RequestLine():
                self.tick()
        self._faults.point(f"effect:{name}:after")

    def _place(self, intent: OrderIntent) -> None:
        self.before_place(intent)
        if not self._up:
            text = "not connected"
            self._sink(ev.OrderErrorReported(self._clock.now(), intent.order_ref, 504, OrderErrorKind.UNCERTAIN, text))
            return
        number = self._broker.next_number()
        order = Order(
            intent.order_ref,
            1000 + number,
            7_000_000 + number,
            CLIENT_ID,
            intent.side,
            intent.quantity,
            intent.order_type,
            intent.limit_price,
            self._agenda.now_s,
        )
        self._refs[order.order_id] = order.order_ref
        self._sink(ev.OrderPlaced(self._clock.now(), order.order_ref, order.order_id))
        session, late_s = self._session, self._state.delay_orders_s
        self._state.delay_orders_s = 0.0
        if late_s:
            self._faults.strike("order frame late")
        self._agenda.after(late_s + self._rng.uniform(0.01, 0.1), lambda: self._arrived(order, session))

    def _arrived(self, order: Order, session: int) -> None:
        """The frame has reached the broker, unless the socket died under it."""
        state = self._state
        if self._session != session or (not self._up and self._rng.random() < 0.5):
            self._faults.strike("order frame lost with its socket")
            return
        if state.lose_orders:
            state.lose_orders -= 1
            self._faults.strike("order frame lost")
            return
        if state.reject_next:
            state.reject_next -= 1
            if state.reject_next % 2 and order.side is Side.SELL:
                self._hold(order)
                return
            self._faults.strike("order rejected")
            self._error(order, 201, OrderErrorKind.REJECT, "Order rejected - reason: margin")
            return
        self._broker.place(order)

    def _hold(self, order: Order) -> None:
        """No shares to borrow yet: IB says so, perhaps before the first status, and the order stands."""
        self._faults.strike("order held for shares to borrow")
        order.held_until_s = self._agenda.now_s + HELD_S
        self._error(order, 404, OrderErrorKind.HELD, "Order held while securities are located.")
        self._broker.place(order)

    def _modify(self, effect: fx.ModifyOrder) -> None:
        self._sink(ev.OrderPlaced(self._clock.now(), effect.intent.order_ref, effect.order_id))
        self._agenda.after(self._rng.uniform(0.01, 0.1), lambda: self._change(effect))

    def _change(self, effect: fx.ModifyOrder) -> None:
        order = self._broker.orders.get(effect.intent.order_ref)
        if order is None or not self._up:
            return
        if order.open:
            self._broker.modify(order, effect.order_type, effect.limit_price)
        else:
            self._error(order, 104, OrderErrorKind.UNCERTAIN, "Cannot modify a filled order")

    def _cancel(self, effect: fx.CancelOrder) -> None:
        if not effect.order_id:
            text = "order id is not known yet"
            now = self._clock.now()
            self._sink(ev.OrderErrorReported(now, effect.order_ref, 10147, OrderErrorKind.UNCERTAIN, text))
            return
        self._refs.setdefault(effect.order_id, effect.order_ref)
        if self._up:
            self._agenda.after(self._rng.uniform(0.01, 0.1), lambda: self._cancel_arrived(effect))

    def _cancel_arrived(self, effect: fx.CancelOrder) -> None:
        order = self._broker.orders.get(effect.order_ref)
        if order is None:
            event = ev.OrderErrorReported
            self.tell(
                "error",
                lambda: event(self._clock.now(), effect.order_ref, 10147, OrderErrorKind.UNCERTAIN, "unknown order"),
            )
        elif order.open:
            self._broker.cancel(order)
        else:
            self._error(order, 10148, OrderErrorKind.UNCERTAIN, f"cannot be cancelled, state: {order.status}")

    def _error(self, order: Order, code: int, kind: OrderErrorKind, text: str) -> None:
        self.tell("error", lambda: ev.OrderErrorReported(self._clock.now(), order.order_ref, code, kind, text))

    # -- the truth

    async def _read_truth(self, trigger: Trigger) -> None:
        asked_s = self._agenda.now_s
        failing = self._state.fail_queries > 0 or self._state.cut_off
        if self._state.fail_queries:
            self._state.fail_queries -= 1
            self._faults.strike("query fails")
        try:
            open_orders = await self._step("open_orders", lambda: [o.shown() for o in self._broker.open_orders()])
            completed = await self._step("completed", lambda: [o.shown() for o in self._broker.completed_orders()])
            executions = await self._step("executions", self._broker.todays_executions)
            positions = await self._step("positions", self._broker.positions)
            if failing:
                await asyncio.sleep(QUERY_TIMEOUT_S)
                raise TimeoutError("positions: no end within 10 s")
        except (OSError, TimeoutError) as error:
            self._sink(ev.BrokerTruth(self._clock.now(), trigger, False, asked_s, failure=str(error)))
            return
        self._know(open_orders)
        for execution in executions:
            self._commission(execution)
        self._sink(
            ev.BrokerTruth(
                self._clock.now(),
                trigger,
                True,
                asked_s,
                open_orders=tuple(open_orders),
                completed_orders=tuple(completed),
                executions=tuple(executions),
                positions=tuple(positions),
            )
        )

    async def _step(self, what: str, read: Callable[[], object]) -> list:  # type: ignore[type-arg]
        """One query to its end marker: what stood at the broker when it answered."""
        session = self._session
        self._faults.point(f"await:{what}:before")
        await asyncio.sleep(self._rng.uniform(0.01, 0.12))
        if not self._up or session != self._session:
            raise OSError(f"{what}: the connection ended")
        answer = list(read())  # type: ignore[call-overload]
        await asyncio.sleep(self._rng.uniform(0.01, 0.12))
        self._faults.point(f"await:{what}:after")
        return answer

    def _know(self, orders: list[BrokerOrder]) -> None:
        """Orders shown as open lead from their id to their reference again."""
        self._refs.update((order.order_id, order.order_ref) for order in orders if order.order_id)

    # -- frames in

    def order_changed(self, order: Order) -> None:
        if order.order_id not in self._refs:
            return
        average = order.cost_usd / order.filled if order.filled else None
        status, filled, remaining = order.status, order.filled, order.remaining
        numbers = (status, filled, remaining, average, order.perm_id, order.order_id)

        def frame() -> ev.Event:
            return ev.OrderStatusReported(self._clock.now(), order.order_ref, *numbers)

        self.tell("status", frame)
        if status != FILLED and self._rng.random() < 0.3:
            # The gateway repeats statuses freely.
            self.tell("status", frame)

    def executed(self, execution: Execution) -> None:
        self.tell("execution", lambda: ev.ExecutionReported(self._clock.now(), execution))
        if execution.order_ref.startswith(OUR_PREFIX):
            self._agenda.after(self._rng.choice((0.01, 0.2, 3.0)), lambda: self._commission(execution))

    def _commission(self, execution: Execution) -> None:
        cost = self._broker.commissions.get(execution.exec_id)
        if cost is not None and execution.exec_id not in self._costs_told:
            now = self._clock.now
            self.tell("commission", lambda: ev.CommissionReported(now(), execution.exec_id, cost, "USD", None))

    def positions_changed(self) -> None:
        if self._trading:
            self.tell("positions", lambda: ev.PositionsReported(self._clock.now(), self._broker.positions()))

    def tick(self) -> None:
        """The lines' newest quotes."""
        if not self._trading or self._state.silent or self._state.cut_off or self.dead:
            return
        keys = [key for key, quantity in self._broker.shown.items() if key.is_option and quantity]
        now = self._clock.now()
        self._last_delivery_s = now.wall_s
        quotes = tuple(replace(quote, arrived_wall_s=now.wall_s) for quote in self._exchange.quotes(keys, now.wall_s))
        self._sink(ev.QuotesChanged(now, quotes, now.wall_s, now.wall_s))

    def tell(self, name: str, make: Make) -> None:
        """Send a frame; what it says is fixed now, when it arrives is the wire's affair."""
        if not self._up or self.dead:
            return
        if self._state.cut_off and name != "connectivity":
            self._faults.strike(f"{name} lost during 1100")
            return
        fate = self._faults.fate(name) if name in ORDER_MESSAGES else Fate.NORMAL
        delay_s = self._rng.uniform(0.002, 0.03)
        if fate is Fate.DROPPED:
            return
        if fate is Fate.DELAYED:
            delay_s += self._rng.uniform(1.0, 20.0)
        elif fate is Fate.REORDERED:
            delay_s += self._rng.uniform(0.1, 1.0)
        else:
            # Frames of one socket come in their order.
            delay_s = max(self._agenda.now_s + delay_s, self._last_frame_s + 1e-4) - self._agenda.now_s
            self._last_frame_s = self._agenda.now_s + delay_s
        session = self._session
        self._agenda.after(delay_s, lambda: self._deliver(name, make, session))
        if fate is Fate.DUPLICATED:
            self._agenda.after(delay_s + self._rng.uniform(0.0, 2.0), lambda: self._deliver(name, make, session))

    def _deliver(self, name: str, make: Make, session: int) -> None:
        if not self._up or self.dead or session != self._session:
            return
        self._last_delivery_s = self._agenda.now_s
        self._faults.point(f"callback:{name}:before")
        event = make()
        if isinstance(event, ev.CommissionReported):
            self._costs_told.add(event.exec_id)
        self._sink(event)
        self._faults.point(f"callback:{name}:after")


def shares_of(broker: Broker) -> float:
    """Shares in the account, as they are and not as they are shown."""
    return broker.held.get(STOCK, 0.0)
