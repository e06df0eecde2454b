// The simulated world: its clock, its market and account, faults to inject, the human at TWS, what crossed the wire.

import { useEffect, useState } from "react";
import { api, ApiError } from "../api/client";
import { useTick } from "../api/live";
import { useSession } from "../api/session";
import type { SimulatorAnswer, SimulatorState } from "../api/types";
import { contract, dollars, number, quantity, sentence, words } from "../format";
import { t } from "../i18n";
import { Empty, Failed, Loading, Panel, Scroll, Tag, Time } from "../ui/parts";
import { Faults } from "./Faults";
import { Journal } from "./Journal";

const EVERY_MS = 1000;
const SPEEDS = [1, 10, 60, 300];

/** Ask for what stays true until it is asked again. */
function useWorld() {
  const tick = useTick(EVERY_MS);
  const [answer, setAnswer] = useState<SimulatorAnswer | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    let wanted = true;
    if (document.hidden) return undefined;
    api<SimulatorAnswer>("/simulator")
      .then((told) => { if (wanted) { setAnswer(told); setError(null); } })
      .catch((refused: Error) => { if (wanted) setError(refused); });
    return () => { wanted = false; };
  }, [Math.floor(tick / EVERY_MS), asked]); // eslint-disable-line
  return { answer, error, reload: () => setAsked((count) => count + 1) };
}

/** Do it, and say what the monitor says against it. */
export function useAct(after: () => void) {
  const [told, setTold] = useState("");
  const act = async (path: string, body: unknown, method: "POST" | "DELETE" = "POST") => {
    try {
      await api(path, { method, body: method === "POST" ? body : undefined });
      setTold("");
      after();
      return true;
    } catch (error) {
      setTold(error instanceof ApiError ? sentence(error.message) : t("state.unreachable"));
      return false;
    }
  };
  return { act, told };
}

export default function Simulator() {
  const { answer, error, reload } = useWorld();
  const session = useSession();
  const locked = !session.signed_in || session.read_only;
  if (answer === null) return <div className="panel">{error ? <Failed error={error} retry={reload} /> : <Loading rows={8} />}</div>;
  if (!answer.running || !answer.state) return <Panel title={t("page.simulator")}><Empty hint={answer.reason ?? undefined}>{t("simulator.none")}</Empty></Panel>;
  const { state } = answer;
  return (
    <div className="columns">
      <div className="column">
        <Clock state={state} locked={locked} reload={reload} />
        <Faults active={state.faults} locked={locked} reload={reload} />
      </div>
      <div className="column">
        <World state={state} />
        <ManualOrder state={state} locked={locked} reload={reload} />
        <Journal />
      </div>
    </div>
  );
}

interface Part { state: SimulatorState; locked: boolean; reload: () => void }

function Clock({ state, locked, reload }: Part) {
  const { clock, scenario } = state;
  const { act, told } = useAct(reload);
  const change = (body: Record<string, unknown>) => void act("/simulator/clock", body);
  return (
    <Panel title={t("simulator.clock")} aside={<Tag kind={clock.scenario_over ? "bad" : clock.paused ? "warn" : "good"}>
      {clock.scenario_over ? t("clock.over") : clock.paused ? t("clock.paused") : `×${clock.speed}`}</Tag>}>
      <p className="big num"><Time at={clock.market} /></p>
      <dl className="facts"><div><dt>{t("simulator.scenario")}</dt><dd>{scenario.name} · {scenario.symbol} · {scenario.market}</dd></div>
        <div><dt>{t("simulator.session")}</dt><dd>{clock.always_open ? t("simulator.always_open") : t("simulator.calendar")}</dd></div></dl>
      <div className="row wrap" role="group" aria-label={t("simulator.clock")}>
        <button type="button" disabled={locked || clock.scenario_over} onClick={() => change({ paused: !clock.paused })}>{clock.paused ? t("simulator.go_on") : t("simulator.pause")}</button>
        {SPEEDS.map((speed) => <button key={speed} type="button" aria-pressed={clock.speed === speed} disabled={locked} onClick={() => change({ speed })}>×{speed}</button>)}
        <button type="button" disabled={locked} onClick={() => change({ step_s: 60 })}>+1 min</button>
        <button type="button" disabled={locked} onClick={() => change({ step_s: 3600 })}>+1 h</button>
      </div>
      {told ? <p className="error-text" role="alert">{told}</p> : null}
    </Panel>
  );
}

