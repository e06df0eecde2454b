// Backtests: launch one and see how far it is, all runs, one run, several beside each other.

import { useEffect, useState } from "react";
import { useFetched } from "../api/live";
import type { BacktestJobs, BacktestRuns } from "../api/types";
import { Compare } from "../backtest/Compare";
import { JobsPanel, UnderWay } from "../backtest/Jobs";
import { Launch } from "../backtest/Launch";
import { Run } from "../backtest/Run";
import { RunsTable } from "../backtest/RunsTable";
import { t } from "../i18n";
import { Empty, Failed, Loading, Panel } from "../ui/parts";
import "../styles/backtest.css";

type Shown = { what: "list" } | { what: "run"; id: string } | { what: "compare"; ids: string[] };
const OPEN_MS = 700;
const QUIET_MS = 5000;
const LIMIT = 100;

function shownOf(hash: string): Shown {
  const found = /^#\/backtest\/(run|compare)\/([0-9a-f,-]+)$/.exec(hash);
  if (!found) return { what: "list" };
  const ids = (found[2] ?? "").split(",").filter(Boolean);
  return found[1] === "run" ? { what: "run", id: ids[0] ?? "" } : { what: "compare", ids };
}

export default function Backtest() {
  const [shown, setShown] = useState(() => shownOf(window.location.hash));
  useEffect(() => {
    const follow = () => setShown(shownOf(window.location.hash));
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  if (shown.what === "run") return <Run key={shown.id} id={shown.id} />;
  if (shown.what === "compare") return <Compare key={shown.ids.join()} ids={shown.ids} />;
  return <List />;
}

/** What was launched, asked for often while something runs. */
function useJobs() {
  const [beat, setBeat] = useState(0);
  const jobs = useFetched<BacktestJobs>("/backtests/jobs", beat);
  const open = jobs.data?.jobs.some((job) => job.status === "pending" || job.status === "running") ?? false;
  useEffect(() => {
    const id = window.setInterval(() => { if (!document.hidden) setBeat((count) => count + 1); }, open ? OPEN_MS : QUIET_MS);
    return () => window.clearInterval(id);
  }, [open]);
  return jobs;
}

function List() {
  const jobs = useJobs();
  const ended = jobs.data?.jobs.filter((job) => job.status === "done").length ?? 0;
  const runs = useFetched<BacktestRuns>(`/backtests?limit=${LIMIT}`, ended);
  const open = jobs.data?.jobs.find((job) => job.status === "pending" || job.status === "running") ?? null;
  return (
    <>
      {jobs.data === null ? <div className="panel">{jobs.error ? <Failed error={jobs.error} retry={jobs.reload} /> : <Loading rows={4} />}</div> : (
        <div className="bt-top">
          <Launch told={jobs.data} open={open !== null} reload={jobs.reload} />
          <div>{open === null ? null : <UnderWay job={open} reload={jobs.reload} />}<JobsPanel jobs={jobs.data.jobs} /></div>
        </div>)}
      {runs.data === null ? <div className="panel">{runs.error ? <Failed error={runs.error} retry={runs.reload} /> : <Loading rows={6} />}</div>
        : runs.data.runs.length === 0 ? <Panel title={t("bt.runs")}><Empty hint={t("bt.runs_none_hint")}>{t("bt.runs_none")}</Empty></Panel>
          : <RunsTable runs={runs.data.runs} />}
    </>
  );
}
