// Small helpers: make elements, replace them only when they differ, speak to the API.

/** Make an element; `text`, `class`, `title`, `data-*` and handlers (`onclick`) as properties, children after. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Set text only when it differs, so that screen readers and selections are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

const drawn = new WeakMap();

/** Call `make` and put its elements into `container` only when `data` is not what is drawn there already. */
export function draw(container, data, make) {
  const key = JSON.stringify(data);
  if (drawn.get(container) === key) return;
  drawn.set(container, key);
  container.replaceChildren(...[make(data)].flat().filter(Boolean));
}

/** An answer other than success, with the API's own words. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.reason ?? `the monitor answered ${status}`);
    this.status = status;
    this.word = body?.error ?? "http_error";
  }
}

/** Ask the API; throws ApiError for an answer that is none, TypeError when nobody answers. */
export async function api(path, { method = "GET", body, headers = {}, timeoutMs = 5000 } = {}) {
  const answer = await fetch(path, {
    method,
    headers: { "X-Bifrost": "1", ...(body ? { "Content-Type": "application/json" } : {}), ...headers },
    body: body ? JSON.stringify(body) : undefined,
    cache: "no-store",
    credentials: "same-origin",
    signal: AbortSignal.timeout(timeoutMs),
  });
  const content = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new ApiError(answer.status, content);
  return content;
}

/** A key no other command has. randomUUID exists only on https and loopback, getRandomValues everywhere. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
