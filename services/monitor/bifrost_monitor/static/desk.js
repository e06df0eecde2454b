// The top of the page: lamp, verdict, gauge, tiles, engine and gateway, checks.

import { byId, draw, h, setText, show } from "./dom.js";
import * as f from "./format.js";

const VERDICTS = { green: "Ready to hedge", yellow: "Held back", red: "Not running" };
const MARKS = { green: "✓", yellow: "!", red: "✕", none: "…" };
const DIMS = ["O", "D", "M", "L", "E", "S"];
const SVG = "http://www.w3.org/2000/svg";

const isBlind = (told) => Boolean(told.block_reasons[0]?.startsWith("database_unavailable"));

export function drawDesk(told) {
  drawVerdict(told);
  drawHeader(told);
  drawGauge(told);
  drawTiles(told);
  drawEngine(told);
  drawChecks(told.checks);
}

function drawVerdict(told) {
  const lamp = told.status_lamp;
  if (document.body.dataset.lamp !== lamp) document.body.dataset.lamp = lamp;
  setText(byId("lamp-mark"), MARKS[lamp]);
  const running = told.daemon_heartbeat.daemon_alive;
  // Without the database nobody here knows whether the engine runs.
  const blind = isBlind(told);
  setText(byId("verdict"), blind ? "Not known" : lamp === "red" && running ? "Blocked" : VERDICTS[lamp]);
  // With reasons the first of them is the line and the others follow; without, the line says what is being done.
  const [first, ...others] = told.block_reasons;
  setText(byId("one-line"), f.sentence(f.reason(first ?? told.one_line ?? "")).replace(/[.]?$/, "."));
  // What is no longer written is shown as the last known, not as the present.
  const present = running && (told.status_age_s === null || told.status_age_s <= told.daemon_heartbeat.limit_s);
  for (const id of ["tiles", "gauge-box"]) byId(id).classList.toggle("last-known", !present);
  draw(byId("reasons"), others, (reasons) => reasons.map((text) => h("li", { class: "chip", title: text, text: f.reason(text) })));
  document.title = `${told.status?.symbol ?? "Bifrost"} · ${byId("verdict").textContent}`;
}

function drawHeader(told) {
  const status = told.status;
  show(byId("symbol"), Boolean(status?.symbol));
  setText(byId("symbol"), status?.symbol ?? "");
  const mode = status?.mode === "live" ? (status.account?.startsWith("DU") ? "simulated orders" : "live orders") : "paper";
  show(byId("mode"), Boolean(status?.mode));
  byId("mode").className = `badge ${mode === "live orders" ? "bad" : ""}`;
  setText(byId("mode"), status?.account ? `${status.account} · ${mode}` : mode);
  const market = told.market_clock?.now ?? status?.ts;
  setText(byId("clock-ny"), f.newYork(market));
  const speed = told.market_clock?.speed;
  const over = told.market_clock?.scenario_over ? " · scenario over" : "";
  const paused = over || (told.market_clock?.paused ? " · paused" : "");
  setText(byId("clock-speed"), paused || (speed && speed !== 1 ? ` · ×${speed}` : ""));
}

// Piecewise scale of the gauge: band, threshold and limit stay readable whatever their proportions.
function position(delta, band) {
  const stops = [[0, 0], [band.epsilon, 0.22], [band.threshold, 0.5], [band.limit, 0.92]];
  const size = Math.abs(delta);
  for (let index = 1; index < stops.length; index += 1) {
    const [from, at] = stops[index - 1];
    const [to, next] = stops[index];
    if (size <= to) return Math.sign(delta) * (at + ((size - from) / (to - from || 1)) * (next - at));
  }
  return Math.sign(delta);
}

function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function drawGauge(told) {
  const details = told.details ?? {};
  const delta = told.status?.net_delta ?? null;
  const band = { epsilon: details.epsilon_band, threshold: details.threshold_hedge_shares, limit: details.max_delta_limit };
  const known = [band.epsilon, band.threshold, band.limit].every((value) => typeof value === "number");
  setText(byId("delta"), delta === null ? "–" : `${f.number(delta, 1, true)} sh`);
  draw(byId("gauge"), { delta, band, known }, () => gaugeParts(delta, band, known));
  byId("gauge").setAttribute("aria-label", delta === null ? "Net delta is not known"
    : `Net delta ${f.number(delta, 1)} shares` + (known ? `, band ${band.epsilon}, hedge at ${band.threshold}, limit ${band.limit}` : ""));
  const need = details.need_shares;
  const parts = [];
  if (typeof details.option_delta === "number") parts.push(`options ${f.number(details.option_delta, 1, true)}`);
  if (typeof details.stock_in_scope === "number") parts.push(`stock ${f.number(details.stock_in_scope, 0, true)}`);
  if (typeof details.gamma === "number") parts.push(`gamma ${f.number(details.gamma, 2)} sh/$`);
  if (typeof need === "number" && need !== 0) parts.push(`wants ${need > 0 ? "buy" : "sell"} ${f.number(Math.abs(need), 0)}`);
  setText(byId("delta-note"), parts.join("  ·  "));
}

