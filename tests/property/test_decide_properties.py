"""Random lives of the hedger: whatever the broker, the wire and the operator do, the invariants hold."""

from __future__ import annotations

from collections import Counter

from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import LIVE, HedgeState
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.engine.rig import STOCK, Rig, rules


class Desk(RuleBasedStateMachine):
    """One engine against a broker that may do anything the real one does."""

    @initialize(order_type=st.sampled_from(["market", "limit"]))
    def begin(self, order_type: str) -> None:
        self.rig = Rig(
            rules(
                order__order_type=order_type,
                gates__intent__hedge__cooldown_seconds=0.0,
                gates__guard__risk__max_orders_per_minute=1000,
            )
        )
        self.rig.start()
        self.suspended = False
        self.connected = True
        self.seen = 0
        self.count = 0

    def _ref(self) -> str | None:
        return next(iter(self.rig.broker), None)

    @rule(seconds=st.sampled_from([0.25, 1.0, 3.0, 6.0]))
    def wait(self, seconds: float) -> None:
        self.rig.pass_time(seconds)

    @rule(move=st.floats(-1.2, 1.2))
    def move(self, move: float) -> None:
        self.rig.spot = max(100.0, min(180.0, self.rig.spot + move))
        self.rig.quote(self.rig.spot)

    @precondition(lambda self: self._ref() is not None)
    @rule(status=st.sampled_from(["PreSubmitted", "Submitted"]))
    def acknowledge(self, status: str) -> None:
        if self.connected:
            self.rig.status(str(self._ref()), status)

    @precondition(lambda self: self._ref() is not None)
    @rule(part=st.sampled_from([0.3, 1.0]), heard=st.booleans())
    def fill(self, part: float, heard: bool) -> None:
        ref = str(self._ref())
        intent = self.rig.broker[ref]
        done = sum(e.quantity for e in self.rig.executions if e.order_ref == ref)
        quantity = max(1, round((intent.quantity - done) * part))
        self.rig.fill(ref, quantity, tell=heard and self.connected)

    @precondition(lambda self: self._ref() is not None)
    @rule(heard=st.booleans())
    def cancel_at_the_broker(self, heard: bool) -> None:
        self.rig.cancel(str(self._ref()), tell=heard and self.connected)

    @precondition(lambda self: self._ref() is not None)
    @rule()
    def order_vanishes(self) -> None:
        ref = str(self._ref())
        if not any(e.order_ref == ref for e in self.rig.executions):
            self.rig.broker.pop(ref)

    @rule()
    def repeat_an_execution(self) -> None:
        if self.rig.executions and self.connected:
            self.rig.send(ev.ExecutionReported(self.rig.at, self.rig.executions[-1]))

    @rule()
    def toggle_suspension(self) -> None:
        self.suspended = not self.suspended
        self.rig.send(ev.SuspensionRead(self.rig.at, self.suspended))

    @rule()
    def cut_or_mend_the_wire(self) -> None:
        if self.connected:
            self.rig.send(ev.LinkDown(self.rig.at, "cut"))
        else:
            self.rig.link_up()
        self.connected = not self.connected
        self.rig.answers_truth = self.connected

    @rule()
    def lose_or_find_the_database(self) -> None:
        available = not self.rig.state.database_available
        self.rig.send(ev.DatabaseChanged(self.rig.at, available, "" if available else "gone"))

    @rule()
    def restart(self) -> None:
        before = self.rig
        self.rig = before.restart()
        assert self.rig.state.day.hedge_count >= self.count, "a restart resets no limit"
        self.rig.effects = list(before.effects)
        self.rig.start()
        self.suspended, self.connected = False, True
        self.seen = len(before.effects)

    @invariant()
    def no_order_twice(self) -> None:
        placed = Counter(effect.intent.order_ref for effect in self.rig.of(fx.PlaceOrder))
        assert all(times == 1 for times in placed.values())

    @invariant()
    def every_order_had_a_durable_intent_first(self) -> None:
        persisted: set[str] = set()
        for effect in self.rig.effects:
            if isinstance(effect, fx.PersistIntent):
                persisted.add(effect.intent.order_ref)
            elif isinstance(effect, fx.PlaceOrder):
                assert effect.intent.order_ref in persisted

    @invariant()
    def position_is_the_sum_of_fills(self) -> None:
        ledger = self.rig.state.ledger
        assert ledger.position(STOCK) == sum(e.signed_quantity for e in ledger.counted() if e.key == STOCK)

    @invariant()
    def nothing_new_leaves_while_it_must_not(self) -> None:
        fresh = self.rig.effects[self.seen :]
        self.seen = len(self.rig.effects)
        blocked = self.suspended or not self.connected
        if blocked and self.rig.state.order is None:
            last = [e for e in fresh if isinstance(e, fx.PlaceOrder)]
            assert not last or self.rig.state.hedge not in LIVE

    @invariant()
    def counters_never_go_back(self) -> None:
        count = self.rig.state.day.hedge_count
        assert count >= self.count
        self.count = count

    def teardown(self) -> None:
        """Mend everything: the ledger must end up equal to the broker."""
        if not hasattr(self, "rig"):
            return
        rig = self.rig
        if not self.connected:
            rig.answers_truth = True
            rig.link_up()
        rig.send(ev.DatabaseChanged(rig.at, True))
        rig.send(ev.SuspensionRead(rig.at, True))
        rig.pass_time(45, 0.5)
        for ref in list(rig.broker):
            rig.cancel(ref)
        rig.pass_time(60, 0.5)
        assert rig.state.hedge in (HedgeState.EXEC_IDLE, HedgeState.FILLED), rig.state.hedge
        assert rig.state.ledger.position(STOCK) == rig.shares
        assert rig.state.external_shares == 0.0


TestDesk = Desk.TestCase
TestDesk.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
