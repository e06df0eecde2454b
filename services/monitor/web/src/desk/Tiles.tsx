import type { ReactNode } from "react";
import type { Status } from "../api/types";
import { age, dollars, NONE, number, quantity, trend } from "../format";
import { t } from "../i18n";
import { Empty } from "../ui/parts";
import { isPresent } from "./verdict";

function Tile({ label, value, unit, note, kind = "" }: { label: string; value: string; unit?: string; note?: ReactNode; kind?: string }) {
  return (
    <div className="tile">
      <dt>{label}</dt>
      <dd><span className={`tile-value num ${kind}`}>{value}{unit ? <small> {unit}</small> : null}</span>
        <span className="tile-note num">{note}</span></dd>
    </div>
  );
}

/** The figures of the moment. */
export function Tiles({ status }: { status: Status }) {
  const row = status.status;
  if (!row) return <section className="panel"><Empty hint={t("tiles.none_hint")}>{t("tiles.none")}</Empty></section>;
  const { details } = status;
  const mid = row.bid !== null && row.ask !== null ? (row.bid + row.ask) / 2 : null;
  const quote = mid === null ? t("tiles.no_quote")
    : <>{number(row.bid)} × {number(row.ask)} <span className="dim">{number((100 * ((row.ask ?? 0) - (row.bid ?? 0))) / mid, 3)} %</span></>;
  const contracts = (details.legs ?? []).reduce((sum, leg) => sum + Math.abs(leg.quantity), 0);
  const day = details.trading_day;
  return (
    <dl className={`tiles ${isPresent(status) ? "" : "last-known"}`} aria-label={t("tiles.label")}>
      <Tile label={t("tiles.spot")} value={dollars(row.spot)} note={quote} />
      <Tile label={t("tiles.pnl")} value={dollars(row.daily_pnl, 2, true)} kind={trend(row.daily_pnl)} note={day ? t("tiles.since", { day }) : ""} />
      <Tile label={t("tiles.hedges")} value={quantity(row.daily_hedge_count)}
        note={details.last_hedge?.spot ? t("tiles.last_at", { price: dollars(details.last_hedge.spot) }) : t("tiles.none_yet")} />
      <Tile label={t("tiles.own")} value={quantity(details.ledger_shares ?? row.stock_position)} unit={t("unit.shares")}
        note={details.external_shares ? t("tiles.external", { shares: quantity(details.external_shares) }) : t("tiles.in_scope", { shares: quantity(details.stock_in_scope) })} />
      <Tile label={t("tiles.legs")} value={quantity(row.option_legs_count)} note={contracts ? t("tiles.contracts", { count: quantity(contracts) }) : NONE} />
      <Tile label={t("tiles.lag")} value={number(row.data_lag_ms, 0)} unit="ms" note={t("tiles.snapshot", { age: age(status.status_age_s) })} />
    </dl>
  );
}
