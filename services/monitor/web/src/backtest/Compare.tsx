// Runs side by side: their figures, their equity, and what differs in their configuration.

import { useEffect, useMemo, useState } from "react";
import { api } from "../api/client";
import type { BacktestRunDetail } from "../api/types";
import { dollars, number, quantity, trend } from "../format";
import { t, type TextKey } from "../i18n";
import { Empty, Failed, Loading, Panel, Scroll } from "../ui/parts";
import { EquityOfRuns } from "./Curves";
import { code, flat, legs, period, short, type Summary, summaryOf } from "./summary";

const MOST = 6;
type Figures = Partial<Summary>;
const FIGURES: [TextKey, (figures: Figures) => string, ((figures: Figures) => number | null | undefined)?][] = [
  ["bt.period", period], ["bt.legs", legs],
  ["bt.pnl", (row) => dollars(row.pnl?.at_mid_usd, 2, true), (row) => row.pnl?.at_mid_usd], ["bt.liquidated", (row) => dollars(row.pnl?.liquidated_usd, 2, true), (row) => row.pnl?.liquidated_usd],
  ["bt.drawdown", (row) => dollars(row.drawdown_usd)], ["bt.sharpe", (row) => number(row.sharpe)], ["bt.hedges", (row) => quantity(row.hedges)],
  ["col.shares", (row) => quantity(row.shares_traded)], ["bt.slippage", (row) => dollars(row.slippage_usd)], ["bt.commissions", (row) => dollars(row.commissions_usd)], ["bt.evaluations", (row) => quantity(row.ticks)],
];

/** All of them, once. */
function useRuns(ids: string[]) {
  const [state, setState] = useState<{ runs: BacktestRunDetail[] | null; error: Error | null }>({ runs: null, error: null });
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    let wanted = true;
    Promise.all(ids.map((id) => api<BacktestRunDetail>(`/backtests/${id}`)))
      .then((runs) => { if (wanted) setState({ runs, error: null }); })
      .catch((error: Error) => { if (wanted) setState({ runs: null, error }); });
    return () => { wanted = false; };
  }, [ids.join(), asked]); // eslint-disable-line
  return { ...state, reload: () => setAsked((count) => count + 1) };
}

export function Compare({ ids }: { ids: string[] }) {
  const { runs, error, reload } = useRuns(ids.slice(0, MOST));
  return (
    <>
      <div className="page-tools"><a href="#/backtest" className="button">‹ {t("bt.back")}</a><h1 className="bt-title">{t("bt.compared")}</h1></div>
      {runs === null ? <div className="panel">{error ? <Failed error={error} retry={reload} /> : <Loading rows={8} />}</div>
        : runs.length < 2 ? <Panel title={t("bt.compared")}><Empty>{t("bt.compare_none")}</Empty></Panel> : <Compared runs={runs} />}
    </>
  );
}

function Compared({ runs }: { runs: BacktestRunDetail[] }) {
  const figures = runs.map(summaryOf);
  const curves = useMemo(() => runs.map((run) => run.curves?.equity_usd ?? null), [runs]);
  const configs = runs.map((run) => flat(run.config));
  const keys = [...new Set(configs.flatMap((config) => [...config.keys()]))].filter((key) => new Set(configs.map((config) => config.get(key))).size > 1).sort();
  const heads = runs.map((run, index) => <th key={run.run_id} scope="col" className="num"><a href={`#/backtest/run/${run.run_id}`} className={`key bt-key-${index}`}>{short(run.run_id)}</a></th>);
  const hashes: [TextKey, (run: BacktestRunDetail) => string][] = [["bt.config_hash", (run) => short(run.config_hash)], ["bt.data_hash", (run) => short(run.data_hash)], ["bt.code", (run) => code(run.code_version)]];
  return (
    <>
      <Panel title={t("bt.compared")} aside={<span className="dim">{new Set(runs.map((run) => run.data_hash)).size === 1 ? t("bt.same_data") : t("bt.other_data")}</span>}>
        <Scroll label={t("bt.compared")}><table className="data bt-compared"><thead><tr><th scope="col">{t("bt.figure")}</th>{heads}</tr></thead>
          <tbody>{FIGURES.map(([name, text, value]) => <tr key={name}><th scope="row">{t(name)}</th>{figures.map((row, index) => <td key={runs[index]?.run_id} className={`num ${value ? trend(value(row)) : ""}`}>{text(row)}</td>)}</tr>)}
            {hashes.map(([name, text]) => <tr key={name}><th scope="row">{t(name)}</th>{runs.map((run) => <td key={run.run_id} className="num"><code>{text(run)}</code></td>)}</tr>)}</tbody></table></Scroll>
      </Panel>
      <Panel title={t("bt.equity")} aside={<span className="legend">{runs.map((run, index) => <span key={run.run_id} className={`key bt-key-${index}`}>{short(run.run_id)}</span>)}</span>}>
        {curves.every((curve) => curve === null) ? <Empty hint={t("bt.curves_none_hint")}>{t("bt.curves_none")}</Empty> : <EquityOfRuns curves={curves} />}</Panel>
      <Panel title={t("bt.differ")}>{keys.length === 0 ? <Empty>{t("bt.differ_none")}</Empty> : (
        <Scroll label={t("bt.differ")}><table className="data dense"><thead><tr><th scope="col">{t("bt.key")}</th>{heads}</tr></thead>
          <tbody>{keys.map((key) => <tr key={key}><th scope="row">{key}</th>{configs.map((config, index) => <td key={runs[index]?.run_id} className="num">{config.get(key) ?? "–"}</td>)}</tr>)}</tbody></table></Scroll>)}</Panel>
    </>
  );
}
