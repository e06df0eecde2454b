// Every account of the login: summary, positions with price, source and age, greeks; totals.

import { useState } from "react";
import { send, useSent } from "../api/commands";
import { useLive, useTick } from "../api/live";
import { useSession } from "../api/session";
import type { Account, Position, Status } from "../api/types";
import { age, bothZones, contract, dollars, number, quantity, trend } from "../format";
import { maybe, t } from "../i18n";
import { Ask, Empty, Failed, Loading, Panel, Scroll, Tag } from "../ui/parts";

const OLD_PRICE_S = 300;

export default function Accounts() {
  const { status, trouble } = useLive();
  if (status === null) return trouble ? <div className="panel"><Failed error={new TypeError(trouble)} /></div> : <div className="panel"><Loading rows={8} /></div>;
  const blind = status.block_reasons[0]?.startsWith("database_unavailable");
  return (
    <>
      <Overview status={status} />
      {status.accounts.length === 0 ? <Panel title={t("page.accounts")}>
        <Empty hint={blind ? undefined : t("accounts.none_hint")}>{blind ? t("state.no_database") : t("accounts.none")}</Empty></Panel> : null}
      {status.accounts.map((account) => <OneAccount key={account.account_id} account={account} status={status} />)}
    </>
  );
}

function Overview({ status }: { status: Status }) {
  const session = useSession();
  const sent = useSent();
  useTick(1000);
  const fetched = status.accounts_fetched_at;
  const seconds = fetched === null ? null : status.read_at ? Date.parse(status.read_at) / 1000 - fetched : null;
  const mine = sent.find((row) => row.command === "refresh_accounts");
  const busy = mine !== undefined && !mine.final;
  const sum = (value: (account: Account) => number | null) => status.accounts.reduce((total, account) => total + (value(account) ?? 0), 0);
  const profit = sum((account) => account.positions.reduce((total, row) => total + (row.unrealized_pnl ?? 0), 0));
  return (
    <section className="panel overview" aria-label={t("accounts.totals")}>
      <dl className="sums">
        <Sum label={t("accounts.net")} value={sum((account) => account.summary.net_liquidation)} />
        <Sum label={t("accounts.cash")} value={sum((account) => account.summary.total_cash)} />
        <Sum label={t("accounts.power")} value={sum((account) => account.summary.buying_power)} />
        <Sum label={t("accounts.open_pnl")} value={profit} signed />
      </dl>
      <div className="overview-refresh">
        <span className={seconds !== null && seconds > OLD_PRICE_S ? "warn-text" : "dim"} title={bothZones(fetched)}>
          {seconds === null ? t("accounts.never_fetched") : t("accounts.fetched", { age: age(seconds) })}</span>
        {mine ? <Tag kind={mine.state === "done" ? "good" : mine.final ? "bad" : "info"}>{maybe(`command_state.${mine.state}`, mine.state)}</Tag> : null}
        <button type="button" data-command="refresh_accounts" disabled={busy || !session.signed_in || session.read_only || !status.daemon_heartbeat.daemon_alive}
          onClick={() => void send("refresh_accounts")}>{busy ? t("accounts.refreshing") : t("command.refresh_accounts")}</button>
      </div>
    </section>
  );
}

const Sum = ({ label, value, signed = false }: { label: string; value: number | null; signed?: boolean }) =>
  <div><dt>{label}</dt><dd className={`num ${signed ? trend(value) : ""}`}>{dollars(value, 0, signed)}</dd></div>;

function OneAccount({ account, status }: { account: Account; status: Status }) {
  const traded = account.account_id === status.status?.account;
  const profit = account.positions.reduce((sum, row) => sum + (row.unrealized_pnl ?? 0), 0);
  const unpriced = account.positions.filter((row) => row.unrealized_pnl === null).length;
  return (
    <Panel title={account.account_id} aside={<>
      {traded ? <Tag kind="info">{t("accounts.traded")}</Tag> : null}{account.reported ? null : <Tag kind="bad">{t("accounts.not_reported")}</Tag>}</>}>
      <dl className="sums">
        <Sum label={t("accounts.net")} value={account.summary.net_liquidation} /><Sum label={t("accounts.cash")} value={account.summary.total_cash} />
        <Sum label={t("accounts.power")} value={account.summary.buying_power} /><Sum label={t("accounts.open_pnl")} value={profit} signed />
        {unpriced ? <div><dt>{t("accounts.unpriced")}</dt><dd className="num warn-text">{unpriced}</dd></div> : null}
      </dl>
      {account.positions.length === 0 ? <Empty>{t("accounts.no_positions")}</Empty> : <Positions rows={account.positions} traded={traded} />}
    </Panel>
  );
}

type Change = { command: "adopt_leg" | "release_leg"; key: string };

