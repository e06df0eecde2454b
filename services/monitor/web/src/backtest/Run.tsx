// One run: its figures, curves, reasons, decisions, policies, and what it was.

import { useState } from "react";
import { ApiError } from "../api/client";
import { useFetched } from "../api/live";
import type { BacktestRunDetail } from "../api/types";
import { dollars, NONE, number, quantity, trend, words } from "../format";
import { maybe, t, type TextKey } from "../i18n";
import { reason } from "../reasons";
import { Bars } from "../ui/Bars";
import { Empty, Failed, Loading, Panel, Scroll, Time } from "../ui/parts";
import { RunCurves } from "./Curves";
import { Policies } from "./Policies";
import { asked, day, flat, legs, type Summary, summaryOf } from "./summary";
import { Ticks, type Wanted } from "./Ticks";

export function Run({ id }: { id: string }) {
  const { data, error, reload } = useFetched<BacktestRunDetail>(`/backtests/${id}`);
  return (
    <>
      <div className="page-tools"><a href="#/backtest" className="button">‹ {t("bt.back")}</a>{data ? <h1 className="bt-title">{title(summaryOf(data))}</h1> : null}</div>
      {data === null ? <div className="panel">{error ? <Failed error={error} {...(error instanceof ApiError && error.status === 404 ? {} : { retry: reload })} /> : <Loading rows={10} />}</div> : <Shown run={data} />}
    </>
  );
}

const title = (figures: Partial<Summary>) => t("bt.title", { symbol: figures.symbol ?? "", first: day(figures.first), last: day(figures.last) });

function Shown({ run }: { run: BacktestRunDetail }) {
  const figures = summaryOf(run);
  const [wanted, setWanted] = useState<Wanted>({ decision: "", block_reason: "" });
  const { pnl } = figures;
  const tiles: [TextKey, string, string, string?][] = [
    ["bt.pnl", dollars(pnl?.at_mid_usd, 2, true), legs(figures), trend(pnl?.at_mid_usd)], ["bt.liquidated", dollars(pnl?.liquidated_usd, 2, true), "", trend(pnl?.liquidated_usd)],
    ["bt.drawdown", dollars(figures.drawdown_usd), ""], ["bt.sharpe", number(figures.sharpe), basis(figures.sharpe_basis ?? "")],
    ["bt.hedges", quantity(figures.hedges), t("bt.a_day", { count: number(figures.hedges_per_day, 1) })], ["bt.slippage", dollars(figures.slippage_usd), figures.slippage_bps == null ? "" : `${number(figures.slippage_bps, 2)} bp`],
  ];
  const money: [TextKey, number | null | undefined][] = [
    ["bt.realized", pnl?.realized_usd], ["bt.unrealized", pnl?.unrealized_usd], ["bt.stock_commissions", minus(pnl?.commissions_usd)], ["bt.pnl", pnl?.at_mid_usd],
    ["bt.entry_cost", minus(pnl?.entry_usd)], ["bt.liquidation_cost", minus(pnl?.liquidation_usd)], ["bt.liquidated", pnl?.liquidated_usd],
  ];
  const parts = partsOf(figures);
  const show = (next: Wanted) => { setWanted(next); document.querySelector(".bt-ticks")?.scrollIntoView({ block: "start" }); };
  return (
    <>
      <dl className="tiles" id="bt-tiles">{tiles.map(([name, value, note, kind]) => <div className="tile" key={name}><dt>{t(name)}</dt><dd><span className={`tile-value num ${kind ?? ""}`}>{value}</span><span className="tile-note" title={note}>{note}</span></dd></div>)}</dl>
      <Panel title={t("bt.curves")} aside={<span className="legend"><span className="key key-spot">{t("bt.equity")}</span><span className="key key-delta">{t("bt.net_delta")}</span><span className="key">{t("bt.spot")}</span></span>}>
        {run.curves ? <RunCurves curves={run.curves} /> : <Empty hint={t("bt.curves_none_hint")}>{t("bt.curves_none")}</Empty>}</Panel>
      <div className="bt-pair">
        <Panel title={t("bt.attribution")}>{parts.length ? <Bars parts={parts} total={figures.attribution_total_usd} /> : <Empty>{t("bt.attribution_none")}</Empty>}</Panel>
        <Panel title={t("bt.money")}><dl className="facts">{money.map(([name, value]) => <div key={name} className={SUMS.has(name) ? "bt-sum" : ""}><dt>{t(name)}</dt><dd className={`num ${trend(value)}`}>{dollars(value, 2, true)}</dd></div>)}</dl></Panel>
      </div>
      <Policies rows={figures.policies ?? []} />
      <div className="bt-pair">
        <Panel title={t("bt.decisions")}><Counted label={t("bt.decisions")} rows={Object.entries(figures.decisions ?? {})} name={(key) => maybe(`outcome.${key}`, words(key))} onShow={(key) => show({ decision: key, block_reason: "" })} /></Panel>
        <Panel title={t("bt.reasons")}>{run.reasons.length === 0 ? <Empty>{t("bt.reasons_none")}</Empty>
          : <Counted label={t("bt.reasons")} rows={run.reasons.map((row) => [row.reason, row.count])} name={reason} onShow={(key) => show({ decision: "", block_reason: key })} />}</Panel>
      </div>
      <Ticks runId={run.run_id} reasons={run.reasons.map((row) => row.reason)} wanted={wanted} onWant={setWanted} />
      {figures.days?.length ? <Days rows={figures.days} /> : null}
      <Identity run={run} figures={figures} />
    </>
  );
}

