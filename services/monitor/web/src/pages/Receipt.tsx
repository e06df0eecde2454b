// Why an order was sent and what came of it; or why a hedge was not sent.

import { useEffect, useRef } from "react";
import { useFetched, useLive } from "../api/live";
import type { Decision, DecisionReceipt, Gate, OrderReceipt } from "../api/types";
import { AT_LEAST } from "../desk/Checks";
import { age, contract, dollars, number, observed, quantity, sentence, words } from "../format";
import { maybe, t, type TextKey } from "../i18n";
import { purpose, reason } from "../reasons";
import { Failed, Loading, Scroll, Tag, Time } from "../ui/parts";

type Facts = readonly (readonly [TextKey, React.ReactNode])[];

export function Receipt({ kind, id, onClose }: { kind: "order" | "decision"; id: string; onClose: () => void }) {
  const { seen } = useLive();
  const head = useRef<HTMLHeadingElement>(null);
  const { data, error, reload } = useFetched<OrderReceipt | DecisionReceipt>(kind === "order" ? `/orders/${encodeURIComponent(id)}` : `/decisions/${encodeURIComponent(id)}`, seen.operations);
  useEffect(() => {
    head.current?.focus();
    const escape = (event: KeyboardEvent) => { if (event.key === "Escape") onClose(); };
    window.addEventListener("keydown", escape);
    return () => window.removeEventListener("keydown", escape);
  }, []); // eslint-disable-line
  return (
    <aside className="panel receipt" aria-labelledby="receipt-title">
      <div className="panel-head"><h2 id="receipt-title" ref={head} tabIndex={-1}>{t(kind === "order" ? "receipt.order" : "receipt.decision")} <span className="num dim">{id}</span></h2>
        <button type="button" className="quiet small" onClick={onClose}>{t("action.close")}</button></div>
      {data === null ? error ? <Failed error={error} retry={reload} /> : <Loading rows={8} /> : "decision" in data ? <OfDecision receipt={data} /> : <OfOrder receipt={data} />}
    </aside>
  );
}

const FactList = ({ rows }: { rows: Facts }) =>
  <dl className="facts">{rows.map(([name, value]) => <div key={name}><dt>{t(name)}</dt><dd className="num">{value}</dd></div>)}</dl>;

function OfDecision({ receipt }: { receipt: DecisionReceipt }) {
  const row = receipt.decision;
  return (
    <>
      <p className="receipt-text">{sentence(receipt.text)}</p>
      <FactList rows={[["col.time", <Time at={row.ts} />], ["receipt.until", receipt.until_ts ? <Time at={receipt.until_ts} /> : t("receipt.stands")], ...seenBy(row)]} />
      <GateTable gates={row.gates} />
      {receipt.counts.length ? <><h3>{t("receipt.counts")}</h3><FactsOfCounts counts={receipt.counts} /></> : null}
      {receipt.order ? <><h3>{t("receipt.order")} <span className="num dim">{receipt.order.order_ref}</span></h3><OfOrder receipt={receipt.order} short /></> : null}
      <p className="pager">{receipt.previous_decision_id ? <a href={`#/activity/decision/${receipt.previous_decision_id}`}>← {t("receipt.previous")}</a> : null}
        {receipt.next_decision_id ? <a href={`#/activity/decision/${receipt.next_decision_id}`}>{t("receipt.next")} →</a> : null}</p>
    </>
  );
}

const FactsOfCounts = ({ counts }: { counts: DecisionReceipt["counts"] }) =>
  <dl className="facts">{counts.map((row) => <div key={row.reason}><dt>{row.reason ? reason(row.reason) : "–"}</dt><dd className="num">{quantity(row.count)}</dd></div>)}</dl>;

const seenBy = (row: Decision): Facts => [
  ["col.outcome", <Tag kind={`outcome-${row.outcome}`}>{maybe(`outcome.${row.outcome}`, words(row.outcome))}</Tag>],
  ["col.why", row.block_reason ? reason(row.block_reason) : "–"],
  ["col.spot", `${dollars(row.spot)}  (${number(row.bid)} × ${number(row.ask)})`],
  ["col.net_delta", `${number(row.net_delta, 1, true)} ${t("unit.shares")}`],
  ["col.needs", `${number(row.need_shares, 0, true)} ${t("unit.shares")}`],
  ["col.state", [row.state_o, row.state_d, row.state_m, row.state_l, row.state_e, row.state_s].map((state) => state ?? "–").join(" · ")],
];

/** Each gate with what it saw and where its limit stood; those that stopped the order first. */
function GateTable({ gates }: { gates: Gate[] }) {
  if (gates.length === 0) return null;
  const sorted = [...gates].sort((one, other) => Number(one.passed) - Number(other.passed));
  return (
    <>
      <h3>{t("receipt.gates")} <span className="dim">{t("checks.count", { passing: gates.filter((gate) => gate.passed).length, all: gates.length })}</span></h3>
      <ul className="gates">{sorted.map((gate) => (
        <li key={gate.name} className={`check-row ${gate.passed ? "is-ok" : gate.kind === "pacing" ? "is-waits" : "is-blocked"}`} title={gate.reason ?? undefined}>
          <span className="dot" aria-hidden="true" />
          <span className="check-name">{maybe(`check.${gate.name}`, words(gate.name))}<span className="sr">: {t(gate.passed ? "gate.passed" : "gate.stopped")}</span></span>
          <span className="check-value num wide">{observed(gate.observed)}{gate.limit === null ? null : <span className="dim"> {AT_LEAST.has(`gate:${gate.name}`) ? "≥" : typeof gate.limit === "number" ? "≤" : "/"} {observed(gate.limit)}</span>}</span>
          {gate.passed || !gate.reason ? null : <span className="check-why">{gate.reason}</span>}
        </li>))}</ul>
    </>
  );
}

