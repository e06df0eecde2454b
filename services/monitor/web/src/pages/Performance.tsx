// Equity, drawdown, attribution and the figures of days, weeks and months.

import { useState } from "react";
import { ApiError, query } from "../api/client";
import { useFetched } from "../api/live";
import type { AttributionAnswer, StatsAnswer, StatsPeriod } from "../api/types";
import { dollars, number, quantity, trend } from "../format";
import { t, type TextKey } from "../i18n";
import { reason } from "../reasons";
import { Bars } from "../ui/Bars";
import { Choice, Empty, Failed, Loading, Panel, Scroll } from "../ui/parts";
import { EquityCurve } from "./EquityCurve";

type By = "day" | "week" | "month";
/** Nothing recorded is no failure. */
const isNothing = (error: Error | null) => error instanceof ApiError && error.status === 404;
const percent = (share: number | null, unit = "") => (share === null ? "–" : `${number(share * 100, 1)}${unit}`);
const PARTS = ["delta", "gamma", "theta", "vega", "slippage", "commissions", "dividends", "residual"] as const;

export default function Performance() {
  const [by, setBy] = useState<By>("day");
  const stats = useFetched<StatsAnswer>(`/stats${query({ by })}`);
  return (
    <>
      <div className="page-tools"><Choice label={t("performance.by")} value={by} onChange={setBy} options={[["day", t("performance.day")], ["week", t("performance.week")], ["month", t("performance.month")]]} />
        {stats.data?.periods.length ? <a className="button" download={`bifrost-${by}.csv`} href={csvOf(stats.data.periods)}>CSV</a> : null}</div>
      {stats.data === null ? <div className="panel">{isNothing(stats.error) ? <Empty hint={t("performance.none_hint")}>{t("performance.none")}</Empty> : stats.error ? <Failed error={stats.error} retry={stats.reload} /> : <Loading rows={8} />}</div> : <Figures stats={stats.data} />}
    </>
  );
}

function Figures({ stats }: { stats: StatsAnswer }) {
  const { total } = stats;
  if (stats.periods.length === 0) return <Panel title={t("page.performance")}><Empty hint={t("performance.none_hint")}>{t("performance.none")}</Empty></Panel>;
  const cards: [TextKey, string, string?][] = [
    ["performance.pnl", dollars(total.pnl_usd, 2, true), trend(total.pnl_usd)], ["performance.drawdown", dollars(stats.max_drawdown_usd), "down"],
    ["performance.hedges", quantity(total.hedges)], ["performance.win_rate", percent(total.pnl_by_round_trip.win_rate, " %")],
    ["performance.slippage", `${dollars(total.slippage_usd)} · ${number(total.slippage_bps, 2)} bp`], ["col.commission", dollars(total.commissions_usd)],
  ];
  return (
    <>
      <dl className="tiles">{cards.map(([name, value, kind]) => <div className="tile" key={name}><dt>{t(name)}</dt><dd><span className={`tile-value num ${kind ?? ""}`}>{value}</span></dd></div>)}</dl>
      <Panel title={t("performance.equity")}>{stats.equity.length < 2 ? <Empty hint={t("performance.equity_hint")}>{t("performance.one_day")}</Empty> : <EquityCurve points={stats.equity} />}</Panel>
      <Attribution day={stats.to} />
      <Panel title={t("performance.periods")}>
        <Scroll label={t("performance.periods")}><table className="data">
          <thead><tr><th scope="col">{t("performance.period")}</th><th scope="col" className="num">{t("performance.pnl")} <small>$</small></th><th scope="col" className="num">{t("performance.hedges")}</th><th scope="col" className="num">{t("performance.fills")}</th><th scope="col" className="num">{t("col.shares")}</th>
            <th scope="col" className="num">{t("performance.slippage")} <small>$</small></th><th scope="col" className="num">bp</th><th scope="col" className="num">{t("col.commission")} <small>$</small></th><th scope="col" className="num">{t("performance.win_rate")} <small>%</small></th><th scope="col" className="num">{t("performance.rejects")}</th><th scope="col">{t("performance.blocked")}</th></tr></thead>
          <tbody>{[...stats.periods].reverse().map((row) => (
            <tr key={row.period}><th scope="row" className="num">{row.period}</th><td className={`num ${trend(row.pnl_usd)}`}>{number(row.pnl_usd, 2, true)}</td><td className="num">{quantity(row.hedges)}</td><td className="num">{quantity(row.fills)}</td><td className="num">{quantity(row.hedge_shares)}</td>
              <td className="num">{number(row.slippage_usd)}</td><td className="num">{number(row.slippage_bps, 2)}</td><td className="num">{number(row.commissions_usd)}</td><td className="num">{percent(row.pnl_by_round_trip.win_rate)}</td><td className="num">{quantity(row.rejects)}</td>
              <td className="reason">{Object.entries(row.blocked).slice(0, 2).map(([cause, count]) => `${reason(cause)} ${quantity(count)}`).join(" · ")}</td></tr>))}</tbody></table></Scroll>
      </Panel>
    </>
  );
}

/** The day's P&L by cause. */
function Attribution({ day }: { day: string | null }) {
  const { data, error, reload } = useFetched<AttributionAnswer>(day === null ? null : `/attribution${query({ day })}`);
  const totals = data?.totals ?? null;
  return (
    <Panel title={t("attribution.title")} aside={<span className="dim num">{data?.day ?? day ?? ""}</span>}>
      {data === null ? isNothing(error) ? <Empty hint={t("attribution.none_hint")}>{t("attribution.none")}</Empty> : error ? <Failed error={error} retry={reload} /> : <Loading /> : totals === null ? <Empty hint={t("attribution.none_hint")}>{t("attribution.none")}</Empty>
        : <Bars parts={PARTS.map((part) => [part, totals[part]] as const)} total={data.daily_pnl} />}
    </Panel>
  );
}

const COLUMNS = ["period", "first_day", "last_day", "trading_days", "intents", "orders_sent", "hedges", "hedge_shares", "fills", "rejects", "cancels", "flattens",
  "pnl_usd", "commissions_usd", "slippage_usd", "slippage_bps", "evaluations"] as const satisfies readonly (keyof StatsPeriod)[];

/** The table as a CSV file; numbers as they came, not as they are shown. */
export function csvOf(periods: StatsPeriod[]): string {
  const rows = [COLUMNS.join(","), ...periods.map((row) => COLUMNS.map((name) => row[name] ?? "").join(","))];
  return `data:text/csv;charset=utf-8,${encodeURIComponent(`${rows.join("\n")}\n`)}`;
}
