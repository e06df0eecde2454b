// The engine's reasons in words: `safe_mode: S2` → `safe mode (S2)`.

import { local, words } from "./format";
import { maybe, t } from "./i18n";

/** Reasons whose detail is a sentence of its own: the word before it would say the same again, or less truly. */
const TOLD_BY_DETAIL = new Set(["suspended", "hold", "db_unavailable", "halted", "no_legs", "order_working",
  "outside_session", "order_rate", "max_daily_hedge_count", "scenario_over", "backoff"]);

/** Why positions cannot be compared while the link is down or fresh: the cause says it, "not reconciled" would mislead. */
const LINK_CAUSE = /^(IB is|the gateway lost IB|the link came up)/;

/** A reason as the engine names it, in words. */
export function reason(text: string): string {
  const stopped = /^stopped at (\S+)/.exec(text);
  if (stopped) return t("reason.stopped_at", { at: local(stopped[1]) });
  const parts = /^([a-z_]+)(?::\s*(.*))?$/.exec(text);
  if (!parts) return text;
  const [, word = "", more = ""] = parts;
  const known = maybe(`reason.${word}`, "");
  if (more && (LINK_CAUSE.test(more) || (TOLD_BY_DETAIL.has(word) && document.documentElement.lang === "en"))) return more;
  if (known) return more ? `${known} (${more})` : known;
  return more ? `${words(word)}: ${more}` : words(text);
}

/** What an order was sent for: D2 and D3 are the engine's words for how far delta has gone. */
export const purpose = (text: string): string => maybe(`purpose.${text}`, reason(text));
