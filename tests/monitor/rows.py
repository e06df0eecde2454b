"""Rows as the engine and the pricer write them, put there with plain SQL."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests.support.postgres import Database

ACCOUNT = "DU1000001"
CALL = "NVDA|OPT|20260417|140|C"
PUT = "NVDA|OPT|20260417|140|P"
STOCK = "NVDA|STK|||"
INSTANCE = uuid.UUID("11111111-2222-3333-4444-555555555555")


def write_heartbeat(database: Database, *, age_s: float = 0.0, **columns: Any) -> None:
    """A beat ``age_s`` seconds old by the database's clock."""
    row = {
        "hedge_running": True,
        "ib_connected": True,
        "ib_client_id": 1,
        "heartbeat_interval_sec": 10,
        "graceful_shutdown_at": None,
        "next_retry_ts": None,
        **columns,
    }
    _update(database, "daemon_heartbeat", row, "last_ts = now() - make_interval(secs => %s)", [age_s])


def write_lease(database: Database, *, age_s: float = 0.0, epoch: int = 3) -> None:
    """The lease of a living leader."""
    database.query(
        "UPDATE engine_lease SET owner = %s, epoch = %s, acquired_at = now() - interval '1 hour', "
        "beat_at = now() - make_interval(secs => %s) WHERE id = 1",
        str(INSTANCE),
        epoch,
        age_s,
    )
    database.query(
        "INSERT INTO engine_instances (instance_id, host, pid, state, epoch, beat_at) "
        "VALUES (%s, 'desk', 4711, 'leader', %s, now()) ON CONFLICT DO NOTHING",
        str(INSTANCE),
        epoch,
    )


def write_status(database: Database, *, age_s: float = 0.0, **columns: Any) -> None:
    """A snapshot written ``age_s`` seconds ago; green unless told otherwise."""
    row = {
        "daemon_state": "running",
        "trading_state": "NO_TRADE",
        "symbol": "NVDA",
        "spot": 141.2,
        "bid": 141.19,
        "ask": 141.21,
        "net_delta": 6.4,
        "stock_position": -180,
        "option_legs_count": 2,
        "daily_hedge_count": 7,
        "daily_pnl": 412.55,
        "data_lag_ms": 38.0,
        "config_summary": "a1b2c3d4e5f6",
        "ts": "2026-03-20T15:04:05+00:00",
        "hedge_state": "EXEC_IDLE",
        "account": ACCOUNT,
        "mode": "live",
        "self_check": "ok",
        "status_lamp": "green",
        "block_reasons": [],
        "checks": [
            {"name": "ib", "state": "ok", "observed": "connected", "limit": None, "reason": None, "kind": "blocking"}
        ],
        "details": {},
        "market_clock": None,
        "epoch": 3,
        **columns,
    }
    names = ", ".join(row)
    marks = ", ".join(["%s"] * len(row))
    changes = ", ".join(f"{name} = excluded.{name}" for name in row)
    database.query(
        f"INSERT INTO status_current (id, {names}, written_at) "
        f"VALUES (1, {marks}, now() - make_interval(secs => %s)) "
        f"ON CONFLICT (id) DO UPDATE SET {changes}, written_at = excluded.written_at",
        *_adapted(row),
        age_s,
    )


def write_running_desk(database: Database) -> None:
    """An engine that runs, is connected and says green."""
    write_lease(database)
    write_heartbeat(database)
    write_status(database)