function World({ state }: { state: SimulatorState }) {
  return (
    <Panel title={t("simulator.broker")} aside={<span className="dim">{t("simulator.clients", { ids: state.sessions.join(", ") || "–" })}</span>}>
      {state.accounts.map((account) => (
        <div key={account.id}>
          <h3>{account.id} <span className="num dim">{t("accounts.cash")} {dollars(account.cash, 0)}</span></h3>
          <Scroll label={account.id}><table className="data dense"><thead><tr><th scope="col">{t("col.contract")}</th><th scope="col" className="num">{t("col.quantity")}</th><th scope="col" className="num">{t("col.cost")} <small>$</small></th><th scope="col" className="num">{t("col.mark")} <small>$</small></th></tr></thead>
            <tbody>{account.positions.map((row) => <tr key={row.contract_key}><th scope="row">{contract(row.contract_key)}</th><td className="num">{quantity(row.quantity)}</td><td className="num">{number(row.avg_cost)}</td><td className="num">{number(row.mark)}</td></tr>)}</tbody></table></Scroll>
        </div>))}
      <h3>{t("simulator.orders")}</h3>
      {state.open_orders.length === 0 ? <p className="dim">{t("simulator.no_orders")}</p> : <ul className="plain-list num">{state.open_orders.map((row) => (
        <li key={row.perm_id}>{row.side} {quantity(row.remaining)} {contract(row.contract_key)} {row.order_type} {row.limit_price === null ? "" : dollars(row.limit_price)} <Tag>{words(row.status)}</Tag> <span className="dim">{row.order_ref || t("simulator.by_hand")}</span></li>))}</ul>}
    </Panel>
  );
}

function ManualOrder({ state, locked, reload }: Part) {
  const { act, told } = useAct(reload);
  const [side, setSide] = useState("BUY");
  const [shares, setShares] = useState("100");
  const [done, setDone] = useState("");
  const [account, setAccount] = useState("");
  const key = `${state.scenario.symbol}|STK|||`;
  const good = Number(shares) > 0;
  const submit = async () => {
    const sent = await act("/simulator/orders", { account: account || (state.accounts[0]?.id ?? ""), contract_key: key, side, quantity: Number(shares) });
    setDone(sent ? t("simulator.traded", { order: `${side} ${shares} ${state.scenario.symbol}` }) : "");
  };
  return (
    <Panel title={t("simulator.human")} aside={<span className="dim">{t("simulator.human_hint")}</span>}>
      <form className="row wrap" autoComplete="off" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
        {state.accounts.length > 1 ? <label>{t("simulator.account")}<select value={account} onChange={(event) => setAccount(event.target.value)}>{state.accounts.map((row) => <option key={row.id}>{row.id}</option>)}</select></label> : null}
        <label>{t("col.side")}<select value={side} onChange={(event) => setSide(event.target.value)}><option value="BUY">{t("side.buy")}</option><option value="SELL">{t("side.sell")}</option></select></label>
        <label>{t("col.shares")}<input inputMode="numeric" value={shares} onChange={(event) => setShares(event.target.value)} /></label>
        <button type="submit" disabled={locked || !good}>{t("simulator.trade")}</button>
      </form>
      {done ? <p className="good-text" role="status">{done}</p> : null}{told ? <p className="error-text" role="alert">{told}</p> : null}
    </Panel>
  );
}
