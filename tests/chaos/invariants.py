"""What must hold after every recovery, read from outside: the journal of the wire, the broker, the database."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import psycopg2

from .world import World

#: An engine notices that its database is gone within a second; an order that was on its way may leave until then.
OUTAGE_GRACE_S = 2.0
#: A suspension in the row reaches the engine by notification.
SUSPENSION_GRACE_S = 1.0


@dataclass
class Window:
    """A stretch of wall time in which no new order may leave."""

    why: str
    begin_s: float
    end_s: float = float("inf")


@dataclass
class Checker:
    """Holds the world to its invariants; `windows` are filled by whoever suspends or stops the database."""

    world: World
    windows: list[Window] = field(default_factory=list)

    def settled(self) -> str:
        """Why the desk is not at rest yet: an order under way, a ledger that lags. Empty when it is."""
        world = self.world
        open_orders = world.open_orders()
        if open_orders:
            return f"the broker still works {[order['order_ref'] for order in open_orders]}"
        unresolved = world.rows(
            "SELECT order_ref, state FROM order_intents WHERE state IN ('intent', 'sent', 'working', 'unknown')"
        )
        if unresolved:
            return f"intents without an end: {unresolved}"
        ledger, broker = self._ledger(), world.broker_shares()
        return "" if ledger == broker else f"the ledger holds {ledger}, the broker {broker} shares"

    def violations(self) -> list[str]:
        """Everything that is wrong now; call it when the desk has settled."""
        self.world.journal.read()
        return [*self._orders(), *self._fills(), *self._operations(), *self._counters(), *self._forbidden()]

    def _ledger(self) -> float | None:
        return self.world.value(
            "SELECT coalesce(sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END), 0)::float FROM executions e "
            "WHERE origin <> 'external' AND contract_key LIKE '%|STK|%' "
            "AND NOT EXISTS (SELECT FROM executions r WHERE r.replaces_exec_id = e.exec_id)"
        )

    def _orders(self) -> list[str]:
        """Each order_ref placed once, after a durable intent, and told once as sent."""
        world = self.world
        placed = world.journal.order_ids()
        wrong = [f"{ref} was placed as a new order {len(ids)} times" for ref, ids in placed.items() if len(ids) != 1]
        intents = dict(world.rows("SELECT order_ref, state FROM order_intents"))
        sent = Counter(ref for (ref,) in world.rows("SELECT order_ref FROM operations WHERE type = 'order_sent'"))
        for ref in placed:
            if ref not in intents:
                wrong.append(f"{ref} was placed without an intent")
            elif intents[ref] == "never_sent" and not self._refused(placed[ref]):
                wrong.append(f"{ref} was placed, and its intent says never_sent")
            # A refused order leaves no trace at the broker: an engine killed before its rows were written never knows.
            if not sent[ref] and not (intents.get(ref) == "never_sent" and self._refused(placed[ref])):
                wrong.append(f"{ref} was placed without a row order_sent")
        # A frame that died with its socket never was an order: the intent must say so.
        wrong += [
            f"{ref} is told as sent, no placeOrder came, and its intent is {intents.get(ref)}"
            for ref in sent
            if ref not in placed and intents.get(ref) != "never_sent"
        ]
        return wrong

    def _fills(self) -> list[str]:
        """Each execution on the wire has one row among the fills and one among the executions, and the reverse."""
        world = self.world
        wire = set(world.journal.executed)
        booked = {exec_id for (exec_id,) in world.rows("SELECT exec_id FROM executions WHERE origin = 'own'")}
        fills = Counter(exec_id for (exec_id,) in world.rows("SELECT exec_id FROM operations WHERE type = 'fill'"))
        synthetic = {exec_id for exec_id in fills if exec_id.startswith("recon:")}
        wrong = [f"execution {exec_id} is not in the ledger" for exec_id in wire - booked]
        wrong += [f"execution {exec_id} of the ledger never crossed the wire" for exec_id in booked - wire]
        wrong += [f"execution {exec_id} has no fill row" for exec_id in wire - set(fills)]
        wrong += [f"fill {exec_id} never crossed the wire" for exec_id in set(fills) - wire - synthetic]
        wrong += [f"fill {exec_id} is told {count} times" for exec_id, count in fills.items() if count != 1]
        foreign = world.rows("SELECT exec_id FROM executions WHERE origin = 'external'")
        wrong += [f"execution {exec_id} is taken for somebody else's" for (exec_id,) in foreign]
        shares = world.value("SELECT shares FROM external_baseline")
        if shares:
            wrong.append(f"{shares} shares are taken for somebody else's")
        return wrong

    def _operations(self) -> list[str]:
        rows = self.world.rows(
            "SELECT type, order_ref, count(*) FROM operations WHERE type <> 'fill' GROUP BY 1, 2 HAVING count(*) > 1"
        )
        return [f"operation {kind} of {ref} is told {count} times" for kind, ref, count in rows]

    def _counters(self) -> list[str]:
        """Orders that the broker took, neither more nor fewer, are counted against their days."""
        counted = self.world.value("SELECT coalesce(sum(hedge_count), 0)::int FROM trading_days")
        taken = sum(not self._refused(ids) for ids in self.world.journal.order_ids().values())
        return [] if counted == taken else [f"the days count {counted} orders, the broker took {taken}"]

    def _refused(self, order_ids: set[int]) -> bool:
        """The broker keeps no trace of an order it refused: an engine killed before it heard of it finds none."""
        return order_ids <= self.world.journal.rejected_ids

    def _forbidden(self) -> list[str]:
        first: dict[str, float] = {}
        for entry in self.world.journal.placed:
            first.setdefault(entry["fields"]["orderRef"], datetime.fromisoformat(entry["wall"]).timestamp())
        return [
            f"{ref} left {at - window.begin_s:.2f} s after: {window.why}"
            for window in self.windows
            for ref, at in first.items()
            if window.begin_s < at < window.end_s
        ]


class CounterWatch(threading.Thread):
    """Looks at the day's hedge count all the time: it may only grow within a trading day."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self._world = world
        self._ended = threading.Event()
        self._highest: dict[str, int] = {}
        self.wrong: list[str] = []
        self.looks = 0

    def run(self) -> None:
        while not self._ended.wait(0.5):
            rows = self._world.rows("SELECT trading_day::text, hedge_count FROM trading_days")
            for day, count in rows:
                if count < self._highest.get(day, 0):
                    self.wrong.append(f"the count of {day} went from {self._highest[day]} to {count}")
                self._highest[day] = max(count, self._highest.get(day, 0))
            self.looks += bool(rows)

    def end(self) -> None:
        self._ended.set()
        with contextlib.suppress(psycopg2.Error):
            self.join(5)


def now_s() -> float:
    """Wall time, the clock of the journal."""
    return time.time()
