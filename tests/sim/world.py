"""The simulation: days of a market, an account and a database, and the engines that live and die in between."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from bifrost.calendar import Session, TradingCalendar, new_york
from bifrost.clock import from_epoch
from bifrost.config import load_config
from bifrost_engine.app.ports import MakeTape
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.state import Rules, State

from .broker import Broker
from .clock import Agenda, Finished
from .database import Command, Database
from .exchange import Exchange
from .faults import Faults
from .gateway import GatewayState
from .invariants import Referee, Violation
from .life import Life, Surroundings, Tape, virtual
from .troubles import Drill, Troubles

#: The desk must be at rest again so long after the last trouble ended, wall seconds.
SETTLE_LIMIT_S = 420.0
_RECOVERING = (TradingState.BOOT, TradingState.SYNC, TradingState.SAFE, TradingState.IDLE, TradingState.ARMED)


@dataclass
class Outcome:
    """What a run came to."""

    seed: int
    days: int
    tape: str = ""
    events: int = 0
    lives: int = 0
    orders: int = 0
    executions: int = 0
    checks: int = 0
    interventions: int = 0
    """Times an operator had to answer before the desk was at rest."""
    faults: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    violation: str = ""
    at: str = ""
    at_s: float = 0.0

    @property
    def held(self) -> bool:
        return not self.violation


def rules_of(rng: random.Random, calendar: TradingCalendar, chosen: Mapping[str, object]) -> Rules:
    """A configuration drawn from the seed: order types, limits, scopes; ``chosen`` keys stand as they are given."""
    keys: dict[str, object] = {
        "gates.guard.risk.paper_trade": False,
        "clock.source": "wall",
        # No early exercise at a rate of zero: the European formula is the American price, and quick.
        "greeks.risk_free_rate": 0.0,
        "gates.strategy.structure.min_dte": 1,
        "gates.strategy.structure.max_dte": 45,
        "gates.strategy.structure.atm_band_pct": 0.2,
        "gates.guard.risk.max_position_shares": 6000,
        "gates.guard.risk.max_daily_hedge_count": rng.choice((25, 200, 200)),
        "gates.guard.risk.max_daily_loss_usd": rng.choice((300.0, 1500.0, 50000.0)),
        "gates.guard.risk.on_breaker": rng.choice(("halt", "halt", "forced_only")),
        "gates.intent.hedge.cooldown_seconds": rng.choice((0.0, 0.0, 20.0, 60.0)),
        "gates.intent.hedge.min_price_move_pct": rng.choice((0.0, 0.2)),
        "gates.intent.hedge.max_hedge_shares_per_order": rng.choice((60, 500)),
        "order.order_type": rng.choice(("market", "limit")),
        "order.after_reprices": rng.choice(("market", "give_up")),
        "ib.reset_windows": [],
        "daemon.reconcile_interval_s": rng.choice((30.0, 60.0, 120.0)),
    }
    loaded = load_config(None, env={}, overrides={**keys, **chosen})
    return Rules(loaded.config, loaded.hash, calendar)


class Simulation:
    """``days`` sessions from a day that the seed chooses. `run` never raises for a broken invariant: it reports."""

    def __init__(
        self, seed: int, days: int, *, faults_per_day: float = 12.0, noise: float = 0.0, drill: Drill | None = None
    ) -> None:
        self.seed, self.days = seed, days
        self.rng = random.Random(seed)
        self.calendar = TradingCalendar()
        first = date(2024, 1, 2) + timedelta(days=self.rng.randrange(700))
        self.sessions = self.calendar.sessions_between(first, first + timedelta(days=2 * days + 14))[:days]
        self.agenda = Agenda(self.sessions[0].open_s - 1800.0)
        self.agenda.calm = self.calm
        self.exchange = Exchange(random.Random(self.rng.random()), self.calendar)
        self.broker = Broker(self.agenda, self.exchange, self.rng)
        self.broker.slow_fills_s = self.rng.choice((0.5, 2.0, 8.0))
        self.database = Database()
        self.gateway = GatewayState()
        self.faults = Faults(self.rng, noise)
        self.faults.fatal = lambda: self.life.gateway.die() if self.life is not None else None
        self.rules = rules_of(self.rng, self.calendar, drill.keys if drill is not None else {})
        self.tape = Tape()
        self.make_tape: MakeTape | None = None
        self.life: Life | None = None
        self.referee = Referee(self.broker, self.database, self.rules, lambda: self.life)
        self.outcome = Outcome(seed, days)
        self.troubles = Troubles(self, faults_per_day, drill)
        self.restart_s = 0.0
        """The supervisor starts a new engine then."""
        self._busy_until_s = 0.0
        self._deadline_s = 0.0
        self._checking = False
        self._settled_s = 0.0
        sign = self.rng.choice((1.0, 1.0, -1.0))
        self.contracts = sign * self.rng.choice((8.0, 12.0, 20.0))
        if drill is not None and drill.contracts is not None:
            self.contracts = drill.contracts

    # -- calm and busy

    def busy(self, seconds: float) -> None:
        """Beat as often as live for the next seconds."""
        self._busy_until_s = max(self._busy_until_s, self.agenda.now_s + seconds)

    def calm(self) -> bool:
        now_s, state = self.agenda.now_s, self.state
        if now_s < self._busy_until_s or state is None or self.life is None or self.life.hedger is None:
            return False
        if state.order is not None or state.restored or self.broker.open_orders():
            return False
        if not state.link.up or not state.recon.done:
            return now_s - self.life.started_s > 600.0 and not self.calendar.is_open_s(now_s)
        return state.trading not in _RECOVERING or now_s - state.trading_since_s > 120.0

    @property
    def state(self) -> State | None:
        return self.life.state if self.life is not None else None

    # -- the run

    def run(self, until_s: float = float("inf")) -> Outcome:
        """Play the days, not past ``until_s`` (epoch seconds); returns what they came to."""
        for session in self.sessions:
            self._plan(session)
        self.agenda.at(min(self.sessions[-1].close_s + 5 * 3600.0, until_s), self._finish)
        try:
            with virtual(self.agenda, self.rng, self._current) as critical:
                try:
                    self._live()
                finally:
                    if critical.lines and not self.outcome.violation:
                        self.outcome.violation = critical.lines[0]
        except Finished:
            pass
        except Violation as error:
            self.outcome.violation = str(error)
        return self._report()

    def _current(self) -> Life:
        assert self.life is not None
        return self.life

    def _live(self) -> None:
        while True:
            self.agenda.run_until(self.restart_s)
            self.referee.life_began()
            self.outcome.lives += 1
            self.life = Life(self.surroundings, self.referee.heard)
            self.life.gateway.before_place = self.referee.order_leaves
            self.busy(20.0)
            code = self.life.run()
            self.life = None
            if code not in (0, None):
                raise Violation(f"the engine ended by itself with code {code}")
            self.restart_s = self.agenda.now_s + self.rng.choice((0.5, 2.0, 2.0, 15.0, 60.0))
            self.settle_soon()

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(
            self.agenda,
            self.exchange,
            self.broker,
            self.gateway,
            self.database,
            self.faults,
            self.rng,
            self.rules,
            self.tape,
            self.make_tape,
        )

    def _finish(self) -> None:
        raise Finished("the days are over")

    def _report(self) -> Outcome:
        outcome = self.outcome
        outcome.tape, outcome.events = self.tape.hash, self.tape.events
        outcome.orders, outcome.executions = len(self.broker.orders), len(self.broker.executions)
        outcome.checks = self.referee.checks
        outcome.faults, outcome.points = self.faults.struck, self.faults.points
        outcome.days = sum(session.close_s <= self.agenda.now_s for session in self.sessions)
        if outcome.violation:
            outcome.at_s = self.agenda.now_s
            outcome.at = new_york(from_epoch(self.agenda.now_s)).isoformat(timespec="milliseconds")
        return outcome

    # -- a day

    def _plan(self, session: Session) -> None:
        agenda = self.agenda
        agenda.at(session.open_s, lambda: self._minute(session))
        agenda.at(session.open_s + self.rng.uniform(60, 600), lambda: self._open_structure(session.day))
        agenda.at(session.close_s, lambda: self._close(session))
        agenda.at(session.close_s + 900.0, self.settle_soon)
        agenda.at(session.close_s + 3 * 3600.0, lambda: self._expire(session.day))
        for hour in range(1, 17):
            agenda.at(session.close_s + hour * 3600.0, self._night)
        self.troubles.plan(session)

    def _minute(self, session: Session) -> None:
        now_s = self.agenda.now_s
        if now_s >= session.close_s:
            return
        self.exchange.move(now_s)
        self.tick()
        if self.rng.random() < 0.02:
            self.burst(30.0)
        self.agenda.at(now_s + 60.0, lambda: self._minute(session))

    def burst(self, seconds: float) -> None:
        """Ticks every second or two, and a market that moves."""
        self.busy(seconds)
        end_s = self.agenda.now_s + seconds

        def tick() -> None:
            self.exchange.move(self.agenda.now_s, 0.9)
            self.tick()
            if self.agenda.now_s < end_s:
                self.agenda.after(self.rng.uniform(0.3, 2.5), tick)

        self.agenda.after(self.rng.uniform(0.1, 1.0), tick)

    def tick(self) -> None:
        if self.life is not None:
            self.life.gateway.tick()

    def _night(self) -> None:
        if not self.calendar.is_open_s(self.agenda.now_s):
            self.tick()

    def _open_structure(self, today: date) -> None:
        """The operator buys or writes a straddle when there is none."""
        if any(key.is_option and quantity for key, quantity in self.broker.held.items()):
            return
        if self.life is None or not self.life.gateway.connected:
            self.agenda.after(300.0, lambda: self._open_structure(today))
            return
        for key in self.exchange.straddle(today, self.rng.choice((6, 9, 16, 28))):
            self.broker.trade_of_operator(key, self.contracts, 5.0)
        self.busy(60.0)
        self.settle_soon()

    def _close(self, session: Session) -> None:
        self.broker.end_of_session()
        self.exchange.previous_close = self.exchange.spot
        self.tick()
        self.busy(10.0)

    def _expire(self, today: date) -> None:
        expired = [key for key in self.broker.held if key.is_option and key.expiry_date <= today]
        state = self.state
        for key in expired:
            leg = state.legs.get(key) if state is not None else None
            stored = any(
                row["contract_key"] == str(key) and not row.get("released_at")
                for row in self.database.rows("managed_legs")
            )
            self.broker.settle(key, managed=(leg is not None and leg.managed) or (state is None and stored))
        if expired:
            self.busy(120.0)
            self.settle_soon()

    # -- the operator

    def command(self, command: str, **args: object) -> None:
        """A row of daemon_control and its notification."""
        if self.database.down:
            return
        number = len(self.database.commands) + 1
        if command in ("suspend", "resume"):
            self.database.suspended = command == "suspend"
        self.database.commands[number] = Command(command, args, self.agenda.now_s)
        if self.life is not None and self.life.desk is not None and hasattr(self.life, "control"):
            self.agenda.after(0.05, self._notify)
        self.busy(15.0)

    def _notify(self) -> None:
        if self.life is not None and hasattr(self.life, "control"):
            self.life.control.poll()

    # -- at rest again

    def settle_soon(self) -> None:
        """Something ended that may have cost a message: the desk must come to rest and everything must agree."""
        self._deadline_s = self.agenda.now_s + SETTLE_LIMIT_S
        if not self._checking:
            self._checking = True
            self.agenda.after(10.0, self._settle)

    def settled_since(self, after_open_s: float) -> bool:
        """Whether the desk has been seen at rest so long after the first opening or later."""
        return self._settled_s >= self.sessions[0].open_s + after_open_s

    def _settle(self) -> None:
        if self.troubles.standing or self.life is None or self.agenda.now_s - self.life.started_s < 30.0:
            self._deadline_s = self.agenda.now_s + SETTLE_LIMIT_S
            self.busy(6.0)
            self.agenda.after(5.0, self._settle)
            return
        why = self.referee.unsettled()
        if not why:
            self._checking, self._settled_s = False, self.agenda.now_s
            self.referee.check()
            return
        if self.agenda.now_s > self._deadline_s:
            raise Violation(f"not at rest {SETTLE_LIMIT_S:g} s after the last trouble: {why}")
        self.busy(6.0)
        self.agenda.after(5.0, self._settle)
