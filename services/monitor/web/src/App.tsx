import { lazy, Suspense, useEffect, useState } from "react";
import { OLD_MS, useLive, useTick } from "./api/live";
import { Desk } from "./desk/Desk";
import { age } from "./format";
import { t, type TextKey, useLanguage } from "./i18n";
import { Boundary } from "./ui/Boundary";
import { Header } from "./ui/Header";
import { Loading } from "./ui/parts";

const PAGES = {
  desk: Desk,
  accounts: lazy(() => import("./pages/Accounts")),
  activity: lazy(() => import("./pages/Activity")),
  performance: lazy(() => import("./pages/Performance")),
  backtest: lazy(() => import("./pages/Backtest")),
  logs: lazy(() => import("./pages/Logs")),
  simulator: lazy(() => import("./pages/Simulator")),
} as const;
export type PageName = keyof typeof PAGES;
const NAMES = Object.keys(PAGES) as PageName[];

function pageOf(hash: string): PageName {
  const name = hash.replace(/^#\/?/, "").split("/")[0];
  return NAMES.find((known) => known === name) ?? "desk";
}

function usePage(): PageName {
  const [page, setPage] = useState(() => pageOf(window.location.hash));
  useEffect(() => {
    const follow = () => { setPage(pageOf(window.location.hash)); window.scrollTo(0, 0); };
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  return page;
}

/** A picture that is no longer the present must look like it. */
function Banner() {
  const { status, at, link, trouble, locked } = useLive();
  const tick = useTick();
  const gone = link === "down" && (status === null || tick - at > OLD_MS);
  useEffect(() => { document.body.dataset["old"] = String(gone && status !== null); }, [gone, status]);
  if (!gone) return null;
  const cause = locked ? t("banner.locked") : trouble === "unreachable" ? t("banner.unreachable") : trouble;
  return <div className="banner" role="alert">{cause}{status === null ? "" : ` ${t("banner.age", { age: age((tick - at) / 1000) })}`}</div>;
}

export function App() {
  const language = useLanguage();
  const page = usePage();
  const { status } = useLive();
  const Page = PAGES[page];
  const lamp = status?.status_lamp ?? "none";
  useEffect(() => { document.body.dataset["lamp"] = lamp; }, [lamp]);
  useEffect(() => {
    document.title = `${status?.status?.symbol ?? "Bifrost"} · ${t(`page.${page}` as TextKey)}`;
  }, [status?.status?.symbol, page, language]);
  return (
    <>
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>{t("nav.skip")}</a>
      <Header page={page} names={NAMES} />
      <Banner />
      <main id="main" tabIndex={-1} key={language} className={`page page-${page}`}>
        <Boundary key={page}><Suspense fallback={<div className="panel"><Loading rows={6} /></div>}><Page /></Suspense></Boundary>
      </main>
      <footer className="foot">
        <span>Bifrost {status?.monitor.version ?? ""}{status?.monitor.read_only ? ` · ${t("foot.read_only")}` : ""}</span>
        <a href="/docs">API</a><a href="/metrics">{t("foot.metrics")}</a>
        <a href="https://www.tradingview.com/" rel="noreferrer noopener" target="_blank">{t("foot.charts")}</a>
      </footer>
    </>
  );
}
