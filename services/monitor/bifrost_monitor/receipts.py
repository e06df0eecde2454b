"""Receipts: why an order was sent and what came of it, and why a hedge was not. Pure functions of rows.

An order explains itself from what was durable before it left (intent, gates, what the decision saw) and from what the
broker said afterwards; nothing here asks the engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from .json_text import plain
from .queries_trail import DecisionRows, OrderRows

Found = dict[str, Any]
ACKNOWLEDGED = frozenset({"PreSubmitted", "Submitted"})
DONE = frozenset({"Filled", "Cancelled", "ApiCancelled", "Inactive"})
_INTENT = (
    "order_ref", "decision_seq", "account", "mode", "contract_key", "side", "quantity", "order_type", "limit_price",
    "purpose", "reason", "config_hash", "epoch", "ts", "created_at", "state", "state_reason", "updated_at",
)  # fmt: skip
_BROKER = (
    "perm_id", "order_id", "client_id", "order_type", "limit_price", "status", "filled", "remaining", "avg_fill_price",
    "why_held", "last_error", "updated_at",
)  # fmt: skip
_LEG = ("contract_key", "quantity", "delta", "iv_annual", "iv_source", "iv_age_s")


def gates_of(value: object) -> list[Found]:
    """Stored gates with every key of the contract, in the order in which they were asked."""
    shaped = []
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, Mapping) and entry.get("name"):
            shaped.append(
                {
                    "name": str(entry["name"]),
                    "passed": bool(entry.get("passed")),
                    "observed": _scalar(entry.get("observed")),
                    "limit": _scalar(entry.get("limit")),
                    "reason": None if entry.get("reason") is None else str(entry["reason"]),
                    "kind": "pacing" if entry.get("kind") == "pacing" else "blocking",
                    "remaining_s": _number(entry.get("remaining_s")),
                }
            )
    return shaped


def decision(row: Mapping[str, Any]) -> Found:
    """One row of ``decisions`` as it is answered."""
    machines = row.get("machines")
    return {**row, "gates": gates_of(row.get("gates")), "machines": machines if isinstance(machines, dict) else {}}


def command(row: Mapping[str, Any]) -> Found:
    """One row of ``daemon_control`` as it is answered."""
    answer: Found = plain(row)
    # psql may have written any JSON into these columns; the contract says objects.
    if not isinstance(answer["args"], dict):
        answer["args"] = {"value": answer["args"]}
    if answer["result"] is not None and not isinstance(answer["result"], dict):
        answer["result"] = {"value": answer["result"]}
    return answer


def decision_receipt(rows: DecisionRows, order: OrderRows | None) -> Found:
    """What was decided, until when it stood, how often it came up, and the order that followed."""
    shaped = decision(rows.decision)
    return {
        "decision": shaped,
        "text": decision_text(shaped),
        "until_ts": rows.next["ts"] if rows.next else None,
        "next_decision_id": rows.next["id"] if rows.next else None,
        "previous_decision_id": rows.previous_id,
        "counts": rows.counts,
        "order": order_receipt(order) if order else None,
    }


def decision_text(shaped: Mapping[str, Any]) -> str:
    """The decision in one sentence."""
    need = shaped.get("need_shares")
    wish = "no hedge is needed" if not need else f"{'buy' if need > 0 else 'sell'} {abs(need)} shares"
    if shaped["outcome"] == "hedge":
        return f"A hedge was sent: {wish}."
    failing = [gate for gate in shaped["gates"] if not gate["passed"]]
    reason = shaped.get("block_reason") or (failing[0]["name"] if failing else None)
    if reason is None:
        return f"Nothing was sent: {wish}."
    told = next((gate["reason"] for gate in failing if gate["reason"] and reason.split(":")[0] == gate["name"]), None)
    return f"Nothing was sent ({wish}): {reason}{f', {told}' if told and told != reason else ''}."


def order_receipt(rows: OrderRows) -> Found:
    """Everything about one order."""
    intent = rows.intent or {}
    stored = intent.get("context")
    context: Found = stored if isinstance(stored, dict) else {}
    fills = [_fill(fill) for fill in rows.fills]
    broker = _broker(rows.broker) if rows.broker else None
    totals = _totals(fills)
    return {
        "order_ref": rows.order_ref,
        "text": order_text(rows, totals),
        "intent": {name: intent[name] for name in _INTENT} if intent else None,
        "gates": gates_of(intent.get("gates")),
        "greeks": _greeks(context) if intent else None,
        "quote": _quote(context) if intent else None,
        "latency": _latency(intent.get("created_at"), broker["messages"] if broker else (), rows.fills),
        "broker": broker,
        "fills": fills,
        "totals": totals,
        "operations": rows.operations,
        "decision_id": rows.decision_id,
    }


def order_text(rows: OrderRows, totals: Mapping[str, Any]) -> str:
    """The order in one sentence."""
    of = rows.intent or rows.broker
    if of is None:
        return "An order whose intent this database does not hold."
    what = f"{'Buy' if of['side'] == 'BUY' else 'Sell'} {of['quantity']:g} {str(of['contract_key']).split('|')[0]}"
    if of.get("order_type"):
        what += f" at {of['order_type']}"
    if of.get("limit_price") is not None:
        what += f" {of['limit_price']:.2f}"
    state = str((rows.intent or {}).get("state") or of.get("status") or "")
    why = (rows.intent or {}).get("state_reason")
    filled = totals["filled"]
    came = f"{filled:g} filled at {totals['avg_price']:.4f}" if filled else "nothing filled"
    return f"{what}: {state.replace('_', ' ')}, {came}{f' ({why})' if why else ''}."


def _greeks(context: Mapping[str, Any]) -> Found:
    legs = context.get("legs")
    return {
        "dimensions": context.get("dimensions"),
        **{name: context.get(name) for name in ("net_delta", "option_delta", "gamma", "need_shares", "forced")},
        "legs": [
            {name: leg.get(name) for name in _LEG}
            for leg in (legs if isinstance(legs, list) else ())
            if isinstance(leg, Mapping) and leg.get("contract_key")
        ],
    }


def _quote(context: Mapping[str, Any]) -> Found:
    return {name: context.get(name) for name in ("spot", "bid", "ask", "mid", "data_lag_ms")}


def _broker(row: Mapping[str, Any]) -> Found:
    history = row.get("status_history")
    messages = [
        {
            "status": str(entry.get("status")),
            "filled": _number(entry.get("filled")),
            "remaining": _number(entry.get("remaining")),
            "at": _utc(entry.get("wall")),
            "market_ts": _utc(entry.get("market")),
        }
        for entry in (history if isinstance(history, list) else ())
        if isinstance(entry, Mapping)
    ]
    return {**{name: row[name] for name in _BROKER}, "messages": messages}


def _fill(row: Mapping[str, Any]) -> Found:
    mid, sign = row["mid_at_decision"], 1 if row["side"] == "BUY" else -1
    slippage = None if mid is None else sign * (row["price"] - mid) * row["quantity"] * (row["multiplier"] or 1)
    shown = {name: value for name, value in row.items() if name not in ("multiplier", "written_at")}
    return {**shown, "slippage_usd": slippage}


def _totals(fills: Iterable[Mapping[str, Any]]) -> Found:
    counted = [fill for fill in fills if fill["counts"]]
    shares = sum(fill["quantity"] for fill in counted)
    return {
        "filled": shares,
        "avg_price": sum(fill["quantity"] * fill["price"] for fill in counted) / shares if shares else None,
        "commission": _sum(fill["commission"] for fill in counted),
        "commission_pending": sum(1 for fill in counted if fill["commission"] is None),
        "realized_pnl": _sum(fill["realized_pnl"] for fill in counted),
        "slippage_usd": _sum(fill["slippage_usd"] for fill in counted),
    }


def _latency(
    began: datetime | None, messages: Iterable[Mapping[str, Any]], fills: Iterable[Mapping[str, Any]]
) -> Found:
    """From the broker's statuses by our clock; an execution's own time is the exchange's and only of whole seconds."""

    def after(found: Iterable[str | None]) -> float | None:
        first = next((text for text in found if text), None)
        return None if began is None or first is None else _ms(began, datetime.fromisoformat(first))

    told = list(messages)
    written = min((fill["written_at"] for fill in fills), default=None)
    first_fill = after(entry["at"] for entry in told if (entry["filled"] or 0) > 0)
    if first_fill is None and began is not None and written is not None:
        first_fill = _ms(began, written)
    return {
        "to_acknowledged_ms": after(entry["at"] for entry in told if entry["status"] in ACKNOWLEDGED),
        "to_first_fill_ms": first_fill,
        "to_done_ms": after(entry["at"] for entry in told if entry["status"] in DONE),
    }


def _ms(began: datetime, then: datetime) -> float:
    return round((then - began).total_seconds() * 1000, 3)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _scalar(value: object) -> float | str | bool | None:
    if value is None or isinstance(value, bool | int | float | str):
        found: float | str | bool | None = plain(value)
        return found
    return json.dumps(plain(value))


def _utc(text: object) -> str | None:
    """A stored time as the API writes it, None for what is no time."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    found: str | None = plain(moment) if moment.tzinfo is not None else None
    return found