function Positions({ rows, traded }: { rows: Position[]; traded: boolean }) {
  const [change, setChange] = useState<Change | null>(null);
  const total = (value: (row: Position) => number | null | undefined) => rows.reduce((sum, row) => sum + (value(row) ?? 0), 0);
  return (
    <>
      <Scroll label={t("positions.label")}>
        <table className="data positions">
          <thead><tr>
            <th scope="col">{t("col.contract")}</th><th scope="col" className="num">{t("col.quantity")}</th><th scope="col" className="num">{t("col.cost")} <small>$</small></th>
            <th scope="col" className="num">{t("col.bid_ask")} <small>$</small></th><th scope="col" className="num">{t("col.price")} <small>$</small></th><th scope="col">{t("col.quote")}</th>
            <th scope="col" className="num">{t("col.value")} <small>$</small></th><th scope="col" className="num">{t("col.pnl")} <small>$</small></th><th scope="col">{t("col.money")}</th>
            <th scope="col" className="num">{t("col.intrinsic")} <small>$</small></th><th scope="col" className="num">IV <small>%</small></th>
            <th scope="col" className="num">{t("col.delta")}</th><th scope="col" className="num">{t("col.gamma")}</th><th scope="col" className="num">{t("col.theta")}</th><th scope="col" className="num">{t("col.vega")}</th>
            <th scope="col"><span className="sr">{t("col.manage")}</span></th></tr></thead>
          <tbody>{rows.map((row) => <PositionRow key={row.contract_key} row={row} traded={traded} onChange={setChange} />)}</tbody>
          <tfoot><tr><th scope="row">{t("col.total")}</th><td /><td /><td /><td /><td /><td className="num">{number(total((row) => row.market_value), 0)}</td>
            <td className={`num ${trend(total((row) => row.unrealized_pnl))}`}>{number(total((row) => row.unrealized_pnl), 0, true)}</td><td colSpan={8} /></tr></tfoot>
        </table>
      </Scroll>
      {change ? <Ask title={t(`${change.command}.title`, { leg: contract(change.key) })} yes={t(`command.${change.command}`)} kind="caution"
        onAnswer={(yes) => { if (yes) void send(change.command, { contract_key: change.key }); setChange(null); }}><p>{t(`${change.command}.what`)}</p></Ask> : null}
    </>
  );
}

function PositionRow({ row, traded, onChange }: { row: Position; traded: boolean; onChange: (change: Change) => void }) {
  const session = useSession();
  const { greeks } = row;
  const figure = (value: number | null | undefined, digits: number) => <td className="num">{value === null || value === undefined ? "" : number(value, digits)}</td>;
  const stock = row.sec_type === "STK";
  return (
    <tr>
      <th scope="row" title={row.contract_key}><span className="contract-symbol">{row.symbol}</span> {stock ? t("positions.stock") : contract(row.contract_key)}
        {row.managed ? <Tag kind="info" title={t("positions.managed_hint")}>{t("positions.managed")}</Tag> : null}</th>
      <td className="num">{quantity(row.position)}</td>
      <td className="num" title={stock ? t("positions.per_share") : t("positions.per_contract")}>{number(row.avg_cost)}</td>
      <td className="num dim">{row.bid === null && row.ask === null ? "" : `${number(row.bid)} × ${number(row.ask)}`}</td>
      <td className="num">{number(row.price)}</td>
      <Quote row={row} />
      <td className="num">{number(row.market_value, 0)}</td>
      <td className={`num ${trend(row.unrealized_pnl)}`}>{number(row.unrealized_pnl, 0, true)}</td>
      <td>{row.moneyness ? <Tag kind={`money-${row.moneyness.toLowerCase()}`}>{row.moneyness}</Tag> : ""}</td>
      {figure(row.intrinsic, 2)}{figure(greeks?.iv == null ? null : greeks.iv * 100, 1)}{figure(greeks?.delta, 3)}{figure(greeks?.gamma, 4)}{figure(greeks?.theta, 3)}{figure(greeks?.vega, 3)}
      <td>{traded && row.sec_type === "OPT" ? <button type="button" className="quiet small" disabled={!session.signed_in || session.read_only}
        onClick={() => onChange({ command: row.managed ? "release_leg" : "adopt_leg", key: row.contract_key })}>{t(row.managed ? "positions.release" : "positions.adopt")}</button> : null}</td>
    </tr>
  );
}

function Quote({ row }: { row: Position }) {
  if (row.price === null) return <td className="dim" title={row.price_error ?? undefined}>{row.price_error ? t("positions.no_price") : t("positions.waiting")}</td>;
  const seconds = row.quote_age_s ?? row.price_age_s;
  return (
    <td title={[bothZones(row.quote_ts), row.price_error ?? ""].filter(Boolean).join("\n")}>
      <Tag kind={`source-${row.price_source ?? "none"}`}>{maybe(`price_source.${row.price_source}`, "?")}</Tag>
      <span className={`num age ${seconds !== null && seconds > OLD_PRICE_S ? "warn-text" : "dim"}`}> {age(seconds)}</span></td>
  );
}
