import { useFetched, useLive } from "../api/live";
import { type Sent, useSent } from "../api/commands";
import { useSession } from "../api/session";
import type { CommandsAnswer } from "../api/types";
import { age, quantity, sentence, words } from "../format";
import { maybe, t } from "../i18n";
import { Time } from "../ui/parts";

interface Row { key: string; command: string; state: string; text: string; by: string; at: string | null; age_s: number | null }
const SHOWN = 5;

/** What was asked of the engine lately, by this page and by everybody else, and what came of it. */
export function RecentCommands() {
  const sent = useSent();
  const session = useSession();
  const { seen } = useLive();
  const open = sent.map((row) => row.state).join();
  const { data } = useFetched<CommandsAnswer>(session.signed_in ? `/control?limit=${SHOWN}` : null, `${seen.control} ${open}`);
  const mine = new Map(sent.filter((row) => row.id !== null).map((row) => [row.id, row]));
  const unstored = sent.filter((row) => row.id === null && (row.state === "not_sent" || !row.final));
  const stored = (data?.commands ?? []).map((row): Row => {
    const own = mine.get(row.id);
    const newer = own && !["sending", "pending"].includes(own.state);
    const state = newer ? own.state : row.status;
    return { key: String(row.id), command: row.command, state, text: resultText(row.command, state, newer ? own.result : row.result), by: row.requested_by ?? "psql", at: row.created_at, age_s: row.age_s };
  });
  const known = new Set((data?.commands ?? []).map((row) => row.id));
  const fresh = sent.filter((row) => row.id !== null && !known.has(row.id) && data === null);
  const rows = [...[...unstored, ...fresh].map(fromSent), ...stored].slice(0, SHOWN);
  return (
    <ol className="commands" id="commands" aria-label={t("commands.title")} aria-live="polite">
      {rows.map((row) => (
        <li key={row.key} className={`command state-${row.state}`} data-command-row={row.command}>
          <span className="command-name">{maybe(`command.${row.command}`, words(row.command))}</span>
          <span className="command-state">{maybe(`command_state.${row.state}`, words(row.state))}</span>
          {row.text ? <span className="command-text">{sentence(row.text)}</span> : null}
          <span className="command-by" title={row.by}>{row.by}{row.age_s === null ? "" : ` · ${t("time.ago", { age: age(row.age_s) })}`}</span>
          <span className="sr"><Time at={row.at} /></span>
        </li>
      ))}
      {rows.length === 0 ? <li className="command none">{t("commands.none")}</li> : null}
    </ol>
  );
}

const fromSent = (row: Sent): Row => ({
  key: row.key, command: row.command, state: row.state, by: t("commands.this_page"), at: null, age_s: null,
  text: row.text === "no_answer" ? t("commands.no_answer") : row.text || resultText(row.command, row.state, row.result),
});

/** The engine's result as a line: its own words where it has some, else the keys and values. */
export function resultText(command: string, state: string, result: Record<string, unknown> | null): string {
  if (!result) return "";
  for (const name of ["reason", "message", "summary", "what"]) if (typeof result[name] === "string" && result[name]) return result[name];
  const figure = (name: string) => quantity(typeof result[name] === "number" ? result[name] : null);
  if (state === "done") {
    if (command === "suspend") return t("result.suspend");
    if (command === "resume") return result["hold_cleared"] ? t("result.resume_hold", { what: String(result["hold_cleared"]) }) : t("result.resume");
    if (command === "flatten") return t("result.flatten", { before: figure("own_shares_before"), after: figure("own_shares") });
    if (command === "refresh_accounts") return t("result.refresh_accounts", { count: figure("positions") });
  }
  return Object.entries(result).filter(([, value]) => value !== null && value !== "" && typeof value !== "object")
    .map(([name, value]) => `${words(name)} ${typeof value === "number" ? quantity(value) : String(value)}`).join(" · ");
}
