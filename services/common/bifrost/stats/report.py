"""Statistics as a table to read, as JSON and as CSV: the same figures in three shapes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from .figures import Figures, Statistics, as_dict
from .money import Distribution, cents

_COLUMNS = (
    "hedges", "hedge_shares", "flattens", "intents", "orders_sent", "rejects", "cancels", "fills", "fills_without_mid",
    "slippage_usd", "slippage_bps", "commissions_usd", "commissions_missing", "pnl_usd", "partial_days", "evaluations",
)  # fmt: skip
_OF_DISTRIBUTION = (
    "count",
    "total_usd",
    "wins",
    "losses",
    "win_rate",
    "mean_usd",
    "std_usd",
    "min_usd",
    "median_usd",
    "max_usd",
)


def as_document(answer: Statistics, *, with_fills: bool = False) -> dict[str, object]:
    """The whole answer as JSON holds it; ``with_fills`` adds every fill with its slippage."""
    document: dict[str, object] = {
        "account": answer.account,
        "mode": answer.mode,
        "by": str(answer.window.by),
        "from": answer.window.first.isoformat(),
        "to": answer.window.last.isoformat(),
        "total": as_dict(answer.total),
        "periods": [
            {
                "period": item.period.name,
                "first_day": item.period.days[0].isoformat(),
                "last_day": item.period.days[-1].isoformat(),
                "trading_days": len(item.period.days),
                "half_days": item.period.half_days,
                **as_dict(item.figures),
            }
            for item in answer.periods
        ],
    }
    if with_fills:
        document["fill_list"] = [
            {
                "exec_id": cost.fill.exec_id,
                "order_ref": cost.fill.order_ref,
                "ts": datetime.fromtimestamp(cost.fill.ts_s, UTC).isoformat(),
                "contract_key": cost.fill.contract_key,
                "side": cost.fill.side,
                "quantity": cost.fill.quantity,
                "price": cost.fill.price,
                "mid_at_decision": cost.fill.mid,
                "slippage_usd": cents(cost.slippage_usd),
                "slippage_bps": None if cost.slippage_bps is None else round(cost.slippage_bps, 4),
                "commission_usd": cost.fill.commission,
            }
            for cost in answer.fills
        ]
    return document


def as_json(answer: Statistics, *, with_fills: bool = False) -> str:
    return json.dumps(as_document(answer, with_fills=with_fills), indent=2, allow_nan=False) + "\n"


def as_csv(answer: Statistics) -> str:
    """One row a period; blocked reasons and states get a column each, so that the file opens in a spreadsheet."""
    reasons = sorted(answer.total.blocked)
    states = [(machine, state) for machine, known in answer.total.states.items() for state in known]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["period", "first_day", "last_day", "trading_days", "half_days", *_COLUMNS]
        + [f"{name}_{column}" for name in ("day", "round_trip") for column in _OF_DISTRIBUTION]
        + [f"blocked:{reason}" for reason in reasons]
        + [f"{machine}:{state}:{part}" for machine, state in states for part in ("session_s", "outside_s")]
    )
    for item in answer.periods:
        days, row = item.period.days, as_dict(item.figures)
        values: list[object] = [item.period.name, days[0], days[-1], len(days), item.period.half_days]
        values += [row[column] for column in _COLUMNS]
        for spread in (item.figures.by_day.as_dict(), item.figures.by_round_trip.as_dict()):
            values += [spread[column] for column in _OF_DISTRIBUTION]
        values += [item.figures.blocked.get(reason, 0) for reason in reasons]
        for machine, state in states:
            time = item.figures.states[machine].get(state)
            values += [round(time.session_s, 3), round(time.outside_s, 3)] if time else [0, 0]
        writer.writerow(["" if value is None else value for value in values])
    return out.getvalue()


def as_text(answer: Statistics) -> str:
    """For a terminal."""
    days = sum(len(item.period.days) for item in answer.periods)
    halves = sum(item.period.half_days for item in answer.periods)
    lines = [
        f"{answer.account} ({answer.mode}), {answer.window.first} to {answer.window.last}: "
        f"{days} trading days, {halves} of them half days (New York)",
        "",
    ]
    head = (str(answer.window.by), "hedges", "shares", "intents", "rejects", "blocked", "P&L $", "slippage $", "bps",
            "commission $")  # fmt: skip
    table = [head, *(_row(item.period.name, item.figures) for item in answer.periods), _row("total", answer.total)]
    lines += _aligned(table)
    total = answer.total
    lines += ["", *_aligned([_SPREAD_HEAD, _spread("P&L per day", total.by_day),
                             _spread("per round trip", total.by_round_trip),
                             _spread("slippage per fill", total.slippage.per_fill)])]  # fmt: skip
    lines += _remarks(total)
    if total.blocked:
        lines += ["", "blocked, evaluations by reason"]
        lines += [f"  {count:>10,}  {reason}" for reason, count in total.blocked.items()]
    for machine, states in total.states.items():
        if states:
            lines += ["", f"time of the {machine} machine, in session / outside"]
            lines += [f"  {_hours(t.session_s)} / {_hours(t.outside_s)}  {state}" for state, t in states.items()]
    return "\n".join(lines) + "\n"


def _remarks(total: Figures) -> list[str]:
    remarks = []
    if total.partial_days:
        remarks.append(f"P&L of {total.partial_days} day(s) begins with the first good marks of the day")
    if total.commissions_missing:
        remarks.append(f"{total.commissions_missing} fill(s) without a commission report")
    if total.slippage.without_mid:
        remarks.append(f"{total.slippage.without_mid} fill(s) whose mid at decision is not known: in no slippage")
    return ["", *remarks] if remarks else []


def _row(name: str, figures: Figures) -> tuple[str, ...]:
    slippage = figures.slippage
    return (
        name, f"{figures.hedges:,}", f"{figures.hedge_shares:,.0f}", f"{figures.intents:,}", f"{figures.rejects:,}",
        f"{sum(figures.blocked.values()):,}", _money(cents(figures.pnl_usd)), _money(cents(slippage.total_usd)),
        "-" if slippage.bps is None else f"{slippage.bps:.2f}", _money(cents(figures.commissions_usd)),
    )  # fmt: skip


_SPREAD_HEAD = ("dollars", "count", "won", "mean", "std", "min", "5 %", "median", "95 %", "max")


def _spread(name: str, spread: Distribution) -> tuple[str, ...]:
    won = "-" if spread.win_rate is None else f"{100 * spread.win_rate:.1f} %"
    amounts = (spread.mean, spread.std, spread.minimum, spread.p05, spread.median, spread.p95, spread.maximum)
    return (name, f"{spread.count:,}", won, *(_money(cents(amount)) for amount in amounts))


def _money(amount: float | None) -> str:
    return "-" if amount is None else f"{amount:,.2f}"


def _hours(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:>5}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _aligned(table: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(text.ljust(width) if number == 0 else text.rjust(width)
                  for number, (text, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in table
    ]  # fmt: skip
