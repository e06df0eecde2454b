"""The figures of one run as plain values: what the report shows, what is stored, what two runs are compared by."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import bifrost
from bifrost.contract import ContractKey

import bifrost_engine
from bifrost_engine.domain.state import Rules

from .fills import FillModel
from .legs import Entry, Straddle
from .market import Market
from .outcome import Outcome
from .tally import iso

_RUNS = uuid.UUID("0d7a1c52-5a63-5c0e-9b8f-2f4c6a1f7d10")
_DUST = 6
#: What a run on the quick path leaves out or gives to rounding only; everything else is that of the full path.
QUICK_DIFFERS = (
    "no policies; net delta, equity, drawdown and the parts of the attribution agree with the full path to rounding"
)


@cache
def code_version() -> str:
    """The packages' version and a hash of their sources: another line of code is another version."""
    digest = hashlib.sha256()
    for package in (bifrost, bifrost_engine):
        root = Path(str(package.__file__)).parent
        for file in sorted(root.rglob("*.py")):
            digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return f"{bifrost.__version__}+{digest.hexdigest()[:12]}"


def asked_for(entry: Entry, model: FillModel, *, quick: bool = False) -> dict[str, Any]:
    """What was asked for besides configuration and data."""
    rule = entry.legs
    if isinstance(rule, Straddle):
        legs: Any = {"straddle": asdict(rule)}
    else:
        legs = [{"contract_key": str(leg.key), "quantity": leg.quantity, "multiplier": leg.multiplier} for leg in rule]
    asked = {"legs": legs, "entry": f"{entry.at:%H:%M:%S}", "model": asdict(model)}
    return asked | {"quick": True} if quick else asked


def run_id(rules: Rules, data_hash: str, asked: Mapping[str, Any]) -> uuid.UUID:
    """The same configuration, data, request and code are the same run."""
    calendar = ["always open"] if rules.calendar.always_open else []
    name = json.dumps([rules.config_hash, data_hash, code_version(), asked, *calendar], sort_keys=True)
    return uuid.uuid5(_RUNS, name)


def summary(
    outcome: Outcome, rules: Rules, market: Market, entry: Entry, model: FillModel, *, quick: bool = False
) -> dict[str, Any]:
    """Everything of the run but its ticks and curves; money in dollars, without the dust of binary fractions."""
    tally, asked = outcome.tally, asked_for(entry, model, quick=quick)
    data_hash = market.data_hash()
    sharpe, basis = tally.sharpe()
    parts = tally.parts()
    answer: dict[str, Any] = {
        "run_id": str(run_id(rules, data_hash, asked)),
        "symbol": rules.config.symbol,
        "config_hash": rules.config_hash,
        "data_hash": data_hash,
        "code_version": code_version(),
        "asked": asked,
        "first": iso(outcome.first_s),
        "last": iso(outcome.last_s),
        "ended": outcome.ended,
        "legs": _legs(outcome, model),
        "pnl": _pnl(outcome, model),
        "attribution": parts,
        "attribution_total_usd": sum(parts.values()) if parts else None,
        "drawdown_usd": tally.drawdown_usd,
        "drawdown_at": iso(tally.drawdown_at_s) if tally.drawdown_at_s is not None else None,
        "sharpe": sharpe,
        "sharpe_basis": basis,
        "hedges": tally.hedges,
        "hedges_per_day": tally.hedges / len(tally.days),
        "fills": tally.fills,
        "shares_traded": tally.shares_traded,
        "slippage_usd": tally.slippage_usd,
        "slippage_bps": tally.slippage_usd / tally.traded_usd * 1e4 if tally.traded_usd else None,
        "commissions_usd": tally.commissions_usd,
        "by_day": tally.by_day().as_dict(),
        "days": [
            {
                "day": day.day.isoformat(),
                "pnl_usd": day.pnl_usd,
                "realized_usd": day.realized_usd,
                "unrealized_usd": day.unrealized_usd,
                "commissions_usd": day.commissions_usd,
                "hedges": day.hedges,
                "attribution": day.parts,
            }
            for day in tally.days.values()
        ],
        "events": tally.events,
        "ticks": tally.ticks,
        "decisions": dict(sorted(tally.outcomes.items())),
        "blocked": dict(sorted(tally.blocked.items(), key=lambda item: (-item[1], item[0]))),
        "operations": dict(sorted(tally.operations.items())),
        "alerts": dict(sorted(tally.alerts.items())),
        "policies": outcome.policies,
        "bad_rows": {
            "count": market.bad.count,
            "by_reason": dict(sorted(market.bad.by_reason.items())),
            "shown": list(market.bad.shown),
        },
    }
    if quick:
        answer["quick"] = {"spared": tally.skipped, "differs": QUICK_DIFFERS}
    cleaned: dict[str, Any] = _clean(answer)
    return cleaned


