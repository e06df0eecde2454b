"""Every row of every machine, written down a second time by hand from engine.md section 3: the tables are these and no
more, and what a machine ignores is a list, too."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from bifrost_engine.domain.machines.daemon import DAEMON_MACHINE, DaemonEvent, DaemonState
from bifrost_engine.domain.machines.hedge import HEDGE_MACHINE, IDLE, LIVE, HedgeEvent, HedgeState
from bifrost_engine.domain.machines.table import Machine, NoTransition
from bifrost_engine.domain.machines.trading import TRADING_MACHINE, TradingEvent, TradingState

#: from | events | to. Several events lead from each of several states to one.
HEDGE = """
EXEC_IDLE FILLED | recv_target | PLAN
EXEC_IDLE FILLED | restored | UNKNOWN
PLAN | plan_skip | EXEC_IDLE
PLAN | plan_send | SEND
PLAN SEND | risk_trip manual_cancel target_obsolete | EXEC_IDLE
SEND | place_order | WAIT_ACK
SEND | intent_failed | FAIL
SEND | broker_down | UNKNOWN
WAIT_ACK | ack_ok | WORKING
WAIT_ACK | partial_fill | PARTIAL
WAIT_ACK | full_fill | FILLED
WAIT_ACK | ack_reject | FAIL
WAIT_ACK | broker_cancelled | RECOVER
WAIT_ACK | timeout_ack broker_down outcome_uncertain | UNKNOWN
WAIT_ACK WORKING PARTIAL | risk_trip manual_cancel target_obsolete | CANCEL
WORKING PARTIAL | partial_fill | PARTIAL
WORKING PARTIAL | full_fill | FILLED
WORKING PARTIAL | timeout_working_reprice | REPRICE
WORKING PARTIAL | timeout_working_give_up | CANCEL
WORKING PARTIAL | broker_cancelled | RECOVER
WORKING PARTIAL | broker_down outcome_uncertain | UNKNOWN
REPRICE | place_order | WAIT_ACK
REPRICE | partial_fill | PARTIAL
REPRICE | full_fill | FILLED
REPRICE | broker_down | UNKNOWN
CANCEL | cancel_confirmed full_fill | RECOVER
CANCEL | timeout_cancel broker_down outcome_uncertain | UNKNOWN
UNKNOWN | found_working | WORKING
UNKNOWN | partial_fill | PARTIAL
UNKNOWN | full_fill | FILLED
UNKNOWN | gone resolved | RECOVER
RECOVER | positions_resynced | EXEC_IDLE
RECOVER | cannot_recover | FAIL
RECOVER | broker_down | UNKNOWN
FAIL | try_resync | RECOVER
"""
HEDGE_IGNORED = """
EXEC_IDLE FILLED PLAN SEND FAIL RECOVER | ack_ok partial_fill full_fill
WORKING PARTIAL REPRICE CANCEL UNKNOWN | ack_ok
CANCEL | partial_fill
EXEC_IDLE FILLED PLAN SEND REPRICE RECOVER FAIL UNKNOWN | ack_reject broker_cancelled cancel_confirmed outcome_uncertain
CANCEL | ack_reject broker_cancelled
EXEC_IDLE FILLED PLAN FAIL UNKNOWN | broker_down
EXEC_IDLE FILLED REPRICE CANCEL RECOVER FAIL UNKNOWN | risk_trip manual_cancel target_obsolete
"""
TRADING = """
BOOT SYNC IDLE ARMED MONITOR NO_TRADE PAUSE_COST PAUSE_LIQ NEED_HEDGE HEDGING | unsafe | SAFE
BOOT | start | SYNC
SYNC | synced | IDLE
IDLE | arm | ARMED
ARMED | greeks_valid | MONITOR
MONITOR NO_TRADE PAUSE_COST PAUSE_LIQ NEED_HEDGE | in_band | NO_TRADE
MONITOR | minor | MONITOR
NO_TRADE PAUSE_COST PAUSE_LIQ NEED_HEDGE | minor | NO_TRADE
MONITOR NO_TRADE PAUSE_COST PAUSE_LIQ NEED_HEDGE | need_ok | NEED_HEDGE
MONITOR NO_TRADE PAUSE_COST PAUSE_LIQ NEED_HEDGE | need_liquidity_bad | PAUSE_LIQ
MONITOR NO_TRADE PAUSE_COST PAUSE_LIQ NEED_HEDGE | need_cost_bad | PAUSE_COST
ARMED MONITOR NO_TRADE PAUSE_COST PAUSE_LIQ NEED_HEDGE | disarm | IDLE
NEED_HEDGE | target_emitted | HEDGING
HEDGING | hedge_done | MONITOR
HEDGING | hedge_failed_retry | NEED_HEDGE
HEDGING | hedge_failed_last | SAFE
SAFE | safe_over | SYNC
"""
TRADING_IGNORED = """
SAFE | unsafe
BOOT SYNC IDLE ARMED MONITOR NO_TRADE PAUSE_COST PAUSE_LIQ NEED_HEDGE SAFE | hedge_done hedge_failed_retry
BOOT SYNC IDLE ARMED MONITOR NO_TRADE PAUSE_COST PAUSE_LIQ NEED_HEDGE SAFE | hedge_failed_last
"""
DAEMON = """
idle | await_lease | standby
idle standby | lease_gained | connecting
idle | stop | stopped
connecting | link_up | connected
connecting | connect_failed | waiting_ib
waiting_ib | retry | connecting
waiting_ib | link_restored | connected
connected | reconciled | running
running | suspended | running_suspended
running_suspended | resumed | running
connected running running_suspended | link_lost | waiting_ib
connecting waiting_ib connected running running_suspended | lease_lost | standby
standby connecting waiting_ib connected running running_suspended | stop | stopping
stopping | stopped | stopped
"""
DAEMON_IGNORED = """
idle standby connecting waiting_ib connected running_suspended stopping stopped | suspended
idle standby connecting waiting_ib connected running stopping stopped | resumed
idle standby connecting waiting_ib stopping stopped | link_lost
idle standby connecting waiting_ib running running_suspended stopping stopped | reconciled
idle standby connecting connected running running_suspended stopping stopped | link_restored
idle standby connecting connected running running_suspended stopping stopped | retry
idle standby stopping stopped | lease_lost
stopping stopped | stop link_up connect_failed lease_gained
standby | link_up connect_failed await_lease
"""
WRITTEN: list[tuple[Machine[Any, Any], type[StrEnum], type[StrEnum], str, str]] = [
    (HEDGE_MACHINE, HedgeState, HedgeEvent, HEDGE, HEDGE_IGNORED),
    (TRADING_MACHINE, TradingState, TradingEvent, TRADING, TRADING_IGNORED),
    (DAEMON_MACHINE, DaemonState, DaemonEvent, DAEMON, DAEMON_IGNORED),
]


def cells(table: str) -> list[list[list[str]]]:
    return [[cell.split() for cell in line.split("|")] for line in table.strip().splitlines()]


def rows_of(table: str) -> dict[tuple[str, str], str]:
    """(state, event) → state; a pair that is written twice would hide one of them."""
    rows: dict[tuple[str, str], str] = {}
    for states, events, (target,) in cells(table):
        for pair in ((state, event) for state in states for event in events):
            assert pair not in rows, f"{pair} is written twice"
            rows[pair] = target
    return rows


def ignored_of(table: str) -> set[tuple[str, str]]:
    return {(state, event) for states, events in cells(table) for state in states for event in events}


IDS = [written[0].name for written in WRITTEN]


@pytest.mark.parametrize(("machine", "states", "events", "table", "ignored"), WRITTEN, ids=IDS)
def test_each_pair_of_state_and_event_leads_where_it_is_written_is_ignored_or_raises(
    machine: Machine[Any, Any], states: type[StrEnum], events: type[StrEnum], table: str, ignored: str
) -> None:
    """INV-M1."""
    rows, quiet = rows_of(table), ignored_of(ignored)
    assert not rows.keys() & quiet
    for state in states:
        for event in events:
            pair = (str(state), str(event))
            assert machine.accepts(state, event) == (pair in rows), pair
            if pair in rows:
                assert str(machine.next(state, event)) == rows[pair], pair
            elif pair in quiet:
                assert machine.next(state, event) is state, pair
            else:
                with pytest.raises(NoTransition, match=f"{machine.name}: no row for {event} in state {state}"):
                    machine.next(state, event)
    words = {str(state) for state in states}, {str(event) for event in events}
    assert {state for state, _ in rows} | set(rows.values()) | {state for state, _ in quiet} <= words[0]
    assert {event for _, event in rows} | {event for _, event in quiet} == words[1]


def test_the_machines_agree_on_when_an_order_may_be_at_the_broker() -> None:
    assert {str(state) for state in LIVE} == {"WAIT_ACK", "WORKING", "PARTIAL", "REPRICE", "CANCEL", "UNKNOWN"}
    assert {str(state) for state in IDLE} == {"EXEC_IDLE", "FILLED"}