def write_account(database: Database, account: str = ACCOUNT) -> None:
    """One account with a short stock position and a long straddle, prices for all three."""
    database.query(
        "INSERT INTO accounts (account_id, updated_at, net_liquidation, total_cash, buying_power, fetched_at) "
        "VALUES (%s, now(), 1002412.5, 961300.0, 3845200.0, to_timestamp(1774017840.5))",
        account,
    )
    for key, sec_type, quantity, cost, strike, right, multiplier in (
        (STOCK, "STK", -180, 140.5, None, None, 1),
        (CALL, "OPT", 10, 520.0, 140.0, "C", 100),
        (PUT, "OPT", 10, 480.0, 140.0, "P", 100),
    ):
        database.query(
            "INSERT INTO account_positions (account_id, contract_key, symbol, sec_type, currency, position, avg_cost, "
            "expiry, strike, option_right, multiplier, updated_at) "
            "VALUES (%s, %s, 'NVDA', %s, 'USD', %s, %s, %s, %s, %s, %s, now())",
            account,
            key,
            sec_type,
            quantity,
            cost,
            "20260417" if sec_type == "OPT" else None,
            strike,
            right,
            multiplier,
        )
    write_price(database, STOCK, bid=141.19, ask=141.21, mid=141.2, sec_type="STK")
    write_price(database, CALL, bid=5.6, ask=5.7, mid=5.65, delta=0.55, iv=0.42, und_price=141.2)
    write_price(database, PUT, bid=4.2, ask=4.3, mid=4.25, delta=-0.45, iv=0.43, und_price=141.2)


def write_price(database: Database, contract_key: str, *, sec_type: str = "OPT", **columns: Any) -> None:
    """A row of the pricer."""
    row = {"symbol": "NVDA", "sec_type": sec_type, "source": "live", **columns}
    names = ", ".join(row)
    database.query(
        f"INSERT INTO instrument_prices (contract_key, updated_at, quote_ts, {names}) "
        f"VALUES (%s, now(), '2026-03-20T15:04:00+00:00', {', '.join(['%s'] * len(row))})",
        contract_key,
        *_adapted(row),
    )


def write_operation(database: Database, ts: str | None, kind: str, **columns: Any) -> int:
    """One row of ``operations``; its id."""
    row = {"side": "SELL", "quantity": 30, "price": 141.2, "state_reason": "D2", "symbol": "NVDA", **columns}
    rows = database.query(
        f"INSERT INTO operations (ts, type, {', '.join(row)}) VALUES (%s, %s, {', '.join(['%s'] * len(row))}) "
        "RETURNING id",
        ts,
        kind,
        *_adapted(row),
    )
    return int(rows[0][0])


def write_trading_day(database: Database, day: str = "2026-03-20") -> None:
    """A day with its P&L, so that there are figures of it."""
    database.query(
        "INSERT INTO trading_days (account, mode, trading_day, hedge_count, daily_pnl, realized_pnl, unrealized_pnl, "
        "commissions) VALUES (%s, 'live', %s, 1, 412.55, 400.0, 13.55, 1.0)",
        ACCOUNT,
        day,
    )


OFFER: dict[str, Any] = {
    "sources": [
        {"id": "recorded/TWX", "place": "recorded", "symbol": "TWX", "days": 3, "first": "2014-06-05",
         "last": "2014-06-09"},
        {"id": "shipped/NVDA", "place": "shipped", "symbol": "NVDA", "days": 1, "first": "2026-05-07",
         "last": "2026-05-07"},
    ],
    "defaults": {"min_dte": 21, "max_dte": 35},
}  # fmt: skip


def write_backtest_worker(database: Database, *, age_s: float = 0.0, offer: dict[str, Any] | None = None) -> None:
    """The backtest process beat ``age_s`` ago and offers this data."""
    database.query(
        "INSERT INTO backtest_worker (id, host, pid, beat_at, offer) "
        "VALUES (1, 'here', 1, clock_timestamp() - make_interval(secs => %s), %s) "
        "ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at, offer = excluded.offer",
        age_s,
        json.dumps(OFFER if offer is None else offer),
    )


