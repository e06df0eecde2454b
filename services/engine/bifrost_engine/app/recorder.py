"""The recorder: effects become rows and go to the store in order. PersistIntent is answered only when it is durable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from bifrost.log import correlation

from bifrost_engine.domain.effects import (
    Alert,
    FinishCommand,
    PersistIntent,
    RecordAttribution,
    RecordBaseline,
    RecordCost,
    RecordCounts,
    RecordDecision,
    RecorderEffect,
    RecordExecution,
    RecordHistory,
    RecordIntentState,
    RecordLeg,
    RecordOperation,
    RecordOrder,
    RecordReconciliation,
    RecordShadow,
    RecordTradingDay,
    ReserveSequence,
    Severity,
)
from bifrost_engine.domain.events import IntentDurable, IntentFailed, OrderStatusReported

from . import rows
from .ports import Clock, Sink
from .times import iso

log = logging.getLogger(__name__)
_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.CRITICAL: logging.CRITICAL}
_KEPT_ORDERS = 50


class RowStore(Protocol):
    """Where rows become durable, in the order given. Never blocks the loop; callbacks come on the loop."""

    def put(
        self,
        table: str,
        row: Mapping[str, Any],
        *,
        on_durable: Callable[[], None] | None = None,
        on_failed: Callable[[str], None] | None = None,
    ) -> None: ...

    def put_snapshot(self, row: Mapping[str, Any]) -> None:
        """Replace status_current; of several only the newest need be written."""
        ...

    def accept_command(self, command_id: int) -> None: ...

    def finish_command(self, command_id: int, status: str, result: Mapping[str, Any]) -> None: ...

    @property
    def backlog(self) -> int: ...


class RecordKeeper:
    """Turns effects into rows of one account and mode.

    Parameters
    ----------
    store : RowStore
    book : rows.Book
        Whose rows they are.
    reserve : callable
        Asked for the next block of decision numbers.
    identity : mapping
        Columns of status_current that name this engine: instance_id, epoch.
    """

    def __init__(
        self,
        store: RowStore,
        book: rows.Book,
        *,
        sink: Sink,
        clock: Clock,
        reserve: Callable[[], None],
        identity: Mapping[str, Any],
    ) -> None:
        self._store = store
        self._book = book
        self._sink = sink
        self._clock = clock
        self._reserve = reserve
        self._identity = dict(identity)
        self._snapshot: dict[str, Any] = {}
        self._order_of: dict[str, str] = {}
        self._orders: dict[str, RecordOrder] = {}
        self._statuses: dict[str, list[dict[str, Any]]] = {}

    @property
    def backlog(self) -> int:
        return self._store.backlog

    def config_changed(self, config_hash: str) -> None:
        """Rows from here on were decided under another configuration."""
        self._book = replace(self._book, config_hash=config_hash)

    def snapshot(self, row: Mapping[str, object]) -> None:
        self._snapshot = {name: rows.plain(value) for name, value in row.items()} | self._identity
        self._store.put_snapshot(self._snapshot)

    def accept_command(self, command_id: int) -> None:
        self._store.accept_command(command_id)

    def record(self, effect: RecorderEffect) -> None:
        book = self._book
        match effect:
            case PersistIntent():
                self._persist(effect)
            case RecordOperation():
                price = "" if effect.price is None else f" at {effect.price:.2f}"
                log.info("%s %s %d%s: %s", effect.type, effect.side, effect.quantity, price, effect.reason)
                self._append("operations", rows.operation(book, effect))
            case RecordIntentState():
                self._intent_state(effect)
            case RecordOrder():
                self._order(effect)
            case RecordExecution():
                self._remember(effect.execution.exec_id, effect.execution.order_ref)
                self._store.put("executions", rows.execution(effect))
            case RecordCost():
                self._cost(effect)
            case RecordHistory():
                self._append("status_history", rows.history(self._snapshot, effect.why))
            case RecordDecision():
                if effect.outcome == "hedge":
                    delta, need = effect.net_delta or 0.0, effect.need_shares or 0
                    quote = f"{effect.bid} x {effect.ask}"
                    log.info(
                        "decided on %s: net delta %+.1f, %+d shares needed, %s", quote, delta, need, effect.dimensions
                    )
                self._append("decisions", rows.decision(book, effect))
            case RecordCounts():
                for row in rows.counts(book, effect):
                    self._store.put("decision_counts", row)
            case RecordTradingDay():
                self._store.put("trading_days", rows.trading_day(book, effect))
            case RecordAttribution():
                self._store.put("pnl_attribution", rows.attribution(book, effect))
            case RecordShadow():
                self._store.put("shadow_hedgers", rows.shadow(book, effect))
            case RecordLeg():
                self._store.put("managed_legs", rows.leg(book, effect))
            case RecordBaseline():
                self._store.put("external_baseline", rows.baseline(book, effect))
            case RecordReconciliation():
                self._append("reconciliations", rows.reconciliation(book, effect))
            case Alert():
                log.log(_LEVELS[effect.severity], "%s: %s", effect.code, effect.message)
                self._append("alerts", rows.alert(effect))
            case FinishCommand():
                self._store.finish_command(effect.command_id, effect.status, rows.plain(effect.result))
            case ReserveSequence():
                self._reserve()

    def _remember(self, exec_id: str, order_ref: str) -> None:
        self._order_of[exec_id] = order_ref
        if len(self._order_of) > _KEPT_ORDERS:
            self._order_of.pop(next(iter(self._order_of)))

    def _cost(self, effect: RecordCost) -> None:
        with correlation(self._order_of.get(effect.exec_id) or effect.exec_id):
            log.info("commission %s %s on %s", effect.commission, effect.currency, effect.exec_id)
        self._store.put("execution_costs", rows.cost(effect))

    def _append(self, table: str, row: rows.Row) -> None:
        self._store.put(table, {"record_id": rows.new_record_id(), **row})

    def _persist(self, effect: PersistIntent) -> None:
        order_ref = effect.intent.order_ref
        self._store.put(
            "order_intents",
            rows.intent(self._book, effect),
            on_durable=lambda: self._sink(IntentDurable(self._clock.now(), order_ref)),
            on_failed=lambda reason: self._sink(IntentFailed(self._clock.now(), order_ref, reason)),
        )

    def _intent_state(self, effect: RecordIntentState) -> None:
        self._store.put(
            "order_intents",
            {
                "order_ref": effect.order_ref,
                "state": str(effect.state),
                "state_reason": effect.reason or None,
                "updated_at": iso(effect.at.wall_s),
            },
        )

    def _order(self, effect: RecordOrder) -> None:
        self._orders[effect.order_ref] = effect
        if len(self._orders) > _KEPT_ORDERS:
            self._orders.pop(next(iter(self._orders)))
        self._store.put("orders", rows.order(self._book, effect, self._status_history(effect)))

    def late_status(self, event: OrderStatusReported) -> None:
        """A status that came after the core was done with its order (Filled follows the last execution): keep it."""
        known = self._orders.get(event.order_ref)
        if known is None or known.status == event.status:
            return
        self._order(
            replace(
                known,
                at=event.at,
                status=event.status,
                filled=event.filled,
                remaining=event.remaining,
                avg_fill_price=event.avg_fill_price,
                perm_id=event.perm_id or known.perm_id,
                why_held=event.why_held,
            )
        )

    def _status_history(self, effect: RecordOrder) -> list[dict[str, Any]]:
        """Each change of the broker's status with its time; repeated frames add nothing."""
        history = self._statuses.setdefault(effect.order_ref, [])
        entry = {"status": effect.status, "filled": effect.filled, "remaining": effect.remaining}
        if not history or {name: history[-1][name] for name in entry} != entry:
            history.append(entry | {"wall": iso(effect.at.wall_s), "market": iso(effect.at.market_s)})
        if len(self._statuses) > _KEPT_ORDERS:
            self._statuses.pop(next(iter(self._statuses)))
        return list(history)
