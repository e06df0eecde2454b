"""The row the desk is known by: the 14 fields of status_current, the verdict, and what the page shows besides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from ..decide import Step
from ..portfolio.portfolio import Exposure
from ..state import Rules, State
from ..view import View
from .selfcheck import SelfCheck, Surroundings, self_check


def snapshot_row(step: Step, rules: Rules, surroundings: Surroundings) -> dict[str, object]:
    """Columns of `status_current` (without market_clock, instance_id, epoch, seq and written_at, which the app adds).

    Parameters
    ----------
    surroundings : Surroundings
        What the app knows and the domain does not: daemon state, retry times.
    """
    state, evaluation = step.state, step.evaluation
    view = evaluation.view if evaluation is not None else None
    if view is not None and state.retry_after_s > view.at.wall_s:
        surroundings = replace(surroundings, retry_in_s=state.retry_after_s - view.at.wall_s)
    check = self_check(view, evaluation.gates, surroundings) if view is not None and evaluation is not None else None
    day = state.day
    return {
        "daemon_state": surroundings.daemon_state,
        "trading_state": str(state.trading),
        "hedge_state": str(state.hedge),
        "symbol": state.stock.symbol,
        "account": state.account,
        "mode": str(state.mode),
        "spot": number(state.book.mid),
        "bid": number(state.book.bid),
        "ask": number(state.book.ask),
        "net_delta": number(view.net_delta_shares) if view is not None else None,
        "stock_position": round(view.stock_in_scope if view is not None else state.ledger.position(state.stock)),
        "option_legs_count": sum(1 for leg in state.legs.values() if leg.managed),
        "daily_hedge_count": day.hedge_count,
        "daily_pnl": number(day.daily_pnl_usd) if day.day is not None else None,
        "data_lag_ms": number(view.data_lag_ms) if view is not None else None,
        "config_summary": rules.config_hash,
        "ts": datetime.fromtimestamp(view.at.market_s, UTC) if view is not None and view.at.market_s else None,
        **_verdict(check),
        "details": _details(step, rules, check),
    }


def number(value: float | None) -> float | None:
    """``value`` where it is a number that a database and JSON can hold."""
    return value if value is not None and math.isfinite(value) else None


def _verdict(check: SelfCheck | None) -> dict[str, object]:
    if check is None:
        reason = "market time is not known yet: the clock has not answered"
        row = {"name": "clock", "state": "blocked", "observed": None, "limit": None, "reason": reason,
               "kind": "blocking", "remaining_s": None}  # fmt: skip
        return {"self_check": "degraded", "status_lamp": "yellow", "block_reasons": [reason], "checks": [row]}
    return {
        "self_check": str(check.self_check),
        "status_lamp": str(check.status_lamp),
        "block_reasons": list(check.block_reasons),
        "checks": list(check.checks),
    }


def _details(step: Step, rules: Rules, check: SelfCheck | None) -> dict[str, object]:
    state, evaluation = step.state, step.evaluation
    view = evaluation.view if evaluation is not None else None
    delta = rules.config.gates.state.delta
    details: dict[str, object] = {
        "machines": {"trading": str(state.trading), "hedge": str(state.hedge)},
        "safe_cause": state.safe_cause,
        "epsilon_band": delta.epsilon_band,
        "threshold_hedge_shares": delta.threshold_hedge_shares,
        "max_delta_limit": delta.max_delta_limit,
        "ledger_shares": round(state.ledger.position(state.stock)),
        "external_shares": state.external_shares,
        "reconciled": state.recon.done,
        "trading_day": state.day.day.isoformat() if state.day.day is not None else None,
        "breaker": state.day.breaker_reason if state.day.breaker_latched else "",
        "hold": state.day.hold,
        "failures": state.failures,
        "working_order": _order(state),
        "last_hedge": _last_hedge(state),
        "legs": _legs(state.exposure),
        "farms": [
            {"farm": farm, "code": told.code, "text": told.text} for farm, told in sorted(state.book.farms.items())
        ],
    }
    if check is not None:
        details["one_line"] = check.one_line
    if view is not None and evaluation is not None:
        details |= _numbers(view) | {"outcome": evaluation.outcome, "block_reason": evaluation.block_reason}
    return details


def _numbers(view: View) -> dict[str, object]:
    d = view.dimensions
    return {
        "dims": {"O": d.option, "D": d.delta, "M": d.market, "L": d.liquidity, "E": d.execution, "S": d.health},
        "option_delta": number(view.option_delta_shares),
        "gamma": number(view.gamma_shares),
        "stock_in_scope": view.stock_in_scope,
        "need_shares": view.need_shares,
        "order_shares": view.order_shares,
        "spread_pct": number(view.spread_pct),
        "forced": view.forced,
    }


def _order(state: State) -> Mapping[str, object] | None:
    order = state.order
    if order is None:
        return None
    return {
        "order_ref": order.order_ref,
        "side": str(order.intent.side),
        "quantity": order.intent.quantity,
        "filled": order.filled,
        "order_type": str(order.order_type),
        "limit_price": order.limit_price,
        "status": order.status,
        "why_held": order.why_held,
        "purpose": str(order.intent.purpose),
        "probes": order.probes,
        "state": str(state.hedge),
    }


def _last_hedge(state: State) -> Mapping[str, object] | None:
    last = state.day.last_hedge
    if last is None:
        return None
    return {
        "ts": datetime.fromtimestamp(last.market_s, UTC).isoformat(),
        "spot": number(last.spot),
        "delta": number(last.delta_shares),
        "gamma": number(last.gamma_shares),
    }


def _legs(exposure: Exposure | None) -> list[Mapping[str, object]]:
    return [
        {
            "contract_key": str(leg.key),
            "quantity": leg.quantity,
            "multiplier": leg.multiplier,
            "delta": number(leg.delta),
            "gamma": number(leg.gamma),
            "theta_usd_per_day": number(leg.theta_usd_per_day),
            "vega_usd_per_vol": number(leg.vega_usd_per_vol),
            "iv_annual": number(leg.iv_annual),
            "iv_source": str(leg.source),
            "iv_age_s": number(leg.age_s),
            "mark": number(leg.mark),
            "dte": leg.dte,
        }
        for leg in (exposure.legs if exposure is not None else ())
    ]