function gaugeParts(delta, band, known) {
  const x = (share) => 200 + share * 190;
  const bar = (from, to, kind) => svg("rect", { x: x(from), y: 26, width: x(to) - x(from), height: 14, class: `g-${kind}` });
  const parts = [svg("rect", { x: 10, y: 26, width: 380, height: 14, rx: 7, class: known ? "g-track" : "g-unknown" })];
  if (known) {
    parts.push(bar(-0.92, -0.5, "hedge"), bar(0.5, 0.92, "hedge"), bar(-0.5, -0.22, "minor"), bar(0.22, 0.5, "minor"), bar(-0.22, 0.22, "band"));
    for (const [share, value] of [[0.22, band.epsilon], [0.5, band.threshold], [0.92, band.limit]]) {
      for (const side of [-1, 1]) {
        parts.push(svg("line", { x1: x(side * share), x2: x(side * share), y1: 23, y2: 43, class: "g-tick" }));
        parts.push(svg("text", { x: x(side * share), y: 59, class: "g-label", "text-anchor": "middle" }, f.number(side * value, 0)));
      }
    }
  }
  parts.push(svg("line", { x1: 200, x2: 200, y1: 23, y2: 43, class: "g-tick" }), svg("text", { x: 200, y: 59, class: "g-label", "text-anchor": "middle" }, "0"));
  if (delta !== null && known) {
    const at = x(position(delta, band));
    parts.push(svg("path", { d: `M${at - 7} 8h14l-7 12z`, class: "g-mark" }), svg("line", { x1: at, x2: at, y1: 18, y2: 44, class: "g-needle" }));
  }
  return parts;
}

function tile(label, value, note = "", kind = "") {
  return h("div", { class: "tile" }, h("span", { class: "tile-label", text: label }),
    h("span", { class: `tile-value num ${kind}`, text: value }), h("span", { class: "tile-note num", text: note }));
}

function drawTiles(told) {
  const status = told.status;
  if (!status) {
    draw(byId("tiles"), "none", () => [h("p", { class: "empty panel", text: "No snapshot yet: the engine writes one with each heartbeat." })]);
    return;
  }
  const details = told.details ?? {};
  const mid = status.bid !== null && status.ask !== null ? (status.bid + status.ask) / 2 : null;
  const spread = mid ? ` · ${f.number((100 * (status.ask - status.bid)) / mid, 3)} %` : "";
  const machines = details.machines ?? {};
  const last = details.last_hedge;
  const data = [
    ["Spot", f.dollars(status.spot), status.bid === null || status.ask === null ? "no two-sided quote" : `${f.money(status.bid)} × ${f.money(status.ask)}${spread}`],
    ["Day P&L", f.dollars(status.daily_pnl, 2, true), details.trading_day ? `since ${typeof details.trading_day === "string" ? details.trading_day : details.trading_day.day ?? ""}` : "trading day", f.trend(status.daily_pnl)],
    ["Hedges today", f.quantity(status.daily_hedge_count), last?.spot ? `last at ${f.dollars(last.spot)}` : status.daily_hedge_count ? "orders sent" : "none yet"],
    ["Own stock", `${f.quantity(details.ledger_shares ?? status.stock_position)} sh`, typeof details.stock_in_scope === "number" ? `in scope ${f.quantity(details.stock_in_scope)}` : `position ${f.quantity(status.stock_position)}`],
    ["Option legs", f.quantity(status.option_legs_count), (details.legs ?? []).length ? `${f.quantity(details.legs.reduce((sum, leg) => sum + Math.abs(leg.quantity ?? 0), 0))} contracts` : "managed"],
    ["Trading", f.words(machines.trading ?? status.trading_state ?? "–"), f.words(machines.hedge ?? status.hedge_state)],
    ["Data lag", `${f.number(status.data_lag_ms, 0)} ms`, `snapshot ${f.age(told.status_age_s)} old`],
  ];
  draw(byId("tiles"), data, (rows) => rows.map((row) => tile(...row)));
}

