"""Breaks the desk again and again, by seed; after each recovery nothing may be lost, doubled or forgotten."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .invariants import OUTAGE_GRACE_S, SUSPENSION_GRACE_S, Checker, CounterWatch, Window, now_s
from .world import World

#: From the end of a blow until the engine hedges again by itself, and until a suspended desk is at rest (wall s).
#: They only end a wait without end: a busy machine gets its time, the record tells how long recoveries took.
RECOVERY_S = 150.0
#: A recovery that takes longer says in the record what held it up.
SLOW_S = 15.0
SETTLE_S = 150.0
#: A standby leads so soon after its leader was killed (wall s).
TAKE_OVER_S = 5.0
#: `stop` ends leader and standby within so long; afterwards nobody may wake for so long.
STOP_S, STOPPED_S = 30.0, 4.0
ORDER_FAULTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("ack_lost", {"count": 1}),
    ("fill_partial", {"count": 1, "fraction": 0.5, "then": "hold"}),
    ("fill_partial", {"count": 1, "fraction": 0.3, "then": "rest", "rest_after_s": 1.0}),
    ("fill_partial", {"count": 1, "fraction": 0.5, "then": "cancel"}),
    ("order_rejected_201", {"count": 1}),
)


class Broken(AssertionError):
    """The desk did not hold; the message lists what is wrong."""


@dataclass
class Story:
    """What was done and what came of it."""

    blows: list[dict[str, object]] = field(default_factory=list)
    failures: list[dict[str, object]] = field(default_factory=list)
    orders: int = 0
    executions: int = 0
    counter_looks: int = 0
    take_overs_s: list[float] = field(default_factory=list)
    """From each kill of a leader until its standby held the lease."""

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for blow in self.blows:
            name = str(blow["kind"])
            found[name] = found.get(name, 0) + 1
        return found


class Chaos:
    """One run.

    Parameters
    ----------
    seed : int
        Of the blows and their moments; the desk's own timing stays real.
    tell : callable
        Hears one line a blow.
    """

    def __init__(self, world: World, seed: int, tell: Callable[[str], None] = print) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.story = Story()
        self._tell = tell
        self._checker = Checker(world)
        self._blows: dict[str, Callable[[], str]] = {
            "kill": self._kill,
            "cut": self._cut,
            "database": self._database,
            "stop": self._stop,
            "breaker": self._breaker,
        }

    def run(
        self,
        *,
        kills: int,
        cuts: int,
        database_stops: int,
        stops: int = 0,
        breakers: int = 0,
        stop_at_first: bool = True,
        limit_s: float | None = None,
    ) -> Story:
        """Deal the blows in a seeded order; none after ``limit_s`` wall seconds.

        Raises
        ------
        Broken
            At the first violation when ``stop_at_first``, else never: they are in the story.
        """
        blows = ["kill"] * kills + ["cut"] * cuts + ["database"] * database_stops + ["stop"] * stops
        blows += ["breaker"] * breakers
        self.random.shuffle(blows)
        watch, begun = CounterWatch(self.world), time.monotonic()
        self.world.start_engine()
        self._until(self._hedging, RECOVERY_S, "the first hedge")
        watch.start()
        try:
            for number, kind in enumerate(blows, 1):
                if limit_s is not None and time.monotonic() - begun > limit_s:
                    self._tell(f"the time is up before blow {number} of {len(blows)}")
                    break
                self._blow(number, kind, watch, stop_at_first)
        finally:
            watch.end()
            self.story.orders = len(self.world.journal.order_ids())
            self.story.executions = len(self.world.journal.executed)
            self.story.counter_looks = watch.looks
        return self.story

    def _blow(self, number: int, kind: str, watch: CounterWatch, stop_at_first: bool) -> None:
        fault = self._order_fault() if self.random.random() < 0.6 else "none"
        begun = time.monotonic()
        wrong: list[str] = []
        said = ""
        try:
            said = self._blows[kind]()
            self._until(self._hedging, RECOVERY_S, "the engine to hedge again by itself")
            recovered_s = time.monotonic() - begun
            wrong = self._settled_violations() + watch.wrong
            watch.wrong = []
        except AssertionError as error:
            wrong = [str(error)]
            recovered_s = time.monotonic() - begun
        blow: dict[str, object] = {
            "kind": kind,
            "how": said,
            "order_fault": fault,
            "recovered_s": round(recovered_s, 1),
        }
        if recovered_s > SLOW_S:
            blow["blocked_by"] = self._blocked_by()
            said += f", blocked by {blow['blocked_by']}"
        self.story.blows.append(blow)
        self._tell(f"{number:3} {kind:8} {said}, order fault {fault}: hedging after {recovered_s:.1f} s")
        if wrong:
            self.story.failures.append({**blow, "number": number, "wrong": wrong})
            for sentence in wrong:
                self._tell(f"    WRONG: {sentence}")
            if stop_at_first:
                raise Broken(f"blow {number} ({kind}: {said}, order fault {fault}): " + "; ".join(wrong))

    # -- the blows

    def _order_fault(self) -> str:
        name, parameters = self.random.choice(ORDER_FAULTS)
        self.world.simulator.fault(name, **parameters)
        return f"{name} {parameters.get('then', '')}".strip()

    def _moment(self) -> str:
        """Wait for a moment worth breaking: any, or just after an order was decided."""
        if self.random.random() < 0.3:
            time.sleep(self.random.uniform(0.0, 2.0))
            return "at any moment"
        newest = "SELECT coalesce(max(decision_seq), 0) FROM order_intents"
        before, deadline = self.world.value(newest), time.monotonic() + 4.0
        while self.world.value(newest) == before and time.monotonic() < deadline:
            time.sleep(0.005)
        delay_s = self.random.choice((0.0, 0.0, self.random.uniform(0.0, 0.1), self.random.uniform(0.0, 1.0)))
        time.sleep(delay_s)
        return f"{1000 * delay_s:.0f} ms after an intent"

    def _kill(self) -> str:
        """SIGKILL; sometimes a standby waits, the desk is suspended meanwhile, or the process is frozen before."""
        standby = self.random.random() < 0.25
        if standby:
            self._add_standby()
        moment = self._moment()
        if self.random.random() < 0.15:
            frozen_s = self.random.uniform(2.0, 10.0)
            with self.world.frozen_engines():
                time.sleep(frozen_s)
            time.sleep(self.random.uniform(0.0, 1.0))
            moment += f", frozen before for {frozen_s:.0f} s"
        if standby:
            took_s = self._killed_leader_s()
            if took_s is not None:
                return f"SIGKILL {moment}, a standby took over after {took_s:.1f} s"
        self.world.kill_all()
        time.sleep(self.random.choice((0.0, 0.5, 3.0)))
        if self.random.random() < 0.2:
            window = self._suspend()
            self.world.start_engine()
            time.sleep(self.random.uniform(2.0, 5.0))
            self._resume(window)
            return f"SIGKILL {moment}, started suspended"
        self.world.start_engine()
        return f"SIGKILL {moment}"

    def _killed_leader_s(self) -> float | None:
        """Kill the leader; seconds until its standby holds the lease, None when there was none left to take it."""
        lease = "SELECT epoch FROM engine_lease WHERE owner IS NOT NULL"
        before = self.world.value(lease)
        self.world.kill_leader()
        killed = time.monotonic()
        if not self.world.alive:
            return None
        while (self.world.value(lease) or 0) <= (before or 0):
            if time.monotonic() - killed > RECOVERY_S:
                raise Broken(f"no standby took over within {RECOVERY_S:g} s")
            time.sleep(0.02)
        self.story.take_overs_s.append(round(time.monotonic() - killed, 2))
        return self.story.take_overs_s[-1]

    def _stop(self) -> str:
        """`stop` is for the desk: leader and standby end in order, nobody leads and nothing is sent afterwards."""
        self._add_standby()
        moment = self._moment()
        self.world.rows("INSERT INTO daemon_control (command) VALUES ('stop') RETURNING id")
        for engine in self.world.alive:
            code = engine.exit_code(STOP_S)
            if code != 0:
                raise Broken(f"an engine ended a stop with code {code}: {engine.log[-2000:]}")
        window = Window("the desk was stopped", now_s())
        self._checker.windows.append(window)
        lease = "SELECT owner, epoch, stopped_at IS NOT NULL FROM engine_lease"
        stopped = self.world.rows(lease)
        if not stopped or stopped[0][0] is not None or not stopped[0][2]:
            raise Broken(f"the lease does not say that the desk was stopped: {stopped}")
        time.sleep(STOPPED_S)
        if self.world.rows(lease) != stopped or self.world.alive:
            raise Broken(f"somebody woke after the stop: {self.world.rows(lease)}, was {stopped}")
        window.end_s = now_s()
        self.world.start_engine()
        return f"stop {moment}, a standby ended with it"

    def _breaker(self) -> str:
        """A latched breaker: a kill, a cut and a database stop leave it as it was, and no hedge leaves until its reset.

        It is latched in the row, as an earlier life would have left it: the market of the run cannot be told to lose.
        """
        self.world.kill_all()
        window = Window("the breaker was latched", now_s())
        latched = self.world.rows(
            "UPDATE trading_days SET breaker_at = (SELECT max(ts) FROM status_history), breaker_reset_at = NULL, "
            "breaker_reason = 'latched by the chaos run' "
            "WHERE trading_day = (SELECT max(trading_day) FROM trading_days) "
            "RETURNING trading_day, breaker_at, breaker_reason"
        )
        self._checker.windows.append(window)
        self.world.start_engine()
        self._still_latched(latched, "the start")
        self.world.kill_all()
        self.world.start_engine()
        self._still_latched(latched, "a kill")
        self.world.simulator.fault("disconnect")
        time.sleep(1.0)
        self._still_latched(latched, "a cut")
        self.world.stop_database("crashed")
        time.sleep(2.0)
        self.world.start_database("crashed")
        self._still_latched(latched, "a database crash")
        window.end_s = now_s()
        self.world.rows("INSERT INTO daemon_control (command) VALUES ('reset_breaker') RETURNING id")
        return "the breaker stood through start, kill, cut and database crash, and was reset"

    def _still_latched(self, latched: list[tuple[object, ...]], after: str) -> None:
        """The engine runs, is reconciled, says that the breaker blocks, and the row is as it was."""
        says = (
            "SELECT 1 FROM status_current WHERE written_at > now() - interval '3 s' AND daemon_state = 'running' "
            "AND block_reasons::text LIKE '%breaker%'"
        )
        self._until(lambda: self.world.value(says), RECOVERY_S, f"the breaker to block after {after}")
        row = (
            "SELECT trading_day, breaker_at, breaker_reason FROM trading_days WHERE breaker_at IS NOT NULL "
            "AND breaker_reset_at IS NULL ORDER BY trading_day DESC LIMIT 1"
        )
        if self.world.rows(row) != latched:
            raise Broken(f"after {after} the breaker is {self.world.rows(row)}, it was {latched}")

    def _add_standby(self) -> None:
        if len(self.world.alive) > 1:
            return
        second = self.world.start_engine()
        known = "SELECT 1 FROM engine_instances WHERE state = 'standby' AND pid = %s"
        self._until(lambda: self.world.value(known, second.pid), RECOVERY_S, "the standby's beat")

    def _cut(self) -> str:
        moment = self._moment()
        if self.random.random() < 0.5:
            self.world.simulator.fault("disconnect")
            return f"disconnect {moment}"
        restored = self.random.choice(("restored_1101", "restored_1102"))
        away_s = self.random.choice((0.3, 2.0, 6.0))
        self.world.simulator.fault("connectivity_lost_1100")
        time.sleep(away_s)
        self.world.simulator.fault(restored)
        return f"1100 {moment} for {away_s:g} s, {restored}"

    def _database(self) -> str:
        """Stop, crash or freeze PostgreSQL; sometimes more happens while it is away."""
        moment, how = self._moment(), self.random.choice(("stopped", "crashed", "frozen"))
        also = self.random.choice(("nothing", "kill", "disconnect", "a standby waits"))
        if also == "a standby waits":
            self._add_standby()
        self.world.stop_database(how)
        window = Window("the database was stopped", now_s() + OUTAGE_GRACE_S)
        self._checker.windows.append(window)
        away_s = self.random.uniform(0.5, 8.0)
        time.sleep(away_s / 2)
        if also == "kill":
            self.world.kill_all()
            self.world.start_engine()
        elif also == "disconnect":
            self.world.simulator.fault("disconnect")
        time.sleep(away_s / 2)
        window.end_s = now_s()
        self.world.start_database(how)
        return f"database {how} {moment} for {away_s:.1f} s, meanwhile {also}"

    # -- coming back

    def _hedging(self) -> bool:
        """Running, and a new order is at the broker since this was first asked, or there is nothing to hedge."""
        rows = self.world.rows(
            "SELECT trading_state FROM status_current WHERE written_at > now() - interval '3 s' "
            "AND daemon_state = 'running'"
        )
        if not self.world.alive:
            raise Broken("no engine runs: " + self.world.engines[-1].log[-2000:])
        if not rows:
            self._orders_before = None
            return False
        self.world.journal.read()
        if self._orders_before is None:
            self._orders_before = len(self.world.journal.order_ids())
            return False
        return rows[0][0] == "NO_TRADE" or len(self.world.journal.order_ids()) > self._orders_before

    _orders_before: int | None = None

    def _until(self, condition: Callable[[], object], limit_s: float, what: str) -> None:
        self._orders_before = None
        deadline = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() >= deadline:
                raise Broken(f"waited {limit_s:g} s for {what}; the desk says {self._picture()}")
            time.sleep(0.1)

    def _picture(self) -> object:
        return self.world.rows(
            "SELECT daemon_state, trading_state, hedge_state, net_delta, block_reasons, details->'working_order', "
            "now() - written_at FROM status_current"
        )

    def _blocked_by(self) -> dict[str, int]:
        """Why no hedge left in the last minute: block reasons and how often each was given."""
        rows = self.world.rows(
            "SELECT coalesce(nullif(block_reason, ''), outcome), count(*)::int FROM decisions "
            "WHERE written_at > now() - interval '1 minute' GROUP BY 1 ORDER BY 2 DESC LIMIT 6"
        )
        return dict(rows)

    def _suspend(self) -> Window:
        self.world.rows("UPDATE daemon_run_status SET suspended = true, updated_at = now() RETURNING id")
        window = Window("the desk was suspended", now_s() + SUSPENSION_GRACE_S)
        self._checker.windows.append(window)
        return window

    def _resume(self, window: Window) -> None:
        window.end_s = now_s()
        self.world.rows("UPDATE daemon_run_status SET suspended = false, updated_at = now() RETURNING id")

    def _settled_violations(self) -> list[str]:
        """Suspend, let what is under way come to its end, then look: the check needs a desk at rest."""
        window = self._suspend()
        deadline = time.monotonic() + SETTLE_S
        try:
            while reason := self._checker.settled():
                if time.monotonic() >= deadline:
                    raise Broken(
                        f"not at rest after {SETTLE_S:g} s suspended: {reason}; the desk says {self._picture()}"
                    )
                time.sleep(0.2)
            return self._checker.violations()
        finally:
            self._resume(window)
