// Numbers with units, times in New York and local, reasons in words.

const NONE = "–";
const MINUS = "\u2212";
const NEW_YORK = "America/New_York";

/** `value` with `digits` decimals and thousands separators; `sign` writes + too. */
export function number(value, digits = 2, sign = false) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const rounded = Number(value.toFixed(digits));
  const text = Math.abs(rounded).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (rounded < 0) return MINUS + text;
  return sign && rounded > 0 ? "+" + text : text;
}

export const money = (value, digits = 2) => number(value, digits);
export const signedMoney = (value, digits = 2) => number(value, digits, true);

/** With the dollar sign where people write it: `$141.20`, `+$412.55`, `−$226`. */
export function dollars(value, digits = 2, sign = false) {
  const text = number(value, digits, sign);
  if (text === NONE) return NONE;
  return /^[+\u2212]/.test(text) ? `${text[0]}$${text.slice(1)}` : `$${text}`;
}
export const quantity = (value) => number(value, Number.isInteger(value) ? 0 : 2);

/** `up`, `down` or nothing: the class that colours a profit. */
export const trend = (value) => (value > 0 ? "up" : value < 0 ? "down" : "");

/** Seconds as `4 s`, `3 min`, `2 h`, `5 d`. */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  const value = Math.max(0, seconds);
  if (value < 90) return `${Math.round(value)} s`;
  if (value < 5400) return `${Math.round(value / 60)} min`;
  if (value < 129600) return `${Math.round(value / 3600)} h`;
  return `${Math.round(value / 86400)} d`;
}

const formats = new Map();

function formatted(date, options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", options));
  return formats.get(key).format(date);
}

const DAY = { weekday: "short", day: "2-digit", month: "short" };
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

export function newYork(text, withDay = true) {
  if (!text) return NONE;
  return formatted(new Date(text), { ...(withDay ? DAY : {}), ...TIME, timeZone: NEW_YORK });
}

export function local(text, withDay = true) {
  if (!text) return NONE;
  return formatted(new Date(text), { ...(withDay ? DAY : {}), ...TIME });
}

/** For a tooltip: the moment in both zones, with the year. */
export function bothZones(text) {
  if (!text) return "time not known";
  const full = { ...DAY, year: "numeric", ...TIME };
  const date = new Date(text);
  return `${formatted(date, { ...full, timeZone: NEW_YORK })} New York · ${formatted(date, full)} local`;
}

/** `20260417` as `17 Apr 26`. */
export function expiry(text) {
  if (!text || text.length < 8) return text || "";
  const date = new Date(Date.UTC(+text.slice(0, 4), +text.slice(4, 6) - 1, +text.slice(6, 8)));
  return formatted(date, { day: "2-digit", month: "short", year: "2-digit", timeZone: "UTC" });
}

/** A contract as a trader says it: `17 Apr 26 140 C`. */
export function contract(position) {
  if (position.sec_type !== "OPT") return position.sec_type === "STK" ? "Stock" : position.contract_key;
  return `${expiry(position.expiry)} ${position.strike} ${position.option_right}`;
}

const REASONS = {
  suspended: "hedging is suspended",
  hold: "held; resume releases it",
  standby: "another engine leads",
  db_unavailable: "the engine cannot reach the database",
  not_reconciled: "positions are not reconciled with the broker",
  circuit_breaker: "the daily loss limit has tripped",
  halted: "trading in the stock is halted",
  safe_mode: "safe mode",
  strategy_disabled: "the strategy is switched off",
  no_legs: "no managed option legs",
  order_working: "an order is working",
  outside_session: "outside the trading session",
  reset_window: "IB's nightly reset",
  earnings_blackout: "earnings are near",
  below_min_size: "smaller than the least hedge",
  cooldown: "cooling down after the last hedge",
  order_rate: "orders per minute used up",
  max_daily_hedge_count: "hedges of the day used up",
  max_position_shares: "position limit reached",
  max_notional: "notional limit reached",
  buying_power: "not enough buying power",
  shortable: "no shares to borrow",
  spread_too_wide: "spread too wide",
  min_price_move: "the price has not moved enough",
  price_collar: "price outside the collar",
  must_reduce_delta: "would not reduce delta",
  orphan_hedge: "shares left without option legs",
  ib_disconnected: "no connection to IB",
  external_stock_unconfirmed: "shares in the account await confirmation",
};

/** What an order was sent for: D2 and D3 are the engine's words for how far delta has gone. */
const PURPOSES = { D2: "delta over the threshold", D3: "delta at its limit" };
export const purpose = (text) => PURPOSES[text] ?? reason(text);

/** Reasons whose detail is a sentence of its own: the word before it would say the same again, or less truly. */
const TOLD_BY_DETAIL = new Set(["suspended", "hold", "db_unavailable", "halted", "no_legs", "order_working",
  "outside_session", "order_rate", "max_daily_hedge_count", "scenario_over", "backoff"]);

/** Why positions cannot be compared while the link is down or fresh: the cause says it, "not reconciled" would mislead. */
const LINK_CAUSE = /^(IB is|the gateway lost IB|the link came up)/;

/** A reason as the engine names it, in words: `safe_mode:S2` → `safe mode (S2)`. */
export function reason(text) {
  const stopped = /^stopped at (\S+)/.exec(text);
  if (stopped) return `stopped at ${local(stopped[1])} local time`;
  if (!/^[a-z_]+(:|$)/.test(text)) return text;
  const [word, ...rest] = text.split(":");
  const known = REASONS[word.trim()];
  const more = rest.join(":").trim();
  if (more && (TOLD_BY_DETAIL.has(word) || LINK_CAUSE.test(more))) return more;
  if (known) return more ? `${known} (${more})` : known;
  return more ? `${words(word)}: ${more}` : words(text);
}

/** What a check observed or allows. */
export function observed(value) {
  if (value === null || value === undefined || value === "") return NONE;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return number(value, Number.isInteger(value) ? 0 : Math.abs(value) < 10 ? 2 : 1);
  return String(value);
}

export const words = (text) => String(text ?? "").replaceAll("_", " ");
export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");
