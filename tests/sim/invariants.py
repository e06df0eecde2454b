"""What must hold at every moment and after every recovery, seen from outside the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime

from bifrost_engine.domain import events as ev
from bifrost_engine.domain.machines.hedge import IDLE
from bifrost_engine.domain.machines.trading import TradingState
from bifrost_engine.domain.state import Rules, State
from bifrost_engine.domain.words import OrderIntent, OrderType, Purpose

from .broker import OUR_PREFIX, Broker, Order
from .database import UNRESOLVED, Database, Row
from .exchange import STOCK
from .life import Life

CENT = 0.01


class Violation(SystemExit):
    """An invariant is broken. A SystemExit, because the engine must not be able to catch it."""


class Referee:
    """Sees each order as it leaves and each row of the day as it becomes durable; compares everything at rest."""

    def __init__(self, broker: Broker, database: Database, rules: Rules, life: Callable[[], Life | None]) -> None:
        self._broker = broker
        self._database = database
        self._rules = rules
        self._life = life
        self.placed: Counter[str] = Counter()
        self.sent_on: dict[str, date | None] = {}
        self.purposes: dict[str, Purpose] = {}
        self.checks = 0
        self._told_suspended: bool | None = None
        self._told_database: bool | None = None
        self._truth_read = False
        self._days: dict[str, Row] = {}
        broker.on_placed = self.order_reached
        database.on_day = self.day_written

    # -- what the engine has been told

    def life_began(self) -> None:
        self._told_suspended = self._told_database = None
        self._truth_read = False

    def heard(self, event: ev.Event) -> None:
        """The core consumes an event."""
        match event:
            case ev.SuspensionRead(suspended=suspended):
                self._told_suspended = suspended
            case ev.DatabaseChanged(available=available):
                self._told_database = available
            case ev.LinkUp() | ev.LinkDown() | ev.ConnectivityLost() | ev.ConnectivityRestored():
                self._truth_read = False
            case ev.BrokerTruth(ok=True):
                self._truth_read = True
            case ev.LeaseChanged(held=False, lost=False):
                self._told_database = False

    # -- orders as they leave

    def order_leaves(self, intent: OrderIntent) -> None:
        ref, life = intent.order_ref, self._life()
        self.placed[ref] += 1
        if self.placed[ref] > 1:
            raise Violation(f"{ref} is placed {self.placed[ref]} times")
        if not self._database.durable_intent(ref):
            raise Violation(f"{ref} leaves without a durable intent")
        if (intent.order_type is OrderType.LIMIT) is (intent.limit_price is None):
            raise Violation(f"{ref} leaves as a {intent.order_type} order at {intent.limit_price}")
        others = [order.order_ref for order in self._broker.open_orders()]
        if others:
            raise Violation(f"{ref} leaves while {others} work at the broker")
        state = life.state if life is not None else None
        if state is None:
            raise Violation(f"{ref} leaves from an engine without a state")
        self.purposes[ref] = intent.purpose
        self.sent_on[ref] = state.day.day
        if not state.leading:
            raise Violation(f"{ref} leaves from a standby")
        if state.stopping:
            raise Violation(f"{ref} leaves while stopping")
        if intent.purpose is Purpose.HEDGE:
            self._risk_allowed(intent, state)

    def _risk_allowed(self, intent: OrderIntent, state: State) -> None:
        row = self._days.get(str(state.day.day))
        latched = row is not None and row.get("breaker_at") and not row.get("breaker_reset_at")
        if intent.forced and self._rules.config.gates.guard.risk.on_breaker == "forced_only":
            latched = False
        forbidden = {
            "suspended": self._told_suspended is not False,
            "without the database": self._told_database is not True,
            "before the broker's truth was read": not self._truth_read,
            "unreconciled": not state.recon.done,
            "in SAFE": state.trading is TradingState.SAFE,
            "under hold": bool(state.day.hold),
            "with the breaker latched": bool(latched),
        }
        wrong = [why for why, holds in forbidden.items() if holds]
        if wrong:
            raise Violation(f"{intent.order_ref}, a hedge, leaves {' and '.join(wrong)}")

    def order_reached(self, order: Order) -> None:
        ours = [other.order_ref for other in self._broker.open_orders() if other.order_ref.startswith(OUR_PREFIX)]
        if len(ours) > 1:
            raise Violation(f"{len(ours)} orders of ours work at once: {ours}")

    # -- the day's row

    def day_written(self, row: Row) -> None:
        day, before = str(row["trading_day"]), self._days.get(str(row["trading_day"]))
        if before is not None:
            if row["hedge_count"] < before["hedge_count"]:
                raise Violation(f"the count of {day} goes from {before['hedge_count']} back to {row['hedge_count']}")
            if before.get("breaker_at") and not row.get("breaker_at"):
                raise Violation(f"the breaker of {day} is forgotten")
            if before.get("breaker_reset_at") and not row.get("breaker_reset_at") and not row.get("breaker_at"):
                raise Violation(f"the reset of the breaker of {day} is forgotten")
        self._adds_up(row)
        self._days[day] = dict(row)

    # -- at rest

    def _adds_up(self, row: Row) -> None:
        """The parts of the day are its P&L, to the cent."""
        attribution, pnl_usd = row.get("attribution"), row.get("daily_pnl")
        if attribution and pnl_usd is not None and abs(attribution["parts"]["total"] - pnl_usd) > CENT:
            raise Violation(f"{row['trading_day']}: parts of {attribution['parts']['total']:.4f}, P&L {pnl_usd:.4f}")

    def unsettled(self) -> str:
        """Why the desk is not at rest; empty when it is."""
        life = self._life()
        state = life.state if life is not None else None
        if life is None or state is None or life.hedger is None:
            return "no engine"
        if state.order is not None or state.restored or state.hedge not in IDLE:
            return f"hedge {state.hedge}, order {state.order}, restored {len(state.restored)}"
        if not state.recon.done or state.recon.suspects:
            return f"not reconciled: {state.recon.reason} {state.recon.suspects}"
        if self._broker.open_orders():
            return f"the broker works {[order.order_ref for order in self._broker.open_orders()]}"
        if self._database.spool or (life.desk is not None and life.desk.backlog):
            return "rows wait for the database"
        if self._broker.held.get(STOCK, 0.0) != self._broker.shown.get(STOCK, 0.0):
            return "the broker's position lags"
        own, ledger = self._broker.own_shares, state.live_ledger.position(STOCK)
        if own != ledger:
            return f"the ledger has {ledger:g} shares, the broker {own:g} of ours"
        if state.external_shares != self._broker.foreign_shares:
            return (
                f"{state.external_shares} shares are taken for the operator's, they are {self._broker.foreign_shares}"
            )
        legs = {key: leg.quantity for key, leg in state.legs.items() if leg.managed}
        wrong = {str(key): n for key, n in legs.items() if n != self._broker.shown.get(key, 0.0)}
        return f"managed legs differ from the broker's: {wrong}" if wrong else ""

    def check(self) -> None:
        """Everything that can be compared once the desk is at rest."""
        self.checks += 1
        self._executions()
        self._intents()
        self._count()
        self._attribution()

    def _executions(self) -> None:
        rows = self._database.tables["executions"]
        replaced = {row.get("replaces_exec_id") for row in rows.values()}
        booked = {exec_id: row for (exec_id,), row in rows.items() if row["origin"] == "own"}
        real = {e.exec_id: e for e in self._broker.executions if e.order_ref.startswith(OUR_PREFIX)}
        missing = [exec_id for exec_id in real if exec_id not in booked]
        if missing:
            raise Violation(f"executions {missing} are in no row")
        fills = Counter(row["exec_id"] for row in self._database.rows("operations") if row["type"] == "fill")
        untold = [exec_id for exec_id in real if fills[exec_id] != 1]
        if untold:
            raise Violation(f"executions {untold} are told {[fills[exec_id] for exec_id in untold]} times as fills")
        shares = sum(
            row["quantity"] * (1 if row["side"] == "BUY" else -1)
            for (exec_id,), row in rows.items()
            if row["origin"] != "external" and row["contract_key"] == str(STOCK) and exec_id not in replaced
        )
        if shares != self._broker.own_shares:
            raise Violation(f"the rows make {shares:g} own shares, the broker {self._broker.own_shares:g}")

    def _intents(self) -> None:
        sent = {row["order_ref"] for row in self._database.rows("operations") if row["type"] == "order_sent"}
        for row in self._database.rows("order_intents"):
            ref, state = row["order_ref"], row["state"]
            order = self._broker.orders.get(ref)
            if state in UNRESOLVED:
                raise Violation(f"{ref} has no end: {state}")
            if order is None:
                continue
            if state in ("never_sent", "rejected"):
                raise Violation(f"{ref} was at the broker ({order.status}, {order.filled}), its intent says {state}")
            if (state == "filled") != (order.remaining == 0):
                raise Violation(f"{ref} has {order.filled} of {order.quantity} filled, its intent says {state}")
            if ref not in sent:
                raise Violation(f"{ref} was at the broker and is not told as sent")

    def _count(self) -> None:
        life = self._life()
        state = life.state if life is not None else None
        if state is None:
            return
        day = state.day.day
        taken = sum(
            1
            for ref, purpose in self.purposes.items()
            if purpose is Purpose.HEDGE and self.sent_on[ref] == day and ref in self._broker.orders
        )
        if state.day.hedge_count != taken:
            raise Violation(f"{day} counts {state.day.hedge_count} hedges, the broker took {taken}")

    def _attribution(self) -> None:
        """The closed intervals of each day are what the day's row has closed: none lost, none twice."""
        for row in self._database.rows("trading_days"):
            attribution = row.get("attribution")
            if not attribution or not attribution["start"]:
                continue
            # What a kill left ahead of the day's row is closed again under the same start. A stored time is one of
            # microseconds; intervals of less than a tenth of a millisecond have been seen (seed 10032).
            began_s = attribution["start"]["market_s"] - 2e-6
            told = [
                interval
                for interval in self._database.rows("pnl_attribution")
                if interval["trading_day"] == row["trading_day"]
                and (
                    datetime.fromisoformat(interval["start_ts"]).timestamp() < began_s
                    or interval["start_ts"] == interval["end_ts"]
                )
            ]
            for part, closed in attribution["closed"].items():
                total = sum(interval[f"{part}_usd"] for interval in told)
                if abs(total - closed) > CENT:
                    raise Violation(
                        f"{row['trading_day']}: {part} of {len(told)} intervals {total:.4f}, day {closed:.4f}"
                    )
