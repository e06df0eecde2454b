// Operations and decisions, filterable; a row opens its receipt.

import { useEffect, useState } from "react";
import { api, query } from "../api/client";
import { useLive } from "../api/live";
import type { Decision, DecisionsPage, Operation, OperationsPage } from "../api/types";
import { number, words } from "../format";
import { maybe, t } from "../i18n";
import { reason } from "../reasons";
import { Choice, Empty, Failed, Loading, Panel, Scroll, Tag, Time, useStored } from "../ui/parts";
import { OPERATION_TYPES, operationName, OperationsTable } from "./OperationsTable";
import { Receipt } from "./Receipt";

const PAGE = 50;
type Opened = { kind: "order" | "decision"; id: string };

function openedOf(hash: string): Opened | null {
  const found = /^#\/activity\/(order|decision)\/(.+)$/.exec(hash);
  return found ? { kind: found[1] as Opened["kind"], id: decodeURIComponent(found[2] ?? "") } : null;
}

export default function Activity() {
  const [kept, setView] = useStored("activity", "operations");
  const view = kept === "decisions" ? "decisions" : "operations";
  const [opened, setOpened] = useState(() => openedOf(window.location.hash));
  useEffect(() => {
    const follow = () => setOpened(openedOf(window.location.hash));
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  const open = (kind: Opened["kind"]) => (id: string | number) => { window.location.hash = `#/activity/${kind}/${encodeURIComponent(id)}`; };
  return (
    <div className={opened ? "split" : ""}>
      <div className="split-main">
        <Choice label={t("page.activity")} value={view} onChange={setView} options={[["operations", t("activity.operations")], ["decisions", t("activity.decisions")]]} />
        {view === "operations" ? <Operations onOpen={open("order")} /> : <Decisions onOpen={open("decision")} />}
      </div>
      {opened ? <Receipt key={`${opened.kind} ${opened.id}`} kind={opened.kind} id={opened.id} onClose={() => { window.location.hash = "#/activity"; }} /> : null}
    </div>
  );
}

interface Listed<T> { rows: T[] | null; more: boolean; error: Error | null; older: () => void; reload: () => void }

/** Pages of rows, newest first: read again when `version` grows, older ones on demand. */
function useListed<T, P extends { next_cursor: string | null }>(path: (cursor: string | null) => string, pick: (page: P) => T[], version: number): Listed<T> {
  const [pages, setPages] = useState(1);
  const [state, setState] = useState<{ rows: T[] | null; more: boolean; error: Error | null }>({ rows: null, more: false, error: null });
  const [forced, setForced] = useState(0);
  const first = path(null);
  useEffect(() => { setPages(1); setState({ rows: null, more: false, error: null }); }, [first]);
  useEffect(() => {
    let wanted = true;
    const read = async () => {
      const rows: T[] = [];
      let cursor: string | null = null;
      for (let page = 0; page < pages; page += 1) {
        const told: P = await api<P>(path(cursor));
        rows.push(...pick(told));
        cursor = told.next_cursor;
        if (cursor === null) break;
      }
      if (wanted) setState({ rows, more: cursor !== null, error: null });
    };
    read().catch((error: Error) => { if (wanted) setState((before) => ({ ...before, error })); });
    return () => { wanted = false; };
  }, [first, pages, version, forced]); // eslint-disable-line
  return { ...state, older: () => setPages((count) => count + 1), reload: () => setForced((count) => count + 1) };
}

/** A New York calendar day as the two ends that the API filters by. */
function dayBounds(day: string): { since_ts?: string; until_ts?: string } {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return {};
  const noon = new Date(`${day}T12:00:00Z`);
  const there = Number(new Intl.DateTimeFormat("en-US", { timeZone: "America/New_York", hour: "2-digit", hourCycle: "h23" }).format(noon));
  const start = new Date(Date.parse(`${day}T00:00:00Z`) + (12 - there) * 3_600_000);
  return { since_ts: start.toISOString(), until_ts: new Date(start.getTime() + 86_399_999).toISOString() };
}

function Operations({ onOpen }: { onOpen: (orderRef: string) => void }) {
  const { seen } = useLive();
  const [type, setType] = useState("");
  const [day, setDay] = useState("");
  const list = useListed<Operation, OperationsPage>((cursor) => `/operations${query({ type, ...dayBounds(day), limit: PAGE, cursor })}`, (page) => page.operations, seen.operations);
  return (
    <Panel title={t("activity.operations")} aside={<div className="filters">
      <label>{t("col.type")}<select value={type} onChange={(event) => setType(event.target.value)}><option value="">{t("filter.all")}</option>
        {OPERATION_TYPES.map((name) => <option key={name} value={name}>{operationName(name)}</option>)}</select></label>
      <label>{t("filter.day")}<input type="date" value={day} onChange={(event) => setDay(event.target.value)} /></label></div>}>
      {list.rows === null ? list.error ? <Failed error={list.error} retry={list.reload} /> : <Loading rows={8} />
        : list.rows.length === 0 ? <Empty hint={type || day ? undefined : t("latest.none_hint")}>{type || day ? t("filter.nothing") : t("latest.none")}</Empty> : <OperationsTable rows={list.rows} onOpen={onOpen} />}
      {list.more ? <button type="button" className="quiet" onClick={list.older}>{t("action.older")}</button> : null}
    </Panel>
  );
}

function Decisions({ onOpen }: { onOpen: (id: number) => void }) {
  const { seen } = useLive();
  const [outcome, setOutcome] = useState("");
  const [day, setDay] = useState("");
  const list = useListed<Decision, DecisionsPage>((cursor) => `/decisions${query({ outcome, ...dayBounds(day), limit: PAGE, cursor })}`, (page) => page.decisions, seen.decisions);
  return (
    <Panel title={t("activity.decisions")} aside={<div className="filters">
      <label>{t("col.outcome")}<select value={outcome} onChange={(event) => setOutcome(event.target.value)}><option value="">{t("filter.all")}</option>
        {["hedge", "blocked", "none"].map((name) => <option key={name} value={name}>{maybe(`outcome.${name}`, name)}</option>)}</select></label>
      <label>{t("filter.day")}<input type="date" value={day} onChange={(event) => setDay(event.target.value)} /></label></div>}>
      {list.rows === null ? list.error ? <Failed error={list.error} retry={list.reload} /> : <Loading rows={8} />
        : list.rows.length === 0 ? <Empty>{t("filter.nothing")}</Empty> : (
          <Scroll label={t("activity.decisions")}>
            <table className="data"><thead><tr>
              <th scope="col">{t("col.time")} <small>{t("clock.new_york")}</small></th><th scope="col">{t("col.outcome")}</th><th scope="col" className="num">{t("col.spot")} <small>$</small></th>
              <th scope="col" className="num">{t("col.net_delta")} <small>{t("unit.shares")}</small></th><th scope="col" className="num">{t("col.needs")} <small>{t("unit.shares")}</small></th><th scope="col">{t("col.state")}</th><th scope="col">{t("col.why")}</th></tr></thead>
              <tbody>{list.rows.map((row) => (
                <tr key={row.id} className="opens" onClick={() => onOpen(row.id)}>
                  <td><Time at={row.ts} /></td>
                  <td><button type="button" className="link" onClick={() => onOpen(row.id)}><Tag kind={`outcome-${row.outcome}`}>{maybe(`outcome.${row.outcome}`, words(row.outcome))}</Tag></button></td>
                  <td className="num">{number(row.spot)}</td><td className="num">{number(row.net_delta, 1, true)}</td><td className="num">{number(row.need_shares, 0, true)}</td>
                  <td className="dim num">{[row.state_o, row.state_d, row.state_m, row.state_l, row.state_e, row.state_s].map((state) => state?.split(/[ _]/)[0] ?? "–").join(" ")}</td>
                  <td className="reason">{row.block_reason ? reason(row.block_reason) : ""}</td>
                </tr>))}</tbody></table>
          </Scroll>)}
      {list.more ? <button type="button" className="quiet" onClick={list.older}>{t("action.older")}</button> : null}
    </Panel>
  );
}
