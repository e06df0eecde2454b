"""Rows that say how things are now: accounts, positions, heartbeat, instances. They are never spooled.

A fetch or a beat that could not be written is worth nothing later; the next one says more. Everything else an engine
writes goes through :mod:`bifrost.db.records`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg2 import sql
from psycopg2.extras import Json, execute_values

from .connect import Connection, Cursor
from .records import transaction
from .spool import plain

log = logging.getLogger(__name__)

_POSITION_COLUMNS = (
    "contract_key",
    "symbol",
    "sec_type",
    "exchange",
    "currency",
    "position",
    "avg_cost",
    "expiry",
    "strike",
    "option_right",
    "con_id",
    "multiplier",
    "trading_class",
)


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """One account as the broker reported it; money in the account's currency."""

    account_id: str
    fetched_at: datetime
    """When the broker answered, not when this is written."""
    net_liquidation: float | None = None
    total_cash: float | None = None
    buying_power: float | None = None
    extra: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One position of an account; ``position`` in shares or contracts, ``avg_cost`` as the broker counts it."""

    contract_key: str
    symbol: str
    sec_type: str
    position: float
    avg_cost: float | None = None
    exchange: str | None = None
    currency: str | None = None
    expiry: str | None = None
    strike: float | None = None
    option_right: str | None = None
    con_id: int | None = None
    multiplier: float | None = None
    trading_class: str | None = None


def write_account(conn: Connection, account: AccountSummary, positions: Sequence[PositionRow] | None) -> None:
    """Put one fetch of one account in place of the last: upsert, and remove the positions it no longer has.

    Other accounts are not touched. ``positions`` None means that the positions were not fetched: they stay. Of two
    positions under one key (an adjusted contract beside a plain one) the last is kept, with a line in the log.
    """
    positions = _one_a_key(account.account_id, positions) if positions is not None else None
    with transaction(conn) as cursor:
        cursor.execute(
            "INSERT INTO accounts (account_id, updated_at, net_liquidation, total_cash, buying_power, summary_extra, "
            "fetched_at, reported) VALUES (%s, now(), %s, %s, %s, %s, %s, true) "
            "ON CONFLICT (account_id) DO UPDATE SET updated_at = now(), net_liquidation = EXCLUDED.net_liquidation, "
            "total_cash = EXCLUDED.total_cash, buying_power = EXCLUDED.buying_power, "
            "summary_extra = EXCLUDED.summary_extra, fetched_at = EXCLUDED.fetched_at, reported = true",
            (
                account.account_id,
                account.net_liquidation,
                account.total_cash,
                account.buying_power,
                Json(plain(dict(account.extra))) if account.extra is not None else None,
                account.fetched_at,
            ),
        )
        if positions is None:
            return
        cursor.execute(
            "DELETE FROM account_positions WHERE account_id = %s AND NOT contract_key = ANY(%s::text[])",
            (account.account_id, [row.contract_key for row in positions]),
        )
        if not positions:
            return
        columns = sql.SQL(", ").join(map(sql.Identifier, _POSITION_COLUMNS))
        updates = sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in _POSITION_COLUMNS[1:]
        )
        statement = sql.SQL(
            "INSERT INTO account_positions (account_id, {}, updated_at) VALUES %s "
            "ON CONFLICT (account_id, contract_key) DO UPDATE SET {}, updated_at = now()"
        ).format(columns, updates)
        rows = [(account.account_id, *(getattr(row, name) for name in _POSITION_COLUMNS)) for row in positions]
        template = "(" + ", ".join(["%s"] * (1 + len(_POSITION_COLUMNS))) + ", now())"
        execute_values(cursor, statement.as_string(conn), rows, template)


def _one_a_key(account_id: str, positions: Sequence[PositionRow]) -> list[PositionRow]:
    rows: dict[str, PositionRow] = {}
    for row in positions:
        other = rows.get(row.contract_key)
        if other is not None:
            log.warning(
                "%s holds two contracts that are called %s (conId %s and %s): the second is shown",
                account_id, row.contract_key, other.con_id, row.con_id,
            )  # fmt: skip
        rows[row.contract_key] = row
    return list(rows.values())


def mark_unreported(conn: Connection, reported_accounts: Iterable[str]) -> list[str]:
    """Mark every account the broker no longer names; return those newly marked."""
    with transaction(conn) as cursor:
        cursor.execute(
            "UPDATE accounts SET reported = false, updated_at = now() "
            "WHERE reported AND NOT account_id = ANY(%s::text[]) RETURNING account_id",
            (list(reported_accounts),),
        )
        return sorted(name for (name,) in cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The leader's sign of life; the time is the database's."""

    hedge_running: bool
    ib_connected: bool
    ib_client_id: int | None = None
    seconds_until_retry: int | None = None
    heartbeat_interval_sec: int | None = None
    ib_connected_since: datetime | None = None
    ib_address: str | None = None
    last_error: str | None = None
    graceful_shutdown: bool = False


