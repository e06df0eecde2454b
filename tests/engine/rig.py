"""A bench for `decide`: an account with a straddle, a quote, and a broker that does what a test tells it to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from bifrost.calendar import TradingCalendar
from bifrost.config import Config, load_config
from bifrost.contract import ContractKey, contract_key
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.decide import Step, decide
from bifrost_engine.domain.ledger.restore import OpenIntent, Restored, initial_state
from bifrost_engine.domain.state import Rules, State
from bifrost_engine.domain.words import (
    BrokerOrder,
    BrokerPosition,
    Execution,
    Mode,
    OrderErrorKind,
    OrderIntent,
    Quote,
    Times,
    Trigger,
)

ACCOUNT = "DU1234567"
STOCK = contract_key("NVDA", "STK")
CALL = contract_key("NVDA", "OPT", "20260605", 140.0, "C")
PUT = contract_key("NVDA", "OPT", "20260605", 140.0, "P")
#: Thursday 7 May 2026, 10:00 New York.
START_S = 1778162400.0
T = TypeVar("T")


def rules(*, always_open: bool = True, **keys: Any) -> Rules:
    """Rules from the defaults and dotted keys (``gates__guard__risk__on_breaker='halt'``)."""
    overrides = {
        "gates.guard.risk.paper_trade": False,
        "clock.source": "wall",
        "gates.guard.risk.max_position_shares": 5000,
    }
    overrides |= {name.replace("__", "."): value for name, value in keys.items()}
    loaded = load_config(None, env={}, overrides=overrides)
    return Rules(loaded.config, loaded.hash, TradingCalendar(always_open=always_open))


@dataclass(frozen=True)
class Left:
    """An order at the moment it left."""

    intent: OrderIntent
    state: State
    working: tuple[str, ...]


@dataclass
class Rig:
    """Holds the state between events and remembers every effect."""

    rules: Rules
    restored: Restored = field(default_factory=lambda: Restored(ACCOUNT, Mode.LIVE, sequence=range(1, 1000)))
    wall_s: float = 1_000_000.0
    market_s: float | None = START_S
    spot: float = 140.0
    shares: float = 0.0
    legs: dict[ContractKey, float] = field(default_factory=lambda: {CALL: 20.0, PUT: 20.0})
    effects: list[fx.Effect] = field(default_factory=list)
    broker: dict[str, OrderIntent] = field(default_factory=dict)
    """What the broker holds as working, by order_ref."""
    completed: dict[str, tuple[OrderIntent, str]] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    answers_truth: bool = True
    intents_durable: bool = True
    halted: bool = False
    """The exchange has halted the stock (tick 49)."""
    left: list[Left] = field(default_factory=list)
    """Orders as they left, each with what the engine knew and what already worked at the broker."""
    _orders: int = 100
    _fills: int = 0

    def __post_init__(self) -> None:
        self.state, self.notes = initial_state(self.restored, self.rules, self.at)

    @property
    def at(self) -> Times:
        return Times(self.wall_s, self.market_s)

    @property
    def config(self) -> Config:
        return self.rules.config

    # ------------------------------------------------------------ events

    def send(self, event: ev.Event) -> Step:
        """Feed one event and answer what it asks for at once: durable intents and the broker's truth."""
        before = self.state
        step = decide(self.state, event, self.rules)
        assert self.state is before
        self.state = step.state
        self.effects += step.effects
        for effect in step.effects:
            if isinstance(effect, fx.PersistIntent) and self.intents_durable:
                self.send(ev.IntentDurable(self.at, effect.intent.order_ref))
            elif isinstance(effect, fx.PlaceOrder):
                self._orders += 1
                self.left.append(Left(effect.intent, step.state, tuple(self.broker)))
                self.broker[effect.intent.order_ref] = effect.intent
                self.send(ev.OrderPlaced(self.at, effect.intent.order_ref, self._orders))
            elif isinstance(effect, fx.FetchTruth) and self.answers_truth:
                self.truth(effect.trigger)
        return step

    def pass_time(self, seconds: float, step_s: float = 0.25) -> None:
        """Let both clocks run, with quotes coming in."""
        end = self.wall_s + seconds
        while self.wall_s < end - 1e-9:
            self.wall_s += step_s
            if self.market_s is not None:
                self.market_s += step_s
            self.quote(self.spot)
            self.send(ev.TimePassed(self.at, self.wall_s))

    def quote(self, spot: float, spread: float = 0.02) -> Step:
        """A stock quote around ``spot`` and option quotes to match."""
        self.spot = spot
        stock = Quote(STOCK, spot - spread / 2, spot + spread / 2, 500, 500, spot, self.wall_s, halted=self.halted)
        quotes = [stock]
        for key in self.legs:
            model = {"model_iv_annual": 0.35, "model_wall_s": self.wall_s}
            quotes.append(Quote(key, 5.40, 5.60, 50, 50, 5.5, self.wall_s, **model))
        return self.send(ev.QuotesChanged(self.at, tuple(quotes), self.wall_s, self.wall_s))

    def start(self) -> None:
        """Lease, database, suspension read, link, and time until the machine watches."""
        self.send(ev.DatabaseChanged(self.at, True))
        self.send(ev.LeaseChanged(self.at, True))
        self.send(ev.SuspensionRead(self.at, False))
        self.link_up()
        self.pass_time(8)

    def link_up(self) -> None:
        self.send(ev.LinkUp(self.at, (ACCOUNT,), 1))

    def truth(self, trigger: Trigger = Trigger.PERIODIC, ok: bool = True) -> None:
        """What the broker shows now."""
        self.send(
            ev.BrokerTruth(
                self.at,
                trigger,
                ok,
                self.wall_s,
                "" if ok else "timed out",
                open_orders=tuple(self._order(i, "Submitted") for i in self.broker.values()),
                completed_orders=tuple(self._order(i, s, completed=True) for i, s in self.completed.values()),
                executions=tuple(self.executions),
                positions=self.positions(),
            )
        )

    def positions(self) -> tuple[BrokerPosition, ...]:
        held = [BrokerPosition(ACCOUNT, key, n, 550.0, 1, 100.0, "NVDA") for key, n in self.legs.items() if n]
        if self.shares:
            held.append(BrokerPosition(ACCOUNT, STOCK, self.shares, 140.0))
        return tuple(held)

    def _order(self, intent: OrderIntent, status: str, completed: bool = False) -> BrokerOrder:
        filled = sum(e.quantity for e in self.executions if e.order_ref == intent.order_ref)
        identity = (intent.order_ref, ACCOUNT, STOCK, intent.side, intent.quantity)
        return BrokerOrder(*identity, filled, status, 7001, 101, 1, None, completed)

    # ------------------------------------------------------------ the broker

    def status(self, order_ref: str, status: str, filled: float = 0.0) -> None:
        intent = self.broker.get(order_ref) or self.completed[order_ref][0]
        self.send(ev.OrderStatusReported(self.at, order_ref, status, filled, intent.quantity - filled, None, 7001, 101))

    def fill(
        self, order_ref: str, quantity: int | None = None, price: float | None = None, *, tell: bool = True
    ) -> Execution:
        """Fill at the broker; ``tell`` False keeps the engine in the dark."""
        intent = self.broker[order_ref]
        done = sum(e.quantity for e in self.executions if e.order_ref == order_ref)
        quantity = quantity if quantity is not None else round(intent.quantity - done)
        self._fills += 1
        execution = Execution(
            f"0001.{self._fills:04d}.01",
            ACCOUNT,
            STOCK,
            intent.side,
            quantity,
            price if price is not None else self.spot,
            self.market_s or 0.0,
            order_ref,
            7001,
            101,
            1,
        )
        self.executions.append(execution)
        self.shares += execution.signed_quantity
        if done + quantity >= intent.quantity:
            self.completed[order_ref] = (self.broker.pop(order_ref), "Filled")
        if tell:
            self.send(ev.ExecutionReported(self.at, execution))
        return execution

    def cancel(self, order_ref: str, *, tell: bool = True) -> None:
        self.completed[order_ref] = (self.broker.pop(order_ref), "Cancelled")
        if tell:
            self.status(order_ref, "Cancelled")

    def reject(self, order_ref: str, code: int = 201) -> None:
        self.broker.pop(order_ref)
        self.send(ev.OrderErrorReported(self.at, order_ref, code, OrderErrorKind.REJECT, "not accepted"))

    def restart(self, **changes: Any) -> Rig:
        """A new life on what the database would hold now; the broker goes on as it is."""
        rows = [e for e in self.effects if isinstance(e, fx.RecordExecution)]
        days = [e.row for e in self.effects if isinstance(e, fx.RecordTradingDay)]
        legs = {str(e.row["contract_key"]): e.row for e in self.effects if isinstance(e, fx.RecordLeg)}
        base = [e for e in self.effects if isinstance(e, fx.RecordBaseline)]
        intents = {e.intent.order_ref: e.intent for e in self.effects if isinstance(e, fx.PersistIntent)}
        states = {e.order_ref: e.state for e in self.effects if isinstance(e, fx.RecordIntentState)}
        open_states = {"intent", "sent", "working", "unknown"}
        restored = Restored(
            ACCOUNT,
            self.state.mode,
            executions=tuple(e.execution for e in rows),
            open_intents=tuple(
                OpenIntent(intent, str(states.get(ref, "intent")), 0, 0)
                for ref, intent in intents.items()
                if str(states.get(ref, "intent")) in open_states
            ),
            trading_day=days[-1] if days else None,
            legs=tuple(legs.values()),
            baseline={"shares": base[-1].shares, "origin": base[-1].origin} if base else None,
            sequence=range(self.state.sequence_stop, self.state.sequence_stop + 1000),
            last_market_s=self.market_s,
        )
        again = Rig(
            self.rules,
            replace(restored, **changes),
            wall_s=self.wall_s + 1,
            market_s=self.market_s,
            spot=self.spot,
            shares=self.shares,
            legs=dict(self.legs),
            broker=dict(self.broker),
            completed=dict(self.completed),
            executions=list(self.executions),
        )
        again._fills, again._orders = self._fills, self._orders
        return again

    # ------------------------------------------------------------ what came out

    def of(self, kind: type[T]) -> list[T]:
        """The effects of one kind, in order."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def last(self, kind: type[T]) -> T:
        found = self.of(kind)
        assert found, f"no {kind.__name__} among {[type(e).__name__ for e in self.effects]}"
        return found[-1]

    def alerts(self) -> list[str]:
        return [alert.code for alert in self.of(fx.Alert)]

    def operations(self) -> list[str]:
        return [str(operation.type) for operation in self.of(fx.RecordOperation)]
