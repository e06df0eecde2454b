"""What the engine must know before it may trade again, read from the database after the spool was replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from bifrost.contract import parse_contract_key
from bifrost.db import Connection
from bifrost.db.queries.status import fetch_all, fetch_one
from bifrost.db.records import reserve_decision_seqs

from bifrost_engine.domain.ledger.restore import OpenIntent, Restored
from bifrost_engine.domain.words import (
    BrokerPosition,
    Execution,
    Mode,
    OrderIntent,
    OrderType,
    Origin,
    Purpose,
    Side,
    Times,
)

SEQUENCE_BLOCK = 200


def restore(conn: Connection, account: str, mode: Mode, symbol: str) -> Restored:
    """Everything of (account, mode) on ``symbol``, and a fresh block of decision numbers."""
    executions = _executions(conn, account, mode)
    live = _executions(conn, account, Mode.LIVE) if mode is Mode.PAPER else []
    day = fetch_one(
        conn,
        "SELECT * FROM trading_days WHERE account = %s AND mode = %s ORDER BY trading_day DESC LIMIT 1",
        account,
        str(mode),
    )
    status = fetch_one(conn, "SELECT extract(epoch FROM ts)::double precision AS ts_s FROM status_current WHERE id = 1")
    return Restored(
        account=account,
        mode=mode,
        executions=tuple(fill for fill in executions if fill.origin is not Origin.EXTERNAL),
        live_executions=tuple(fill for fill in live if fill.origin is not Origin.EXTERNAL),
        external_exec_ids=frozenset(fill.exec_id for fill in (live or executions) if fill.origin is Origin.EXTERNAL),
        costs=_costs(conn, account),
        open_intents=_open_intents(conn, account, mode),
        hedges_ended_s=_hedges_ended(conn, account, mode, day["trading_day"]) if day else (),
        trading_day=day,
        legs=tuple(fetch_all(conn, "SELECT * FROM managed_legs WHERE account = %s ORDER BY contract_key", account)),
        baseline=fetch_one(conn, "SELECT * FROM external_baseline WHERE account = %s AND symbol = %s", account, symbol),
        sequence=reserve_sequence(conn),
        last_market_s=_newest_market_s(status, day, executions),
        positions=_positions(conn, account),
    )


def _newest_market_s(
    status: Mapping[str, Any] | None, day: Mapping[str, Any] | None, executions: Sequence[Execution]
) -> float | None:
    """The latest market time, epoch seconds, that any row proves.

    The status is written once a second: a kill right after a fill leaves the fill later than the status, and a hedge
    "later than now" would be forgotten together with its cooldown.
    """
    last_hedge = (day or {}).get("last_hedge") or {}
    fills = [fill.time_s for fill in executions if fill.order_ref]
    known = [(status or {}).get("ts_s"), last_hedge.get("market_s"), max(fills, default=None)]
    return max((moment for moment in known if moment is not None), default=None)


def shadow_books(conn: Connection, account: str, mode: Mode) -> list[Mapping[str, Any]]:
    """What shadow hedgers of the newest trading day go on from: day, policy, book, legs, market time of the start."""
    rows = fetch_all(
        conn,
        "SELECT trading_day, policy, book, extract(epoch FROM since_ts)::double precision AS since_s "
        "FROM shadow_hedgers WHERE account = %s AND mode = %s AND trading_day = "
        "(SELECT max(trading_day) FROM shadow_hedgers WHERE account = %s AND mode = %s)",
        *(account, str(mode)) * 2,
    )
    for row in rows:
        row["legs"] = row["book"].pop("legs")
    return list(rows)


def known_account(conn: Connection) -> str:
    """The account the engine last traded, or the only one ever reported; empty when that is not clear."""
    last = fetch_one(conn, "SELECT account FROM status_current WHERE id = 1 AND account IS NOT NULL")
    if last is not None:
        return str(last["account"])
    reported = fetch_all(conn, "SELECT account_id FROM accounts WHERE reported")
    return str(reported[0]["account_id"]) if len(reported) == 1 else ""


def reserve_sequence(conn: Connection, count: int = SEQUENCE_BLOCK) -> range:
    """A block of decision numbers that nobody else ever gets."""
    numbers = reserve_decision_seqs(conn, count)
    # The lease holder alone draws numbers; had another session drawn between, the last run without a gap is ours.
    first = numbers[-1]
    for number in reversed(numbers[:-1]):
        if number != first - 1:
            break
        first = number
    return range(first, numbers[-1] + 1)


def _executions(conn: Connection, account: str, mode: Mode) -> list[Execution]:
    rows = fetch_all(
        conn,
        "SELECT e.*, extract(epoch FROM exec_time)::double precision AS time_s FROM executions e "
        "WHERE account = %s AND mode = %s ORDER BY exec_time NULLS FIRST, written_at, exec_id",
        account,
        str(mode),
    )
    return [_execution(row) for row in rows]


def _execution(row: Mapping[str, Any]) -> Execution:
    return Execution(
        exec_id=row["exec_id"],
        account=row["account"],
        key=parse_contract_key(row["contract_key"]),
        side=Side(row["side"]),
        quantity=row["quantity"],
        price=row["price"],
        time_s=row["time_s"] or 0.0,
        order_ref=row["order_ref"] or "",
        perm_id=row["perm_id"] or 0,
        order_id=row["order_id"] or 0,
        client_id=row["client_id"] or 0,
        exchange=row["exchange"] or "",
        multiplier=row["multiplier"],
        origin=Origin(row["origin"]),
        replaces_exec_id=row["replaces_exec_id"] or "",
        mid_at_decision=row["mid_at_decision"],
        note=row["note"] or "",
    )


def _costs(conn: Connection, account: str) -> dict[str, float]:
    rows = fetch_all(
        conn,
        "SELECT c.exec_id, c.commission FROM execution_costs c JOIN executions e USING (exec_id) "
        "WHERE e.account = %s AND c.commission IS NOT NULL",
        account,
    )
    return {row["exec_id"]: row["commission"] for row in rows}


def _open_intents(conn: Connection, account: str, mode: Mode) -> tuple[OpenIntent, ...]:
    rows = fetch_all(
        conn,
        "SELECT i.*, o.order_id, o.perm_id FROM order_intents i LEFT JOIN orders o USING (order_ref) "
        "WHERE i.account = %s AND i.mode = %s AND i.state IN ('intent', 'sent', 'working', 'unknown') "
        "ORDER BY i.decision_seq",
        account,
        str(mode),
    )
    return tuple(OpenIntent(_intent(row), row["state"], row["order_id"] or 0, row["perm_id"] or 0) for row in rows)


def _hedges_ended(conn: Connection, account: str, mode: Mode, since: date) -> tuple[float, ...]:
    """A trading day begins at midnight in New York; rejected orders and those never sent do not count."""
    rows = fetch_all(
        conn,
        "SELECT extract(epoch FROM ts)::double precision AS ts_s FROM order_intents "
        "WHERE account = %s AND mode = %s AND purpose = 'hedge' AND state IN ('filled', 'cancelled') "
        "AND ts >= %s::timestamp AT TIME ZONE 'America/New_York'",
        account,
        str(mode),
        since,
    )
    return tuple(row["ts_s"] for row in rows)


def _intent(row: Mapping[str, Any]) -> OrderIntent:
    context = row["context"] or {}
    return OrderIntent(
        order_ref=row["order_ref"],
        decision_seq=row["decision_seq"],
        account=row["account"],
        mode=Mode(row["mode"]),
        key=parse_contract_key(row["contract_key"]),
        side=Side(row["side"]),
        quantity=row["quantity"],
        order_type=OrderType(row["order_type"]),
        limit_price=row["limit_price"],
        tif=str(context.get("tif", "DAY")),
        purpose=Purpose(row["purpose"]),
        reason=row["reason"] or "",
        forced=bool(context.get("forced", False)),
        mid=context.get("mid"),
        at=Times(_epoch_s(row["created_at"]) or 0.0, _epoch_s(row["ts"])),
    )


def _epoch_s(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _positions(conn: Connection, account: str) -> tuple[BrokerPosition, ...]:
    rows = fetch_all(conn, "SELECT * FROM account_positions WHERE account_id = %s ORDER BY contract_key", account)
    return tuple(
        BrokerPosition(
            account=account,
            key=parse_contract_key(row["contract_key"]),
            quantity=row["position"] or 0.0,
            avg_cost=row["avg_cost"] or 0.0,
            con_id=row["con_id"] or 0,
            multiplier=row["multiplier"] or 1.0,
            trading_class=row["trading_class"] or "",
        )
        for row in rows
    )