function fact(label, value, title) {
  return h("div", { class: "fact" }, h("dt", { text: label }), h("dd", { class: "num", title, text: value }));
}

function drawEngine(told) {
  const beat = told.daemon_heartbeat;
  const badge = byId("daemon-lamp");
  badge.className = `badge lamp-${told.daemon_lamp}`;
  setText(badge, isBlind(told) ? "not known" : { green: "all well", yellow: "degraded", red: "down" }[told.daemon_lamp]);
  badge.title = told.daemon_block_reasons.join("\n");
  const ib = told.ib_config;
  const address = beat.ib_address ?? `${ib.ib_host}:${ib.port}`;
  const wait = beat.seconds_until_retry;
  const gateway = beat.ib_connected ? "connected" : !beat.daemon_alive ? "not connected" : wait === null ? "waiting" : `retry in ${wait} s`;
  const standbys = told.instances.filter((row) => row.state === "standby").length;
  const dims = told.details?.dims ?? {};
  const data = [
    ["Engine", beat.daemon_alive ? f.words(told.status?.daemon_state ?? "running") : beat.graceful_shutdown_at ? "stopped" : beat.last_ts ? "no heartbeat" : "never started", ""],
    ["Heartbeat", beat.age_s === null ? "never" : `${f.age(beat.age_s)} ago · limit ${f.number(beat.limit_s, 0)} s`, f.bothZones(beat.last_ts)],
    ["Lease", told.lease?.owner ? `epoch ${told.lease.epoch}${standbys ? ` · ${standbys} standby` : ""}` : "free", told.lease?.owner ?? ""],
    ["Gateway", gateway, beat.last_error ?? ""],
    ["Address", address, `source: ${ib.source}`],
    ["Client id", beat.ib_client_id === null ? "–" : String(beat.ib_client_id), ""],
    ["State", DIMS.map((name) => dims[name]).filter(Boolean).map((value) => String(value).split(/[ _]/)[0]).join(" ") || "–", "option, delta, market, liquidity, execution, system"],
    ["Configuration", told.status?.config_summary ?? "–", "hash of the effective configuration"],
  ];
  // What cannot be read is neither "never" nor "free".
  if (isBlind(told)) for (const row of data.slice(0, 4)) row[1] = "not known";
  if (!beat.ib_connected && beat.last_error) data.push(["Last error", beat.last_error, ""]);
  draw(byId("engine"), data, (rows) => rows.map((row) => fact(...row)));
  show(byId("start-hint"), !beat.daemon_alive && !isBlind(told));
  setText(byId("start-command"), "python -m bifrost_engine run --config config/config.yaml");
}

const ORDER = { blocked: 0, degraded: 1, ok: 3 };
// A pacing gate never fails a check: it waits, and says for how long.
const waits = (check) => check.kind === "pacing" && (check.state !== "ok" || check.remaining_s > 0 || (check.reason && check.reason !== "ok"));
const rank = (check) => (waits(check) ? 2 : ORDER[check.state]);

function drawChecks(checks) {
  const failing = checks.filter((check) => check.state !== "ok" && check.kind !== "pacing").length;
  setText(byId("checks-count"), `${checks.length - failing} of ${checks.length} pass`);
  const sorted = [...checks].sort((one, other) => rank(one) - rank(other));
  draw(byId("checks"), sorted, (rows) => rows.map(checkRow));
}

function checkRow(check) {
  const pacing = check.kind === "pacing";
  const remaining = pacing && check.remaining_s ? `${f.number(check.remaining_s, 0)} s left` : "";
  const limit = check.limit === null || check.limit === undefined ? "" : ` / ${f.observed(check.limit)}`;
  return h("li", { class: `check-row ${check.state} ${waits(check) ? "waits" : ""}` },
    h("span", { class: "dot", "aria-hidden": "true" }),
    h("span", { class: "check-name" }, f.words(check.name), pacing ? h("span", { class: "tag", text: "pacing" }) : null,
      h("span", { class: "sr", text: `: ${check.state}` })),
    h("span", { class: "check-value num", text: f.observed(check.observed) + limit }),
    (check.state !== "ok" || waits(check)) && (check.reason || remaining)
      ? h("span", { class: "check-reason", text: [check.reason ? f.reason(check.reason) : "", remaining].filter(Boolean).join(" · ") }) : null);
}
