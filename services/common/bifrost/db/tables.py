"""The tables an engine writes through records: their kind, key and columns as db/init.sql defines them.

A test compares this list with the catalogue of a real database, so that the two never part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class TableKind(StrEnum):
    """How a record meets a row that is already there."""

    APPEND = "append"
    """Inserted once; the same record again changes nothing."""
    KEYED = "keyed"
    """One row per key; only a record with a higher ``seq`` changes it."""


@dataclass(frozen=True, slots=True)
class TableRule:
    """What :func:`bifrost.db.records.write` needs to know about one table.

    Attributes
    ----------
    key : tuple of str
        Columns that make a record unique.
    columns : tuple of str
        Every column a writer may give.
    required : frozenset of str
        Columns without default that may not be null: a KEYED row that lacks one of them is an update of a row
        that exists.
    json : frozenset of str
        Columns of type jsonb.
    stamp : str
        Column of the wall time of writing.
    origin : str or None
        Column that keeps the writer's epoch.
    """

    kind: TableKind
    key: tuple[str, ...]
    columns: tuple[str, ...]
    required: frozenset[str] = frozenset()
    json: frozenset[str] = frozenset()
    stamp: str | None = "written_at"
    origin: str | None = None
    all_columns: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        own = {name for name in (self.stamp, self.origin) if name} | (
            {"seq"} if self.kind is TableKind.KEYED else set()
        )
        object.__setattr__(self, "all_columns", frozenset(self.columns) | own)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _append(key: str, columns: str, required: str = "", json: str = "") -> TableRule:
    return TableRule(
        TableKind.APPEND,
        (key,),
        (key, *_names(columns)),
        frozenset(_names(required)),
        frozenset(_names(json)),
        origin="origin_epoch",
    )


def _keyed(key: str, columns: str, required: str = "", json: str = "", stamp: str = "updated_at") -> TableRule:
    return TableRule(
        TableKind.KEYED,
        _names(key),
        (*_names(key), *_names(columns)),
        frozenset(_names(required)) | frozenset(_names(key)),
        frozenset(_names(json)),
        stamp,
    )


_SNAPSHOT = (
    "daemon_state trading_state symbol spot bid ask net_delta stock_position option_legs_count "
    "daily_hedge_count daily_pnl data_lag_ms config_summary ts account mode details "
)

TABLES: dict[str, TableRule] = {
    "status_history": _append("record_id", _SNAPSHOT, json="details"),
    "operations": _append(
        "record_id",
        "ts type side quantity price state_reason account mode symbol contract_key order_ref exec_id config_hash",
        "type",
    ),
    "executions": _append(
        "exec_id",
        "order_ref account mode contract_key side quantity price multiplier exec_time perm_id order_id client_id "
        "exchange origin replaces_exec_id mid_at_decision note",
        "exec_id account mode contract_key side quantity price",
    ),
    "execution_costs": _append("exec_id", "commission currency realized_pnl", "exec_id"),
    "decisions": _append(
        "record_id",
        "ts account mode symbol state_o state_d state_m state_l state_e state_s net_delta spot bid ask need_shares "
        "outcome block_reason gates machines order_ref config_hash",
        "outcome",
        "gates machines",
    ),
    "reconciliations": _append(
        "record_id",
        "ts account trigger reconciled differences folded",
        "account trigger reconciled",
        "differences folded",
    ),
    "alerts": _append("record_id", "ts severity code message details", "severity code message", "details"),
    "status_current": _keyed(
        "id",
        _SNAPSHOT + "hedge_state self_check status_lamp block_reasons checks market_clock instance_id epoch",
        json="block_reasons checks details market_clock",
        stamp="written_at",
    ),
    "order_intents": _keyed(
        "order_ref",
        "decision_seq decision_id account mode contract_key side quantity order_type limit_price purpose reason gates "
        "context config_hash epoch ts created_at state state_reason",
        "decision_seq account mode contract_key side quantity order_type epoch",
        "gates context",
    ),
    "orders": _keyed(
        "order_ref",
        "perm_id order_id client_id account mode contract_key side quantity order_type limit_price status filled "
        "remaining avg_fill_price why_held last_error status_history epoch",
        "account mode contract_key side quantity status",
        "status_history",
    ),
    "managed_legs": _keyed(
        "account contract_key",
        "con_id quantity multiplier trading_class adopted_at adopt_reason adopt_price released_at release_reason",
        "quantity multiplier adopted_at adopt_reason",
    ),
    "external_baseline": _keyed(
        "account symbol", "shares origin named_by observed_at reason", "shares origin observed_at"
    ),
    "trading_days": _keyed(
        "account mode trading_day",
        "hedge_count day_start_marks partial_day realized_pnl unrealized_pnl commissions daily_pnl last_marks "
        "breaker_at breaker_reason breaker_reset_at hold hold_since hold_reason last_hedge attribution",
        json="day_start_marks last_marks last_hedge attribution",
    ),
    "pnl_attribution": _keyed(
        "account mode trading_day start_ts",
        "end_ts spot_start spot_end delta_usd gamma_usd theta_usd vega_usd slippage_usd commissions_usd dividends_usd "
        "residual_usd total_usd",
        "end_ts spot_start spot_end delta_usd gamma_usd theta_usd vega_usd slippage_usd commissions_usd dividends_usd "
        "residual_usd total_usd",
    ),
    "shadow_hedgers": _keyed(
        "account mode trading_day policy",
        "since_ts ts shares hedges shares_traded slippage_usd commissions_usd pnl_usd std_by_minute_usd book",
        "since_ts ts shares hedges slippage_usd commissions_usd pnl_usd book",
        json="book",
    ),
    "decision_counts": _keyed("account mode minute reason epoch", "count", "count"),
}
