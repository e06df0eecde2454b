"""Records and live rows: keyed rows move only forwards, accounts are replaced one by one, queries read them back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg2
import pytest
from bifrost.db import Connection, LeaseLost, RecordRefused
from bifrost.db.live_rows import (
    AccountSummary,
    Heartbeat,
    PositionRow,
    beat_instance,
    forget_instances,
    mark_unreported,
    put_heartbeat,
    write_account,
    write_heartbeat,
)
from bifrost.db.queries import accounts, operations, status
from bifrost.db.queries.attribution import PnlParts
from bifrost.db.queries.stats import read_statistics
from bifrost.db.records import (
    SeqCounter,
    apply_record,
    epoch_of,
    record_for,
    reserve_decision_seqs,
    write,
    write_all,
    write_together,
)
from bifrost.db.spool import decode, encode
from bifrost.db.tables import TABLES

from tests.support.postgres import Database

INTENT: dict[str, Any] = {
    "order_ref": "BF1",
    "decision_seq": 1,
    "account": "DU1",
    "mode": "live",
    "contract_key": "NVDA|STK|||",
    "side": "BUY",
    "quantity": 25,
    "order_type": "market",
    "epoch": 1,
    "gates": [{"name": "cooldown", "observed": float("nan")}],
}


@pytest.fixture
def engine(database: Database) -> Connection:
    """The leader's connection."""
    database.query("UPDATE engine_lease SET epoch = 1 WHERE id = 1")
    return database.connect("engine", epoch=1)


def _write(conn: Connection, table: str, row: Mapping[str, Any], **more: Any) -> bool:
    with conn.cursor() as cursor:
        return write(cursor, table, row, **more)


def test_sequence_numbers_rise_across_epochs() -> None:
    first, second = SeqCounter(6), SeqCounter(7)
    numbers = [first.next(), first.next(), second.next()]
    assert numbers == sorted(numbers) and [epoch_of(number) for number in numbers] == [6, 6, 7]


def test_a_keyed_row_moves_only_forwards(database: Database, engine: Connection) -> None:
    assert _write(engine, "order_intents", INTENT | {"seq": 10})
    assert _write(engine, "order_intents", {"order_ref": "BF1", "seq": 12, "state": "filled"})
    assert not _write(engine, "order_intents", {"order_ref": "BF1", "seq": 11, "state": "working"})
    assert not _write(engine, "order_intents", INTENT | {"seq": 10})
    assert database.query("SELECT state, seq, quantity, gates FROM order_intents") == [
        ("filled", 12, 25, [{"name": "cooldown", "observed": None}])
    ]
    with pytest.raises(RecordRefused, match="order_ref=BF9"):
        _write(engine, "order_intents", {"order_ref": "BF9", "seq": 13, "state": "sent"})
    with pytest.raises(RecordRefused, match="needs seq"):
        _write(engine, "order_intents", {"order_ref": "BF1", "state": "sent"})


def test_the_single_snapshot_is_upserted_and_its_age_is_the_databases(database: Database, engine: Connection) -> None:
    snapshot = {"symbol": "NVDA", "spot": np.float64(140.25), "self_check": "ok", "block_reasons": ["standby"]}
    assert status.status_current(engine) is None
    assert _write(engine, "status_current", snapshot | {"seq": 1})
    assert _write(engine, "status_current", snapshot | {"seq": 2, "spot": 141.0})
    row = status.status_current(database.connect("monitor"))
    assert row is not None and (row.spot, row.seq, row.block_reasons) == (141.0, 2, ["standby"])
    assert 0 <= row.age_s < 30
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert _write(engine, "status_current", snapshot | {"seq": 3}, written_at=hour_ago)
    stale = status.status_current(engine)
    assert stale is not None and 3590 < stale.age_s < 3700, "a replayed snapshot must not look fresh"


def test_unknown_tables_and_columns_are_refused_by_name(engine: Connection) -> None:
    with pytest.raises(RecordRefused, match="'settings'"):
        _write(engine, "settings", {"ib_host": "x"})
    with pytest.raises(RecordRefused, match="net_gamma"):
        _write(engine, "status_current", {"net_gamma": 1, "seq": 1})