/** "P&L of 2 days, annualised by √252" in the language of the page. */
function basis(text: string): string {
  const found = /^P&L of (\d+) (days|minutes), annualised by (.+)$/.exec(text);
  return found ? t(`bt.basis_${found[2] as "days" | "minutes"}`, { count: found[1] ?? "", factor: found[3] ?? "" }) : text;
}

const PARTS = ["delta", "gamma", "theta", "vega", "slippage", "commissions", "dividends"];
const cents = (value: number) => Math.round(value * 100) / 100;

/** The attribution in cents, in the order of every page; the residual takes what rounding leaves, so that the parts make the P&L shown. */
function partsOf(figures: Partial<Summary>): [string, number][] {
  const told = figures.attribution ?? {};
  if (Object.keys(told).length === 0) return [];
  const known = PARTS.filter((name) => name in told).map((name): [string, number] => [name, cents(told[name] ?? 0)]);
  const more = Object.entries(told).filter(([name]) => !PARTS.includes(name) && name !== "residual").map(([name, value]): [string, number] => [name, cents(value)]);
  const total = cents(figures.attribution_total_usd ?? 0);
  return [...known, ...more, ["residual", cents(total - [...known, ...more].reduce((sum, [, value]) => sum + value, 0))]];
}

const SUMS = new Set<TextKey>(["bt.pnl", "bt.liquidated"]);
const minus = (value: number | null | undefined) => (value === null || value === undefined ? null : -value);

/** Counts with the share of the largest; a row shows the decisions behind it. */
function Counted({ label, rows, name, onShow }: { label: string; rows: [string, number][]; name: (key: string) => string; onShow: (key: string) => void }) {
  const largest = Math.max(1, ...rows.map(([, count]) => count));
  return (
    <ul className="bt-counts" aria-label={label}>{rows.map(([key, count]) => (
      <li key={key}><button type="button" className="link" data-reason={key} title={t("bt.show_ticks")} onClick={() => onShow(key)}>{name(key)}</button>
        <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width={(100 * count) / largest} height="6" className="bt-count" /></svg><span className="num">{quantity(count)}</span></li>))}</ul>
  );
}

function Days({ rows }: { rows: NonNullable<Summary["days"]> }) {
  return (
    <Panel title={t("bt.days")}><Scroll label={t("bt.days")} tall>
      <table className="data dense"><thead><tr><th scope="col">{t("bt.day")}</th><th scope="col" className="num">{t("col.pnl")} <small>$</small></th><th scope="col" className="num">{t("bt.realized")} <small>$</small></th><th scope="col" className="num">{t("bt.unrealized")} <small>$</small></th><th scope="col" className="num">{t("bt.commissions")} <small>$</small></th><th scope="col" className="num">{t("bt.hedges")}</th></tr></thead>
        <tbody>{rows.map((row) => <tr key={row.day}><th scope="row">{row.day}</th><td className={`num ${trend(row.pnl_usd)}`}>{number(row.pnl_usd, 2, true)}</td><td className="num">{number(row.realized_usd, 2, true)}</td><td className="num">{number(row.unrealized_usd, 2, true)}</td><td className="num">{number(row.commissions_usd)}</td><td className="num">{quantity(row.hedges)}</td></tr>)}</tbody></table></Scroll></Panel>
  );
}

function Identity({ run, figures }: { run: BacktestRunDetail; figures: Partial<Summary> }) {
  const bad = figures.bad_rows;
  return (
    <Panel title={t("bt.identity")}>
      <dl className="facts bt-identity">
        <div><dt>{t("bt.run_id")}</dt><dd><code>{run.run_id}</code></dd></div><div><dt>{t("bt.config_hash")}</dt><dd><code>{run.config_hash}</code></dd></div>
        <div><dt>{t("bt.data_hash")}</dt><dd><code>{run.data_hash}</code></dd></div><div><dt>{t("bt.code")}</dt><dd><code>{run.code_version}</code></dd></div>
        <div><dt>{t("bt.stored_at")}</dt><dd><Time at={run.created_at} /></dd></div><div><dt>{t("bt.asked")}</dt><dd>{figures.asked ? asked(figures.asked) : NONE}</dd></div>
        {figures.ended ? <div><dt>{t("bt.ended")}</dt><dd>{figures.ended}</dd></div> : null}
        <div><dt>{t("bt.bad_rows")}</dt><dd>{bad?.count ? `${quantity(bad.count)}: ${Object.entries(bad.by_reason).map(([name, count]) => `${quantity(count)} ${name}`).join(", ")}` : "0"}</dd></div></dl>
      <details><summary>{t("bt.config_keys")}</summary><Scroll label={t("bt.config_keys")} tall><table className="data dense"><tbody>{[...flat(run.config)].map(([key, value]) => <tr key={key}><th scope="row">{key}</th><td className="num">{value}</td></tr>)}</tbody></table></Scroll></details>
    </Panel>
  );
}
