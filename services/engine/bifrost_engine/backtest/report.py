"""The report of a run: one HTML file that needs nothing else, with its figures, charts, reasons and bad rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from bifrost.config import Config

from .charts import line_chart, scatter
from .summary import parts_shown
from .tally import Tally

_STYLE = """
:root{color-scheme:light dark;--ink:#16202c;--soft:#5b6b7c;--paper:#fff;--rule:#d9e0e7;--line:#0b6bcb;--band:#0b6bcb1a}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#94a3b3;--paper:#10161d;--rule:#2a3540;--line:#5fb0ff;
--band:#5fb0ff22}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:960px;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p.lead,.none,figcaption span{color:var(--soft)}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid var(--rule);
text-align:right;font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}th{font-weight:600;color:var(--soft)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:1rem;margin:1.5rem 0}
.figures div{border:1px solid var(--rule);border-radius:8px;padding:.7rem 1rem}
.figures b{display:block;font-size:1.3rem}
.figures span{color:var(--soft)}figure{margin:1.5rem 0}svg{width:100%;height:auto}svg text{font-size:11px;
fill:var(--soft)}svg polyline{fill:none;stroke:var(--line);stroke-width:1.5}svg .grid{stroke:var(--rule)}
svg .band{fill:var(--band)}svg circle{fill:var(--line)}
code{font-size:.9em;overflow-wrap:anywhere}.scroll{overflow-x:auto}
"""
Row = Sequence[object]


def html_report(summary: Mapping[str, Any], tally: Tally, config: Config) -> str:
    """The page; the same run gives the same bytes."""
    pnl, band = summary["pnl"], config.gates.state.delta.threshold_hedge_shares
    days = [day["day"] for day in summary["days"]]
    title = f"Backtest of {summary['symbol']}, {days[0]} to {days[-1]}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(_legs(summary))}. {escape(_ended(summary))}</p>',
        _figures(summary),
        line_chart("Equity at mid", tally.curve.times_s, tally.curve.values, unit="dollars"),
        line_chart(
            "Net delta in session, hedge threshold shaded",
            tally.delta.times_s,
            tally.delta.values,
            unit="shares",
            band=float(band),
        ),
        line_chart("Spot in session", tally.spot.times_s, tally.spot.values, unit="dollars"),
        "<h2>Where the P&amp;L came from</h2>",
        _attribution(summary),
        "<h2>P&amp;L</h2>",
        _table(("dollars", ""), [
            ("realised", _usd(pnl["realized_usd"])),
            ("unrealised, at mid", _usd(pnl["unrealized_usd"])),
            ("stock commissions", _usd(-pnl["commissions_usd"])),
            ("hedged book at mid", _usd(pnl["at_mid_usd"])),
            ("buying the legs at the touch, commissions included", _usd(-pnl["entry_usd"])),
            ("selling the whole book at the touch at the end", _usd(_minus(pnl["liquidation_usd"]))),
            ("what is left after both", _usd(pnl["liquidated_usd"])),
        ]),
        "<h2>Policies on the same tape</h2>",
        _policies(summary),
        "<h2>Days</h2>",
        _table(
            ("day", "P&L $", "realised $", "unrealised $", "commissions $", "hedges"),
            [
                (day["day"], *(_usd(day[name]) for name in ("pnl_usd", "realized_usd", "unrealized_usd")),
                 _usd(day["commissions_usd"]), day["hedges"])
                for day in summary["days"]
            ],
        ),
        "<h2>Decisions</h2>",
        _table(("decision", "evaluations"), list(summary["decisions"].items())),
        "<h2>What blocked a wanted hedge</h2>",
        _table(("reason", "evaluations"), list(summary["blocked"].items())),
        "<h2>Operations and alerts</h2>",
        _table(("", "count"), [*summary["operations"].items(), *summary["alerts"].items()]),
        "<h2>Bad rows</h2>",
        _bad_rows(summary["bad_rows"]),
        "<h2>What this run was</h2>",
        _identity(summary),
    ]  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _figures(summary: Mapping[str, Any]) -> str:
    sharpe = "-" if summary["sharpe"] is None else f"{summary['sharpe']:.2f}"
    bps = "" if summary["slippage_bps"] is None else f", {summary['slippage_bps']:.2f} bps"
    cards = (
        ("hedged book at mid", f"${_usd(summary['pnl']['at_mid_usd'])}"),
        ("largest drawdown", f"${_usd(summary['drawdown_usd'])}"),
        (f"Sharpe ratio ({summary['sharpe_basis']})", sharpe),
        ("hedges sent", f"{summary['hedges']:,} ({summary['hedges_per_day']:.1f} a day)"),
        (f"slippage paid{bps}", f"${_usd(summary['slippage_usd'])}"),
        ("stock commissions", f"${_usd(summary['commissions_usd'])}"),
    )
    boxes = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in cards)
    return f'<div class="figures">{boxes}</div>'


def _attribution(summary: Mapping[str, Any]) -> str:
    parts = parts_shown(summary)
    if not parts:
        return '<p class="none">the core made no attribution</p>'
    rows = [(name, _usd(value)) for name, value in parts.items()]
    rows += [("total", _usd(sum(parts.values()))), ("P&L at mid", _usd(summary["pnl"]["at_mid_usd"]))]
    return _table(("part", "dollars"), rows)


def _policies(summary: Mapping[str, Any]) -> str:
    """Cost against variance: what each shadow hedger paid, and how much its hedged book moved."""
    rows = summary["policies"]
    if not rows:
        return '<p class="none">no shadow hedger ran beside this run</p>'
    names = [f"{number}: {row['policy']}" for number, row in enumerate(rows, start=1)]
    points = [
        (row["std_by_minute_usd"], row["cost_usd"], name)
        for name, row in zip(names, rows, strict=True)
        if row["std_by_minute_usd"]
    ]
    table = _table(
        ("policy", "hedges", "shares", "slippage $", "commissions $", "cost $", "std by minute $", "P&L $"),
        [
            (name, f"{row['hedges']:,}", f"{row['shares_traded']:,.0f}", _usd(row["slippage_usd"]),
             _usd(row["commissions_usd"]), _usd(row["cost_usd"]), _usd(row["std_by_minute_usd"]), _usd(row["pnl_usd"]))
            for name, row in zip(names, rows, strict=True)
        ],
    )  # fmt: skip
    note = "Each hedges a book of its own at the touch, at once and whole, without the core's pacing gates."
    title = "Cost against the movement of the hedged book"
    return f'<p class="lead">{note}</p>' + scatter(title, points, across="std by minute, $", up="cost, $") + table


def _bad_rows(bad: Mapping[str, Any]) -> str:
    if not bad["count"]:
        return '<p class="none">none</p>'
    listed = "".join(f"<li><code>{escape(text)}</code></li>" for text in bad["shown"])
    left = bad["count"] - len(bad["shown"])
    more = f"<p>and {left:,} more</p>" if left else ""
    return _table(("reason", "rows"), list(bad["by_reason"].items())) + f"<ul>{listed}</ul>{more}"


def _identity(summary: Mapping[str, Any]) -> str:
    asked = summary["asked"]
    rows: list[Row] = [(name, summary[name]) for name in ("run_id", "config_hash", "data_hash", "code_version")]
    rows += [("legs asked for", asked["legs"]), ("entry, New York", asked["entry"])]
    rows += [(f"fill model: {name}", value) for name, value in asked["model"].items()]
    rows += [("events through the core", f"{summary['events']:,}"), ("evaluations on quotes", f"{summary['ticks']:,}")]
    if "quick" in summary:
        quick = summary["quick"]
        rows.append(("quick path", f"{quick['spared']:,} of the events spared the core; {quick['differs']}"))
    return _table(("", ""), rows)


def _legs(summary: Mapping[str, Any]) -> str:
    texts = []
    for leg in summary["legs"]:
        size = f", only {leg['shown']:g} shown" if leg["larger_than_shown"] else ""
        texts.append(f"{leg['quantity']:+g} {leg['contract_key']} at {leg['price']:.2f} (mid {leg['mid']:.3f}{size})")
    return "Held: " + "; ".join(texts)


def _ended(summary: Mapping[str, Any]) -> str:
    return f"The run ended at {summary['last']}: {summary['ended']}." if summary["ended"] else ""


def _table(head: Row, rows: Iterable[Row]) -> str:
    def line(cells: Row, tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f'<div class="scroll"><table>{line(head, "th")}{body}</table></div>'


def _usd(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _minus(value: float | None) -> float | None:
    return None if value is None else -value