def test_every_table_takes_a_record_directly_and_from_a_file(database: Database, engine: Connection) -> None:
    now = datetime(2014, 6, 5, 14, tzinfo=UTC)
    key = {"account": "DU1", "mode": "live"}
    rows: dict[str, dict[str, Any]] = {
        "status_history": {"symbol": "NVDA", "ts": now, "details": {"x": np.int64(3)}},
        "operations": {"type": "fill", "side": "BUY", "quantity": 5, "exec_id": "e.1", "ts": now},
        "executions": key
        | {"exec_id": "e.1", "contract_key": "NVDA|STK|||", "side": "BUY", "quantity": 5.0, "price": 1.5},
        "execution_costs": {"exec_id": "e.1", "commission": 1.0, "realized_pnl": None},
        "decisions": {"outcome": "blocked", "gates": [{"name": "cooldown"}], "ts": now},
        "reconciliations": {"account": "DU1", "trigger": "start", "reconciled": True, "differences": []},
        "alerts": {"severity": "critical", "code": "orphan_hedge", "message": "own shares without legs"},
        "status_current": {"symbol": "NVDA", "checks": [{"name": "db"}], "market_clock": {"speed": 10}},
        "order_intents": INTENT,
        "orders": key
        | {"order_ref": "BF1", "contract_key": "NVDA|STK|||", "side": "BUY", "quantity": 5, "status": "Submitted"},
        "managed_legs": {
            "account": "DU1",
            "contract_key": "NVDA|OPT|20260320|140|C",
            "quantity": 2,
            "multiplier": 100,
            "adopted_at": now,
            "adopt_reason": "structure",
        },
        "external_baseline": {
            "account": "DU1",
            "symbol": "NVDA",
            "shares": 300,
            "origin": "observed",
            "observed_at": now,
        },
        "trading_days": key | {"trading_day": now.date(), "hedge_count": 3, "last_hedge": {"spot": 140.0}},
        "pnl_attribution": key
        | {"trading_day": now.date(), "start_ts": now, "end_ts": now, "spot_start": 140.0, "spot_end": 140.1}
        | {f"{part}_usd": 1.5 for part in PnlParts.__slots__},
        "shadow_hedgers": key
        | {"trading_day": now.date(), "policy": "every 15 minutes", "since_ts": now, "ts": now, "book": {"legs": {}}}
        | {"shares": -37.0, "hedges": 2, "slippage_usd": 0.4, "commissions_usd": 2.0, "pnl_usd": 11.5},
        "decision_counts": key | {"minute": now, "reason": "cooldown", "count": 17},
    }
    assert set(rows) == set(TABLES)
    counter = SeqCounter(1)
    records = [record_for(table, row, counter) for table, row in rows.items()]
    assert write_all(engine, records) == len(records)
    for record in records:
        assert not apply_record(engine, decode(encode(record))), f"{record.table} was written twice"
    for table in rows:
        assert database.value(f"SELECT count(*) FROM {table}") == 1, table
    (listed,) = operations.operations(engine, type="fill")
    assert (listed.exec_id, listed.commission) == ("e.1", 1.0)


def test_the_counts_of_a_minute_that_a_restart_cuts_add_up(database: Database, engine: Connection) -> None:
    """Each life counts for itself, from zero; its counts grow, and a replay of its spool adds nothing."""
    at = datetime(2026, 3, 20, 15, 4, tzinfo=UTC)
    row = {"account": "DU1", "mode": "live", "minute": at, "reason": "blocked:cooldown"}
    first, second = SeqCounter(1), SeqCounter(2)
    told = [record_for("decision_counts", row | {"count": count}, first) for count in (10, 17)]
    assert write_all(engine, told) == 2
    later = record_for("decision_counts", row | {"count": 5}, second)
    new_leader = database.connect("engine", epoch=2)
    assert apply_record(new_leader, later)
    for record in (*told, later):
        assert not apply_record(new_leader, decode(encode(record)))
    assert database.query("SELECT epoch, count FROM decision_counts ORDER BY epoch") == [(1, 17), (2, 5)]
    database.query("INSERT INTO trading_days (account, mode, trading_day) VALUES ('DU1', 'live', '2026-03-20')")
    assert read_statistics(engine).total.blocked == {"cooldown": 22}


