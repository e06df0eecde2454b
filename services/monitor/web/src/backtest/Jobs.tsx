import { useState } from "react";
import { api, ApiError } from "../api/client";
import { useSession } from "../api/session";
import type { BacktestJob } from "../api/types";
import { age, NONE, number, quantity, sentence } from "../format";
import { t, type TextKey } from "../i18n";
import { Empty, Panel, Tag, Time } from "../ui/parts";

const KINDS: Record<string, string> = { done: "good", failed: "bad", cancelled: "warn", running: "info" };
const SHOWN = 6;

/** What somebody asked for, in one line. */
function requestText(job: BacktestJob): string {
  const { source, from, to, quantity: straddles, set } = job.request as { source?: string; from?: string; to?: string; quantity?: number; set?: Record<string, unknown> };
  const days = from || to ? `${from ?? ""} – ${to ?? ""}` : t("bt.all_days");
  const changed = Object.entries(set ?? {}).map(([key, value]) => ` · ${key.split(".").at(-1)} ${String(value)}`).join("");
  return t("bt.request", { symbol: (source ?? "?").split("/").at(-1) ?? "?", days, quantity: quantity(straddles) }) + changed;
}

/** The run under way: everything shown was told by the run itself. */
export function UnderWay({ job, reload }: { job: BacktestJob; reload: () => void }) {
  const session = useSession();
  const [error, setError] = useState("");
  const { progress } = job;
  const stage = job.status === "pending" ? "pending" : (progress.stage ?? "reading");
  const cancelling = job.cancel_requested_at !== null;
  const cancel = async () => {
    try {
      await api(`/backtests/jobs/${job.id}/cancel`, { method: "POST" });
      setError("");
    } catch (refused) {
      setError(refused instanceof ApiError ? sentence(refused.message) : t("state.unreachable"));
    }
    reload();
  };
  const text = t(`bt.stage.${stage}` as TextKey);
  return (
    <Panel title={t("bt.under_way")} className="bt-job" aside={<Tag kind="info">{cancelling ? t("bt.cancelling") : text}</Tag>}>
      <p className="bt-request">{requestText(job)}</p>
      <div className="bt-progress" id="bt-progress" data-job={job.id} data-stage={stage}>
        <progress aria-label={t("bt.under_way")} max={1} {...(typeof progress.fraction === "number" ? { value: progress.fraction } : {})} />
        <span className="num">{typeof progress.fraction === "number" ? `${number(progress.fraction * 100, 0)} %` : NONE}</span></div>
      <dl className="facts">
        <div><dt>{t("bt.market_time")}</dt><dd>{progress.at ? <Time at={progress.at} /> : NONE}
          {typeof progress.days_done === "number" && progress.days ? <span className="dim"> {t("bt.day_of", { day: progress.days_done + 1, days: progress.days })}</span> : null}</dd></div>
        <div><dt>{t("bt.evaluations")}</dt><dd className="num">{quantity(progress.ticks)}</dd></div>
        <div><dt>{t("bt.hedges")}</dt><dd className="num">{quantity(progress.hedges)}</dd></div>
        <div><dt>{t("bt.running_for")}</dt><dd className="num">{age(job.running_s)}</dd></div></dl>
      <div className="row end"><button type="button" className="caution" id="bt-cancel" disabled={!session.signed_in || session.read_only || cancelling} onClick={() => void cancel()}>{t("bt.cancel")}</button></div>
      {error ? <p className="error-text" role="alert">{error}</p> : null}
    </Panel>
  );
}

/** What was launched from the page, and what came of it. */
export function JobsPanel({ jobs }: { jobs: BacktestJob[] }) {
  const ended = jobs.filter((job) => job.status !== "pending" && job.status !== "running").slice(0, SHOWN);
  return (
    <Panel title={t("bt.launched")}>
      {ended.length === 0 ? <Empty>{t("bt.none_launched")}</Empty> : (
        <ol className="bt-jobs">{ended.map((job) => (
          <li key={job.id} data-job={job.id} data-status={job.status}>
            <Tag kind={KINDS[job.status] ?? ""}>{t(`bt.status.${job.status}` as TextKey)}</Tag>
            <span className="bt-request">{requestText(job)}</span>
            {job.run_id ? <a href={`#/backtest/run/${job.run_id}`}>{t("bt.open_run")}</a> : null}
            <span className="dim"><Time at={job.finished_at} />{job.running_s === null ? "" : ` · ${age(job.running_s)}`}</span>
            {job.error ? <span className="error-text bt-why">{sentence(job.error)}</span> : null}
          </li>))}</ol>)}
    </Panel>
  );
}
