"""A restart continues where it stopped; a state of another scenario is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bifrost_simulator.api import ComboLeg, ContractQuery, Direction, ExecutionFilter
from bifrost_simulator.clock import ClockError, SimClock
from bifrost_simulator.journal import MessageJournal
from bifrost_simulator.state import STATE_FILE, StateError

from tests.simulator.world_support import ACCOUNT, CLIENT, STOCK, Stage, request, scenario_file


def _truth(stage: Stage) -> dict[str, object]:
    world = stage.world
    return {
        "open": world.open_orders(None),
        "completed": world.completed_orders(False),
        "executions": world.executions(ExecutionFilter()),
        "positions": world.positions(),
        "cash": world.settlement.accounts[ACCOUNT].cash,
        "next": world.next_order_id(CLIENT),
        "quotes": world.market.quotes([world.universe.key(world.universe.stock.con_id)]),
        "con_ids": world.universe.to_state(),
    }


def _traded(stage: Stage) -> None:
    stage.order(1, "BUY", 700, order_ref="BFA")
    stage.until_done(1)
    stage.order(2, "SELL", 100, 180.0, attributes={"algoStrategy": "", "softDollarTier": ["a", "b"]})
    stage.order(3, "BUY", 100, 100.0)
    stage.world.cancel_order(CLIENT, 3)
    stage.live(1.0)


def test_a_stopped_simulator_goes_on_with_everything(tmp_path: Path) -> None:
    file, folder = scenario_file(tmp_path), tmp_path / "state"
    first = Stage(file, folder)
    _traded(first)
    before = _truth(first)
    assert first.world.saver is not None
    first.world.saver.save_all()
    second = Stage(file, folder)
    assert second.world.now() == first.world.now()
    assert _truth(second) == before
    second.order(4, "BUY", 100)
    second.until_done(4)
    known = {execution.exec_id for execution, _ in before["executions"]}  # type: ignore[attr-defined]
    assert known.isdisjoint({fill.exec_id for fill in second.heard.executions}), "an execution id is unique for ever"


def test_a_killed_simulator_has_kept_every_fill_that_anybody_saw(tmp_path: Path) -> None:
    """No orderly end: what is on disk after the last event is what a new process finds."""
    file, folder = scenario_file(tmp_path), tmp_path / "state"
    first = Stage(file, folder)
    _traded(first)
    second = Stage(file, folder)
    mine, theirs = _truth(first), _truth(second)
    for name in ("open", "completed", "executions", "positions", "cash", "next", "con_ids"):
        assert theirs[name] == mine[name], name
    last = max(fill.time for fill in first.heard.executions)
    assert second.world.now() >= last, "market time never falls behind a fill"


def test_what_a_fault_did_to_an_order_is_kept_too(tmp_path: Path) -> None:
    file, folder = scenario_file(tmp_path), tmp_path / "state"
    first = Stage(file, folder)
    first.world.inject("fill_partial", {"shares": 0, "then": "cancel"})
    first.order(1, "BUY", 100)
    first.until_done(1)
    (order,) = Stage(file, folder).world.completed_orders(False)
    assert order.status == "Cancelled"


def test_a_commission_that_was_due_comes_after_the_restart(tmp_path: Path) -> None:
    file, folder = scenario_file(tmp_path), tmp_path / "state"
    first = Stage(file, folder)
    first.order(1, "BUY", 100)
    first.until_done(1)
    assert first.heard.of("commission") == []
    second = Stage(file, folder)
    second.live(0.5)
    assert [arguments[1].exec_id for arguments in second.heard.of("commission")] == [
        fill.exec_id for fill in first.heard.executions
    ]


def test_a_muted_order_stays_muted(tmp_path: Path) -> None:
    file, folder = scenario_file(tmp_path), tmp_path / "state"
    first = Stage(file, folder)
    first.world.inject("ack_lost", {})
    first.order(1, "BUY", 100, 200.0, tif="GTC")
    second = Stage(file, folder)
    second.live(3.0)
    assert second.heard.executions == []
    assert len(second.world.executions(ExecutionFilter())) == 1


def test_scripted_faults_strike_once(tmp_path: Path) -> None:
    file = scenario_file(tmp_path, faults=[{"at": 1, "name": "order_rejected_201"}])
    folder = tmp_path / "state"
    first = Stage(file, folder)
    first.live(2.0)
    assert len(first.world.faults.active) == 1
    second = Stage(file, folder)
    second.live(2.0)
    assert second.world.faults.active == ()


def test_another_scenario_is_refused_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    Stage(scenario_file(tmp_path), folder)
    with pytest.raises(StateError, match=r"belongs to scenario scenario .*reset"):
        Stage(scenario_file(tmp_path, seed=8), folder)


@pytest.mark.parametrize("content", ["", "[]", '{"version": 99}'])
def test_a_broken_state_file_is_named(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "state"
    file = scenario_file(tmp_path)
    Stage(file, folder)
    (folder / STATE_FILE).write_text(content)
    with pytest.raises(StateError, match=r"state\.json"):
        Stage(file, folder)


def test_conids_outlive_their_first_run_and_are_those_of_the_contract(tmp_path: Path) -> None:
    first, second = Stage(scenario_file(tmp_path)), Stage(scenario_file(tmp_path, seed=99))
    stock = ContractQuery(symbol="NVDA", sec_type="STK")
    assert first.world.qualify(stock).con_id == second.world.qualify(stock).con_id
    assert 200_000_000 <= first.world.qualify(stock).con_id < 900_000_000


def test_orders_are_stored_field_by_field(tmp_path: Path) -> None:
    file, folder = scenario_file(tmp_path), tmp_path / "state"
    first = Stage(file, folder)
    legs = (ComboLeg(1, 1, "BUY"), ComboLeg(2, 2, "SELL", exempt_code=0))
    stock = ContractQuery(**{**{f: getattr(STOCK, f) for f in STOCK.__slots__}, "combo_legs": legs})
    order = request("SELL", 100, 170.0, contract=stock, outside_rth=True, good_till_date="20260601 16:00:00")
    first.world.place_order(CLIENT, 1, order)
    assert Stage(file, folder).world.open_orders(None)[0].request == order


def test_only_the_days_orders_are_kept(tmp_path: Path) -> None:
    stage = Stage(scenario_file(tmp_path, accounts=[{"id": ACCOUNT, "cash": 1_000_000}]))
    stage.order(1, "BUY", 100)
    stage.until_done(1)
    stage.world.clock.step(86_400.0)
    stage.live(1.0)
    assert len(stage.world.executions(ExecutionFilter())) == 1, "yesterday's are still there"
    stage.world.clock.step(86_400.0)
    stage.live(1.0)
    assert stage.world.executions(ExecutionFilter()) == ()
    assert stage.world.completed_orders(False) == ()
    assert stage.world.pnl(ACCOUNT).realized == 0


def test_the_journal_is_read_back_and_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    first = MessageJournal(file, lambda: 1_000.0)
    first.record(Direction.FROM_CLIENT, 1, "placeOrder", {"orderRef": "BFA"})
    first.record(Direction.TO_CLIENT, 1, "tickPrice", {"price": 1.0})
    first.record(Direction.TO_CLIENT, 1, "execDetails", {"execId": "e1"})
    first.close()
    file.write_text(file.read_text() + '{"seq": 4, "torn')
    second = MessageJournal(file, lambda: 2_000.0)
    second.record(Direction.TO_CLIENT, 2, "orderStatus", {})
    shown = [(entry.seq, entry.message) for entry in second.entries()]
    assert shown == [(1, "placeOrder"), (3, "execDetails"), (4, "orderStatus")]
    assert second.entries(message="placeOrder")[0].fields == {"orderRef": "BFA"}
    assert [entry.seq for entry in second.entries(since=1, client_id=1)] == [3]
    second.close()


def test_ticks_cannot_push_an_order_out_of_the_journal() -> None:
    journal = MessageJournal(None, lambda: 0.0)
    journal.record(Direction.FROM_CLIENT, 1, "placeOrder", {})
    for _ in range(30_000):
        journal.record(Direction.TO_CLIENT, 1, "tickPrice", {})
    assert [entry.message for entry in journal.entries()] == ["placeOrder"]
    assert len(journal.entries(ticks=True, limit=100_000)) == 20_001
    assert journal.counts["out", "tickPrice"] == 30_000


def test_the_journal_file_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bifrost_simulator.journal.FILE_BYTES", 2_000)
    journal = MessageJournal(tmp_path / "journal.jsonl", lambda: 0.0)
    for number in range(100):
        journal.record(Direction.TO_CLIENT, 1, "orderStatus", {"number": number})
    journal.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["journal.1.jsonl", "journal.2.jsonl", "journal.3.jsonl", "journal.jsonl"]
    for path in tmp_path.iterdir():
        for line in path.read_text().splitlines():
            assert json.loads(line)["message"] == "orderStatus"


def test_the_clock_only_goes_forward() -> None:
    clock = SimClock(1_000.0, speed=10.0)
    clock.advance(5.0)
    clock.advance(6.0)
    assert clock.market_s == 1_010.0
    clock.paused = True
    clock.advance(7.0)
    clock.step(30.0)
    assert clock.market_s == 1_040.0
    clock.paused = False
    clock.advance(107.0)
    assert clock.market_s == 1_090.0, "a machine that slept finds five seconds gone, not a hundred"
    for refused in (lambda: clock.step(-1), lambda: clock.set_speed(0), lambda: clock.set_speed(1e9)):
        with pytest.raises(ClockError):
            refused()
