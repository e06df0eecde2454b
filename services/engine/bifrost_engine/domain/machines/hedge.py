"""HedgeFSM: the life of one order, from target to known outcome (engine.md section 3).

A time-out or a cut wire is never a reject: it leads to UNKNOWN, where probes find out what the broker did.
"""

from __future__ import annotations

from enum import StrEnum

from .table import Machine


class HedgeState(StrEnum):
    EXEC_IDLE = "EXEC_IDLE"
    PLAN = "PLAN"
    SEND = "SEND"
    WAIT_ACK = "WAIT_ACK"
    WORKING = "WORKING"
    PARTIAL = "PARTIAL"
    REPRICE = "REPRICE"
    CANCEL = "CANCEL"
    RECOVER = "RECOVER"
    FILLED = "FILLED"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


class HedgeEvent(StrEnum):
    RECV_TARGET = "recv_target"
    RESTORED = "restored"
    PLAN_SKIP = "plan_skip"
    PLAN_SEND = "plan_send"
    PLACE_ORDER = "place_order"
    INTENT_FAILED = "intent_failed"
    BROKER_DOWN = "broker_down"
    RISK_TRIP = "risk_trip"
    MANUAL_CANCEL = "manual_cancel"
    TARGET_OBSOLETE = "target_obsolete"
    ACK_OK = "ack_ok"
    ACK_REJECT = "ack_reject"
    PARTIAL_FILL = "partial_fill"
    FULL_FILL = "full_fill"
    TIMEOUT_ACK = "timeout_ack"
    TIMEOUT_WORKING_REPRICE = "timeout_working_reprice"
    TIMEOUT_WORKING_GIVE_UP = "timeout_working_give_up"
    TIMEOUT_CANCEL = "timeout_cancel"
    BROKER_CANCELLED = "broker_cancelled"
    CANCEL_CONFIRMED = "cancel_confirmed"
    OUTCOME_UNCERTAIN = "outcome_uncertain"
    FOUND_WORKING = "found_working"
    GONE = "gone"
    RESOLVED = "resolved"
    POSITIONS_RESYNCED = "positions_resynced"
    CANNOT_RECOVER = "cannot_recover"
    TRY_RESYNC = "try_resync"


_S, _E = HedgeState, HedgeEvent

