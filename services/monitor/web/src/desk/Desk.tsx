// The page that answers: is it right, why, what did it do, what would it do next.

import { lazy, Suspense } from "react";
import { useLive } from "../api/live";
import { t } from "../i18n";
import { Loading, Panel } from "../ui/parts";
import { Checks } from "./Checks";
import { Controls } from "./Controls";
import { EngineFacts } from "./EngineFacts";
import { Hero } from "./Hero";
import { LatestDecisions } from "./LatestDecisions";
import { Latest } from "./Latest";
import { Legs } from "./Legs";
import { Machines } from "./Machines";
import { Notifications } from "./Notifications";
import { Tiles } from "./Tiles";

const Chart = lazy(() => import("./Chart"));

export function Desk() {
  const { status } = useLive();
  if (status === null) {
    return (
      <div className="desk">
        <section className="panel hero hero-none"><h1>{t("state.loading")}</h1><p>{t("state.asking")}</p><Loading rows={3} /></section>
      </div>
    );
  }
  return (
    <div className="desk">
      <Hero status={status} />
      <Tiles status={status} />
      <div className="desk-main">
        <Panel title={t("chart.title")} className="chart-panel" aside={<span className="legend">
          <span className="key key-spot">{t("chart.spot")}</span><span className="key key-buy">{t("chart.buys")}</span>
          <span className="key key-sell">{t("chart.sells")}</span><span className="key key-delta">{t("chart.delta")}</span></span>}>
          <Suspense fallback={<Loading rows={6} />}><Chart /></Suspense>
        </Panel>
        <Legs status={status} />
        <Checks checks={status.checks} />
        <Latest />
      </div>
      <div className="desk-side">
        <Controls status={status} />
        <Machines status={status} />
        <EngineFacts status={status} />
        <LatestDecisions />
        <Notifications />
      </div>
    </div>
  );
}
