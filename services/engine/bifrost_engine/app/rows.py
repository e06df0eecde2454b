"""From a recorder effect to a row: table and columns of db/init.sql. Times are RFC 3339 texts: a row spools as JSON."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bifrost_engine.domain.effects import (
    Alert,
    OperationType,
    PersistIntent,
    RecordAttribution,
    RecordBaseline,
    RecordCost,
    RecordCounts,
    RecordDecision,
    RecordExecution,
    RecordLeg,
    RecordOperation,
    RecordOrder,
    RecordReconciliation,
    RecordShadow,
    RecordTradingDay,
)
from bifrost_engine.domain.words import PAPER_PREFIX, IntentState, Mode, Times

from .times import iso

Row = dict[str, Any]
HISTORY_COLUMNS = (
    "daemon_state",
    "trading_state",
    "symbol",
    "spot",
    "bid",
    "ask",
    "net_delta",
    "stock_position",
    "option_legs_count",
    "daily_hedge_count",
    "daily_pnl",
    "data_lag_ms",
    "config_summary",
    "ts",
    "account",
    "mode",
    "details",
)


@dataclass(frozen=True, slots=True)
class Book:
    """Whose rows these are."""

    account: str
    mode: Mode
    symbol: str
    config_hash: str
    epoch: int


#: Most of what a row holds: the snapshot alone has some four hundred of them, and is drawn on the trading loop.
_PLAIN_ALREADY = frozenset({str, int, bool, type(None)})


def plain(value: Any) -> Any:
    """A value as JSON takes it: keys and enumerations as texts, numbers that are no numbers as null."""
    kind, as_it_is = type(value), _PLAIN_ALREADY
    if kind in as_it_is:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is dict:
        # A call for each leaf would be most of the work.
        return {
            key if type(key) is str else str(key): item if type(item) in as_it_is else plain(item)
            for key, item in value.items()
        }
    if kind is list or kind is tuple:
        return [item if type(item) in as_it_is else plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return str(value) if isinstance(value, str) else value
    return str(value)


def _market(at: Times) -> str | None:
    return iso(at.market_s)


_OPERATIONS = uuid.UUID("5b1f7f0e-6d0c-5c52-9d53-0f6f3c9a7a11")


def _ledger_of(exec_id: str) -> Mode:
    """Whose ledger a fill belongs to: a late live one that a paper engine sees still belongs to the live ledger."""
    return Mode.PAPER if exec_id.startswith(PAPER_PREFIX) else Mode.LIVE


def _price(price: float | None) -> float | None:
    """Without the dust of a mid in binary (138.67000000000002); nothing is quoted finer than 1e-6 dollars."""
    return None if price is None else round(price, 6)


def operation(book: Book, effect: RecordOperation) -> Row:
    """One row for each step of an order, whoever tells it: a restarted engine, a probe, a frame that comes twice.

    The record's id is made of what the row is about, so that the database keeps the first and lets the others go.
    """
    mode = _ledger_of(effect.exec_id) if effect.type is OperationType.FILL else book.mode
    name = "|".join((book.account, str(mode), effect.order_ref, str(effect.type), effect.exec_id))
    return {
        "record_id": str(uuid.uuid5(_OPERATIONS, name)),
        "ts": _market(effect.at),
        "type": str(effect.type),
        "side": str(effect.side),
        "quantity": effect.quantity,
        "price": _price(effect.price),
        "state_reason": effect.reason,
        "account": book.account,
        "mode": str(mode),
        "symbol": effect.key.symbol,
        "contract_key": str(effect.key),
        "order_ref": effect.order_ref,
        "exec_id": effect.exec_id or None,
        "config_hash": book.config_hash,
    }


def intent(book: Book, effect: PersistIntent) -> Row:
    order = effect.intent
    return {
        "order_ref": order.order_ref,
        "decision_seq": order.decision_seq,
        "account": order.account,
        "mode": str(order.mode),
        "contract_key": str(order.key),
        "side": str(order.side),
        "quantity": order.quantity,
        "order_type": str(order.order_type),
        "limit_price": order.limit_price,
        "purpose": str(order.purpose),
        "reason": order.reason,
        "gates": plain(effect.gates),
        # What a restarted engine needs to take the order up again and has no column of its own.
        "context": plain({**effect.context, "tif": order.tif, "forced": order.forced, "mid": order.mid}),
        "config_hash": book.config_hash,
        "epoch": book.epoch,
        "ts": _market(order.at),
        "created_at": iso(order.at.wall_s),
        "state": str(IntentState.INTENT),
        "state_reason": None,
        "updated_at": iso(order.at.wall_s),
    }


def order(book: Book, effect: RecordOrder, history: list[dict[str, Any]]) -> Row:
    return {
        "order_ref": effect.order_ref,
        "perm_id": effect.perm_id or None,
        "order_id": effect.order_id or None,
        "client_id": effect.client_id,
        "account": book.account,
        "mode": str(book.mode),
        "contract_key": str(effect.key),
        "side": str(effect.side),
        "quantity": effect.quantity,
        "order_type": effect.order_type,
        "limit_price": effect.limit_price,
        "status": effect.status,
        "filled": effect.filled,
        "remaining": effect.remaining,
        "avg_fill_price": effect.avg_fill_price,
        "why_held": effect.why_held or None,
        "last_error": effect.last_error or None,
        "status_history": history,
        "epoch": book.epoch,
        "updated_at": iso(effect.at.wall_s),
    }


def execution(effect: RecordExecution) -> Row:
    fill = effect.execution
    return {
        "exec_id": fill.exec_id,
        "order_ref": fill.order_ref or None,
        "account": fill.account,
        "mode": str(_ledger_of(fill.exec_id)),
        "contract_key": str(fill.key),
        "side": str(fill.side),
        "quantity": fill.quantity,
        "price": fill.price,
        "multiplier": fill.multiplier,
        "exec_time": iso(fill.time_s),
        "perm_id": fill.perm_id or None,
        "order_id": fill.order_id or None,
        "client_id": fill.client_id,
        "exchange": fill.exchange or None,
        "origin": str(fill.origin),
        "replaces_exec_id": fill.replaces_exec_id or None,
        "mid_at_decision": fill.mid_at_decision,
        "note": fill.note or None,
    }


def cost(effect: RecordCost) -> Row:
    return {
        "exec_id": effect.exec_id,
        "commission": effect.commission,
        "currency": effect.currency or None,
        "realized_pnl": effect.realized_pnl,
    }


def decision(book: Book, effect: RecordDecision) -> Row:
    states = effect.dimensions
    return {
        "ts": _market(effect.at),
        "account": book.account,
        "mode": str(book.mode),
        "symbol": book.symbol,
        "state_o": str(states.option),
        "state_d": str(states.delta),
        "state_m": str(states.market),
        "state_l": str(states.liquidity),
        "state_e": str(states.execution),
        "state_s": str(states.health),
        "net_delta": effect.net_delta,
        "spot": effect.spot,
        "bid": effect.bid,
        "ask": effect.ask,
        "need_shares": effect.need_shares,
        "outcome": effect.outcome,
        "block_reason": effect.block_reason or None,
        "gates": plain(effect.gates),
        "machines": plain(effect.machines),
        "order_ref": effect.order_ref or None,
        "config_hash": book.config_hash,
    }


def counts(book: Book, effect: RecordCounts) -> list[Row]:
    return [
        {
            "account": book.account,
            "mode": str(book.mode),
            "minute": iso(effect.minute_s),
            "reason": reason,
            "count": count,
            "epoch": book.epoch,
        }
        for reason, count in effect.counts.items()
    ]


def trading_day(book: Book, effect: RecordTradingDay) -> Row:
    return {"account": book.account, "mode": str(book.mode), **plain(effect.row)}


def attribution(book: Book, effect: RecordAttribution) -> Row:
    interval = effect.interval
    return {
        "account": book.account,
        "mode": str(book.mode),
        "trading_day": effect.trading_day.isoformat(),
        "start_ts": iso(interval.start_s),
        "end_ts": iso(interval.end_s),
        "spot_start": interval.spot_start,
        "spot_end": interval.spot_end,
        **{f"{part}_usd": dollars for part, dollars in interval.parts.as_row().items()},
    }


def shadow(book: Book, effect: RecordShadow) -> Row:
    return {
        "account": book.account,
        "mode": str(book.mode),
        "trading_day": effect.trading_day.isoformat(),
        **plain(effect.row),
        "since_ts": iso(effect.since_s),
        "ts": _market(effect.at),
        "book": plain({**effect.book, "legs": effect.legs}),
    }


def leg(book: Book, effect: RecordLeg) -> Row:
    return {"account": book.account, **plain(effect.row)}


def baseline(book: Book, effect: RecordBaseline) -> Row:
    return {
        "account": book.account,
        "symbol": book.symbol,
        "shares": effect.shares,
        "origin": effect.origin,
        "named_by": effect.named_by or None,
        "observed_at": iso(effect.at.wall_s),
        "reason": effect.reason or None,
    }


def reconciliation(book: Book, effect: RecordReconciliation) -> Row:
    return {
        "ts": _market(effect.at),
        "account": book.account,
        "trigger": str(effect.trigger),
        "reconciled": effect.reconciled,
        "differences": plain(effect.differences),
        "folded": plain(effect.folded),
    }


def alert(effect: Alert) -> Row:
    return {
        "ts": _market(effect.at),
        "severity": str(effect.severity),
        "code": effect.code,
        "message": effect.message,
        "details": plain(effect.details),
    }


def history(snapshot: Mapping[str, Any], why: str) -> Row:
    row = {column: plain(snapshot.get(column)) for column in HISTORY_COLUMNS}
    row["details"] = {**(row["details"] or {}), "why": why}
    return row


def new_record_id() -> str:
    return str(uuid.uuid4())
