import { useState } from "react";
import type { BacktestRun } from "../api/types";
import { number, quantity, trend } from "../format";
import { t } from "../i18n";
import { Panel, Scroll, Time } from "../ui/parts";
import { code, legs, period, short, summaryOf } from "./summary";

/** All runs; two or more that are ticked can be compared. */
export function RunsTable({ runs }: { runs: BacktestRun[] }) {
  const [picked, setPicked] = useState<readonly string[]>([]);
  const pick = (id: string) => setPicked(picked.includes(id) ? picked.filter((known) => known !== id) : [...picked, id]);
  const chosen = picked.filter((id) => runs.some((run) => run.run_id === id));
  return (
    <Panel title={t("bt.runs")} aside={chosen.length > 1
      ? <a className="button" id="bt-compare" href={`#/backtest/compare/${chosen.join()}`}>{t("bt.compare", { count: chosen.length })}</a>
      : <span className="dim">{t("bt.compare_hint")}</span>}>
      <Scroll label={t("bt.runs")}>
        <table className="data bt-runs"><thead><tr>
          <th scope="col"><span className="sr">{t("bt.compare_hint")}</span></th><th scope="col">{t("bt.run")}</th><th scope="col">{t("bt.period")}</th><th scope="col">{t("bt.legs")}</th>
          <th scope="col" className="num">{t("bt.pnl")} <small>$</small></th><th scope="col" className="num">{t("bt.drawdown")} <small>$</small></th><th scope="col" className="num">{t("bt.sharpe")}</th>
          <th scope="col" className="num">{t("bt.hedges")}</th><th scope="col" className="num">{t("bt.slippage")} <small>$</small></th><th scope="col" className="num">{t("bt.commissions")} <small>$</small></th>
          <th scope="col">{t("bt.config")}</th><th scope="col">{t("bt.data_hash")}</th><th scope="col">{t("bt.code")}</th><th scope="col">{t("bt.stored_at")}</th></tr></thead>
          <tbody>{runs.map((run) => {
            const figures = summaryOf(run);
            return (
              <tr key={run.run_id}>
                <td><input type="checkbox" aria-label={t("bt.pick", { id: short(run.run_id) })} checked={picked.includes(run.run_id)} onChange={() => pick(run.run_id)} /></td>
                <th scope="row"><a href={`#/backtest/run/${run.run_id}`}>{figures.symbol ?? ""} <span className="num">{short(run.run_id)}</span></a></th>
                <td className="bt-nowrap">{period(figures)}</td><td className="bt-nowrap">{legs(figures)}</td>
                <td className={`num ${trend(figures.pnl?.at_mid_usd)}`}>{number(figures.pnl?.at_mid_usd, 2, true)}</td><td className="num">{number(figures.drawdown_usd)}</td><td className="num">{number(figures.sharpe)}</td>
                <td className="num">{quantity(figures.hedges)}</td><td className="num">{number(figures.slippage_usd)}</td><td className="num">{number(figures.commissions_usd)}</td>
                <td><code title={run.config_hash}>{short(run.config_hash)}</code></td><td><code title={run.data_hash}>{short(run.data_hash)}</code></td><td><code title={run.code_version}>{code(run.code_version)}</code></td>
                <td><Time at={run.created_at} /></td>
              </tr>);
          })}</tbody></table>
      </Scroll>
    </Panel>
  );
}
