import type { Status } from "../api/types";
import { t } from "../i18n";
import { reason } from "../reasons";
import { Gauge } from "./Gauge";
import { isPresent, lineOf, verdictOf } from "./verdict";

const MARKS: Record<string, string> = { green: "M8 17l6 6L25 10", yellow: "M16 8v11M16 24v.5", red: "M10 10l12 12M22 10L10 22" };

/** The lamp with its one line, and net delta against its band. */
export function Hero({ status }: { status: Status }) {
  const others = status.block_reasons.slice(1);
  return (
    <section className={`panel hero hero-${status.status_lamp}`} aria-labelledby="verdict">
      <div className="lamp-box">
        <div className={`lamp lamp-${status.status_lamp}`} id="lamp" role="img" aria-label={t(`lamp.${status.status_lamp}`)}>
          <svg viewBox="0 0 32 32" aria-hidden="true"><path d={MARKS[status.status_lamp]} /></svg>
        </div>
        <div className="verdict-box" role="status" aria-live="polite">
          <h1 id="verdict">{verdictOf(status)}</h1>
          <p id="one-line">{lineOf(status)}</p>
          {others.length ? <ul className="chips" id="reasons" aria-label={t("desk.reasons")}>
            {others.map((text) => <li key={text} title={text}>{reason(text)}</li>)}</ul> : null}
        </div>
      </div>
      <Gauge status={status} known={isPresent(status)} />
    </section>
  );
}
