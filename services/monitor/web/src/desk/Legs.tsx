import type { Leg, Status } from "../api/types";
import { age, contract, number, quantity } from "../format";
import { t } from "../i18n";
import { Empty, Panel, Scroll } from "../ui/parts";

const sumOf = (legs: readonly Leg[], value: (leg: Leg) => number | null) =>
  legs.every((leg) => value(leg) !== null) ? legs.reduce((sum, leg) => sum + (value(leg) ?? 0), 0) : null;
// The engine gives theta and vega per share, vega per 1.00 of volatility; a trader reads dollars of the position, vega per point.
const theta = (leg: Leg) => (leg.theta_usd_per_day === null ? null : leg.theta_usd_per_day * leg.quantity * leg.multiplier);
const vega = (leg: Leg) => (leg.vega_usd_per_vol === null ? null : (leg.vega_usd_per_vol * leg.quantity * leg.multiplier) / 100);
const shares = (leg: Leg, figure: number | null) => (figure === null ? null : figure * leg.quantity * leg.multiplier);

/** The managed legs as the engine's model values them. */
export function Legs({ status }: { status: Status }) {
  const legs = status.details.legs ?? [];
  return (
    <Panel title={t("legs.title")} aside={legs.length ? <span className="dim">{t("legs.aside")}</span> : undefined}>
      {legs.length === 0 ? <Empty hint={t("legs.none_hint")}>{t("legs.none")}</Empty> : (
        <Scroll label={t("legs.title")}>
          <table className="data">
            <thead><tr>
              <th scope="col">{t("col.contract")}</th><th scope="col" className="num">{t("col.quantity")}</th>
              <th scope="col" className="num">{t("col.dte")} <small>d</small></th><th scope="col" className="num">{t("col.mark")} <small>$</small></th>
              <th scope="col" className="num">{t("col.delta")} <small>{t("unit.shares")}</small></th><th scope="col" className="num">{t("col.gamma")} <small>{t("unit.shares_per_dollar")}</small></th>
              <th scope="col" className="num">{t("col.theta")} <small>$/d</small></th><th scope="col" className="num">{t("col.vega")} <small>$/pt</small></th>
              <th scope="col" className="num">IV <small>%</small></th><th scope="col" className="num">{t("col.age")}</th></tr></thead>
            <tbody>{legs.map((leg) => (
              <tr key={leg.contract_key}>
                <th scope="row">{contract(leg.contract_key)}</th><td className="num">{quantity(leg.quantity)}</td>
                <td className="num">{leg.dte}</td><td className="num">{number(leg.mark)}</td>
                <td className="num">{number(shares(leg, leg.delta), 1, true)}</td><td className="num">{number(shares(leg, leg.gamma), 1)}</td>
                <td className="num">{number(theta(leg), 0, true)}</td><td className="num">{number(vega(leg), 0, true)}</td>
                <td className="num">{leg.iv_annual === null ? "–" : number(leg.iv_annual * 100, 1)}</td>
                <td className="num" title={leg.iv_source}>{age(leg.iv_age_s)}</td>
              </tr>))}</tbody>
            {legs.length > 1 ? <tfoot><tr><th scope="row">{t("col.total")}</th><td /><td /><td />
              <td className="num">{number(sumOf(legs, (leg) => shares(leg, leg.delta)), 1, true)}</td><td className="num">{number(sumOf(legs, (leg) => shares(leg, leg.gamma)), 1)}</td>
              <td className="num">{number(sumOf(legs, theta), 0, true)}</td><td className="num">{number(sumOf(legs, vega), 0, true)}</td><td /><td /></tr></tfoot> : null}
          </table>
        </Scroll>)}
    </Panel>
  );
}
