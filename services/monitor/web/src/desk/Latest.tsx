import { useFetched, useLive } from "../api/live";
import type { OperationsPage } from "../api/types";
import { OperationsTable } from "../pages/OperationsTable";
import { t } from "../i18n";
import { Empty, Failed, Loading, Panel } from "../ui/parts";

const SHOWN = 12;

/** The newest operations; all of them are on the Activity page. */
export function Latest() {
  const { seen } = useLive();
  const { data, error, reload } = useFetched<OperationsPage>(`/operations?limit=${SHOWN}`, seen.operations);
  return (
    <Panel title={t("latest.title")} aside={<a href="#/activity">{t("latest.all")}</a>}>
      {data === null ? error ? <Failed error={error} retry={reload} /> : <Loading /> : data.operations.length === 0
        ? <Empty hint={t("latest.none_hint")}>{t("latest.none")}</Empty> : <OperationsTable rows={data.operations} />}
    </Panel>
  );
}
