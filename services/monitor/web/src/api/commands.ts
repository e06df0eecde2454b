// Commands: sent once whatever the network does, followed to their result.

import { useSyncExternalStore } from "react";
import { api, ApiError, newKey } from "./client";
import { refresh } from "./live";
import { checkSession } from "./session";
import type { CommandAccepted, CommandState } from "./types";

export interface Sent {
  key: string;
  command: string;
  id: number | null;
  /** sending, not_sent, or the command's own status. */
  state: string;
  text: string;
  result: Record<string, unknown> | null;
  final: boolean;
}

const FOLLOW_MS = 300;
const FOLLOW_LIMIT_MS = 120_000;
const KEPT = 6;
const OPEN = new Set(["pending", "accepted"]);

let sent: readonly Sent[] = [];
const listeners = new Set<() => void>();

function update(key: string, change: Partial<Sent>): void {
  sent = sent.map((row) => (row.key === key ? { ...row, ...change } : row));
  for (const listener of listeners) listener();
}

const pause = (ms: number) => new Promise((done) => { window.setTimeout(done, ms); });

/** Send `command`; one idempotency key for every repetition, so that a lost answer does not become a second command. */
export async function send(command: string, args: Record<string, unknown> = {}): Promise<void> {
  const key = newKey();
  sent = [{ key, command, id: null, state: "sending", text: "", result: null, final: false }, ...sent].slice(0, KEPT);
  for (const listener of listeners) listener();
  try {
    const answer = await insisted(() =>
      api<CommandAccepted>(`/control/${command}`, { method: "POST", body: args, headers: { "Idempotency-Key": key } }));
    update(key, { id: answer.id, state: answer.status });
    await follow(key, answer.id);
  } catch (error) {
    const text = error instanceof ApiError ? error.message : "";
    update(key, { state: "not_sent", text, final: true });
    if (error instanceof ApiError && error.status === 401) void checkSession();
  }
  void refresh();
}

async function insisted<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof ApiError || tries >= 2) throw error;
      await pause(500);
    }
  }
}

async function follow(key: string, id: number): Promise<void> {
  const until = performance.now() + FOLLOW_LIMIT_MS;
  while (performance.now() < until) {
    try {
      const row = await api<CommandState>(`/control/${id}`);
      const final = !OPEN.has(row.status);
      update(key, { state: row.status, result: row.result, final, text: "" });
      if (final) return;
    } catch (error) {
      update(key, { text: error instanceof ApiError ? error.message : "" });
    }
    await pause(FOLLOW_MS);
  }
  update(key, { final: true, text: "no_answer" });
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** What this page has sent, newest first. */
export const useSent = (): readonly Sent[] => useSyncExternalStore(subscribe, () => sent);
