"""The database in memory: the tables' rules as `bifrost.db.records` has them, the spool, what is read at start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from bifrost.calendar import NEW_YORK
from bifrost.db import LeaseLost, RecordRefused
from bifrost.db.spool import SpoolRecord, plain
from bifrost.db.tables import TABLES, TableKind
from bifrost_engine.adapters.postgres import restore as reading
from bifrost_engine.domain.ledger.restore import OpenIntent, Restored
from bifrost_engine.domain.words import Mode, Origin

from .exchange import SYMBOL

Row = dict[str, Any]
Key = tuple[Any, ...]
UNRESOLVED = ("intent", "sent", "working", "unknown")
BLOCK = 200
#: Nothing reads these back: that they were written is enough.
_UNREAD = frozenset({"status_history", "decisions", "decision_counts", "reconciliations"})


@dataclass
class Command:
    """A row of daemon_control."""

    command: str
    args: Mapping[str, Any]
    created_s: float
    status: str = "pending"
    epoch: int = 0
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Database:
    """Outlives every engine. ``down`` and ``slow_s`` are the faults; ``spool`` is the disk beside it."""

    tables: dict[str, dict[Key, Row]] = field(default_factory=lambda: {name: {} for name in TABLES})
    commands: dict[int, Command] = field(default_factory=dict)
    spool: list[SpoolRecord] = field(default_factory=list)
    suspended: bool = False
    epoch: int = 0
    down: bool = False
    slow_s: float = 0.0
    refuse_commits: int = 0
    """So many commits break with the connection and leave nothing."""
    doubtful_commits: int = 0
    """So many commits are done although the connection broke before the answer."""
    decision_seq: int = 0
    other_leads_until_s: float = 0.0
    """Another engine holds the lease until then."""
    on_day: Callable[[Row], None] = lambda row: None

    # -- writing

    def write_all(self, records: Sequence[SpoolRecord], epoch: int) -> None:
        """One transaction, all or none."""
        if epoch < self.epoch:
            raise LeaseLost(f"lease epoch {epoch} has passed to epoch {self.epoch}")
        touched: dict[tuple[str, Key], Row | None] = {}
        try:
            for record in records:
                self._write(record, touched)
        except RecordRefused:
            for (table, key), before in reversed(touched.items()):
                if before is None:
                    self.tables[table].pop(key, None)
                else:
                    self.tables[table][key] = before
            raise
        for record in records:
            if record.table == "trading_days":
                self.on_day(self.tables["trading_days"][self._key(record)])

    def _key(self, record: SpoolRecord) -> Key:
        rule = TABLES[record.table]
        return tuple(str(record.row.get(name, record.record_id)) for name in rule.key)

    def _write(self, record: SpoolRecord, touched: dict[tuple[str, Key], Row | None]) -> None:
        rule, table, key = TABLES[record.table], self.tables[record.table], self._key(record)
        unknown = sorted(set(record.row) - rule.all_columns)
        if unknown:
            raise RecordRefused(f"table {record.table} has no column {', '.join(unknown)}")
        if record.table in _UNREAD:
            table[key] = {"seq": record.seq}
            return
        before = table.get(key)
        if record.table == "status_current":
            table[key] = {"seq": record.seq, "ts": record.row["ts"]}
            return
        # As JSON has it, which is how the spool and the driver carry it.
        row: Row = plain(dict(record.row))  # type: ignore[assignment]
        if rule.kind is TableKind.APPEND:
            if before is None:
                touched.setdefault((record.table, key), None)
                table[key] = row
            return
        complete = all(row.get(name) is not None for name in rule.required)
        if before is None and not complete:
            raise RecordRefused(f"{record.table} has no row {key} to update")
        if before is not None and before["seq"] >= record.seq:
            return
        touched.setdefault((record.table, key), before)
        table[key] = {**(before or {}), **row, "seq": record.seq}

    def replay(self, epoch: int) -> None:
        """The spool in its order; each record in a transaction of its own."""
        while self.spool:
            self.write_all([self.spool[0]], epoch)
            self.spool.pop(0)

    # -- reading

    def rows(self, table: str) -> list[Row]:
        return list(self.tables[table].values())

    def durable_intent(self, order_ref: str) -> bool:
        """Committed, or on the disk of the spool."""
        return (order_ref,) in self.tables["order_intents"] or any(
            record.table == "order_intents" and record.row.get("order_ref") == order_ref for record in self.spool
        )

    def reserve(self) -> range:
        start = self.decision_seq + 1
        self.decision_seq += BLOCK
        return range(start, start + BLOCK)

    def restore(self, account: str, mode: Mode) -> Restored:
        """What `adapters.postgres.restore` reads by SQL, through the same conversions of its rows."""
        executions = [reading._execution(_execution_row(row)) for row in self._executions()]
        days = sorted(self.rows("trading_days"), key=lambda row: str(row["trading_day"]))
        day = _day_row(days[-1]) if days else None
        status = self.tables["status_current"].get(("1",))
        baseline = self.tables["external_baseline"].get((account, SYMBOL))
        legs = sorted(self.rows("managed_legs"), key=lambda row: str(row["contract_key"]))
        return Restored(
            account=account,
            mode=mode,
            executions=tuple(e for e in executions if e.origin is not Origin.EXTERNAL),
            external_exec_ids=frozenset(e.exec_id for e in executions if e.origin is Origin.EXTERNAL),
            costs={row["exec_id"]: row["commission"] for row in self.rows("execution_costs") if row["commission"]},
            open_intents=self._open_intents(),
            hedges_ended_s=self._hedges_ended(day["trading_day"]) if day else (),
            trading_day=day,
            legs=tuple(_moments(row, "adopted_at", "released_at") for row in legs),
            baseline=baseline,
            sequence=self.reserve(),
            last_market_s=_epoch_s(status.get("ts")) if status else None,
        )

    def _executions(self) -> list[Row]:
        return sorted(self.rows("executions"), key=lambda row: str(row["exec_time"]))

    def _open_intents(self) -> tuple[OpenIntent, ...]:
        found = []
        for row in sorted(self.rows("order_intents"), key=lambda row: int(row["decision_seq"])):
            if row["state"] in UNRESOLVED:
                order = self.tables["orders"].get((row["order_ref"],), {})
                intent = reading._intent(_moments(row, "created_at", "ts"))
                found.append(OpenIntent(intent, row["state"], order.get("order_id") or 0, order.get("perm_id") or 0))
        return tuple(found)

    def _hedges_ended(self, since: date) -> tuple[float, ...]:
        midnight_s = datetime.combine(since, time(), NEW_YORK).timestamp()
        times = [
            _epoch_s(row["ts"])
            for row in self.rows("order_intents")
            if row["purpose"] == "hedge" and row["state"] in ("filled", "cancelled")
        ]
        return tuple(s for s in times if s is not None and s >= midnight_s)


def _epoch_s(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()


def _moments(row: Row, *columns: str) -> Row:
    """A row as the driver gives it: times as aware datetimes."""
    return {**row, **{name: datetime.fromisoformat(row[name]) if row.get(name) else None for name in columns}}


def _execution_row(row: Row) -> Row:
    defaults = {"multiplier": 1.0, "note": None, "replaces_exec_id": None}
    return {**defaults, **row, "time_s": _epoch_s(row["exec_time"])}


def _day_row(row: Row) -> Row:
    day = _moments(row, "breaker_at", "breaker_reset_at", "hold_since")
    return {**day, "trading_day": date.fromisoformat(str(row["trading_day"]))}
