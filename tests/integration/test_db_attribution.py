"""Attribution through the database: what the engine records is what the readers get, and a restart goes on from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from bifrost.db import Connection
from bifrost.db.queries.attribution import PnlParts, daily_attribution, interval_attribution
from bifrost.db.records import SeqCounter, record_for, write_all
from bifrost_engine.adapters.postgres.restore import restore
from bifrost_engine.app import rows
from bifrost_engine.domain import effects as fx
from bifrost_engine.domain.ledger.restore import initial_state
from bifrost_engine.domain.trading_day.attribution import Interval, Parts
from bifrost_engine.domain.words import Mode

from tests.engine.rig import ACCOUNT, Rig
from tests.engine.test_rule_attribution import check_sums, hours, move
from tests.support.postgres import Database

DAY = date(2026, 5, 7)
BOOK = rows.Book(ACCOUNT, Mode.LIVE, "NVDA", "hash", 1)
NAMES = tuple(PnlParts.__slots__)


@pytest.fixture
def engine(database: Database) -> Connection:
    """The leader's connection."""
    database.query("UPDATE engine_lease SET epoch = 1 WHERE id = 1")
    return database.connect("engine", epoch=1)


def write(conn: Connection, written: list[tuple[str, Mapping[str, Any]]]) -> None:
    counter = SeqCounter(1)
    write_all(conn, [record_for(table, row, counter) for table, row in written])


def write_effects(conn: Connection, rig: Rig) -> None:
    """The rows that the recorder makes of what the day's book emitted."""
    written: list[tuple[str, Mapping[str, Any]]] = []
    for effect in rig.effects:
        match effect:
            case fx.RecordAttribution():
                written.append(("pnl_attribution", rows.attribution(BOOK, effect)))
            case fx.RecordTradingDay():
                written.append(("trading_days", rows.trading_day(BOOK, effect)))
            case fx.RecordExecution():
                written.append(("executions", rows.execution(effect)))
            case fx.RecordCost():
                written.append(("execution_costs", rows.cost(effect)))
            case fx.RecordLeg():
                written.append(("managed_legs", rows.leg(BOOK, effect)))
    write(conn, written)


def in_sum(parts: PnlParts) -> None:
    cents = [round(100 * getattr(parts, name)) for name in NAMES]
    assert sum(cents[:-1]) == cents[-1]


def test_what_the_engine_records_is_what_readers_get(database: Database, engine: Connection) -> None:
    rig = hours()
    for spot in (140.3, 139.7, 140.4):
        move(rig, spot, 40.0)
    check_sums(rig)
    write_effects(engine, rig)
    conn = database.connect("monitor")
    (day,) = daily_attribution(conn, account=ACCOUNT, mode="live")
    assert day.trading_day == DAY and day.parts is not None and day.daily_pnl is not None
    assert day.parts.total == round(day.daily_pnl, 2) and day.hedge_count == rig.state.day.hedge_count > 0
    in_sum(day.parts)
    intervals = interval_attribution(conn, trading_day=DAY)
    assert len(intervals) >= 2
    assert [row.end_ts for row in intervals] == sorted(row.end_ts for row in intervals)
    for row in intervals:
        in_sum(row.parts)
    closed = rig.state.day.attribution.closed
    for name in NAMES:
        told = sum(getattr(row.parts, name) for row in intervals)
        assert told == pytest.approx(getattr(closed, name), abs=0.011 * len(intervals) * len(NAMES))
    (newest,) = interval_attribution(conn, account=ACCOUNT, mode="live", limit=1)
    assert newest == intervals[-1]
    assert interval_attribution(conn, until_ts=intervals[0].end_ts) == intervals[:1]
    assert interval_attribution(conn, mode="paper") == [] == daily_attribution(conn, account="DU9")


def test_a_restarted_engine_reads_the_same_attribution(engine: Connection) -> None:
    rig = hours()
    for spot in (140.3, 139.7, 140.4):
        move(rig, spot, 40.0)
    rig.pass_time(60.0, 2.0)
    write_effects(engine, rig)
    state, _ = initial_state(restore(engine, ACCOUNT, Mode.LIVE, "NVDA"), rig.rules, rig.at)
    before, after = rig.state.day, state.day
    assert after.attribution.closed == before.attribution.closed
    assert after.attribution.start is not None and before.attribution.start is not None
    assert after.attribution.start.market_s == before.attribution.start.market_s
    assert after.attribution.now(after.booked).total == pytest.approx(after.daily_pnl_usd, abs=1e-6)
    for name in ("commissions_usd", "slippage_usd", "traded_shares", "traded_usd", "held_shares"):
        assert getattr(after.booked, name) == pytest.approx(getattr(before.booked, name))


def test_the_same_start_is_written_over_and_history_ends_with_its_retention(
    database: Database, engine: Connection
) -> None:
    start = datetime(2026, 5, 7, 14, 0, tzinfo=UTC)
    written = [
        Interval(start.timestamp(), start.timestamp() + seconds, 140.0, 140.1, Parts(delta, 1.004, residual=-0.333))
        for seconds, delta in ((30.0, 10.0), (60.0, 25.0))
    ]
    write(engine, [("pnl_attribution", rows.attribution(BOOK, fx.RecordAttribution(DAY, one))) for one in written])
    (row,) = interval_attribution(engine)
    assert row.end_ts - row.start_ts == timedelta(seconds=60)
    assert (row.parts.delta, row.parts.gamma, row.parts.total) == (25.0, 1.0, 25.67)
    assert row.parts.residual == -0.33
    assert daily_attribution(engine) == []
    database.query("UPDATE pnl_attribution SET updated_at = now() - interval '31 days'")
    with engine.cursor() as cursor:
        cursor.execute("SELECT bifrost_retention(30, 30)")
    assert interval_attribution(engine) == []
