// Numbers with units, times in New York and local. Everything here is pure.

import { language } from "./i18n";

export const NONE = "–";
const MINUS = "\u2212";
const NEW_YORK = "America/New_York";

type Maybe<T> = T | null | undefined;

/** `value` with `digits` decimals and thousands separators; `sign` writes + too. */
export function number(value: Maybe<number>, digits = 2, sign = false): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const rounded = Number(value.toFixed(digits));
  const text = Math.abs(rounded).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  if (rounded < 0) return MINUS + text;
  return sign && rounded > 0 ? `+${text}` : text;
}

/** With the dollar sign where people write it: `$141.20`, `+$412.55`, `−$226`. */
export function dollars(value: Maybe<number>, digits = 2, sign = false): string {
  const text = number(value, digits, sign);
  if (text === NONE) return NONE;
  return /^[+\u2212]/.test(text) ? `${text[0]}$${text.slice(1)}` : `$${text}`;
}

/** Shares or contracts: whole numbers without decimals. */
export function quantity(value: Maybe<number>, sign = false): string {
  return number(value, Number.isInteger(value) ? 0 : 2, sign);
}

/** The class that colours a profit. */
export function trend(value: Maybe<number>): string {
  if (!value) return "";
  return value > 0 ? "up" : "down";
}

/** Seconds as `4 s`, `3 min`, `2 h`, `5 d`. */
export function age(seconds: Maybe<number>): string {
  if (seconds === null || seconds === undefined) return NONE;
  const value = Math.max(0, seconds);
  if (value < 90) return `${Math.round(value)} s`;
  if (value < 5400) return `${Math.round(value / 60)} min`;
  if (value < 129_600) return `${Math.round(value / 3600)} h`;
  return `${Math.round(value / 86_400)} d`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatted(date: Date, options: Intl.DateTimeFormatOptions): string {
  const locale = language() === "zh" ? "zh-CN" : "en-GB";
  const key = locale + JSON.stringify(options);
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(locale, options);
    formats.set(key, format);
  }
  return format.format(date);
}

const DAY: Intl.DateTimeFormatOptions = { weekday: "short", day: "2-digit", month: "short" };
const TIME: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

type Moment = Maybe<string | number>;
const dateOf = (moment: string | number) => new Date(typeof moment === "number" ? moment * 1000 : moment);

/** A moment (RFC 3339, or Unix seconds) in New York. */
export function newYork(moment: Moment, withDay = true): string {
  if (moment === null || moment === undefined || moment === "") return NONE;
  return formatted(dateOf(moment), { ...(withDay ? DAY : {}), ...TIME, timeZone: NEW_YORK });
}

/** The same moment where the operator sits. */
export function local(moment: Moment, withDay = true): string {
  if (moment === null || moment === undefined || moment === "") return NONE;
  return formatted(dateOf(moment), { ...(withDay ? DAY : {}), ...TIME });
}

/** For a tooltip: the moment in both zones, with the year. */
export function bothZones(moment: Moment): string {
  if (moment === null || moment === undefined || moment === "") return "";
  const full: Intl.DateTimeFormatOptions = { ...DAY, year: "numeric", ...TIME };
  const date = dateOf(moment);
  return `${formatted(date, { ...full, timeZone: NEW_YORK })} New York · ${formatted(date, full)} local`;
}

/** Hours and minutes in New York, for a chart's axis. */
export function axisTime(seconds: number): string {
  return formatted(new Date(seconds * 1000), { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: NEW_YORK });
}

/** Day, time, or both, of a clock that is written as if it were UTC. */
export function axisLabel(seconds: number, withDay: boolean, withTime = !withDay): string {
  return formatted(new Date(seconds * 1000), { ...(withDay ? DAY : {}), ...(withTime ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : {}), timeZone: "UTC" });
}

/** `20260417` as `17 Apr 26`. */
export function expiry(text: Maybe<string>): string {
  if (!text || text.length < 8) return text ?? "";
  const date = new Date(Date.UTC(+text.slice(0, 4), +text.slice(4, 6) - 1, +text.slice(6, 8)));
  return formatted(date, { day: "2-digit", month: "short", year: "2-digit", timeZone: "UTC" });
}

/** A contract key as a trader says it: `17 Apr 26 140 C`, or the stock's symbol. */
export function contract(key: string): string {
  const [symbol, type, date, strike, right] = key.split("|");
  return type === "OPT" ? `${expiry(date)} ${strike} ${right}` : (symbol ?? key);
}

/** What a check or gate observed or allows. */
export function observed(value: unknown): string {
  if (value === null || value === undefined || value === "") return NONE;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    // 0.4 and 0.015, not 0.400: what is observed has no fixed number of decimals.
    return number(value, Number.isInteger(value) ? 0 : Math.abs(value) < 10 ? 3 : 1).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** `max_daily_loss` as `max daily loss`. */
export const words = (text: Maybe<unknown>): string => String(text ?? "").replaceAll("_", " ");

/** With a capital letter. */
export const sentence = (text: string): string => (text ? text.charAt(0).toUpperCase() + text.slice(1) : "");
