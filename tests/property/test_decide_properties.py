"""Random lives of the hedger: whatever the broker, the wire, the market and the operator do, the invariants hold.

Each invariant stands here once as a check that looks at the desk from outside, with what the test knows to be true.
"""

from __future__ import annotations

from collections import Counter

from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import IDLE
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.words import Purpose
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.engine.rig import STOCK, Left, Rig, rules


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
        self.suspended, self.connected, self.database, self.leading = False, True, True, True
        self.seen = self.looked = self.count = 0
        self.rig.start()

    def _ref(self) -> str | None:
        return next(iter(self.rig.broker), None)

    # ------------------------------------------------------------ what may happen

    @rule(seconds=st.sampled_from([0.25, 1.0, 3.0, 6.0]))
    def wait(self, seconds: float) -> None:
        self.rig.pass_time(seconds)

    @rule(move=st.floats(-1.2, 1.2))
    def move(self, move: float) -> None:
        self.rig.quote(max(100.0, min(180.0, self.rig.spot + move)))

    @rule(spread=st.sampled_from([1.0, -1.0, float("nan")]))
    def bad_quote(self, spread: float) -> None:
        """Extremely wide, crossed, or no number at all."""
        self.rig.quote(self.rig.spot, spread)

    @rule()
    def halt_or_reopen(self) -> None:
        self.rig.halted = not self.rig.halted
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

    @rule(command=st.sampled_from(["flatten", "resume", "resume_safe"]))
    def command(self, command: str) -> None:
        args = {"target": "zero"} if command == "flatten" else {}
        self.rig.send(ev.CommandReceived(self.rig.at, 1, command, args))

    @precondition(lambda self: self.leading)
    @rule()
    def cut_or_mend_the_wire(self) -> None:
        self.connected = not self.connected
        self.rig.answers_truth = self.connected
        if self.connected:
            self.rig.link_up()
        else:
            self.rig.send(ev.LinkDown(self.rig.at, "cut"))

    @rule()
    def lose_or_find_the_database(self) -> None:
        self.database = not self.database
        self.rig.send(ev.DatabaseChanged(self.rig.at, self.database, "" if self.database else "gone"))

    @precondition(lambda self: self.leading)
    @rule()
    def lose_the_lease(self) -> None:
        """For good: only a new life leads again. Its session stays up, so that nothing but the lease holds it back."""
        self.leading = False
        self.rig.send(ev.LeaseChanged(self.rig.at, held=False, lost=True))

    @rule()
    def restart(self) -> None:
        before = self.rig
        self.rig = before.restart()
        assert self.rig.state.day.hedge_count >= self.count, "a restart resets no limit"
        self.rig.effects, self.rig.left = list(before.effects), list(before.left)
        self.suspended, self.connected, self.database, self.leading = False, True, True, True
        self.rig.start()

    # ------------------------------------------------------------ what must hold

    def _newly_left(self) -> list[Left]:
        fresh = self.rig.left[self.looked :]
        self.looked = len(self.rig.left)
        return fresh

    @invariant()
    def no_order_twice(self) -> None:
        """INV-O2."""
        placed = Counter(effect.intent.order_ref for effect in self.rig.of(fx.PlaceOrder))
        assert all(times == 1 for times in placed.values())

    @invariant()
    def every_order_had_a_durable_intent_first(self) -> None:
        """INV-O3."""
        persisted: set[str] = set()
        for effect in self.rig.effects:
            if isinstance(effect, fx.PersistIntent):
                persisted.add(effect.intent.order_ref)
            elif isinstance(effect, fx.PlaceOrder):
                assert effect.intent.order_ref in persisted

    @invariant()
    def position_is_the_sum_of_fills(self) -> None:
        """INV-L1: the ledger by its own executions and by the rows that it had written."""
        ledger = self.rig.state.ledger
        rows = {e.execution.exec_id: e.execution for e in self.rig.of(fx.RecordExecution)}
        replaced = {row.replaces_exec_id for row in rows.values()}
        counted = [e for e in rows.values() if e.exec_id not in replaced and e.key == STOCK and e.origin != "external"]
        assert ledger.position(STOCK) == sum(e.signed_quantity for e in ledger.counted() if e.key == STOCK)
        assert ledger.position(STOCK) == sum(e.signed_quantity for e in counted)

    @invariant()
    def nothing_leaves_that_must_not(self) -> None:
        """INV-G1, INV-G2, INV-G3, INV-G4, INV-G5, INV-G6, INV-G7, INV-O1, INV-O9, INV-G16."""
        for left in self._newly_left():
            ref, state = left.intent.order_ref, left.state
            forbidden = {
                "while another of ours works": bool(left.working),
                "without a connection": not self.connected,
                "from a standby": not self.leading,
                "while the stock is halted": self.rig.halted,
            }
            if left.intent.purpose is Purpose.HEDGE:
                exposure = state.exposure
                net = exposure.net_delta_shares if exposure is not None else None
                forbidden |= {
                    "while suspended": self.suspended,
                    "without the database": not self.database,
                    "in SAFE": state.trading is TradingState.SAFE,
                    "unreconciled": not state.recon.done,
                    "under hold": bool(state.day.hold),
                    "larger than allowed": left.intent.quantity > 500,
                    "without shrinking delta": net is None or abs(net + left.intent.signed_quantity) >= abs(net),
                }
            wrong = [why for why, holds in forbidden.items() if holds]
            assert not wrong, f"{ref}, {left.intent.purpose}, leaves {' and '.join(wrong)}"

    @invariant()
    def counters_never_go_back(self) -> None:
        """INV-D1."""
        count = self.rig.state.day.hedge_count
        assert count >= self.count
        self.count = count

    def teardown(self) -> None:
        """INV-L4: everything mended, the ledger must end up equal to the broker."""
        if not hasattr(self, "rig"):
            return
        self.rig.halted = False
        if not self.leading:
            self.restart()
        rig = self.rig
        if not self.connected:
            rig.answers_truth = True
            rig.link_up()
        rig.send(ev.DatabaseChanged(rig.at, True))
        rig.send(ev.SuspensionRead(rig.at, True))
        rig.pass_time(45, 0.5)
        # A flatten that is cancelled tries again: what it sends then is filled.
        for end in (rig.cancel, rig.fill):
            for ref in list(rig.broker):
                end(ref)
            rig.pass_time(60, 0.5)
        assert rig.state.hedge in IDLE, rig.state.hedge
        assert rig.state.ledger.position(STOCK) == rig.shares
        assert rig.state.external_shares == 0.0


TestDesk = Desk.TestCase
TestDesk.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
