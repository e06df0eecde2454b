import { number, quantity, trend } from "../format";
import { maybe, t } from "../i18n";
import { Empty, Panel, Scroll } from "../ui/parts";
import { FAMILIES, policy, type PolicyRow } from "./summary";

const WIDTH = 640;
const HEIGHT = 300;
const LEFT = 64;
const BOTTOM = 38;
const TOP = 10;
const RIGHT = 14;

/** Round values that span `low` to `high`. */
function ticks(low: number, high: number): number[] {
  const raw = (high - low || 1) / 4;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = size * ([1, 2, 2.5, 5, 10].find((factor) => size * factor >= raw) ?? 10);
  const first = Math.floor(low / step);
  return Array.from({ length: Math.max(1, Math.ceil(high / step) - first) + 1 }, (_, index) => (first + index) * step);
}

interface Point { x: number; y: number; number: number; name: string; family: string }

/** What hedging costs against how much the hedged book moves; the settings of one policy are joined by a line. */
function Scatter({ points }: { points: Point[] }) {
  // Cost from zero; movement where the policies are: they differ by little on a calm day.
  const across = ticks(Math.min(...points.map((point) => point.x)), Math.max(...points.map((point) => point.x)));
  const up = ticks(0, Math.max(...points.map((point) => point.y)));
  const left = across[0] ?? 0;
  const right = across.at(-1) ?? 1;
  const top = up.at(-1) ?? 1;
  const x = (value: number) => LEFT + ((WIDTH - LEFT - RIGHT) * (value - left)) / (right - left);
  const y = (value: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const families = [...new Set(points.map((point) => point.family))];
  const digits = (values: number[]) => (values.every(Number.isInteger) ? 0 : (values[1] ?? 1) - (values[0] ?? 0) < 0.1 ? 2 : 1);
  return (
    <figure className="bt-scatter">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={t("bt.policy_described", { count: points.length })}>
        {up.map((value) => <g key={value}><line className="bt-grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y(value)} y2={y(value)} /><text x={LEFT - 7} y={y(value) + 4} textAnchor="end">{number(value, digits(up))}</text></g>)}
        {across.map((value) => <text key={value} x={x(value)} y={HEIGHT - BOTTOM + 15} textAnchor="middle">{number(value, digits(across))}</text>)}
        <text className="bt-axis" x={WIDTH - RIGHT} y={HEIGHT - 5} textAnchor="end">{t("bt.axis_std")}</text>
        <text className="bt-axis" x={LEFT + 6} y={TOP + 11}>{t("bt.axis_cost")}</text>
        {families.map((family, index) => <polyline key={family} className={`bt-line-${index}`} points={points.filter((point) => point.family === family).map((point) => `${x(point.x)},${y(point.y)}`).join(" ")} />)}
        {points.map((point) => <g key={point.number} className={`bt-dot-${families.indexOf(point.family)}`}><circle cx={x(point.x)} cy={y(point.y)} r="4.5"><title>{point.name}</title></circle><text x={x(point.x) + 7} y={y(point.y) - 5}>{point.number}</text></g>)}
      </svg>
      <figcaption className="legend">{families.map((family, index) => <span key={family} className={`key bt-key-${index}`}>{maybe(`bt.family.${family}`, family)}</span>)}</figcaption>
    </figure>
  );
}

export function Policies({ rows }: { rows: PolicyRow[] }) {
  const named = rows.map((row, index) => ({ ...row, number: index + 1, ...policy(row.policy) }))
    .sort((one, other) => FAMILIES.indexOf(one.family) - FAMILIES.indexOf(other.family) || one.number - other.number);
  const points = named.flatMap((row) => (row.std_by_minute_usd === null ? [] : [{ x: row.std_by_minute_usd, y: row.cost_usd, number: row.number, name: row.text, family: row.family }]));
  return (
    <Panel title={t("bt.policies")} className="bt-policies">
      {rows.length === 0 ? <Empty>{t("bt.policies_none")}</Empty> : (
        <><p className="note">{t("bt.policies_hint")}</p>
          <div className="bt-pair">
            {points.length ? <Scatter points={points} /> : null}
            <Scroll label={t("bt.policies")}><table className="data dense"><thead><tr><th scope="col">{t("bt.policy")}</th><th scope="col" className="num">{t("bt.hedges")}</th><th scope="col" className="num">{t("col.shares")}</th>
              <th scope="col" className="num">{t("bt.slippage")} <small>$</small></th><th scope="col" className="num">{t("bt.commissions")} <small>$</small></th><th scope="col" className="num">{t("bt.policy_cost")} <small>$</small></th>
              <th scope="col" className="num">{t("bt.policy_std")} <small>$</small></th><th scope="col" className="num">{t("col.pnl")} <small>$</small></th></tr></thead>
              <tbody>{named.map((row) => (
                <tr key={row.number}><th scope="row">{row.number}: {row.text}</th><td className="num">{quantity(row.hedges)}</td><td className="num">{quantity(row.shares_traded)}</td><td className="num">{number(row.slippage_usd)}</td><td className="num">{number(row.commissions_usd)}</td>
                  <td className="num">{number(row.cost_usd)}</td><td className="num">{number(row.std_by_minute_usd)}</td><td className={`num ${trend(row.pnl_usd)}`}>{number(row.pnl_usd, 2, true)}</td></tr>))}</tbody></table></Scroll></div></>)}
    </Panel>
  );
}
