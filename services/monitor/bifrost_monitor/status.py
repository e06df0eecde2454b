"""The answer of GET /status, made from a view without touching the database (contracts.md, "GET /status")."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .accounts import account_list, fetched_at_unix
from .ib_address import IbAddress
from .json_text import plain
from .times import rfc3339, seconds_between
from .verdict import NEVER, VIEW_LIMIT_S, Judgement, judge
from .view import DeskRows, Row, View

SNAPSHOT_FIELDS = (
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
)
"""The 14 fields of R-M1, in the order of the source documents."""
EXTRA_FIELDS = ("hedge_state", "account", "mode", "epoch", "written_at")
CLOCK_CARRY_LIMIT = timedelta(seconds=120)
"""A market clock is carried forward no longer than this after the engine last wrote it."""


def build_status(view: View, ib_address: IbAddress, monotonic: float | None = None) -> dict[str, Any]:
    """Everything GET /status says about ``view`` at this moment, but for ``monitor``."""
    return {**build_desk(view, ib_address, monotonic), **build_accounts(view, monotonic)}


def build_accounts(view: View, monotonic: float | None = None) -> dict[str, Any]:
    """The accounts with their positions; none while the database cannot be read, because they would be old."""
    desk, now = _readable(view, monotonic)
    if desk is None or now is None:
        return {"accounts": [], "accounts_fetched_at": None}
    market_now = market_time(desk.status, now)
    return {
        "accounts": account_list(view.accounts, now, market_now, _spot(desk)),
        "accounts_fetched_at": fetched_at_unix(view.accounts),
    }


def _readable(view: View, monotonic: float | None) -> tuple[DeskRows | None, datetime | None]:
    """The rows and the database's time, None where the view is not to be shown as the present."""
    if view.error is not None or view.desk is None or view.age_s(monotonic) > VIEW_LIMIT_S:
        return None, None
    return view.desk, view.database_now(monotonic)


def build_desk(view: View, ib_address: IbAddress, monotonic: float | None = None) -> dict[str, Any]:
    """The verdict and what it is made of: GET /status without the accounts."""
    judgement = judge(view, monotonic)
    desk, now = _readable(view, monotonic)
    market_now = market_time(desk.status, now) if desk and now else None
    return {
        "self_check": str(judgement.whole.self_check),
        "status_lamp": judgement.whole.lamp,
        "block_reasons": list(judgement.whole.reasons),
        "checks": list(judgement.checks),
        "one_line": judgement.whole.one_line,
        "daemon_self_check": str(judgement.daemon.self_check),
        "daemon_lamp": judgement.daemon.lamp,
        "daemon_block_reasons": list(judgement.daemon.reasons),
        "trading_suspended": bool(desk.run_status["suspended"]) if desk and desk.run_status else None,
        "daemon_heartbeat": _heartbeat(desk, judgement, now),
        "status": _snapshot(desk.status) if desk and desk.status else None,
        "status_age_s": _rounded(judgement.status_age_s),
        "details": dict((desk.status or {}).get("details") or {}) if desk else {},
        "market_clock": _clock(desk.status, market_now) if desk and desk.status else None,
        "ib_config": ib_address.answer(desk.settings if desk else None),
        "run_status": _plain(desk.run_status) if desk and desk.run_status else None,
        "lease": _lease(desk, now) if desk and desk.lease and now else None,
        "instances": [_instance(row, now) for row in desk.instances] if desk and now else [],
        "latest_operation_id": desk.latest_operation_id if desk else None,
        "read_at": rfc3339(now),
    }


def market_time(status: Row | None, now: datetime) -> datetime | None:
    """Market time at database time ``now``: the engine's clock reading carried forward at its speed.

    ``market_clock`` is ``{market, wall, speed, paused}``; without one the row's own ``ts`` is all that is known.
    """
    if status is None:
        return None
    clock = status.get("market_clock")
    if not isinstance(clock, dict) or not clock.get("market"):
        ts = status.get("ts")
        return ts if isinstance(ts, datetime) else None
    try:
        market = datetime.fromisoformat(str(clock["market"]))
        wall = datetime.fromisoformat(str(clock["wall"])) if clock.get("wall") else status["written_at"]
        passed = min(max(now - wall, timedelta()), CLOCK_CARRY_LIMIT)
        return market if clock.get("paused") else market + passed * float(clock.get("speed") or 1.0)
    except (ValueError, TypeError):
        ts = status.get("ts")
        return ts if isinstance(ts, datetime) else None


def _clock(status: Row, market_now: datetime | None) -> dict[str, Any] | None:
    clock = status.get("market_clock")
    shown = dict(clock) if isinstance(clock, dict) else {}
    return {**shown, "now": rfc3339(market_now)}


def _spot(desk: DeskRows | None) -> tuple[str, float] | None:
    row = desk.status if desk else None
    if row is None or row.get("spot") is None or not row.get("symbol"):
        return None
    return str(row["symbol"]), float(row["spot"])


def _heartbeat(desk: DeskRows | None, judgement: Judgement, now: datetime | None) -> dict[str, Any]:
    row = (desk.heartbeat if desk else None) or {}
    last_ts, retry_at = row.get("last_ts"), row.get("next_retry_ts")
    alive = judgement.alive and desk is not None
    connected = bool(alive and row.get("ib_connected"))
    wait_s: int | None = None
    if alive and not connected and retry_at is not None and now is not None:
        wait_s = max(0, round((retry_at - now).total_seconds()))
    return {
        "last_ts": rfc3339(last_ts) if last_ts and last_ts >= NEVER else None,
        "daemon_alive": alive,
        "hedge_running": bool(alive and row.get("hedge_running")),
        "ib_connected": connected,
        "ib_client_id": row.get("ib_client_id"),
        "next_retry_ts": None if wait_s is None else rfc3339(retry_at),
        # Counted down here from the row's time: the stored seconds are as old as the last heartbeat.
        "seconds_until_retry": wait_s,
        "graceful_shutdown_at": rfc3339(row.get("graceful_shutdown_at")),
        "heartbeat_interval_sec": row.get("heartbeat_interval_sec"),
        "age_s": _rounded(judgement.heartbeat_age_s),
        "limit_s": judgement.limit_s,
        "ib_address": row.get("ib_address"),
        "ib_connected_since": rfc3339(row.get("ib_connected_since")) if connected else None,
        "last_error": row.get("last_error"),
    }


def _snapshot(row: Row) -> dict[str, Any]:
    return {name: plain(row.get(name)) for name in (*SNAPSHOT_FIELDS, *EXTRA_FIELDS)}


def _lease(desk: DeskRows, now: datetime) -> dict[str, Any]:
    row = desk.lease or {}
    return {**_plain(row), "age_s": _rounded(seconds_between(now, row.get("beat_at")))}


def _instance(row: Row, now: datetime) -> dict[str, Any]:
    return {**_plain(row), "age_s": _rounded(seconds_between(now, row.get("beat_at")))}


def _plain(row: Row) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items() if name != "id"}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
