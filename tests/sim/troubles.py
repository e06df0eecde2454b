"""The troubles of a day: which, when and how long, all from the seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count, cycle, takewhile
from typing import TYPE_CHECKING

from bifrost.calendar import Session
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.words import Side

from .exchange import HALF_SPREAD_USD, STOCK

if TYPE_CHECKING:
    from .world import Simulation

#: Where a kill may strike while an order is under way; each stands for every point whose name begins so.
ORDER_POINTS = (
    "effect:PlaceOrder:before",
    "effect:PlaceOrder:after",
    "effect:CancelOrder:before",
    "effect:CancelOrder:after",
    "effect:ModifyOrder:before",
    "effect:ModifyOrder:after",
    "effect:FetchTruth:before",
    "effect:FetchTruth:after",
    "statement:order_intents:before",
    "statement:order_intents:after",
    "statement:rows:before",
    "statement:rows:after",
    "callback:status:before",
    "callback:status:after",
    "callback:execution:before",
    "callback:execution:after",
    "callback:commission:before",
    "callback:commission:after",
    "callback:positions:before",
    "callback:positions:after",
    "callback:error:before",
    "callback:error:after",
)
#: And while an engine starts, after an earlier kill.
START_POINTS = (
    "await:lease:before",
    "await:lease:after",
    "await:restore:before",
    "await:restore:after",
    "await:connect:before",
    "await:connect:after",
    "await:open_orders:before",
    "await:open_orders:after",
    "await:completed:before",
    "await:completed:after",
    "await:executions:before",
    "await:executions:after",
    "await:positions:before",
    "await:positions:after",
    "await:accounts:before",
    "await:accounts:after",
    "statement:",
    "callback:",
    "effect:",
)
#: And while rows go to the spool or come back from it.
OUTAGE_POINTS = ("spool:append:before", "spool:append:after", "statement:replay:before", "statement:replay:after")


@dataclass(frozen=True)
class Drill:
    """Days of the same few troubles, one after the other from open to close: what they lead to is sure to happen."""

    troubles: tuple[str, ...]
    keys: Mapping[str, object] = field(default_factory=dict)
    """Configuration that the drill needs, by its dotted key."""
    first_s: float = 900.0
    """After the opening."""
    every_s: float = 300.0
    until_s: float = float("inf")
    """After the opening; never in the last minutes of a session."""
    contracts: float | None = None
    """The straddle's size, negative when written; None: as the seed has it."""