function OfOrder({ receipt, short = false }: { receipt: OrderReceipt; short?: boolean }) {
  const { intent, greeks, quote, latency, broker, totals } = receipt;
  const ms = (value: number | null) => (value === null ? "–" : `${number(value, 0)} ms`);
  return (
    <>
      <p className="receipt-text">{sentence(receipt.text)}</p>
      {intent ? <FactList rows={[
        ["receipt.intended", `${t(intent.side === "BUY" ? "side.buy" : "side.sell")} ${quantity(intent.quantity)} ${contract(intent.contract_key)} ${intent.order_type}${intent.limit_price === null ? "" : ` ${dollars(intent.limit_price)}`}`],
        ["receipt.purpose", `${maybe(`purpose.${intent.purpose}`, words(intent.purpose))}${intent.reason ? ` · ${purpose(intent.reason)}` : ""}`],
        ["col.time", <Time at={intent.ts} />], ["receipt.state", <Tag>{words(intent.state)}</Tag>],
        ["receipt.filled", `${quantity(totals.filled)} ${t("unit.shares")}${totals.avg_price === null ? "" : ` @ ${dollars(totals.avg_price, 4)}`}`],
        ["receipt.slippage", dollars(totals.slippage_usd, 2, true)],
        ["col.commission", totals.commission === null ? t("receipt.pending") : `${dollars(totals.commission)}${totals.commission_pending ? ` · ${t("receipt.pending")}` : ""}`],
        ["receipt.realized", dollars(totals.realized_pnl, 2, true)],
        ["receipt.latency", `${ms(latency.to_acknowledged_ms)} → ${ms(latency.to_first_fill_ms)} → ${ms(latency.to_done_ms)}`],
      ]} /> : null}
      {short ? null : <GateTable gates={receipt.gates} />}
      {greeks || quote ? <><h3>{t("receipt.seen")}</h3><FactList rows={[
        ["col.spot", `${dollars(quote?.spot)}  (${number(quote?.bid)} × ${number(quote?.ask)})`], ["receipt.lag", ms(quote?.data_lag_ms ?? null)],
        ["col.net_delta", `${number(greeks?.net_delta, 1, true)} ${t("unit.shares")}`], ["gauge.options", `${number(greeks?.option_delta, 1, true)} ${t("unit.shares")}`],
        ["gauge.gamma", `${number(greeks?.gamma, 1)} ${t("unit.shares_per_dollar")}`],
      ]} />{greeks?.legs.length ? <ul className="plain-list num">{greeks.legs.map((leg) => (
        <li key={leg.contract_key}>{quantity(leg.quantity)} × {contract(leg.contract_key)} · Δ {number(leg.delta, 3)} · IV {leg.iv_annual === null ? "–" : number(leg.iv_annual * 100, 1)} % <span className="dim">{words(leg.iv_source)} {age(leg.iv_age_s)}</span></li>))}</ul> : null}</> : null}
      {receipt.fills.length ? <><h3>{t("receipt.fills")}</h3><Scroll label={t("receipt.fills")}>
        <table className="data dense"><thead><tr><th scope="col">{t("col.time")}</th><th scope="col" className="num">{t("col.shares")}</th><th scope="col" className="num">{t("col.price")} <small>$</small></th><th scope="col" className="num">{t("receipt.slippage")} <small>$</small></th><th scope="col" className="num">{t("col.commission")} <small>$</small></th></tr></thead>
          <tbody>{receipt.fills.map((fill) => <tr key={fill.exec_id} className={fill.counts ? "" : "struck"} title={fill.note ?? fill.exec_id}><td><Time at={fill.exec_time} day={false} /></td><td className="num">{quantity(fill.quantity)}</td><td className="num">{number(fill.price, 4)}</td><td className="num">{number(fill.slippage_usd, 2, true)}</td><td className="num">{number(fill.commission)}</td></tr>)}</tbody></table></Scroll></> : null}
      {broker?.messages.length ? <><h3>{t("receipt.broker")}</h3><ol className="plain-list num">{broker.messages.map((said, index) => (
        <li key={index}><Time at={said.at} day={false} /> {said.status} <span className="dim">{quantity(said.filled)} / {quantity(said.remaining)}</span></li>))}</ol>
        {broker.last_error ? <p className="error-text">{broker.last_error}</p> : null}</> : null}
      {receipt.decision_id && !short ? <p className="pager"><a href={`#/activity/decision/${receipt.decision_id}`}>{t("receipt.the_decision")} →</a></p> : null}
    </>
  );
}
