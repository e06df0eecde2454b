"""Rows fit the tables: every column exists, what must be there is there, and a row survives the spool."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pytest
from bifrost.contract import contract_key
from bifrost.db.spool import SpoolRecord, decode, encode
from bifrost.db.tables import TABLES, TableKind
from bifrost_engine.app.recorder import RecordKeeper
from bifrost_engine.app.rows import Book, plain
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain import events as ev
from bifrost_engine.domain.trading_day.attribution import Interval, Parts
from bifrost_engine.domain.words import (
    DeltaState,
    Dimensions,
    Execution,
    ExecutionState,
    HealthState,
    IntentState,
    LiquidityState,
    MarketState,
    Mode,
    OptionState,
    OrderIntent,
    OrderType,
    Purpose,
    Side,
    Times,
    Trigger,
)

AT = Times(1_800_000_000.0, 1_778_162_400.0)
STOCK = contract_key("NVDA", "STK")
INTENT = OrderIntent(
    "BF1", 9, "DU1", Mode.LIVE, STOCK, Side.SELL, 12, OrderType.LIMIT, 139.9, "DAY", Purpose.HEDGE, "D2", True, 140, AT
)
STATES = Dimensions(
    OptionState.LONG_GAMMA,
    DeltaState.HEDGE_NEEDED,
    MarketState.NORMAL,
    LiquidityState.NORMAL,
    ExecutionState.IDLE,
    HealthState.OK,
)
FILL = Execution("x.01", "DU1", STOCK, Side.SELL, 12.0, 139.9, AT.market_s or 0.0, order_ref="BF1", perm_id=3)
EFFECTS: list[tuple[str, fx.RecorderEffect]] = [
    ("operations", fx.RecordOperation(AT, fx.OperationType.FILL, Side.SELL, 12, 139.9, "D2", STOCK, "BF1", "x.01")),
    ("order_intents", fx.PersistIntent(INTENT, ({"name": "hold", "limit": float("nan")},), {"spot": 140.0})),
    ("order_intents", fx.RecordIntentState(AT, "BF1", IntentState.SENT, "")),
    (
        "orders",
        fx.RecordOrder(AT, "BF1", STOCK, Side.SELL, 12, "limit", 139.9, "Submitted", 0, 12, None, 3, 7, 1),
    ),
    ("executions", fx.RecordExecution(AT, FILL)),
    ("execution_costs", fx.RecordCost("x.01", 1.0, "USD", None)),
    ("status_history", fx.RecordHistory(AT, "fill")),
    (
        "decisions",
        fx.RecordDecision(AT, STATES, 14.0, 140.0, 139.9, 140.1, -14, "hedge", "", ({"name": "hold"},), {"h": "PLAN"}),
    ),
    ("decision_counts", fx.RecordCounts(AT.market_s or 0.0, {"cooldown": 4})),
    ("trading_days", fx.RecordTradingDay({"trading_day": "2026-05-07", "hedge_count": 1, "last_hedge": {"spot": 1.0}})),
    (
        "pnl_attribution",
        fx.RecordAttribution(
            date(2026, 5, 7), Interval(AT.market_s or 0.0, AT.wall_s, 140.0, 140.5, Parts(5.0, 1.0, -0.1))
        ),
    ),
    (
        "shadow_hedgers",
        fx.RecordShadow(
            AT,
            date(2026, 5, 7),
            AT.wall_s,
            {"policy": "every 15 minutes", "shares": -37.0, "hedges": 2, "slippage_usd": 0.4, "commissions_usd": 2.0,
             "pnl_usd": 11.5},
            {"cash_usd": 5180.0},
            {"NVDA|OPT|20260605|140|C": 20.0},
        ),
    ),
    (
        "managed_legs",
        fx.RecordLeg({"contract_key": str(STOCK), "quantity": 1.0, "multiplier": 100.0, "adopted_at": "2026-05-07",
                      "adopt_reason": "why"}),
    ),
    ("external_baseline", fx.RecordBaseline(AT, 5.0, "observed", "", "seen")),
    ("reconciliations", fx.RecordReconciliation(AT, Trigger.STARTUP, True, ({"a": 1},), ("x.01",))),
    ("alerts", fx.Alert(AT, fx.Severity.INFO, "code", "message", {"n": 1})),
]  # fmt: skip


class Store:
    """Remembers what it was handed; intents are made durable by the test."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[tuple[Callable[[], None] | None, Callable[[str], None] | None]] = []
        self.ended: list[tuple[int, str, Mapping[str, Any]]] = []
        self.snapshots: list[Mapping[str, Any]] = []
        self.backlog = 0

    def put(
        self,
        table: str,
        row: Mapping[str, Any],
        *,
        on_durable: Callable[[], None] | None = None,
        on_failed: Callable[[str], None] | None = None,
    ) -> None:
        self.rows.append((table, dict(row)))
        self.answers.append((on_durable, on_failed))

    def put_snapshot(self, row: Mapping[str, Any]) -> None:
        self.snapshots.append(row)

    def accept_command(self, command_id: int) -> None:
        self.ended.append((command_id, "accepted", {}))

    def finish_command(self, command_id: int, status: str, result: Mapping[str, Any]) -> None:
        self.ended.append((command_id, status, result))


