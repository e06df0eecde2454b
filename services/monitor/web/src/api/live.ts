// One picture of the desk for all parts of the page: server-sent events, and polling where there are none.

import { useEffect, useState, useSyncExternalStore } from "react";
import { api, ApiError } from "./client";
import { withPrices } from "./prices";
import type { DeskStatus, PricesData, Status } from "./types";

export type Topic = "operations" | "decisions" | "control" | "prices";
export type Link = "connecting" | "stream" | "polling" | "down";

export interface Live {
  status: Status | null;
  /** performance.now() of the newest answer. */
  at: number;
  link: Link;
  /** Why there is no fresh answer; empty while all is well. */
  trouble: string;
  /** 401: the page was opened without the link. */
  locked: boolean;
  /** Grow with every change of their rows. */
  seen: Record<Topic, number>;
}

const POLL_MS = 1000;
/** Beside the stream: ages and the lamp's time limits move without any row changing. */
const CHECK_MS = 4000;
const HIDDEN_MS = 10_000;
const RETRY_STREAM_MS = 5000;
/** An answer older than this is no longer the present. */
export const OLD_MS = 6000;

let live: Live = {
  status: null, at: 0, link: "connecting", trouble: "", locked: false,
  seen: { operations: 0, decisions: 0, control: 0, prices: 0 },
};
const listeners = new Set<() => void>();
let timer: number | undefined;
let source: EventSource | null = null;
let streamTimer: number | undefined;
let asking = false;
let again = false;

function publish(change: Partial<Live>): void {
  live = { ...live, ...change };
  for (const listener of listeners) listener();
}

function touch(topic: Topic): void {
  publish({ seen: { ...live.seen, [topic]: live.seen[topic] + 1 } });
}

/** Read GET /status now; a call during another asks once more afterwards. */
export async function refresh(): Promise<void> {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  window.clearTimeout(timer);
  try {
    const status = await api<Status>("/status");
    if (status.latest_operation_id !== live.status?.latest_operation_id) touch("operations");
    if (source?.readyState !== EventSource.OPEN) { touch("control"); touch("prices"); touch("decisions"); }
    publish({ status, at: performance.now(), trouble: "", locked: false, link: source?.readyState === EventSource.OPEN ? "stream" : "polling" });
  } catch (error) {
    const told = error instanceof ApiError ? error.message : "";
    publish({ trouble: told || "unreachable", link: "down", locked: error instanceof ApiError && error.status === 401 });
  } finally {
    asking = false;
    const wait = document.hidden ? HIDDEN_MS : live.link === "stream" ? CHECK_MS : POLL_MS;
    timer = window.setTimeout(() => void refresh(), again ? 0 : wait);
    again = false;
  }
}

function take(event: Event): void {
  if (live.status === null) return void refresh();
  const desk = JSON.parse((event as MessageEvent<string>).data) as DeskStatus;
  publish({ status: { ...live.status, ...desk }, at: performance.now(), trouble: "", locked: false, link: "stream" });
}

function takePrices(event: Event): void {
  if (live.status === null) return;
  publish({ status: withPrices(live.status, JSON.parse((event as MessageEvent<string>).data) as PricesData) });
  touch("prices");
}

function listen(): void {
  source = new EventSource("/stream");
  source.addEventListener("open", () => void refresh());
  source.addEventListener("status", take);
  source.addEventListener("prices", takePrices);
  source.addEventListener("operation", () => touch("operations"));
  source.addEventListener("decision", () => touch("decisions"));
  source.addEventListener("control", () => touch("control"));
  source.addEventListener("reset", () => {
    for (const topic of ["operations", "decisions", "control", "prices"] as const) touch(topic);
    void refresh();
  });
  source.addEventListener("error", () => {
    // CLOSED: refused, the browser does not come back by itself. Otherwise it does, with the last event's id.
    if (source?.readyState === EventSource.CLOSED) retryStream();
    if (live.link === "stream") void refresh();
  });
}

function retryStream(): void {
  source = null;
  window.clearTimeout(streamTimer);
  streamTimer = window.setTimeout(() => { if (!document.hidden && source === null) listen(); }, RETRY_STREAM_MS);
}

/** A page that nobody looks at gives its connection back: a browser has six of them per host. */
function followVisibility(): void {
  if (document.hidden) {
    source?.close();
    source = null;
    publish({ link: "polling" });
  } else {
    void refresh();
    if (source === null) listen();
  }
}

/** Begin; called once. */
export function startLive(): void {
  document.addEventListener("visibilitychange", followVisibility);
  void refresh();
  listen();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The newest picture. */
export const useLive = (): Live => useSyncExternalStore(subscribe, () => live);

/** The newest picture, outside of components. */
export const now = (): Live => live;

/** Redraw every `ms`; gives performance.now(). */
export function useTick(ms = 1000): number {
  const [at, setAt] = useState(() => performance.now());
  useEffect(() => {
    const id = window.setInterval(() => setAt(performance.now()), ms);
    return () => window.clearInterval(id);
  }, [ms]);
  return at;
}

export interface Fetched<T> {
  data: T | null;
  error: ApiError | Error | null;
  loading: boolean;
  reload: () => void;
}

/** GET `path` (null: nothing) now and whenever `version` changes; the last answer stays while the next is asked for. */
export function useFetched<T>(path: string | null, version: number | string = 0): Fetched<T> {
  const [state, setState] = useState<{ path: string | null; data: T | null; error: Error | null; loading: boolean }>(
    { path: null, data: null, error: null, loading: true });
  const [forced, setForced] = useState(0);
  useEffect(() => {
    if (path === null) return undefined;
    let wanted = true;
    setState((before) => (before.path === path ? { ...before, loading: true } : { path, data: null, error: null, loading: true }));
    api<T>(path)
      .then((data) => { if (wanted) setState({ path, data, error: null, loading: false }); })
      .catch((error: Error) => { if (wanted) setState((before) => ({ path, data: before.path === path ? before.data : null, error, loading: false })); });
    return () => { wanted = false; };
  }, [path, version, forced]);
  return { data: state.path === path ? state.data : null, error: state.error, loading: state.loading, reload: () => setForced((count) => count + 1) };
}
