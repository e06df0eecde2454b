// What is asked before a command that cannot be taken back, with what it would do.

import { useState } from "react";
import type { Status } from "../api/types";
import { contract, dollars, number, quantity } from "../format";
import { t } from "../i18n";
import { Ask } from "../ui/parts";

type Answer = (args: Record<string, unknown> | null) => void;
interface Asked { status: Status; onAnswer: Answer }

export function StopQuestion({ status, onAnswer }: Asked) {
  const order = status.details.working_order;
  return (
    <Ask title={t("stop.title")} yes={t("command.stop")} kind="danger" onAnswer={(yes) => onAnswer(yes ? {} : null)}>
      <p>{t("stop.what")}</p>
      <p className="figure num">{t("stop.delta", { delta: number(status.status?.net_delta, 1, true) })}</p>
      {order ? <p className="figure num">{t("stop.order", { order: `${order.side} ${order.quantity} ${order.order_type}` })}</p> : null}
      <p className="dim">{t("stop.note")}</p>
    </Ask>
  );
}

/** Where a flatten ends: reduce-only, never more than is held and never across zero, whatever the option delta wants. */
export function flattenGoal(own: number, target: "zero" | "delta", optionDelta: number): number {
  if (target === "zero") return 0;
  const wanted = Math.round(-optionDelta);
  return own >= 0 ? Math.max(0, Math.min(own, wanted)) : Math.min(0, Math.max(own, wanted));
}

function flattenPreview(status: Status, target: "zero" | "delta"): string {
  const { ledger_shares: own, option_delta: option } = status.details;
  if (typeof own !== "number") return t("flatten.later");
  if (target === "delta" && typeof option !== "number") return t("flatten.no_delta");
  const goal = flattenGoal(own, target, option ?? 0);
  if (goal === own) return t("flatten.nothing", { own: quantity(own) });
  const trade = goal - own;
  const price = trade > 0 ? status.status?.ask : status.status?.bid;
  return t(trade > 0 ? "flatten.buy" : "flatten.sell", {
    shares: quantity(Math.abs(trade)), symbol: status.status?.symbol ?? "", own: quantity(own), goal: quantity(goal),
    worth: price ? dollars(Math.abs(trade) * price, 0) : "–",
  });
}

export function FlattenQuestion({ status, onAnswer }: Asked) {
  const [target, setTarget] = useState<"zero" | "delta">("zero");
  const [force, setForce] = useState(false);
  return (
    <Ask title={t("flatten.title")} yes={t("command.flatten")} kind="caution" onAnswer={(yes) => onAnswer(yes ? { target, force } : null)}>
      <p className="figure num" id="flatten-preview" aria-live="polite">{flattenPreview(status, target)}</p>
      <fieldset><legend>{t("flatten.target")}</legend>
        {(["zero", "delta"] as const).map((name) => (
          <label key={name} className="tick"><input type="radio" name="target" value={name} checked={target === name} onChange={() => setTarget(name)} />{t(`flatten.${name}`)}</label>))}
      </fieldset>
      <label className="tick"><input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} />{t("flatten.force")}</label>
      <p className="dim">{t("flatten.note")}</p>
    </Ask>
  );
}

export function AcceptPositions({ status, onAnswer }: Asked) {
  const account = status.accounts.find((row) => row.account_id === status.status?.account) ?? status.accounts[0];
  // What was shown when the question was asked is what is accepted: the engine refuses when it is no longer so.
  const [rows] = useState(() => (account?.positions ?? []).filter((row) => row.symbol === status.status?.symbol));
  const expected = Object.fromEntries(rows.map((row) => [row.contract_key, row.position]));
  return (
    <Ask title={t("accept.title")} yes={t("command.accept_positions")} kind="caution" onAnswer={(yes) => onAnswer(yes ? { expected } : null)}>
      <p>{t("accept.what", { account: account?.account_id ?? "–", symbol: status.status?.symbol ?? "" })}</p>
      <table className="data"><thead><tr><th scope="col">{t("col.contract")}</th><th scope="col" className="num">{t("col.quantity")}</th></tr></thead>
        <tbody>{rows.map((row) => <tr key={row.contract_key}><th scope="row">{contract(row.contract_key)}</th><td className="num">{quantity(row.position)}</td></tr>)}</tbody></table>
      {rows.length === 0 ? <p>{t("accept.none")}</p> : null}
      <p className="dim">{t("accept.note")}</p>
    </Ask>
  );
}

export function ResolveOrder({ status, onAnswer }: Asked) {
  const [order] = useState(status.details.working_order);
  const [outcome, setOutcome] = useState<"filled" | "partial" | "not_filled">("filled");
  const [shares, setShares] = useState(order ? String(order.quantity) : "");
  const [price, setPrice] = useState("");
  const traded = outcome !== "not_filled";
  const complete = order != null && (!traded || (Number.isInteger(Number(shares)) && Number(shares) > 0 && Number(price) > 0));
  const args = { order_ref: order?.order_ref ?? "", outcome, ...(traded ? { quantity: Number(shares), price: Number(price) } : {}) };
  return (
    <Ask title={t("resolve.title")} yes={t("command.resolve_order")} kind="caution" canAgree={complete} onAnswer={(yes) => onAnswer(yes ? args : null)}>
      <p>{t("resolve.what", { order: order ? `${order.order_ref} · ${order.side} ${order.quantity}` : "–" })}</p>
      <fieldset><legend>{t("resolve.outcome")}</legend>
        {(["filled", "partial", "not_filled"] as const).map((name) => (
          <label key={name} className="tick"><input type="radio" name="outcome" checked={outcome === name} onChange={() => setOutcome(name)} />{t(`resolve.${name}`)}</label>))}
      </fieldset>
      {traded ? <div className="row"><label>{t("col.shares")}<input inputMode="numeric" value={shares} onChange={(event) => setShares(event.target.value)} /></label>
        <label>{t("col.price")} $<input inputMode="decimal" value={price} onChange={(event) => setPrice(event.target.value)} /></label></div> : null}
      <p className="dim">{t("resolve.note")}</p>
    </Ask>
  );
}
