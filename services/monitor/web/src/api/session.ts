// Whether this browser may change something.

import { useSyncExternalStore } from "react";
import { api } from "./client";
import type { Session } from "./types";

const ASK_AGAIN_MS = 1000;

let session: Session = { signed_in: false, read_only: false };
let known = false;
let timer: number | undefined;
const listeners = new Set<() => void>();

/** Ask the monitor; called at the start, after signing in and after every 401. */
export async function checkSession(): Promise<void> {
  try {
    session = await api<Session>("/session");
    known = true;
  } catch {
    // Nobody answers: what was known before still holds. A page that knows nothing yet would stay locked for ever.
    if (!known && timer === undefined) {
      timer = window.setTimeout(() => { timer = undefined; void checkSession(); }, ASK_AGAIN_MS);
    }
    return;
  }
  for (const listener of listeners) listener();
}

/** Exchange the token for this browser's cookie; throws what the monitor says against it. */
export async function signIn(token: string): Promise<void> {
  await api("/session", { method: "POST", body: { token } });
  await checkSession();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (!known) void checkSession();
  return () => listeners.delete(listener);
}

export const useSession = (): Session => useSyncExternalStore(subscribe, () => session);