def write_backtest(database: Database, run_id: str, *, ticks: int = 12, **summary: Any) -> None:
    """A stored run as `bifrost backtest --database` leaves one, its figures made up."""
    policies = [
        {
            "policy": name, "hedges": 40 - number, "shares_traded": 900.0, "slippage_usd": 12.0 - number,
            "cost_usd": 20.0 - number, "commissions_usd": 8.0, "pnl_usd": 100.0 - number,
            "std_by_minute_usd": 5.0 + number,
        }
        for number, name in enumerate(("fixed band, 12.5 shares", "fixed band, 25 shares", "every 5 minutes",
                                       "Whalley–Wilmott, γ 0.1, λ 0.0001", "gamma-scaled band, 0.25 % move"))
    ]  # fmt: skip
    made = {
        "symbol": "TWX", "first": "2014-06-05T13:31:00+00:00", "last": "2014-06-06T20:00:00+00:00", "ended": "",
        "asked": {"legs": {"straddle": {"quantity": 20}}, "entry": "09:45:00", "model": {"latency_s": 0.5}},
        "legs": [{"contract_key": "TWX|OPT|20140719|70|C", "quantity": 20, "price": 1.4}],
        "pnl": {"at_mid_usd": 812.5, "realized_usd": 900.0, "unrealized_usd": -80.0, "commissions_usd": 7.5,
                "entry_usd": 60.0, "liquidation_usd": None, "liquidated_usd": None},
        "attribution": {"delta": 4.5, "gamma": 1200.0, "theta": -380.0, "vega": 0.0, "slippage": -12.0},
        "attribution_total_usd": 812.5, "drawdown_usd": 55.25, "sharpe": 2.5, "sharpe_basis": "P&L of 2 days",
        "hedges": 4, "hedges_per_day": 2.0, "fills": 4, "shares_traded": 400.0, "slippage_usd": 12.0,
        "slippage_bps": 0.9, "commissions_usd": 7.5, "ticks": ticks, "decisions": {"blocked": ticks - 4, "hedge": 4},
        "policies": policies, "bad_rows": {"count": 0, "by_reason": {}, "shown": []},
        "days": [{"day": "2014-06-05", "pnl_usd": 812.5, "realized_usd": 900.0, "unrealized_usd": -80.0,
                  "commissions_usd": 7.5, "hedges": 4}],
    } | summary  # fmt: skip
    times = [1401975060 + 60 * minute for minute in range(30)]
    line = {"times_s": times, "values": [float(minute % 7) for minute in range(30)]}
    database.query(
        "INSERT INTO backtest_runs (run_id, config_hash, data_hash, code_version, config, summary, curves) "
        "VALUES (%s, %s, 'da7ada7ada7ada7a', '0.1.0+c0dec0dec0de', %s, %s, %s)",
        run_id,
        f"c0{run_id[:10]}",
        json.dumps({"symbol": "TWX", "gates": {"intent": {"hedge": {"cooldown_seconds": int(run_id[0], 16)}}}}),
        json.dumps(made),
        json.dumps({"equity_usd": line, "net_delta_shares": line, "spot": line}),
    )
    for seq in range(1, ticks + 1):
        hedge = seq % 3 == 0
        database.query(
            "INSERT INTO backtest_ticks (run_id, seq, ts, decision, side, quantity, block_reason, net_delta, spot) "
            "VALUES (%s, %s, timestamptz '2014-06-05 13:45+00' + make_interval(mins => %s), %s, 'BUY', 20, %s, 31, 70)",
            run_id, seq, seq, "hedge" if hedge else "blocked", None if hedge else "cooldown",
        )  # fmt: skip


def finish_command(database: Database, command_id: int, status: str, result: dict[str, Any] | None = None) -> None:
    """What the engine writes when a command has come to its end."""
    database.query(
        "UPDATE daemon_control SET status = %s, accepted_at = now(), finished_at = now(), consumed_at = now(), "
        "result = %s WHERE id = %s",
        status,
        None if result is None else json.dumps(result),
        command_id,
    )


def _update(database: Database, table: str, row: dict[str, Any], extra: str, values: list[object]) -> None:
    changes = ", ".join(f"{name} = %s" for name in row)
    database.query(f"UPDATE {table} SET {changes}, {extra} WHERE id = 1", *_adapted(row), *values)


def _adapted(row: dict[str, Any]) -> list[Any]:
    return [json.dumps(value) if isinstance(value, dict | list) else value for value in row.values()]
