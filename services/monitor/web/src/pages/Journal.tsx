import { useEffect, useRef, useState } from "react";
import { api, query } from "../api/client";
import type { JournalAnswer } from "../api/types";
import { t } from "../i18n";
import { Choice, Empty, Failed, Loading, Panel, Scroll, Tag, Time } from "../ui/parts";

type Entry = JournalAnswer["entries"][number];
const SHOWN = 80;
const KEPT = 1000;
const EVERY_MS = 1500;
/** What an order is made of on the wire; the rest is account values and housekeeping. */
const ORDERS = /order|exec|commission|error/i;

/** What crossed the wire since the last look; it begins with the newest few. */
function useJournal() {
  const [entries, setEntries] = useState<Entry[] | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const last = useRef<number | null>(null);
  useEffect(() => {
    let wanted = true;
    let timer: number | undefined;
    const read = async () => {
      try {
        if (last.current === null) last.current = Math.max(0, (await api<JournalAnswer>("/simulator/journal?limit=1")).last_seq - KEPT);
        const told = await api<JournalAnswer>(`/simulator/journal${query({ since: last.current, limit: KEPT })}`);
        if (!wanted) return;
        last.current = told.entries.at(-1)?.seq ?? last.current;
        setEntries((before) => [...(before ?? []), ...told.entries].slice(-KEPT));
        setError(null);
      } catch (refused) {
        if (wanted) setError(refused as Error);
      }
      if (wanted) timer = window.setTimeout(() => void read(), document.hidden ? EVERY_MS * 10 : EVERY_MS);
    };
    void read();
    return () => { wanted = false; window.clearTimeout(timer); };
  }, []);
  return { entries, error };
}

const shown = (fields: Entry["fields"]) => Object.entries(fields).slice(0, 8)
  .map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`).join(" ");

/** What crossed the wire between the desk and the simulated gateway, newest first. */
export function Journal() {
  const { entries, error } = useJournal();
  const [which, setWhich] = useState<"orders" | "all">("orders");
  const rows = (entries ?? []).filter((row) => which === "all" || ORDERS.test(row.message)).slice(-SHOWN).reverse();
  return (
    <Panel title={t("journal.title")} aside={<><span className="dim">{t("journal.hint")}</span>
      <Choice label={t("journal.title")} value={which} onChange={setWhich} options={[["orders", t("journal.orders")], ["all", t("filter.all")]]} /></>}>
      {entries === null ? error ? <Failed error={error} /> : <Loading rows={5} /> : rows.length === 0 ? <Empty>{t("journal.none")}</Empty> : (
        <Scroll label={t("journal.title")} tall>
          <table className="data dense"><thead><tr><th scope="col">{t("col.time")}</th><th scope="col">{t("journal.direction")}</th><th scope="col">{t("journal.message")}</th><th scope="col">{t("journal.fields")}</th></tr></thead>
            <tbody>{rows.map((row) => (
              <tr key={row.seq}><td><Time at={row.market} day={false} /></td><td><Tag kind={row.direction === "in" ? "info" : ""}>{row.direction === "in" ? t("journal.to_gateway") : t("journal.from_gateway")}</Tag></td>
                <td>{row.message}</td><td className="fields">{shown(row.fields)}</td></tr>))}</tbody></table>
        </Scroll>)}
    </Panel>
  );
}
