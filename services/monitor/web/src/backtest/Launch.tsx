import { useState } from "react";
import { api, ApiError } from "../api/client";
import { checkSession, useSession } from "../api/session";
import type { BacktestJob, BacktestJobs } from "../api/types";
import { sentence } from "../format";
import { t, type TextKey } from "../i18n";
import { Empty, Panel } from "../ui/parts";
import { settings } from "./summary";

const FIRST = { source: "", from: "", to: "", quantity: "20", min_dte: "", max_dte: "", entry: "09:45", latency_ms: "500", set: "" };
type Draft = typeof FIRST;
const START = "python -m bifrost_engine backtests --config config/config.yaml";

/** The form; where nothing can be launched it says why and what to do. What somebody types is never overwritten. */
export function Launch({ told, open, reload }: { told: BacktestJobs; open: boolean; reload: () => void }) {
  const session = useSession();
  const [draft, setDraft] = useState<Draft>(FIRST);
  const [error, setError] = useState("");
  const [sending, setSending] = useState(false);
  if (told.obstacle) {
    return (
      <Panel title={t("bt.launch")} className="bt-launch">
        <div id="bt-obstacle" data-obstacle={told.obstacle}><Empty hint={t(`bt.${told.obstacle}_hint` as TextKey)}>{t(`bt.${told.obstacle}` as TextKey)}</Empty>
          {told.obstacle === "no_worker" ? <p className="bt-command"><code>make run</code> <code>make up</code> <code>{START}</code></p> : null}
          {told.reason && told.obstacle !== "read_only" ? <p className="note">{sentence(told.reason)}</p> : null}</div>
      </Panel>
    );
  }
  const locked = !session.signed_in || session.read_only;
  const source = told.sources.find((known) => known.id === draft.source) ?? told.sources[0];
  const change = (part: Partial<Draft>) => { setDraft({ ...draft, ...part }); setError(""); };
  const field = (name: keyof Draft, label: TextKey, more: Record<string, string | number> = {}) => (
    <label>{t(label)}<input name={name} value={draft[name]} disabled={locked} onChange={(event) => change({ [name]: event.target.value })} {...more} /></label>);
  const launch = async () => {
    let set: Record<string, string | number | boolean>;
    try {
      set = settings(draft.set);
    } catch (wrong) {
      setError(t("bt.set_wrong", { line: wrong instanceof Error ? wrong.message : "" }));
      return;
    }
    const figures = Object.fromEntries((["quantity", "min_dte", "max_dte", "latency_ms"] as const).filter((name) => draft[name].trim() !== "").map((name) => [name, figure(draft[name])]));
    const days = Object.fromEntries((["from", "to"] as const).filter((name) => draft[name] !== "").map((name) => [name, draft[name]]));
    setSending(true);
    try {
      await api<BacktestJob>("/backtests", { method: "POST", body: { source: source?.id ?? "", entry: draft.entry, set, ...figures, ...days } });
      setError("");
      reload();
    } catch (refused) {
      setError(refused instanceof ApiError ? sentence(refused.message) : t("state.unreachable"));
      if (refused instanceof ApiError && refused.status === 401) void checkSession();
    } finally {
      setSending(false);
    }
  };
  return (
    <Panel title={t("bt.launch")} className="bt-launch" aside={<span className="dim">{t("bt.launch_hint")}</span>}>
      <form id="bt-form" autoComplete="off" noValidate onSubmit={(event) => { event.preventDefault(); void launch(); }}>
        <label className="bt-wide">{t("bt.data")}<select name="source" disabled={locked} value={source?.id ?? ""} onChange={(event) => change({ source: event.target.value, from: "", to: "" })}>
          {told.sources.map((known) => <option key={known.id} value={known.id}>
            {t("bt.source", { symbol: known.symbol, place: t(`bt.place.${known.place}` as TextKey), days: known.days, first: known.first, last: known.last })}</option>)}</select></label>
        {field("from", "bt.from", { type: "date", min: source?.first ?? "", max: source?.last ?? "" })}
        {field("to", "bt.to", { type: "date", min: source?.first ?? "", max: source?.last ?? "" })}
        {field("quantity", "bt.quantity", { inputMode: "numeric", title: t("bt.quantity_hint") })}
        {field("entry", "bt.entry", { placeholder: "09:45" })}
        {field("min_dte", "bt.min_dte", { inputMode: "numeric", placeholder: told.defaults?.min_dte ?? "" })}
        {field("max_dte", "bt.max_dte", { inputMode: "numeric", placeholder: told.defaults?.max_dte ?? "" })}
        {field("latency_ms", "bt.latency", { inputMode: "numeric" })}
        <label className="bt-wide">{t("bt.set")} <span>({t("bt.set_hint")})</span><textarea name="set" rows={2} spellCheck={false} disabled={locked} value={draft.set}
          placeholder="gates.intent.hedge.cooldown_seconds = 30" onChange={(event) => change({ set: event.target.value })} /></label>
        <div className="bt-wide row end"><p className="note grow" role="status">{locked ? t(session.read_only ? "bt.read_only_hint" : "bt.locked_hint") : ""}</p>
          <button type="submit" className="go" disabled={locked || open || sending}>{t("bt.go")}</button></div>
      </form>
      {error ? <p className="error-text" role="alert" id="bt-error">{error}</p> : null}
    </Panel>
  );
}

/** A number as one; what is none goes to the monitor as it is, which says what would be right. */
const figure = (text: string): number | string => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text);
