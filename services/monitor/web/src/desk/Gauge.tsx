import type { Status } from "../api/types";
import { number } from "../format";
import { t } from "../i18n";

interface Band { epsilon: number; threshold: number; limit: number }

const WIDTH = 440;
const MIDDLE = WIDTH / 2;
const REACH = MIDDLE - 10;
/** Where band, threshold and limit stand on either side, whatever their proportions: all three stay readable. */
const STOPS = { epsilon: 0.24, threshold: 0.52, limit: 0.92 };

/** −1 to 1 on the scale of the gauge. */
export function place(delta: number, band: Band): number {
  const stops: [number, number][] = [[0, 0], [band.epsilon, STOPS.epsilon], [band.threshold, STOPS.threshold], [band.limit, STOPS.limit]];
  const size = Math.abs(delta);
  for (let index = 1; index < stops.length; index += 1) {
    const [from, at] = stops[index - 1] as [number, number];
    const [to, next] = stops[index] as [number, number];
    if (size <= to) return Math.sign(delta) * (at + ((size - from) / (to - from || 1)) * (next - at));
  }
  return Math.sign(delta);
}

function bandOf(status: Status): Band | null {
  const { epsilon_band: epsilon, threshold_hedge_shares: threshold, max_delta_limit: limit } = status.details;
  return typeof epsilon === "number" && typeof threshold === "number" && typeof limit === "number" ? { epsilon, threshold, limit } : null;
}

/** Net delta against its band, the threshold from which it is hedged, and its limit. */
export function Gauge({ status, known }: { status: Status; known: boolean }) {
  const delta = status.status?.net_delta ?? null;
  const band = bandOf(status);
  const { option_delta: option, stock_in_scope: stock, gamma, need_shares: need } = status.details;
  const label = delta === null ? t("gauge.unknown") : band === null ? t("gauge.plain", { delta: number(delta, 1) })
    : t("gauge.full", { delta: number(delta, 1), band: band.epsilon, threshold: band.threshold, limit: band.limit });
  return (
    <div className={`gauge-box ${known ? "" : "last-known"}`}>
      <div className="gauge-head">
        <h2>{t("gauge.title")}</h2>
        <span className="delta num" id="delta">{number(delta, 1, true)}<small> {t("unit.shares")}</small></span>
      </div>
      <svg className="gauge" viewBox={`0 0 ${WIDTH} 62`} role="img" aria-label={label}>{band === null ? <Track kind="unknown" /> : <Scale band={band} delta={delta} />}</svg>
      <dl className="gauge-parts num">
        <div><dt>{t("gauge.options")}</dt><dd>{number(option, 1, true)}</dd></div>
        <div><dt>{t("gauge.stock")}</dt><dd>{number(stock, 0, true)}</dd></div>
        <div><dt>{t("gauge.gamma")}</dt><dd>{number(gamma, 1)} <small>{t("unit.shares_per_dollar")}</small></dd></div>
        <div><dt>{t("gauge.needs")}</dt><dd className={need ? (need > 0 ? "up" : "down") : ""}>{need ? `${t(need > 0 ? "side.buy" : "side.sell")} ${Math.abs(need)}` : t("gauge.nothing")}</dd></div>
      </dl>
    </div>
  );
}

const x = (share: number) => MIDDLE + share * REACH;
const Track = ({ kind }: { kind: string }) => <rect x="10" y="20" width={WIDTH - 20} height="12" rx="2" className={`g-${kind}`} />;
const Part = ({ from, to, kind }: { from: number; to: number; kind: string }) =>
  <rect x={x(from)} y="20" width={x(to) - x(from)} height="12" className={`g-${kind}`} />;

function Scale({ band, delta }: { band: Band; delta: number | null }) {
  const { epsilon, threshold, limit } = STOPS;
  const ticks = ([["epsilon", epsilon], ["threshold", threshold], ["limit", limit]] as const)
    .flatMap(([name, at]) => [-1, 1].map((side) => ({ at: side * at, text: number(side * band[name], 0) })));
  const needle = delta === null ? null : x(place(delta, band));
  return (
    <>
      <Track kind="beyond" />
      <Part from={-limit} to={-threshold} kind="hedge" /><Part from={threshold} to={limit} kind="hedge" />
      <Part from={-threshold} to={-epsilon} kind="minor" /><Part from={epsilon} to={threshold} kind="minor" />
      <Part from={-epsilon} to={epsilon} kind="band" />
      {[...ticks, { at: 0, text: "0" }].map(({ at, text }) => (
        <g key={`${at} ${text}`}><line x1={x(at)} x2={x(at)} y1="17" y2="35" className="g-tick" />
          <text x={x(at)} y="50" textAnchor="middle" className="g-label">{text}</text></g>
      ))}
      {needle === null ? null : <g className="g-needle" style={{ transform: `translateX(${needle}px)` }}>
        <path d="M-6 3h12l-6 10z" /><line x1="0" x2="0" y1="11" y2="36" /></g>}
    </>
  );
}
