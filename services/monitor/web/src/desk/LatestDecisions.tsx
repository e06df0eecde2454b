import { useFetched, useLive } from "../api/live";
import type { DecisionsPage } from "../api/types";
import { newYork, number, words } from "../format";
import { maybe, t } from "../i18n";
import { reason } from "../reasons";
import { Empty, Failed, Loading, Panel, Tag } from "../ui/parts";

const SHOWN = 14;

/** The newest decisions: why a hedge went out, and why it did not. */
export function LatestDecisions() {
  const { seen } = useLive();
  const { data, error, reload } = useFetched<DecisionsPage>(`/decisions?limit=${SHOWN}`, seen.decisions);
  return (
    <Panel title={t("decisions.latest")} className="decisions-panel" aside={<a href="#/activity">{t("decisions.all")}</a>}>
      {data === null ? error ? <Failed error={error} retry={reload} /> : <Loading /> : data.decisions.length === 0 ? <Empty>{t("decisions.none")}</Empty> : (
        <ul className="decision-list">{data.decisions.map((row) => (
          <li key={row.id}><a href={`#/activity/decision/${row.id}`}>
            <span className="num dim">{newYork(row.ts, false)}</span>
            <Tag kind={`outcome-${row.outcome}`}>{maybe(`outcome.${row.outcome}`, words(row.outcome))}</Tag>
            <span className="num">{number(row.net_delta, 1, true)}</span>
            <span className="why">{row.block_reason ? reason(row.block_reason) : ""}</span></a></li>))}</ul>)}
    </Panel>
  );
}
