// The monitor's API: one function that asks, errors with the monitor's own words.

/** An answer other than success. */
export class ApiError extends Error {
  readonly status: number;
  readonly word: string;

  constructor(status: number, body: { error?: string; reason?: string } | null) {
    super(body?.reason ?? `the monitor answered ${status}`);
    this.status = status;
    this.word = body?.error ?? "http_error";
  }
}

interface Asked {
  method?: "GET" | "POST" | "DELETE";
  body?: unknown;
  headers?: Record<string, string>;
  timeoutMs?: number;
}

/** Ask the API; throws ApiError for a refusal, TypeError or a DOMException when nobody answers. */
export async function api<T>(path: string, { method = "GET", body, headers = {}, timeoutMs = 8000 }: Asked = {}): Promise<T> {
  const answer = await fetch(path, {
    method,
    headers: { "X-Bifrost": "1", ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    cache: "no-store",
    credentials: "same-origin",
    signal: AbortSignal.timeout(timeoutMs),
  });
  const content: unknown = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new ApiError(answer.status, content as { error?: string; reason?: string } | null);
  return content as T;
}

/** `?a=1&b=2` of what is neither null nor empty. */
export function query(values: Record<string, string | number | null | undefined>): string {
  const kept = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}

/** A key no other command has. randomUUID exists only on https and loopback, getRandomValues everywhere. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