def parts_shown(summary: Mapping[str, Any]) -> dict[str, float]:
    """The attribution in cents; the residual takes what rounding leaves, so that the parts shown make the P&L shown."""
    shown = {name: round(value, 2) for name, value in summary["attribution"].items()}
    if shown:
        left = round(summary["pnl"]["at_mid_usd"], 2) - sum(shown.values())
        shown["residual"] = round(shown.get("residual", 0.0) + left, 2)
    return shown


def curves(outcome: Outcome) -> dict[str, Any]:
    """The lines of the report: equity at mid in dollars, net delta in shares and spot in session, epoch seconds."""
    tally = outcome.tally
    lines = (("equity_usd", tally.curve, 2), ("net_delta_shares", tally.delta, 2), ("spot", tally.spot, 4))
    return {
        name: {"times_s": [round(at_s) for at_s in line.times_s], "values": [round(y, digits) for y in line.values]}
        for name, line, digits in lines
    }


def _legs(outcome: Outcome, model: FillModel) -> list[dict[str, Any]]:
    return [
        {
            "contract_key": str(leg.held.key),
            "quantity": leg.held.quantity,
            "multiplier": leg.held.multiplier,
            "price": leg.price,
            "mid": leg.mid,
            "shown": leg.shown,
            "larger_than_shown": model.sizes and abs(leg.held.quantity) > leg.shown,
        }
        for leg in outcome.legs
    ]


def _pnl(outcome: Outcome, model: FillModel) -> dict[str, Any]:
    """The hedged book at mid, and what would be left of it after buying and selling the book at the touch.

    At mid is the sum of the engine's trading days, stock commissions included: the legs joined the book at the mid of
    their entry. ``entry_usd`` and ``liquidation_usd`` are costs: half spreads and commissions, None where a quote to
    liquidate at is missing.
    """
    tally = outcome.tally
    entry = sum(leg.held.quantity * leg.held.multiplier * (leg.price - leg.mid) for leg in outcome.legs)
    options = sum(model.option_commission(abs(leg.held.quantity)) for leg in outcome.legs)
    liquidation = _liquidation(outcome, model)
    at_mid = tally.pnl_usd
    return {
        "at_mid_usd": at_mid,
        "realized_usd": sum(day.realized_usd for day in tally.days.values()),
        "unrealized_usd": sum(day.unrealized_usd for day in tally.days.values()),
        "commissions_usd": sum(day.commissions_usd for day in tally.days.values()),
        "entry_usd": entry + options,
        "liquidation_usd": liquidation,
        "liquidated_usd": None if liquidation is None else at_mid - entry - options - liquidation,
    }


def _liquidation(outcome: Outcome, model: FillModel) -> float | None:
    cost = 0.0
    for key, position in outcome.state.day.positions.items():
        if position.flat:
            continue
        touch = _touch(outcome, key, position.quantity)
        if touch is None or position.mark is None:
            return None
        units = abs(position.quantity)
        cost += (position.mark - touch) * position.quantity * position.multiplier
        cost += model.option_commission(units) if key.is_option else model.stock_commission(units, units * touch)
    return cost


def _touch(outcome: Outcome, key: ContractKey, quantity: float) -> float | None:
    quote = outcome.last_quotes.get(key)
    if quote is None or not 0 < quote.bid <= quote.ask:
        return None
    return quote.bid if quantity > 0 else quote.ask


def _clean(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DUST) + 0.0
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value
