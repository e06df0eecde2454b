"""The three machines as tables: complete, reachable, and drawn as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bifrost_engine.domain.machines import daemon, hedge, trading
from bifrost_engine.domain.machines.diagrams import MACHINES, document
from bifrost_engine.domain.machines.hedge import HEDGE_MACHINE, HedgeEvent, HedgeState
from bifrost_engine.domain.machines.table import Machine, NoTransition
from bifrost_engine.domain.machines.trading import TRADING_MACHINE, TradingEvent, TradingState

REPOSITORY = Path(__file__).resolve().parents[2]
TABLES = {
    "HedgeFSM": (hedge.HedgeState, hedge.HedgeEvent),
    "TradingFSM": (trading.TradingState, trading.TradingEvent),
    "DaemonFSM": (daemon.DaemonState, daemon.DaemonEvent),
}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_can_be_reached_from_the_first(machine: Machine[Any, Any]) -> None:
    states, _ = TABLES[machine.name]
    reached, frontier = {next(iter(states))}, [next(iter(states))]
    while frontier:
        state = frontier.pop()
        for (start, _), target in machine.rows.items():
            if start is state and target not in reached:
                reached.add(target)
                frontier.append(target)
    assert reached == set(states)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_event_is_in_the_table_somewhere(machine: Machine[Any, Any]) -> None:
    _, events = TABLES[machine.name]
    assert {event for _, event in machine.rows} == set(events)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_a_pair_is_a_row_or_ignored_or_raises_and_nothing_else(machine: Machine[Any, Any]) -> None:
    """INV-M1."""
    states, events = TABLES[machine.name]
    for state in states:
        for event in events:
            if (state, event) in machine.rows:
                assert machine.next(state, event) is machine.rows[state, event]
            elif (state, event) in machine.ignored:
                assert machine.next(state, event) is state
            else:
                with pytest.raises(NoTransition, match=machine.name):
                    machine.next(state, event)


def test_a_table_that_ignores_one_of_its_own_rows_is_refused() -> None:
    rows = {(HedgeState.PLAN, HedgeEvent.PLAN_SKIP): HedgeState.EXEC_IDLE}
    with pytest.raises(ValueError, match="both rows and ignored"):
        Machine("broken", rows, HEDGE_MACHINE.rows)
    ignored = (HedgeState.FILLED, HedgeEvent.ACK_OK)
    assert Machine("sound", rows, {ignored}).next(*ignored) is HedgeState.FILLED


@pytest.mark.parametrize("state", [HedgeState.WAIT_ACK, HedgeState.WORKING, HedgeState.PARTIAL, HedgeState.CANCEL])
def test_a_cut_wire_is_never_a_reject(state: HedgeState) -> None:
    """INV-O6."""
    assert HEDGE_MACHINE.next(state, HedgeEvent.BROKER_DOWN) is HedgeState.UNKNOWN


def test_a_time_out_of_the_acknowledgement_is_never_a_reject() -> None:
    """INV-O6."""
    assert HEDGE_MACHINE.next(HedgeState.WAIT_ACK, HedgeEvent.TIMEOUT_ACK) is HedgeState.UNKNOWN


def test_nothing_leads_from_unknown_back_to_a_new_order_without_knowledge() -> None:
    targets = {target for (state, _), target in HEDGE_MACHINE.rows.items() if state is HedgeState.UNKNOWN}
    assert targets == {HedgeState.WORKING, HedgeState.PARTIAL, HedgeState.FILLED, HedgeState.RECOVER}


def test_safe_is_entered_from_everywhere_and_left_only_by_safe_over() -> None:
    for state in TradingState:
        if state is not TradingState.SAFE:
            assert TRADING_MACHINE.next(state, TradingEvent.UNSAFE) is TradingState.SAFE
    leaving = {event for (state, event) in TRADING_MACHINE.rows if state is TradingState.SAFE}
    assert leaving == {TradingEvent.SAFE_OVER}


def test_the_diagrams_in_docs_are_those_of_the_tables() -> None:
    """INV-M3."""
    assert (REPOSITORY / "docs" / "machines.md").read_text(encoding="utf-8") == document(), "run `make diagrams`"