ROWS: dict[tuple[HedgeState, HedgeEvent], HedgeState] = {
    (_S.EXEC_IDLE, _E.RECV_TARGET): _S.PLAN,
    (_S.EXEC_IDLE, _E.RESTORED): _S.UNKNOWN,
    (_S.FILLED, _E.RECV_TARGET): _S.PLAN,
    (_S.FILLED, _E.RESTORED): _S.UNKNOWN,
    (_S.PLAN, _E.PLAN_SKIP): _S.EXEC_IDLE,
    (_S.PLAN, _E.PLAN_SEND): _S.SEND,
    # Nothing has left yet: the intent is marked never_sent.
    (_S.PLAN, _E.RISK_TRIP): _S.EXEC_IDLE,
    (_S.PLAN, _E.MANUAL_CANCEL): _S.EXEC_IDLE,
    (_S.PLAN, _E.TARGET_OBSOLETE): _S.EXEC_IDLE,
    (_S.SEND, _E.RISK_TRIP): _S.EXEC_IDLE,
    (_S.SEND, _E.MANUAL_CANCEL): _S.EXEC_IDLE,
    (_S.SEND, _E.TARGET_OBSOLETE): _S.EXEC_IDLE,
    (_S.SEND, _E.PLACE_ORDER): _S.WAIT_ACK,
    (_S.SEND, _E.INTENT_FAILED): _S.FAIL,
    (_S.SEND, _E.BROKER_DOWN): _S.UNKNOWN,
    (_S.WAIT_ACK, _E.ACK_OK): _S.WORKING,
    (_S.WAIT_ACK, _E.PARTIAL_FILL): _S.PARTIAL,
    (_S.WAIT_ACK, _E.FULL_FILL): _S.FILLED,
    (_S.WAIT_ACK, _E.ACK_REJECT): _S.FAIL,
    (_S.WAIT_ACK, _E.BROKER_CANCELLED): _S.RECOVER,
    (_S.WAIT_ACK, _E.TIMEOUT_ACK): _S.UNKNOWN,
    (_S.WAIT_ACK, _E.BROKER_DOWN): _S.UNKNOWN,
    (_S.WAIT_ACK, _E.OUTCOME_UNCERTAIN): _S.UNKNOWN,
    (_S.WAIT_ACK, _E.RISK_TRIP): _S.CANCEL,
    (_S.WAIT_ACK, _E.MANUAL_CANCEL): _S.CANCEL,
    (_S.WAIT_ACK, _E.TARGET_OBSOLETE): _S.CANCEL,
    (_S.WORKING, _E.PARTIAL_FILL): _S.PARTIAL,
    (_S.WORKING, _E.FULL_FILL): _S.FILLED,
    (_S.WORKING, _E.RISK_TRIP): _S.CANCEL,
    (_S.WORKING, _E.MANUAL_CANCEL): _S.CANCEL,
    (_S.WORKING, _E.TARGET_OBSOLETE): _S.CANCEL,
    (_S.WORKING, _E.TIMEOUT_WORKING_REPRICE): _S.REPRICE,
    (_S.WORKING, _E.TIMEOUT_WORKING_GIVE_UP): _S.CANCEL,
    (_S.WORKING, _E.BROKER_CANCELLED): _S.RECOVER,
    (_S.WORKING, _E.BROKER_DOWN): _S.UNKNOWN,
    (_S.WORKING, _E.OUTCOME_UNCERTAIN): _S.UNKNOWN,
    (_S.PARTIAL, _E.PARTIAL_FILL): _S.PARTIAL,
    (_S.PARTIAL, _E.FULL_FILL): _S.FILLED,
    (_S.PARTIAL, _E.RISK_TRIP): _S.CANCEL,
    (_S.PARTIAL, _E.MANUAL_CANCEL): _S.CANCEL,
    (_S.PARTIAL, _E.TARGET_OBSOLETE): _S.CANCEL,
    (_S.PARTIAL, _E.TIMEOUT_WORKING_REPRICE): _S.REPRICE,
    (_S.PARTIAL, _E.TIMEOUT_WORKING_GIVE_UP): _S.CANCEL,
    (_S.PARTIAL, _E.BROKER_CANCELLED): _S.RECOVER,
    (_S.PARTIAL, _E.BROKER_DOWN): _S.UNKNOWN,
    (_S.PARTIAL, _E.OUTCOME_UNCERTAIN): _S.UNKNOWN,
    (_S.REPRICE, _E.PLACE_ORDER): _S.WAIT_ACK,
    (_S.REPRICE, _E.PARTIAL_FILL): _S.PARTIAL,
    (_S.REPRICE, _E.FULL_FILL): _S.FILLED,
    (_S.REPRICE, _E.BROKER_DOWN): _S.UNKNOWN,
    (_S.CANCEL, _E.CANCEL_CONFIRMED): _S.RECOVER,
    (_S.CANCEL, _E.FULL_FILL): _S.RECOVER,
    (_S.CANCEL, _E.TIMEOUT_CANCEL): _S.UNKNOWN,
    (_S.CANCEL, _E.BROKER_DOWN): _S.UNKNOWN,
    # 10148 (cannot be cancelled any more) says nothing about the outcome.
    (_S.CANCEL, _E.OUTCOME_UNCERTAIN): _S.UNKNOWN,
    (_S.UNKNOWN, _E.FOUND_WORKING): _S.WORKING,
    (_S.UNKNOWN, _E.PARTIAL_FILL): _S.PARTIAL,
    (_S.UNKNOWN, _E.FULL_FILL): _S.FILLED,
    (_S.UNKNOWN, _E.GONE): _S.RECOVER,
    (_S.UNKNOWN, _E.RESOLVED): _S.RECOVER,
    (_S.RECOVER, _E.POSITIONS_RESYNCED): _S.EXEC_IDLE,
    (_S.RECOVER, _E.CANNOT_RECOVER): _S.FAIL,
    (_S.RECOVER, _E.BROKER_DOWN): _S.UNKNOWN,
    (_S.FAIL, _E.TRY_RESYNC): _S.RECOVER,
}

#: An order of ours may still be at the broker.
LIVE = frozenset({_S.WAIT_ACK, _S.WORKING, _S.PARTIAL, _S.REPRICE, _S.CANCEL, _S.UNKNOWN})
#: Nothing is under way: a target may be taken.
IDLE = frozenset({_S.EXEC_IDLE, _S.FILLED})

IGNORED: set[tuple[HedgeState, HedgeEvent]] = {
    # Statuses are repeated freely by the gateway, and executions come before or after them.
    *((state, event) for state in _S for event in (_E.ACK_OK, _E.PARTIAL_FILL, _E.FULL_FILL)),
    # A late or repeated end of an order whose end we know, or which a probe is about to tell.
    *(
        (state, event)
        for state in (_S.EXEC_IDLE, _S.FILLED, _S.PLAN, _S.SEND, _S.REPRICE, _S.RECOVER, _S.FAIL, _S.UNKNOWN, _S.CANCEL)
        for event in (_E.ACK_REJECT, _E.BROKER_CANCELLED, _E.CANCEL_CONFIRMED, _E.OUTCOME_UNCERTAIN)
    ),
    # The wire may go at any moment; where nothing of ours is out there it changes nothing.
    *((state, _E.BROKER_DOWN) for state in (_S.EXEC_IDLE, _S.FILLED, _S.PLAN, _S.FAIL, _S.UNKNOWN)),
    # Somebody wants the order gone and it is gone, going, or its fate is being found out.
    *(
        (state, event)
        for state in (_S.EXEC_IDLE, _S.FILLED, _S.REPRICE, _S.CANCEL, _S.RECOVER, _S.FAIL, _S.UNKNOWN)
        for event in (_E.RISK_TRIP, _E.MANUAL_CANCEL, _E.TARGET_OBSOLETE)
    ),
} - ROWS.keys()

HEDGE_MACHINE: Machine[HedgeState, HedgeEvent] = Machine("HedgeFSM", ROWS, IGNORED)