def test_a_batch_is_written_whole_or_not_at_all(database: Database, engine: Connection) -> None:
    counter = SeqCounter(1)
    good = record_for("operations", {"type": "fill"}, counter)
    with pytest.raises(RecordRefused, match="operations_type_check"):
        write_all(engine, [good, record_for("operations", {"type": "?"}, counter)])
    assert database.value("SELECT count(*) FROM operations") == 0
    database.query("UPDATE engine_lease SET epoch = 2 WHERE id = 1")
    with pytest.raises(LeaseLost, match="epoch 2"):
        write_all(engine, [good])
    assert engine.autocommit and engine.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_IDLE


def test_decision_numbers_never_repeat(database: Database, engine: Connection) -> None:
    """INV-C5."""
    taken = reserve_decision_seqs(engine, 5) + reserve_decision_seqs(database.connect("engine", epoch=1), 5)
    assert len(set(taken)) == 10


def _position(key: str, quantity: float, **more: Any) -> PositionRow:
    symbol, sec_type = key.split("|")[:2]
    return PositionRow(key, symbol, sec_type, quantity, **more)


def test_one_fetch_replaces_one_account_and_touches_no_other(database: Database, engine: Connection) -> None:
    answered = datetime(2026, 1, 5, 15, tzinfo=UTC)
    stock, option = "NVDA|STK|||", "NVDA|OPT|20260320|140|C"
    legs = [_position(stock, -50.0, avg_cost=140.0), _position(option, 2, avg_cost=510.0, multiplier=100.0)]
    write_account(engine, AccountSummary("DU1", answered, 1e6, extra={"Cushion": "0.9"}), legs)
    write_account(engine, AccountSummary("DU2", answered), [_position(stock, 7.0)])
    write_account(engine, AccountSummary("DU1", answered + timedelta(seconds=30), 1.1e6), legs[1:])
    database.query(
        "INSERT INTO instrument_prices (contract_key, mid, last) VALUES (%s, 6.5, 6.0)", option, role="pricer"
    )

    one, two = accounts.accounts(database.connect("monitor"))
    assert (one.account_id, one.net_liquidation, [p.contract_key for p in one.positions]) == ("DU1", 1.1e6, [option])
    assert one.positions[0].price == 6.5 and one.positions[0].unrealized_pnl == pytest.approx(2 * (650 - 510))
    assert [p.position for p in two.positions] == [7.0] and two.positions[0].price is None
    assert accounts.accounts_fetched_at(engine) == (answered + timedelta(seconds=30)).timestamp()

    write_account(engine, AccountSummary("DU2", answered), None)
    assert len(accounts.positions(engine)) == 2, "positions that were not fetched stay"
    assert mark_unreported(engine, ["DU1"]) == ["DU2"] and mark_unreported(engine, ["DU1"]) == []
    assert [row.reported for row in accounts.accounts(engine)] == [True, False]
    write_account(engine, AccountSummary("DU1", answered), [])
    assert [p.account_id for p in accounts.positions(engine)] == ["DU2"]


