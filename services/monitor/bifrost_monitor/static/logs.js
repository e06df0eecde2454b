// A service's log: the newest lines, followed while its tab is chosen.

import { api, byId, draw, h } from "./dom.js";
import * as f from "./format.js";

const SERVICES = ["engine", "pricer", "monitor", "simulator"];
const EVERY_MS = 2500;
const LINES = "200";
const PLAIN = new Set(["time", "level", "service", "logger", "message", "correlation_id", "traceback", "error"]);

export class Logs {
  constructor() {
    this.service = null;
    this.buttons = SERVICES.map((name) => h("button", { type: "button", class: "tab", "aria-pressed": "false", text: name, onclick: () => this.choose(name) }));
    byId("log-services").replaceChildren(...this.buttons);
    byId("log-level").addEventListener("change", () => this.load(true));
    setInterval(() => { if (this.service && !document.hidden) this.load(false); }, EVERY_MS);
  }

  choose(name) {
    this.service = this.service === name ? null : name;
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.textContent === this.service));
    if (this.service) this.load(true);
    else draw(byId("logs"), "none", () => empty("Choose a service to read its log."));
  }

  async load(toEnd) {
    const service = this.service;
    if (!service) return;
    const box = byId("logs");
    const atEnd = toEnd || box.scrollHeight - box.scrollTop - box.clientHeight < 30;
    try {
      const told = await api(`/logs/${service}?${new URLSearchParams({ level: byId("log-level").value, limit: LINES })}`);
      if (service !== this.service) return;
      draw(box, [service, told], () => (told.lines.length ? told.lines.map(line) : empty(told.exists ? "No line at this level." : `${service} has written no log here yet.`)));
      if (atEnd) box.scrollTop = box.scrollHeight;
    } catch (error) {
      draw(box, [service, error.message], () => empty(error.status === 401 ? "Logs need the token: unlock the controls first." : f.sentence(error.message)));
    }
  }
}

const empty = (text) => h("p", { class: "empty", text });

function line(entry) {
  const more = Object.entries(entry).filter(([name]) => !PLAIN.has(name)).map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  return h("div", { class: `log-line level-${entry.level}`, title: f.bothZones(entry.time) },
    h("span", { class: "log-time num", text: entry.time ? f.local(entry.time, false) : "" }),
    h("span", { class: "log-level", text: entry.level }),
    h("span", { class: "log-text" }, entry.message ?? "", entry.error ? h("span", { class: "log-error", text: ` ${entry.error}` }) : null,
      more.length ? h("span", { class: "log-more", text: ` ${more.join(" ")}` }) : null));
}
