"""DaemonFSM: the life of the process, its lease and its link to IB (engine.md section 3)."""

from __future__ import annotations

from enum import StrEnum

from .table import Machine


class DaemonState(StrEnum):
    IDLE = "idle"
    STANDBY = "standby"
    CONNECTING = "connecting"
    WAITING_IB = "waiting_ib"
    CONNECTED = "connected"
    RUNNING = "running"
    RUNNING_SUSPENDED = "running_suspended"
    STOPPING = "stopping"
    STOPPED = "stopped"


class DaemonEvent(StrEnum):
    AWAIT_LEASE = "await_lease"
    LEASE_GAINED = "lease_gained"
    LEASE_LOST = "lease_lost"
    CONNECT_FAILED = "connect_failed"
    LINK_UP = "link_up"
    LINK_LOST = "link_lost"
    LINK_RESTORED = "link_restored"
    """1101/1102 on the same socket"""
    RETRY = "retry"
    RECONCILED = "reconciled"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    STOP = "stop"
    STOPPED = "stopped"


_S, _E = DaemonState, DaemonEvent

ROWS: dict[tuple[DaemonState, DaemonEvent], DaemonState] = {
    (_S.IDLE, _E.AWAIT_LEASE): _S.STANDBY,
    (_S.IDLE, _E.LEASE_GAINED): _S.CONNECTING,
    (_S.IDLE, _E.STOP): _S.STOPPED,
    (_S.STANDBY, _E.LEASE_GAINED): _S.CONNECTING,
    (_S.STANDBY, _E.STOP): _S.STOPPING,
    (_S.CONNECTING, _E.LINK_UP): _S.CONNECTED,
    (_S.CONNECTING, _E.CONNECT_FAILED): _S.WAITING_IB,
    (_S.CONNECTING, _E.LEASE_LOST): _S.STANDBY,
    (_S.CONNECTING, _E.STOP): _S.STOPPING,
    (_S.WAITING_IB, _E.RETRY): _S.CONNECTING,
    (_S.WAITING_IB, _E.LINK_RESTORED): _S.CONNECTED,
    (_S.WAITING_IB, _E.LEASE_LOST): _S.STANDBY,
    (_S.WAITING_IB, _E.STOP): _S.STOPPING,
    (_S.CONNECTED, _E.RECONCILED): _S.RUNNING,
    (_S.CONNECTED, _E.LINK_LOST): _S.WAITING_IB,
    (_S.CONNECTED, _E.LEASE_LOST): _S.STANDBY,
    (_S.CONNECTED, _E.STOP): _S.STOPPING,
    (_S.RUNNING, _E.SUSPENDED): _S.RUNNING_SUSPENDED,
    (_S.RUNNING, _E.LINK_LOST): _S.WAITING_IB,
    (_S.RUNNING, _E.LEASE_LOST): _S.STANDBY,
    (_S.RUNNING, _E.STOP): _S.STOPPING,
    (_S.RUNNING_SUSPENDED, _E.RESUMED): _S.RUNNING,
    (_S.RUNNING_SUSPENDED, _E.LINK_LOST): _S.WAITING_IB,
    (_S.RUNNING_SUSPENDED, _E.LEASE_LOST): _S.STANDBY,
    (_S.RUNNING_SUSPENDED, _E.STOP): _S.STOPPING,
    (_S.STOPPING, _E.STOPPED): _S.STOPPED,
}

IGNORED: set[tuple[DaemonState, DaemonEvent]] = {
    # The operator may suspend and resume at any time; it shows once the desk runs.
    *((state, event) for state in _S for event in (_E.SUSPENDED, _E.RESUMED)),
    # The link and the truth come and go on their own time.
    *((state, event) for state in _S for event in (_E.LINK_LOST, _E.RECONCILED, _E.LINK_RESTORED)),
    *((state, _E.RETRY) for state in _S),
    *((state, _E.LEASE_LOST) for state in (_S.IDLE, _S.STANDBY, _S.STOPPING, _S.STOPPED)),
    *((state, _E.STOP) for state in (_S.STOPPING, _S.STOPPED)),
    *((state, event) for state in (_S.STOPPING, _S.STOPPED) for event in (_E.LINK_UP, _E.CONNECT_FAILED)),
    *((state, event) for state in (_S.STANDBY,) for event in (_E.LINK_UP, _E.CONNECT_FAILED, _E.AWAIT_LEASE)),
    *((state, _E.LEASE_GAINED) for state in (_S.STOPPING, _S.STOPPED)),
} - ROWS.keys()

DAEMON_MACHINE: Machine[DaemonState, DaemonEvent] = Machine("DaemonFSM", ROWS, IGNORED)
