// A service's log, filtered and followed.

import { useEffect, useMemo, useRef, useState } from "react";
import { api, query } from "../api/client";
import { useSession } from "../api/session";
import type { LogAnswer, LogLine } from "../api/types";
import { bothZones, local, newYork } from "../format";
import { maybe, t } from "../i18n";
import { SignIn } from "../desk/SignIn";
import { Choice, Empty, Failed, Loading, Panel, useStored } from "../ui/parts";

const SERVICES = ["engine", "pricer", "monitor", "simulator"] as const;
const LEVELS = ["debug", "info", "warning", "error"] as const;
type Service = (typeof SERVICES)[number];
const LINES = 400;
const AGAIN_MS = 3000;
const PLAIN = new Set(["time", "level", "service", "logger", "message", "traceback", "error"]);

/** Lines as the service writes them; asked for again every few seconds where they cannot be followed. */
function useLog(service: Service, level: string, follow: boolean) {
  const [lines, setLines] = useState<LogLine[] | null>(null);
  const [exists, setExists] = useState(true);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    setLines(null);
    setError(null);
    let source: EventSource | null = null;
    let timer: number | undefined;
    let wanted = true;
    const read = async () => {
      try {
        const told = await api<LogAnswer>(`/logs/${service}${query({ level, limit: LINES })}`);
        if (!wanted) return;
        setLines(told.lines);
        setExists(told.exists);
        setError(null);
      } catch (refused) {
        if (wanted) setError(refused as Error);
      }
      if (wanted && follow && source === null) timer = window.setTimeout(() => void read(), AGAIN_MS);
    };
    void read().then(() => {
      if (!wanted || !follow) return;
      const since = new Date().toISOString();
      const stream = new EventSource(`/logs/${service}${query({ level, follow: "true", since })}`);
      stream.addEventListener("open", () => { source = stream; window.clearTimeout(timer); });
      stream.addEventListener("log", (event) => {
        const line = JSON.parse((event as MessageEvent<string>).data) as LogLine;
        setLines((before) => [...(before ?? []).slice(1 - LINES * 2), line]);
        setExists(true);
      });
      stream.addEventListener("error", () => {
        if (stream.readyState === EventSource.CLOSED && source === stream) { source = null; void read(); }
      });
      source = null;
      closing = () => stream.close();
    });
    let closing = () => {};
    return () => { wanted = false; window.clearTimeout(timer); closing(); };
  }, [service, level, follow]);
  return { lines, exists, error };
}

export default function Logs() {
  const session = useSession();
  const [kept, setService] = useStored("log", "engine");
  const service = SERVICES.find((name) => name === kept) ?? "engine";
  const [level, setLevel] = useState<string>("info");
  const [text, setText] = useState("");
  const [follow, setFollow] = useState(true);
  return (
    <Panel title={t("page.logs")} className="logs-panel" aside={<div className="filters">
      <Choice label={t("logs.service")} value={service} onChange={setService} options={SERVICES.map((name) => [name, maybe(`service.${name}`, name)] as const)} />
      <label>{t("logs.level")}<select value={level} onChange={(event) => setLevel(event.target.value)}>{LEVELS.map((name) => <option key={name}>{name}</option>)}</select></label>
      <label>{t("logs.filter")}<input type="search" value={text} onChange={(event) => setText(event.target.value)} /></label>
      <label className="tick"><input type="checkbox" checked={follow} onChange={(event) => setFollow(event.target.checked)} />{t("logs.follow")}</label></div>}>
      {session.signed_in ? <Lines key={service} service={service} level={level} text={text} follow={follow} /> : <SignIn />}
    </Panel>
  );
}

const detailsOf = (line: LogLine) => Object.entries(line).filter(([name]) => !PLAIN.has(name))
  .map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`).join(" ");

function Lines({ service, level, text, follow }: { service: Service; level: string; text: string; follow: boolean }) {
  const { lines, exists, error } = useLog(service, level, follow);
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const wanted = text.trim().toLowerCase();
  const shown = useMemo(() => (lines ?? []).filter((line) => !wanted || JSON.stringify(line).toLowerCase().includes(wanted)), [lines, wanted]);
  useEffect(() => { if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight; }, [shown]);
  if (lines === null) return error ? <Failed error={error} /> : <Loading rows={10} />;
  return (
    <div ref={box} className="logs" role="log" aria-live="off" tabIndex={0} aria-label={t("logs.lines")}
      onScroll={(event) => { const el = event.currentTarget; atEnd.current = el.scrollHeight - el.scrollTop - el.clientHeight < 40; }}>
      {shown.length === 0 ? <Empty>{!exists ? t("logs.no_file", { service }) : wanted ? t("filter.nothing") : t("logs.no_line")}</Empty>
        : shown.map((line, index) => {
          const more = detailsOf(line);
          const failure = line["traceback"] ?? line["error"];
          return (
            <div key={index} className={`log-line level-${line.level ?? "info"}`} title={bothZones(line.time ?? null)}>
              <span className="num log-time">{line.time ? local(line.time, false) : ""}</span><span className="num log-time ny">{line.time ? newYork(line.time, false) : ""}</span>
              <span className="log-level">{line.level}</span>
              <span className="log-text">{line.message}{more ? <span className="log-more"> {more}</span> : null}{failure ? <pre>{String(failure)}</pre> : null}</span>
            </div>);
        })}
    </div>
  );
}