def write_heartbeat(conn: Connection, beat: Heartbeat) -> None:
    """Write ``daemon_heartbeat`` in a transaction of its own; see :func:`put_heartbeat`."""
    with transaction(conn) as cursor:
        put_heartbeat(cursor, beat)


def put_heartbeat(cursor: Cursor, beat: Heartbeat) -> None:
    """Write ``daemon_heartbeat``; ``next_retry_ts`` is now + ``seconds_until_retry``, by the database's clock."""
    seconds = None if beat.seconds_until_retry is None else max(0, min(32_767, beat.seconds_until_retry))
    cursor.execute(
        "INSERT INTO daemon_heartbeat AS h (id, last_ts, hedge_running, ib_connected, ib_client_id, next_retry_ts, "
        "seconds_until_retry, graceful_shutdown_at, heartbeat_interval_sec, ib_connected_since, ib_address, "
        "last_error) VALUES (1, now(), %s, %s, %s, now() + make_interval(secs => %s), %s, "
        "CASE WHEN %s THEN now() END, %s, %s, %s, %s) "
        "ON CONFLICT (id) DO UPDATE SET last_ts = EXCLUDED.last_ts, hedge_running = EXCLUDED.hedge_running, "
        "ib_connected = EXCLUDED.ib_connected, ib_client_id = EXCLUDED.ib_client_id, "
        "next_retry_ts = EXCLUDED.next_retry_ts, seconds_until_retry = EXCLUDED.seconds_until_retry, "
        "graceful_shutdown_at = EXCLUDED.graceful_shutdown_at, "
        "heartbeat_interval_sec = EXCLUDED.heartbeat_interval_sec, "
        "ib_connected_since = EXCLUDED.ib_connected_since, ib_address = EXCLUDED.ib_address, "
        "last_error = EXCLUDED.last_error",
        (
            beat.hedge_running,
            beat.ib_connected,
            beat.ib_client_id if beat.ib_connected else None,
            seconds,
            seconds,
            beat.graceful_shutdown,
            beat.heartbeat_interval_sec,
            beat.ib_connected_since,
            beat.ib_address,
            beat.last_error,
        ),
    )


def beat_instance(
    conn: Connection, instance_id: UUID | str, *, host: str, pid: int, state: str, epoch: int | None
) -> None:
    """The beat of one engine process, leader or standby, in ``engine_instances``."""
    with transaction(conn) as cursor:
        cursor.execute(
            "INSERT INTO engine_instances (instance_id, host, pid, state, epoch, beat_at) "
            "VALUES (%s, %s, %s, %s, %s, now()) ON CONFLICT (instance_id) DO UPDATE "
            "SET state = EXCLUDED.state, epoch = EXCLUDED.epoch, beat_at = now()",
            (str(instance_id), host, pid, state, epoch),
        )


def forget_instances(conn: Connection, older_than_s: float = 86_400.0, *, instance_id: UUID | str | None = None) -> int:
    """Remove instances silent for ``older_than_s`` seconds, and ``instance_id`` at once; return how many."""
    with transaction(conn) as cursor:
        cursor.execute(
            "DELETE FROM engine_instances WHERE beat_at < now() - make_interval(secs => %s) OR instance_id = %s",
            (older_than_s, str(instance_id) if instance_id else None),
        )
        return cursor.rowcount
