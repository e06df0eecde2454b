"""Shadow hedgers through the database: what one life writes the next one goes on from, and the API shows."""

from __future__ import annotations

import pytest
from bifrost.db.records import SeqCounter, record_for, write_all
from bifrost_engine.adapters.postgres.restore import shadow_books
from bifrost_engine.app import rows
from bifrost_engine.app.shadows import ENGINE
from bifrost_engine.backtest.fills import FillModel
from bifrost_engine.domain.words import Mode
from bifrost_monitor.queries_shadows import read_shadows

from tests.backtest.made import DAY
from tests.engine.test_app_shadows import BAND, CLOCK, Watched, steps
from tests.support.postgres import Database

BOOK = rows.Book("DU1", Mode.LIVE, "NVDA", "hash", 1)


@pytest.mark.integration
def test_books_come_back_as_they_were_written_and_are_shown_beside_the_engine(database: Database) -> None:
    database.query("UPDATE engine_lease SET epoch = 1 WHERE id = 1")
    engine = database.connect("engine", epoch=1)
    whole, before, after = (Watched(BAND, CLOCK, model=FillModel()) for _ in range(3))
    made = steps(minutes=90)
    half = len(made) // 2
    for step in made:
        whole.desk.follow(step)
    for step in made[:half]:
        before.desk.follow(step)
    before.desk.flush()
    counter = SeqCounter(1)
    write_all(engine, [record_for("shadow_hedgers", rows.shadow(BOOK, one), counter) for one in before.written])
    assert shadow_books(engine, "DU1", Mode.PAPER) == []
    after.open(shadow_books(engine, "DU1", Mode.LIVE))
    for step in made[half:]:
        after.desk.follow(step)
    for one in (whole, after):
        one.desk.flush()
    for policy in ("fixed band, 25 shares", "every 15 minutes", ENGINE):
        lasting, resumed = whole.row(policy), after.row(policy)
        assert resumed.row == pytest.approx(lasting.row) and resumed.since_s == pytest.approx(lasting.since_s)
    write_all(engine, [record_for("shadow_hedgers", rows.shadow(BOOK, one), counter) for one in after.written])
    found = read_shadows(database.connect("monitor"), None, "DU1", "live")
    assert (found["day"], found["account"], found["mode"]) == (DAY, "DU1", "live")
    first, *others = found["hedgers"]
    assert first["policy"] == ENGINE and first["shares_traded"] is None and len(others) == 2
    assert [row["cost_usd"] for row in others] == sorted(row["cost_usd"] for row in others)
    for row in others:
        told = after.row(row["policy"])
        figures = {name: row[name] for name in told.row if name != "policy"}
        assert figures == pytest.approx({name: value for name, value in told.row.items() if name != "policy"})
        assert row["since_ts"].timestamp() == pytest.approx(told.since_s)