def test_two_contracts_under_one_key_are_one_row_and_a_line_in_the_log(
    engine: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """An adjusted option has the key of the plain one. The engine once stopped on it."""
    key = "NVDA|OPT|20260320|140|C"
    both = [_position(key, 2.0, con_id=7), _position(key, 3.0, con_id=8)]
    write_account(engine, AccountSummary("DU1", datetime(2026, 1, 5, 15, tzinfo=UTC)), both)
    assert [(row.con_id, row.position) for row in accounts.positions(engine)] == [(8, 3.0)]
    assert "conId 7 and 8" in caplog.text


def test_heartbeat_counts_down_by_the_databases_clock(database: Database, engine: Connection) -> None:
    before = status.heartbeat(engine)
    assert before is not None and not before.ever_beat
    write_heartbeat(engine, Heartbeat(hedge_running=True, ib_connected=False, ib_client_id=1, seconds_until_retry=25))
    beat = status.heartbeat(database.connect("monitor"))
    assert beat is not None and beat.ever_beat and beat.age_s < 30
    assert beat.seconds_until_retry is not None and 20 <= beat.seconds_until_retry <= 25
    assert beat.next_retry_ts is not None and beat.ib_client_id is None
    write_heartbeat(engine, Heartbeat(hedge_running=False, ib_connected=True, ib_client_id=1, graceful_shutdown=True))
    beat = status.heartbeat(engine)
    assert beat is not None and beat.graceful_shutdown_at is not None and beat.next_retry_ts is None
    assert (beat.ib_client_id, beat.seconds_until_retry) == (1, None)


def test_writes_together_are_one_transaction(database: Database, engine: Connection) -> None:
    beat = Heartbeat(hedge_running=True, ib_connected=True, ib_client_id=1)

    def snapshot(lamp: str, seq: int) -> Any:
        row = {"seq": seq, "status_lamp": lamp, "details": {"text": "100 % of 'it'; %s", "nan": [float("nan")]}}
        return lambda cursor: write(cursor, "status_current", row)

    def shown() -> list[tuple[Any, ...]]:
        return database.query("SELECT status_lamp, details FROM status_current")

    write_together(engine, [snapshot("green", 5), lambda cursor: put_heartbeat(cursor, beat)])
    details = {"text": "100 % of 'it'; %s", "nan": [None]}
    assert shown() == [("green", details)] and status.heartbeat(engine) is not None
    write_together(engine, [snapshot("red", 4)])
    assert shown() == [("green", details)], "an older snapshot came in place of a newer one"
    with pytest.raises(RecordRefused, match="status_lamp"):
        write_together(engine, [lambda cursor: put_heartbeat(cursor, Heartbeat(False, False)), snapshot("blue", 6)])
    kept = status.heartbeat(engine)
    assert kept is not None and kept.hedge_running, "half of a refused message was written"
    database.query("UPDATE engine_lease SET epoch = 2 WHERE id = 1")
    with pytest.raises(LeaseLost):
        write_together(engine, [snapshot("red", 7)])


def test_instances_beat_and_are_forgotten(database: Database, engine: Connection) -> None:
    leader, standby = uuid4(), uuid4()
    beat_instance(engine, leader, host="a", pid=1, state="running", epoch=1)
    beat_instance(engine, standby, host="b", pid=2, state="standby", epoch=None)
    beat_instance(engine, standby, host="b", pid=2, state="standby", epoch=None)
    assert {row.instance_id for row in status.instances(engine)} == {str(leader), str(standby)}
    assert forget_instances(engine, instance_id=standby) == 1
    database.query("UPDATE engine_instances SET beat_at = now() - interval '2 days'")
    assert forget_instances(engine) == 1


def test_settings_are_saved_by_the_monitor_alone(database: Database) -> None:
    monitor = database.connect("monitor")
    assert status.settings(monitor) is None
    status.save_settings(monitor, " 192.0.2.7 ", "gateway_live", "web")
    saved = status.settings(database.connect("pricer"))
    assert saved is not None and (saved.ib_host, saved.port, saved.updated_by) == ("192.0.2.7", 4001, "web")
    with pytest.raises(ValueError, match=r"'gate'.*tws_live"):
        status.save_settings(monitor, "h", "gate")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        status.save_settings(database.connect("engine"), "h", "gateway")


def test_operations_page_backwards_in_market_time(database: Database, engine: Connection) -> None:
    start = datetime(2014, 6, 5, 14, tzinfo=UTC)
    counter = SeqCounter(1)
    types = ["hedge_intent", "order_sent", "fill"] * 4
    rows = [{"type": kind, "ts": start + timedelta(minutes=n)} for n, kind in enumerate(types)]
    write_all(engine, [record_for("operations", row, counter) for row in rows])
    first = operations.operations(engine, limit=5)
    second = operations.operations(engine, limit=5, before_id=first[-1].id)
    assert [row.id for row in first + second] == list(range(12, 2, -1))
    minutes = operations.operations(engine, since_ts=start, until_ts=start + timedelta(minutes=5), type="fill")
    assert [row.ts for row in minutes] == [start + timedelta(minutes=5), start + timedelta(minutes=2)]
    write_all(engine, [record_for("status_history", {"ts": start + timedelta(minutes=n)}, counter) for n in range(4)])
    newest = operations.history(engine, since_ts=start + timedelta(minutes=1), limit=2)
    assert [row["ts"] for row in newest] == [start + timedelta(minutes=2), start + timedelta(minutes=3)]