class Clock:
    def now(self) -> Times:
        return AT


def keeper(store: Store, told: list[ev.Event] | None = None, reserved: list[int] | None = None) -> RecordKeeper:
    return RecordKeeper(
        store,
        Book("DU1", Mode.LIVE, "NVDA", "abc123", 4),
        sink=(told if told is not None else []).append,
        clock=Clock(),
        reserve=lambda: (reserved if reserved is not None else []).append(1),
        identity={"instance_id": "i", "epoch": 4},
    )


@pytest.mark.parametrize(("table", "effect"), EFFECTS, ids=[type(effect).__name__ for _, effect in EFFECTS])
def test_a_row_fits_its_table_and_survives_the_spool(table: str, effect: fx.RecorderEffect) -> None:
    store = Store()
    records = keeper(store)
    records.snapshot({"spot": 140.0, "account": "DU1", "mode": "live", "details": {"a": float("inf")}})
    records.record(effect)
    ((name, row),) = store.rows
    rule = TABLES[table]
    assert name == table
    assert set(row) <= rule.all_columns
    if not isinstance(effect, fx.RecordIntentState):
        assert all(row.get(column) is not None for column in rule.required)
    if rule.kind is TableKind.APPEND:
        assert row[rule.key[0]]
    record = SpoolRecord(table, row, 1, 4)
    assert decode(encode(record).rstrip(b"\n")).row == json.loads(json.dumps(row))


def test_every_recorder_effect_has_a_row_here_or_an_end() -> None:
    covered = {type(effect) for _, effect in EFFECTS} | {fx.FinishCommand, fx.ReserveSequence}
    assert covered == set(fx.RecorderEffect.__args__)  # type: ignore[attr-defined]


def test_an_intent_is_answered_by_its_durability_alone() -> None:
    store, told = Store(), list[ev.Event]()
    keeper(store, told).record(fx.PersistIntent(INTENT, (), {}))
    assert told == []
    durable, failed = store.answers[0]
    assert durable is not None and failed is not None
    durable()
    failed("disk full")
    assert told == [ev.IntentDurable(AT, "BF1"), ev.IntentFailed(AT, "BF1", "disk full")]


def test_statuses_are_kept_once_each_and_the_last_word_comes_late() -> None:
    store = Store()
    records = keeper(store)
    order = fx.RecordOrder(AT, "BF1", STOCK, Side.SELL, 12, "market", None, "Submitted", 0, 12, None, 3, 7, 1)
    records.record(order)
    records.record(order)
    records.late_status(ev.OrderStatusReported(AT, "BF1", "Filled", 12, 0, 139.9, 3, 7))
    records.late_status(ev.OrderStatusReported(AT, "BF1", "Filled", 12, 0, 139.9, 3, 7))
    records.late_status(ev.OrderStatusReported(AT, "BF2", "Filled", 12, 0, 139.9, 3, 8))
    rows = [row for table, row in store.rows if table == "orders"]
    assert [entry["status"] for entry in rows[-1]["status_history"]] == ["Submitted", "Filled"]
    assert (len(rows), rows[-1]["filled"], rows[-1]["avg_fill_price"]) == (3, 12, 139.9)


def test_the_same_step_of_an_order_told_twice_is_one_row() -> None:
    store = Store()
    records = keeper(store)
    told = fx.RecordOperation(AT, fx.OperationType.ORDER_SENT, Side.SELL, 12, 139.9, "D2", STOCK, "BF1")
    records.record(told)
    records.record(told)
    first, second = (row["record_id"] for _, row in store.rows)
    assert first == second


def test_a_live_fill_that_a_paper_engine_sees_belongs_to_the_live_ledger() -> None:
    """INV-L6."""
    store = Store()
    records = keeper(store)
    records._book = Book("DU1", Mode.PAPER, "NVDA", "abc123", 4)
    records.record(fx.RecordExecution(AT, FILL))
    paper = Execution("paper:BF1:1", "DU1", STOCK, Side.SELL, 12.0, 139.9, 0.0, order_ref="BF1")
    records.record(fx.RecordExecution(AT, paper))
    assert [row["mode"] for _, row in store.rows] == ["live", "paper"]


def test_ends_of_commands_and_blocks_of_numbers_are_passed_on() -> None:
    store, reserved = Store(), list[int]()
    records = keeper(store, reserved=reserved)
    records.accept_command(5)
    records.record(fx.FinishCommand(5, "done", {"key": STOCK}))
    records.record(fx.ReserveSequence())
    assert store.ended == [(5, "accepted", {}), (5, "done", {"key": "NVDA|STK|||"})]
    assert reserved == [1]


def test_plain_makes_json_of_anything_the_core_says() -> None:
    value = {"side": Side.BUY, STOCK: (1, float("nan")), "set": {True}}
    assert plain(value) == {"side": "BUY", "NVDA|STK|||": [1, None], "set": [True]}
