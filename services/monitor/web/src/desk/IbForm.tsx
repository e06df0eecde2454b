import { useState } from "react";
import { api, ApiError } from "../api/client";
import { refresh } from "../api/live";
import { checkSession, useSession } from "../api/session";
import type { IbConfig } from "../api/types";
import { sentence } from "../format";
import { t } from "../i18n";

const PORTS = [["tws_paper", "TWS paper · 7497"], ["tws_live", "TWS live · 7496"], ["gateway", "Gateway paper · 4002"], ["gateway_live", "Gateway live · 4001"]] as const;
type Draft = { host: string; port: string; confirm: boolean };

/** The address of TWS or IB Gateway. What somebody types stays until it is saved or discarded, whatever the monitor tells meanwhile. */
export function IbForm({ told }: { told: IbConfig }) {
  const session = useSession();
  const [draft, setDraft] = useState<Draft | null>(null);
  const [note, setNote] = useState("");
  const locked = told.overridden || !session.signed_in || session.read_only;
  const shown = draft ?? { host: told.ib_host, port: told.ib_port_type ?? "", confirm: false };
  const live = shown.port === "tws_live" || shown.port === "gateway_live";
  const change = (part: Partial<Draft>) => { setDraft({ ...shown, ...part }); setNote(""); };
  const save = async () => {
    try {
      await api("/config/ib", { method: "POST", body: { ib_host: shown.host, ib_port_type: shown.port, confirm: shown.confirm } });
      setDraft(null);
      setNote(t("ib.saved"));
      void refresh();
    } catch (error) {
      setNote(error instanceof ApiError ? sentence(error.message) : t("state.unreachable"));
      if (error instanceof ApiError && error.status === 401) void checkSession();
    }
  };
  const fixed = told.overridden ? t("ib.fixed", { variable: told.overridden_by ?? "", port: told.ib_port_type ? "" : `(${told.port})` }) : "";
  return (
    <form className="ib-form" id="ib-form" autoComplete="off" onSubmit={(event) => { event.preventDefault(); void save(); }}>
      <h3>{t("ib.title")}</h3>
      <div className="row">
        <label className="grow">{t("ib.host")}<input name="ib_host" required spellCheck={false} disabled={locked} value={shown.host} onChange={(event) => change({ host: event.target.value })} /></label>
        <label>{t("ib.port")}<select name="ib_port_type" disabled={locked} value={shown.port} onChange={(event) => change({ port: event.target.value })}>
          {told.ib_port_type ? null : <option value="">{told.port}</option>}
          {PORTS.map(([name, text]) => <option key={name} value={name}>{text}</option>)}</select></label>
      </div>
      {draft && live ? <label className="tick"><input type="checkbox" name="confirm" checked={shown.confirm} onChange={(event) => change({ confirm: event.target.checked })} />{t("ib.confirm")}</label> : null}
      <div className="row end">
        <p className="note grow" role="status" id="ib-note">{note || fixed}</p>
        {draft ? <button type="button" className="quiet" onClick={() => { setDraft(null); setNote(""); }}>{t("action.discard")}</button> : null}
        <button type="submit" disabled={locked || draft === null}>{t("action.save")}</button>
      </div>
    </form>
  );
}
