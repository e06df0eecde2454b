"""What the desk says about itself: snapshot, heartbeat, run status, lease, instances, settings, schema version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extras import RealDictCursor

from bifrost.config.enums import IbPortType

from ..connect import Connection


def fetch_one(conn: Connection, statement: str, *args: object) -> dict[str, Any] | None:
    """The first row as column → value."""
    with conn.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(statement, args or None)
        row = cursor.fetchone()
        return dict(row) if row else None


def fetch_all(conn: Connection, statement: str, *args: object) -> list[dict[str, Any]]:
    """All rows as column → value."""
    with conn.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(statement, args or None)
        return [dict(row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """``status_current`` with its age."""

    daemon_state: str | None
    trading_state: str | None
    hedge_state: str | None
    symbol: str | None
    spot: float | None
    bid: float | None
    ask: float | None
    net_delta: float | None
    stock_position: int | None
    option_legs_count: int | None
    daily_hedge_count: int | None
    daily_pnl: float | None
    data_lag_ms: float | None
    config_summary: str | None
    ts: datetime | None
    account: str | None
    mode: str | None
    self_check: str | None
    status_lamp: str | None
    block_reasons: list[str]
    checks: list[dict[str, Any]]
    details: dict[str, Any]
    market_clock: dict[str, Any] | None
    instance_id: str | None
    epoch: int | None
    seq: int
    written_at: datetime
    age_s: float


def status_current(conn: Connection) -> StatusRow | None:
    """The last snapshot; None before the first."""
    row = fetch_one(
        conn,
        "SELECT *, extract(epoch FROM now() - written_at)::double precision AS age_s FROM status_current WHERE id = 1",
    )
    if row is None:
        return None
    return StatusRow(**{name: row[name] for name in StatusRow.__slots__})


@dataclass(frozen=True, slots=True)
class HeartbeatRow:
    """``daemon_heartbeat`` with its age. ``ever_beat`` is False on the row that the schema starts with."""

    last_ts: datetime
    hedge_running: bool
    ib_connected: bool
    ib_client_id: int | None
    next_retry_ts: datetime | None
    seconds_until_retry: int | None
    graceful_shutdown_at: datetime | None
    heartbeat_interval_sec: int | None
    ib_connected_since: datetime | None
    ib_address: str | None
    last_error: str | None
    age_s: float
    ever_beat: bool


def heartbeat(conn: Connection) -> HeartbeatRow | None:
    """The leader's last sign of life. ``seconds_until_retry`` counts on by the database's clock."""
    row = fetch_one(
        conn,
        "SELECT *, extract(epoch FROM now() - last_ts)::double precision AS age_s, last_ts > 'epoch' AS ever_beat, "
        "CASE WHEN next_retry_ts IS NOT NULL "
        "THEN greatest(0, ceil(extract(epoch FROM next_retry_ts - now())))::integer END AS counted "
        "FROM daemon_heartbeat WHERE id = 1",
    )
    if row is None:
        return None
    row["seconds_until_retry"] = row["counted"]
    row["ib_connected"] = bool(row["ib_connected"])
    return HeartbeatRow(**{name: row[name] for name in HeartbeatRow.__slots__})


@dataclass(frozen=True, slots=True)
class RunStatus:
    """``daemon_run_status``."""

    suspended: bool
    heartbeat_interval_sec: int | None
    updated_at: datetime | None


def run_status(conn: Connection) -> RunStatus | None:
    """Whether trading is suspended. None (no row) must be taken as suspended, like an error."""
    row = fetch_one(conn, "SELECT suspended, heartbeat_interval_sec, updated_at FROM daemon_run_status WHERE id = 1")
    return RunStatus(**row) if row else None


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """``engine_lease`` with the age of its beat."""

    owner: str | None
    epoch: int
    acquired_at: datetime | None
    beat_at: datetime | None
    stopped_at: datetime | None
    beat_age_s: float | None


def lease(conn: Connection) -> LeaseInfo | None:
    """Who trades, as the row informs."""
    row = fetch_one(
        conn,
        "SELECT owner::text, epoch, acquired_at, beat_at, stopped_at, "
        "extract(epoch FROM now() - beat_at)::double precision AS beat_age_s FROM engine_lease WHERE id = 1",
    )
    return LeaseInfo(**row) if row else None


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One engine process."""

    instance_id: str
    host: str
    pid: int
    state: str
    epoch: int | None
    started_at: datetime
    beat_at: datetime
    age_s: float


def instances(conn: Connection, within_s: float = 300.0) -> list[InstanceRow]:
    """Engine processes that beat within the last ``within_s`` seconds, the newest beat first."""
    rows = fetch_all(
        conn,
        "SELECT instance_id::text, host, pid, state, epoch, started_at, beat_at, "
        "extract(epoch FROM now() - beat_at)::double precision AS age_s FROM engine_instances "
        "WHERE beat_at > now() - make_interval(secs => %s) ORDER BY beat_at DESC",
        within_s,
    )
    return [InstanceRow(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class SettingsRow:
    """``settings``: the IB address an operator saved."""

    ib_host: str
    ib_port_type: str
    updated_at: datetime
    updated_by: str | None

    @property
    def port(self) -> int:
        """TCP port of the port type."""
        return IbPortType(self.ib_port_type).port


def settings(conn: Connection) -> SettingsRow | None:
    """The saved address; None until somebody saves one."""
    row = fetch_one(conn, "SELECT ib_host, ib_port_type, updated_at, updated_by FROM settings WHERE id = 1")
    return SettingsRow(**row) if row else None


def save_settings(conn: Connection, ib_host: str, ib_port_type: str, updated_by: str | None = None) -> None:
    """Save the IB address (the monitor alone may).

    Raises
    ------
    ValueError
        For an empty host or an unknown port type.
    """
    if not ib_host.strip():
        raise ValueError("ib_host is empty: write a host name or address")
    if ib_port_type not in list(IbPortType):
        raise ValueError(f"ib_port_type {ib_port_type!r}: one of {', '.join(IbPortType)} is possible")
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO settings (id, ib_host, ib_port_type, updated_by) VALUES (1, %s, %s, %s) "
            "ON CONFLICT (id) DO UPDATE SET ib_host = EXCLUDED.ib_host, ib_port_type = EXCLUDED.ib_port_type, "
            "updated_at = now(), updated_by = EXCLUDED.updated_by",
            (ib_host.strip(), str(ib_port_type), updated_by),
        )
    if not conn.autocommit:
        conn.commit()
