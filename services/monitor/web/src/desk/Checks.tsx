import type { Check } from "../api/types";
import { number, observed, words } from "../format";
import { maybe, t } from "../i18n";
import { reason } from "../reasons";
import { Panel } from "../ui/parts";

const ORDER: Record<string, number> = { blocked: 0, degraded: 1, ok: 3 };
/** Checks that trip when the value is too small; all others when it is too large. */
export const AT_LEAST = new Set(["gate:below_min_size", "gate:cooldown", "gate:min_price_move", "gate:no_legs", "legs"]);
/** A pacing gate never fails a check: it waits, and says why and for how long. */
export const waits = (check: Check): boolean =>
  check.kind === "pacing" && (check.state !== "ok" || (check.remaining_s ?? 0) > 0 || Boolean(check.reason));

/** How much of the way to the trip point is gone, 0 to 1; null where there is no way to measure. */
export function used(check: Check): number | null {
  if (typeof check.observed !== "number" || typeof check.limit !== "number" || check.limit === 0) return null;
  const share = Math.abs(check.observed) / Math.abs(check.limit);
  return Math.min(1, share);
}

const rank = (check: Check) => (waits(check) ? 2 : (ORDER[check.state] ?? 3));
const nameOf = (check: Check) => {
  const bare = check.name.replace(/^gate:/, "");
  return maybe(`check.${bare}`, words(bare));
};

/** Every check with its value, its limit, and how far it is from tripping. */
export function Checks({ checks }: { checks: Check[] }) {
  const failing = checks.filter((check) => check.state !== "ok" && check.kind !== "pacing").length;
  const sorted = [...checks].sort((one, other) => rank(one) - rank(other));
  const blocking = sorted.filter((check) => check.kind !== "pacing");
  const pacing = sorted.filter((check) => check.kind === "pacing");
  return (
    <Panel title={t("checks.title")} className="checks-panel"
      aside={<span className={failing ? "bad-text" : "good-text"}>{t("checks.count", { passing: checks.length - failing, all: checks.length })}</span>}>
      <div className="checks-groups">
        <Group title={t("checks.blocking")} rows={blocking} />
        {pacing.length ? <Group title={t("checks.pacing")} rows={pacing} /> : null}
      </div>
    </Panel>
  );
}

function Group({ title, rows }: { title: string; rows: Check[] }) {
  return (
    <div className="checks-group"><h3>{title}</h3>
      <ul>{rows.map((check) => <Row key={check.name} check={check} />)}</ul></div>
  );
}

function Row({ check }: { check: Check }) {
  const share = used(check);
  const least = AT_LEAST.has(check.name);
  const state = waits(check) ? "waits" : check.state;
  const left = check.kind === "pacing" && check.remaining_s ? t("checks.left", { seconds: number(check.remaining_s, 0) }) : "";
  const why = check.state !== "ok" || waits(check) ? [check.reason ? reason(check.reason) : "", left].filter(Boolean).join(" · ") : "";
  return (
    <li className={`check-row is-${state}`} data-check={check.name}>
      <span className="dot" aria-hidden="true" />
      <span className="check-name" title={check.reason ?? undefined}>{nameOf(check)}<span className="sr">: {t(`check_state.${state}` as "check_state.ok")}</span></span>
      <span className={`check-value num ${share === null ? "wide" : ""}`}>{observed(check.observed)}
        {check.limit === null || check.limit === undefined ? null : <span className="dim"> {least ? "≥" : typeof check.limit === "number" ? "≤" : "/"} {observed(check.limit)}</span>}</span>
      {share === null ? null : <svg className={`meter ${least ? "meter-least" : share > 0.8 ? "meter-near" : ""}`} viewBox="0 0 100 4"
        preserveAspectRatio="none" role="img" aria-label={t("checks.used", { percent: number(share * 100, 0) })}><rect width="100" height="4" className="meter-track" /><rect width={share * 100} height="4" className="meter-bar" /></svg>}
      {why ? <span className="check-why">{why}</span> : null}
    </li>
  );
}
