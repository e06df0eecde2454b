// The lamp in words.

import type { Status } from "../api/types";
import { sentence, words } from "../format";
import { maybe, t } from "../i18n";
import { reason } from "../reasons";

/** Without the database nobody here knows whether the engine runs. */
export const isBlind = (status: Status): boolean => Boolean(status.block_reasons[0]?.startsWith("database_unavailable"));

/** Ready to hedge, held back, blocked, not running, not known. */
export function verdictOf(status: Status): string {
  if (isBlind(status)) return t("verdict.unknown");
  if (status.status_lamp === "red") return status.daemon_heartbeat.daemon_alive ? t("verdict.blocked") : t("verdict.not_running");
  return status.status_lamp === "green" ? t("verdict.ready") : t("verdict.held");
}

/** With reasons the first of them is the line; without, it says what is being done. */
export function lineOf(status: Status): string {
  const [first] = status.block_reasons;
  const text = sentence(first === undefined ? doing(status.one_line) : reason(first));
  return /[.。]$/.test(text) ? text : `${text}${document.documentElement.lang === "en" ? "." : "。"}`;
}

/** `watching: net delta …`: the word before the colon is one of few. */
function doing(line: string): string {
  const waiting = /^waiting: ([a-z_]+): (.*)$/.exec(line);
  if (waiting) return t("doing.waiting", { gate: maybe(`check.${waiting[1]}`, words(waiting[1])), why: waiting[2] ?? "" });
  const found = /^(watching|in balance|hedging|waiting|about to hedge): (.*)$/.exec(line);
  if (!found || document.documentElement.lang === "en") return line;
  const delta = /net delta ([+-]?[\d.]+) shares/.exec(line)?.[1];
  const limit = /(?:from|within) ([\d.]+)/.exec(line)?.[1];
  if (!delta) return line;
  return found[1] === "in balance" ? t("doing.balance", { delta, limit: limit ?? "" })
    : found[1] === "watching" ? t("doing.watching", { delta, limit: limit ?? "" }) : t("doing.hedging", { delta });
}

/** What is no longer written is shown as the last known, not as the present. */
export function isPresent(status: Status): boolean {
  const beat = status.daemon_heartbeat;
  return beat.daemon_alive && (status.status_age_s === null || beat.limit_s === null || status.status_age_s <= beat.limit_s);
}
