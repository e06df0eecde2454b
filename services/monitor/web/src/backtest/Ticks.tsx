import { useState } from "react";
import { query } from "../api/client";
import { useFetched } from "../api/live";
import type { BacktestTicks } from "../api/types";
import { number, quantity, words } from "../format";
import { maybe, t } from "../i18n";
import { reason } from "../reasons";
import { Empty, Failed, Loading, Panel, Scroll, Tag, Time } from "../ui/parts";

const PAGE = 100;
export interface Wanted { decision: string; block_reason: string }

/** The decisions of a run a page at a time, filtered by outcome and reason. */
export function Ticks({ runId, reasons, wanted, onWant }: { runId: string; reasons: string[]; wanted: Wanted; onWant: (next: Wanted) => void }) {
  const filter = `${wanted.decision} ${wanted.block_reason}`;
  const [page, setPage] = useState({ filter, after: 0 });
  const after = page.filter === filter ? page.after : 0;
  const ticks = useFetched<BacktestTicks>(`/backtests/${runId}/ticks${query({ ...wanted, after, limit: PAGE })}`);
  return (
    <Panel title={t("bt.ticks")} className="bt-ticks" aside={<div className="filters">
      <label>{t("col.outcome")}<select name="decision" value={wanted.decision} onChange={(event) => onWant({ decision: event.target.value, block_reason: "" })}><option value="">{t("filter.all")}</option>
        {["hedge", "blocked", "none"].map((name) => <option key={name} value={name}>{maybe(`outcome.${name}`, name)}</option>)}</select></label>
      <label>{t("bt.reason")}<select name="block_reason" value={wanted.block_reason} onChange={(event) => onWant({ ...wanted, block_reason: event.target.value })}><option value="">{t("filter.all")}</option>
        {reasons.map((name) => <option key={name} value={name}>{reason(name)}</option>)}</select></label></div>}>
      {ticks.data === null ? ticks.error ? <Failed error={ticks.error} retry={ticks.reload} /> : <Loading rows={8} />
        : ticks.data.ticks.length === 0 ? <Empty>{t("bt.ticks_none")}</Empty> : (
          <Scroll label={t("bt.ticks")} tall>
            <table className="data dense"><thead><tr><th scope="col" className="num">{t("bt.seq")}</th><th scope="col">{t("col.time")} <small>{t("clock.new_york")}</small></th><th scope="col">{t("col.outcome")}</th>
              <th scope="col" className="num">{t("col.needs")} <small>{t("unit.shares")}</small></th><th scope="col" className="num">{t("col.net_delta")} <small>{t("unit.shares")}</small></th><th scope="col" className="num">{t("col.spot")} <small>$</small></th><th scope="col">{t("col.why")}</th></tr></thead>
              <tbody>{ticks.data.ticks.map((row) => (
                <tr key={row.seq}><td className="num">{quantity(row.seq)}</td><td><Time at={row.ts} /></td><td><Tag kind={`outcome-${row.decision}`}>{maybe(`outcome.${row.decision}`, words(row.decision))}</Tag></td>
                  <td className="num">{row.quantity === null ? "" : `${maybe(`side.${(row.side ?? "").toLowerCase()}`, row.side ?? "")} ${quantity(row.quantity)}`}</td><td className="num">{number(row.net_delta, 1, true)}</td><td className="num">{number(row.spot)}</td>
                  <td className="reason">{row.block_reason ? reason(row.block_reason) : ""}</td></tr>))}</tbody></table>
          </Scroll>)}
      <div className="pager">
        <button type="button" className="quiet" disabled={after === 0} onClick={() => setPage({ filter, after: 0 })}>{t("bt.first_page")}</button>
        <button type="button" className="quiet" disabled={ticks.data?.next_seq == null} onClick={() => setPage({ filter, after: ticks.data?.next_seq ?? 0 })}>{t("bt.next_page")}</button></div>
    </Panel>
  );
}