class Troubles:
    """Brings them about; `standing` counts those that have not ended."""

    def __init__(self, world: Simulation, per_day: float, drill: Drill | None = None) -> None:
        self._world = world
        self._per_day = per_day
        self._drill = drill
        self.standing = 0
        self._kinds: tuple[tuple[float, str, Callable[[], None]], ...] = (
            (6.0, "kill", self.kill),
            (2.5, "kill twice", self.kill_twice),
            (1.5, "kill in an outage", self.kill_in_outage),
            (2.0, "cut", self.cut),
            (1.0, "cut with failing queries", self.cut_with_failing_queries),
            (2.0, "1100", self.lose_connectivity),
            (1.0, "silence", self.silence),
            (4.0, "noise", self.noise),
            (1.5, "reject", self.reject),
            (1.5, "lost order", self.lose_order),
            (1.5, "late order", self.delay_order),
            (1.5, "failing queries", self.fail_queries),
            (2.0, "database down", self.database_down),
            (1.5, "database slow", self.database_slow),
            (1.0, "broken commit", self.break_commit),
            (1.0, "commit in doubt", self.doubt_commit),
            (1.0, "lease taken", self.take_lease),
            (1.0, "bad quotes", self.bad_quotes),
            (1.0, "gap", self.gap),
            (1.0, "suspend", self.suspend),
            (0.7, "flatten", self.flatten),
            (1.0, "operator trades", self.operator_trades),
            (0.5, "assignment", self.assign),
            (0.5, "correction", self.correct),
            (0.7, "stop", self.stop),
            (0.5, "reset breaker", self.reset_breaker),
        )

    def plan(self, session: Session) -> None:
        """Spread a day's troubles over its session, with a few for the night."""
        world, rng = self._world, self._world.rng
        if self._drill is not None:
            self._plan_drill(session, self._drill)
            return
        count = int(self._per_day) + (rng.random() < self._per_day % 1.0)
        weights = [weight for weight, _, _ in self._kinds]
        for _ in range(count):
            _, name, strike = rng.choices(self._kinds, weights)[0]
            at_s = rng.uniform(session.open_s + 120.0, session.close_s - 300.0)
            world.agenda.at(at_s, partial(self._strike, name, strike))
        if self._per_day:
            if rng.random() < 0.4:
                world.agenda.at(session.close_s + 7.9 * 3600.0, lambda: self._down(rng.uniform(30.0, 900.0)))
            if rng.random() < 0.3:
                at_s = session.close_s + rng.uniform(600.0, 15 * 3600.0)
                world.agenda.at(at_s, partial(self._strike, "kill at night", self._kill_now))

    def _plan_drill(self, session: Session, drill: Drill) -> None:
        known = {name: strike for _, name, strike in self._kinds}
        end_s = min(session.close_s - 300.0, session.open_s + drill.until_s)
        moments = takewhile(lambda at_s: at_s < end_s, count(session.open_s + drill.first_s, drill.every_s))
        for at_s, name in zip(moments, cycle(drill.troubles), strict=False):
            self._world.agenda.at(at_s, partial(self._strike, name, known[name]))

    def _strike(self, name: str, strike: Callable[[], None]) -> None:
        world = self._world
        world.faults.strike(name)
        if world.rng.random() < 0.75:
            # Something to hedge, so that the trouble meets an order under way.
            self._provoke()
        world.agenda.after(world.rng.uniform(0.0, 3.0), strike)

    def _provoke(self) -> None:
        world = self._world
        if world.calendar.is_open_s(world.agenda.now_s):
            world.exchange.jump(world.rng.choice((-1, 1)) * world.rng.uniform(0.005, 0.012))
            world.tick()
            world.burst(world.rng.uniform(10.0, 30.0))

    def _lasting(self, seconds: float, end: Callable[[], None] = lambda: None) -> None:
        """A trouble that stands for ``seconds``; afterwards the desk must recover."""
        world = self._world
        self.standing += 1
        world.busy(min(seconds, 40.0) + 10.0)
        if world.rng.random() < 0.6:
            # A need that arises in its midst: what must not be sent has to be wanted first.
            world.agenda.after(world.rng.uniform(0.0, min(seconds, 30.0)), self._provoke)

        def ended() -> None:
            self.standing -= 1
            end()
            world.busy(20.0)
            world.settle_soon()

        world.agenda.after(seconds, ended)

    # -- the process

    def kill(self) -> None:
        """Somewhere in the life of an order."""
        rng = self._world.rng
        self._world.faults.arm_kill(rng.choice(ORDER_POINTS), rng.choice((1, 1, 1, 2, 3, 8)))
        self._lasting(60.0, self._kill_if_spared)

    def kill_twice(self) -> None:
        """The second one while the first is being recovered from."""
        rng = self._world.rng
        self._kill_now()
        self._world.faults.arm_kill(rng.choice(START_POINTS), rng.choice((1, 1, 2, 5)))
        self._lasting(90.0, self._world.faults.disarm)

    def kill_in_outage(self) -> None:
        """While rows are on their way into the spool, or out of it."""
        rng, database = self._world.rng, self._world.database
        database.down = True
        self._world.faults.arm_kill(rng.choice(OUTAGE_POINTS), rng.choice((1, 2, 5, 12)))
        self._lasting(rng.choice((3.0, 15.0)), lambda: setattr(database, "down", False))
        self._lasting(45.0, self._world.faults.disarm)

    def _kill_if_spared(self) -> None:
        if self._world.faults.armed:
            self._world.faults.disarm()
            self._kill_now()

    def _kill_now(self) -> None:
        world = self._world
        if world.life is not None:
            self._lasting(1.0)
            world.faults.kill("now")

    def stop(self) -> None:
        """SIGTERM: an ordered end; the supervisor is told to start it again."""
        if self._world.life is not None:
            self._world.life.stop()
            self._lasting(10.0)

    # -- the wire

    def _drop(self) -> None:
        world = self._world
        if world.life is not None:
            world.life.gateway.disconnect("the gateway closed the socket")

    def cut(self) -> None:
        self._down(self._world.rng.choice((0.0, 1.0, 5.0, 40.0)))

    def cut_with_failing_queries(self) -> None:
        """The link is back, and what stands at the broker cannot be read yet: whoever hedges now hedges blindly."""
        self.cut()
        self.fail_queries()

    def _down(self, seconds: float) -> None:
        world = self._world
        world.gateway.down_until_s = world.agenda.now_s + seconds
        self._drop()
        self._lasting(seconds + 1.0)

    def lose_connectivity(self) -> None:
        """1100, then 1101 or 1102; longer than the engine keeps the socket, sometimes."""
        world, gateway = self._world, self._world.gateway
        if gateway.cut_off:
            return
        gateway.cut_off = True
        self._tell(lambda: ev.ConnectivityLost(self._now()))
        code = world.rng.choice((1101, 1102))

        def restored() -> None:
            gateway.cut_off = False
            self._tell(lambda: ev.ConnectivityRestored(self._now(), code))
            world.tick()

        self._lasting(world.rng.choice((2.0, 15.0, 60.0, 150.0)), restored)

    def _now(self):  # type: ignore[no-untyped-def]
        life = self._world.life
        assert life is not None
        return life.clock.now()

    def _tell(self, make: Callable[[], ev.Event]) -> None:
        if self._world.life is not None:
            self._world.life.gateway.tell("connectivity", make)

    def silence(self) -> None:
        gateway = self._world.gateway
        gateway.silent = True

        def over() -> None:
            gateway.silent = False
            self._world.tick()

        self._lasting(self._world.rng.choice((2.0, 6.0, 30.0)), over)

    def noise(self) -> None:
        """Messages about orders are lost, repeated, late and out of order."""
        faults, before = self._world.faults, self._world.faults.noise
        faults.noise = self._world.rng.choice((0.1, 0.3, 0.6))

        def over() -> None:
            faults.noise = before

        self._lasting(self._world.rng.choice((30.0, 90.0)), over)

    def fail_queries(self) -> None:
        self._world.gateway.fail_queries = self._world.rng.randint(1, 4)
        self._lasting(60.0, lambda: setattr(self._world.gateway, "fail_queries", 0))

    # -- orders

    def reject(self) -> None:
        self._world.gateway.reject_next = self._world.rng.randint(1, 4)
        self._lasting(90.0, lambda: setattr(self._world.gateway, "reject_next", 0))

    def lose_order(self) -> None:
        self._world.gateway.lose_orders = 1
        self._lasting(60.0, lambda: setattr(self._world.gateway, "lose_orders", 0))

    def delay_order(self) -> None:
        """The frame of an order hangs in the gateway past every acknowledgement time-out, and arrives all the same."""
        self._world.gateway.delay_orders_s = self._world.rng.uniform(2.0, 9.0)
        self._lasting(60.0, lambda: setattr(self._world.gateway, "delay_orders_s", 0.0))

    def correct(self) -> None:
        """IB corrects the price of an execution of today."""
        ours = [e for e in self._world.broker.todays_executions() if e.order_ref]
        if ours:
            execution = self._world.rng.choice(ours)
            self._world.broker.correct(execution, round(execution.price + 0.01, 2))
            self._lasting(5.0)

    # -- the database

    def database_down(self) -> None:
        world, database = self._world, self._world.database
        database.down = True
        self._lasting(world.rng.choice((1.0, 5.0, 30.0, 120.0)), lambda: setattr(database, "down", False))

    def database_slow(self) -> None:
        database = self._world.database
        database.slow_s = self._world.rng.choice((0.3, 2.0, 12.0))
        self._lasting(self._world.rng.choice((20.0, 60.0)), lambda: setattr(database, "slow_s", 0.0))

    def break_commit(self) -> None:
        self._world.database.refuse_commits = self._world.rng.randint(1, 3)
        self._lasting(30.0, lambda: setattr(self._world.database, "refuse_commits", 0))

    def doubt_commit(self) -> None:
        self._world.database.doubtful_commits = self._world.rng.randint(1, 3)
        self._lasting(30.0, lambda: setattr(self._world.database, "doubtful_commits", 0))

    def take_lease(self) -> None:
        """Another engine was started elsewhere and leads for a while, without ever getting past the client id."""
        world, database = self._world, self._world.database
        if database.down:
            return
        database.epoch += 1
        database.other_leads_until_s = world.agenda.now_s + world.rng.uniform(2.0, 20.0)
        self._lasting(25.0)

    # -- the market

    def bad_quotes(self) -> None:
        world, exchange = self._world, self._world.exchange
        match world.rng.randrange(3):
            case 0:
                exchange.half_spread = round(exchange.spot * 0.004, 2)
            case 1:
                exchange.one_sided = True
            case _:
                exchange.shown = round(exchange.spot * world.rng.choice((0.96, 1.04)), 2)
        world.tick()

        def over() -> None:
            exchange.half_spread, exchange.one_sided = HALF_SPREAD_USD, False
            exchange.shown = exchange.spot
            world.tick()

        self._lasting(world.rng.choice((1.0, 10.0, 40.0)), over)

    def gap(self) -> None:
        self._world.exchange.jump(self._world.rng.choice((-1, 1)) * self._world.rng.uniform(0.012, 0.04))
        self._world.burst(30.0)
        self._lasting(20.0)

    # -- people

    def suspend(self) -> None:
        self._world.command("suspend")
        self._lasting(self._world.rng.choice((5.0, 60.0, 240.0)), lambda: self._world.command("resume"))

    def flatten(self) -> None:
        self._world.command("flatten", target=self._world.rng.choice(("zero", "delta")), force=False)
        self._lasting(120.0, lambda: self._world.command("resume"))

    def reset_breaker(self) -> None:
        self._world.command("reset_breaker")
        self._lasting(5.0)

    def operator_trades(self) -> None:
        """The human buys or sells shares of the same stock in the same account."""
        world = self._world
        shares = float(world.rng.choice((-1, 1)) * world.rng.choice((7, 100, 250)))
        world.broker.trade_of_operator(STOCK, shares, world.exchange.touch(Side.of(shares) is Side.BUY))
        self._lasting(15.0)

    def assign(self) -> None:
        """Some contracts of a short leg are assigned before expiry."""
        world, state = self._world, self._world.state
        if state is None or not state.recon.done or self.standing:
            return
        legs = [leg for leg in state.legs.values() if leg.managed and leg.quantity <= -2]
        if legs:
            world.broker.assign(world.rng.choice(legs).key, -1.0, managed=True)
            self._lasting(15.0)
