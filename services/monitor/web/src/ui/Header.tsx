// The line that every page has: whose desk, how it stands, what time it is.

import { useLive, useTick } from "../api/live";
import type { Status } from "../api/types";
import { local, newYork } from "../format";
import { setLanguage, t, type TextKey, useLanguage } from "../i18n";
import { nextTheme, useTheme } from "../theme";
import type { PageName } from "../App";
import { verdictOf } from "../desk/verdict";

const MARKS = { auto: "◐", light: "☀", dark: "☾" } as const;

export function Header({ page, names }: { page: PageName; names: readonly PageName[] }) {
  const { status, link } = useLive();
  const language = useLanguage();
  const theme = useTheme();
  return (
    <header className="top">
      <div className="brand">
        <img src="/static/icon.svg" alt="" width="24" height="24" /><span className="brand-name">Bifrost</span>
        {status?.status?.symbol ? <span className="symbol">{status.status.symbol}</span> : null}
        <Mode status={status} />
      </div>
      <nav aria-label={t("nav.label")}>
        {names.map((name) => (
          <a key={name} href={`#/${name}`} aria-current={name === page ? "page" : undefined}>{t(`page.${name}` as TextKey)}</a>
        ))}
      </nav>
      <div className="top-right">
        <a className={`mini-lamp lamp-${status?.status_lamp ?? "none"}`} href="#/desk" hidden={page === "desk"}>
          <span className="dot" aria-hidden="true" />{status ? verdictOf(status) : t("state.loading")}</a>
        <Clocks status={status} at={useLive().at} />
        <span className={`link link-${link}`} role="img" aria-label={t(`link.${link}`)} title={t(`link.${link}`)} />
        <button type="button" className="quiet small" lang={language === "zh" ? "en" : "zh"}
          onClick={() => setLanguage(language === "zh" ? "en" : "zh")}>{language === "zh" ? "English" : "中文"}</button>
        <button type="button" className="quiet small" onClick={nextTheme}
          aria-label={t("theme.label", { theme: t(`theme.${theme}`) })}>{MARKS[theme]}</button>
      </div>
    </header>
  );
}

function Mode({ status }: { status: Status | null }) {
  const row = status?.status;
  if (!row?.mode) return null;
  const mode = row.mode === "paper" ? "paper" : row.account?.startsWith("DU") ? "simulated" : "live";
  return <span className={`mode mode-${mode}`}>{row.account ? `${row.account} · ` : ""}{t(`mode.${mode}`)}</span>;
}

/** The market's time goes on between two answers at its own speed. */
export function marketNow(status: Status | null, at: number, tick: number): string | null {
  const clock = status?.market_clock;
  const base = clock?.now ?? status?.status?.ts ?? null;
  if (base === null) return null;
  if (!clock?.now || clock.paused || clock.scenario_over) return base;
  return new Date(Date.parse(base) + Math.max(0, Math.min(tick - at, 10_000)) * (clock.speed ?? 1)).toISOString();
}

function Clocks({ status, at }: { status: Status | null; at: number }) {
  const tick = useTick();
  const clock = status?.market_clock;
  const extra = clock?.scenario_over ? t("clock.over") : clock?.paused ? t("clock.paused")
    : clock?.speed && clock.speed !== 1 ? `×${clock.speed}` : "";
  return (
    <div className="clocks" role="group" aria-label={t("clock.label")}>
      <span className="clock"><span className="clock-label">{t("clock.new_york")}{extra ? ` ${extra}` : ""}</span>
        <span className="num">{newYork(marketNow(status, at, tick))}</span></span>
      <span className="clock"><span className="clock-label">{t("clock.local")}</span>
        <span className="num">{local(new Date().toISOString())}</span></span>
    </div>
  );
}
