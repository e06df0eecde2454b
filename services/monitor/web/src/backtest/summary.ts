// The figures of a run as the engine stores them (`backtest_runs.summary`), and small readings of them. Pure.

import type { BacktestRun } from "../api/types";
import { contract, words } from "../format";
import { t, type TextKey } from "../i18n";

export interface PolicyRow {
  policy: string; hedges: number; shares_traded: number; slippage_usd: number; commissions_usd: number; cost_usd: number; pnl_usd: number;
  std_by_minute_usd: number | null;
}
export interface DayRow { day: string; pnl_usd: number; realized_usd: number; unrealized_usd: number; commissions_usd: number; hedges: number }
export interface Summary {
  symbol: string;
  first: string;
  last: string;
  ended: string;
  asked: { legs: unknown; entry: string; model: Record<string, unknown> };
  legs: { contract_key: string; quantity: number; price: number }[];
  pnl: Record<"at_mid_usd" | "realized_usd" | "unrealized_usd" | "commissions_usd" | "entry_usd", number> & Record<"liquidation_usd" | "liquidated_usd", number | null>;
  attribution: Record<string, number>;
  attribution_total_usd: number | null;
  drawdown_usd: number;
  sharpe: number | null;
  sharpe_basis: string;
  hedges: number;
  hedges_per_day: number;
  fills: number;
  shares_traded: number;
  slippage_usd: number;
  slippage_bps: number | null;
  commissions_usd: number;
  ticks: number;
  decisions: Record<string, number>;
  policies: PolicyRow[];
  bad_rows: { count: number; by_reason: Record<string, number>; shown: string[] };
  days?: DayRow[];
}

/** What is stored; a row that somebody else has written may lack all of it. */
export const summaryOf = (run: BacktestRun): Partial<Summary> => run.summary as Partial<Summary>;

/** The New York day of a moment, `2014-06-05`. */
export function day(moment: string | undefined): string {
  if (!moment) return "–";
  return new Intl.DateTimeFormat("en-CA", { timeZone: "America/New_York", year: "numeric", month: "2-digit", day: "2-digit" }).format(new Date(moment));
}

export const period = (summary: Partial<Summary>): string => {
  const [first, last] = [day(summary.first), day(summary.last)];
  return first === last ? first : `${first} – ${last}`;
};

export const legs = (summary: Partial<Summary>): string =>
  (summary.legs ?? []).map((leg) => `${leg.quantity > 0 ? "+" : "−"}${Math.abs(leg.quantity)} ${contract(leg.contract_key)}`).join(", ");

/** The first letters of a hash are enough to tell two apart. */
export const short = (hash: string): string => hash.slice(0, 8);

/** The code's version without the package's number: its sources' hash. */
export const code = (version: string): string => (version.includes("+") ? (version.split("+")[1] ?? version) : version).slice(0, 8);

const POLICIES: [string, RegExp][] = [
  ["band", /^fixed band, (.+) shares$/], ["ww", /^Whalley–Wilmott, γ (.+), λ (.+)$/], ["time", /^every (.+) minutes$/], ["gamma", /^gamma-scaled band, (.+) % move$/],
];
export const FAMILIES = POLICIES.map(([name]) => name);

/** Which family a policy belongs to, and its name in the language of the page. */
export function policy(name: string): { family: string; text: string } {
  for (const [family, pattern] of POLICIES) {
    const found = pattern.exec(name);
    if (found) return { family, text: t(`bt.policy.${family}` as TextKey, { 0: found[1] ?? "", 1: found[2] ?? "" }) };
  }
  return { family: name, text: name };
}

/** A configuration as dotted keys. */
export function flat(values: Record<string, unknown>, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      for (const [key, text] of flat(value as Record<string, unknown>, `${prefix}${name}.`)) found.set(key, text);
    } else {
      found.set(prefix + name, JSON.stringify(value));
    }
  }
  return found;
}

/** `key = value` lines as values; throws the number of a line that is none. */
export function settings(text: string): Record<string, string | number | boolean> {
  const found: Record<string, string | number | boolean> = {};
  text.split("\n").forEach((line, index) => {
    if (!line.trim()) return;
    const parts = /^\s*([A-Za-z_][\w.]*)\s*[=:]\s*(\S.*?)\s*$/.exec(line);
    if (!parts) throw new RangeError(String(index + 1));
    const [, key = "", value = ""] = parts;
    found[key] = value === "true" ? true : value === "false" ? false : value.trim() !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
  });
  return found;
}

/** `{straddle: {quantity: 20, …}}` as one line. */
export function asked(value: unknown): string {
  if (value === null || typeof value !== "object") return words(value);
  if (Array.isArray(value)) return value.map(asked).join("; ");
  return Object.entries(value).map(([name, item]) => `${words(name)} ${typeof item === "object" ? `(${asked(item)})` : words(item)}`).join(", ");
}
