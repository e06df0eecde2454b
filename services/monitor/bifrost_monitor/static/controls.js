// Commands: asked for, sent once, followed to their result. Signing in and the IB address.

import { api, byId, draw, h, newKey, setText, show } from "./dom.js";
import * as f from "./format.js";

const FOLLOW_MS = 400;
const FOLLOW_LIMIT_MS = 120_000;
const NAMES = {
  stop: "Stop engine", flatten: "Flatten", suspend: "Suspend hedging", resume: "Resume hedging", retry_ib: "Retry IB",
  refresh_accounts: "Refresh accounts", resume_safe: "Leave safe mode", reset_breaker: "Reset breaker", accept_positions: "Accept positions",
};

export class Controls {
  /** @param {() => object|null} status the newest GET /status */
  constructor(status) {
    this.status = status;
    this.sent = [];
    this.session = { signed_in: false, read_only: false };
    for (const button of document.querySelectorAll("[data-command]")) {
      button.addEventListener("click", () => this.ask(button.dataset.command));
    }
    byId("sign-in").addEventListener("submit", (event) => { event.preventDefault(); this.signIn(); });
    this.address = new IbForm(() => this.session, () => this.checkSession());
  }

  async checkSession() {
    this.session = await api("/session");
    this.draw(this.status());
  }

  async signIn() {
    try {
      await api("/session", { method: "POST", body: { token: byId("token").value.trim() } });
      byId("token").value = "";
      setText(byId("sign-in-error"), "");
      await this.checkSession();
    } catch (error) {
      setText(byId("sign-in-error"), f.sentence(error.message));
    }
  }

  draw(told) {
    const locked = !this.session.signed_in;
    show(byId("sign-in"), locked && !this.session.read_only);
    const alive = Boolean(told?.daemon_heartbeat.daemon_alive);
    for (const button of document.querySelectorAll("[data-command]")) {
      button.disabled = locked || this.session.read_only || this.running(button.dataset.command) || (!alive && !["suspend", "resume"].includes(button.dataset.command));
    }
    const badge = byId("suspended");
    const text = this.session.read_only ? "read only" : told?.trading_suspended ? "suspended" : told?.details?.hold ? "hold" : "";
    show(badge, Boolean(text));
    setText(badge, text);
    if (!told) return;
    const button = (command) => document.querySelector(`[data-command=${command}]`);
    const held = told.trading_suspended || Boolean(told.details?.hold);
    show(button("suspend"), !told.trading_suspended);
    show(button("resume"), held);
    const wait = told.daemon_heartbeat.seconds_until_retry;
    setText(button("retry_ib"), wait === null ? "Retry IB now" : `Retry IB now · ${wait} s`);
    show(button("resume_safe"), told.status?.trading_state === "SAFE");
    show(button("reset_breaker"), Boolean(told.details?.breaker));
    show(button("accept_positions"), told.block_reasons.some((reason) => /not_reconciled|external_stock/.test(reason)));
    this.address.draw(told);
  }

  running(command) {
    return this.sent.some((entry) => entry.command === command && !entry.final);
  }

  async ask(command) {
    const told = this.status();
    if (command === "flatten") return confirmFlatten(told).then((args) => args && this.send(command, args));
    if (command === "stop") return confirmStop(told).then((yes) => yes && this.send(command, {}));
    if (command === "accept_positions") return confirmPositions(told).then((args) => args && this.send(command, args));
    return this.send(command, {});
  }

  async send(command, args) {
    const entry = { key: newKey(), command, state: "sending", text: "", final: false, began: Date.now() };
    this.sent = [entry, ...this.sent].slice(0, 5);
    this.drawSent();
    try {
      // One key for every repetition: a lost answer must not become a second command.
      const answer = await this.retrying(() => api(`/control/${command}`, { method: "POST", body: args, headers: { "Idempotency-Key": entry.key } }));
      entry.id = answer.id;
      entry.state = answer.status;
      this.drawSent();
      await this.follow(entry);
    } catch (error) {
      Object.assign(entry, { state: "not sent", text: error.message, final: true });
      if (error.status === 401) this.checkSession().catch(() => {});
    }
    this.drawSent();
  }

  async retrying(attempt) {
    for (let tries = 0; ; tries += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (error.status || tries >= 2) throw error;
        await pause(500);
      }
    }
  }

  async follow(entry) {
    while (Date.now() - entry.began < FOLLOW_LIMIT_MS) {
      try {
        const told = await api(`/control/${entry.id}`);
        entry.state = told.status;
        entry.text = resultText(entry.command, told.status, told.result);
        if (!["pending", "accepted"].includes(told.status)) {
          entry.final = true;
          return;
        }
      } catch (error) {
        entry.text = error.message;
      }
      this.drawSent();
      await pause(FOLLOW_MS);
    }
    Object.assign(entry, { final: true, text: "no answer yet; the engine may not be running" });
  }

  drawSent() {
    draw(byId("commands"), this.sent.map(({ began, ...rest }) => rest), (rows) => rows.map((row) =>
      h("li", { class: `command state-${row.state.replace(" ", "-")}` },
        h("span", { class: "command-name", text: NAMES[row.command] ?? row.command }),
        h("span", { class: "command-state", text: row.state }),
        row.text ? h("span", { class: "command-text", text: f.sentence(row.text) }) : null)));
    this.draw(this.status());
  }
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** What a command came to, in words, where it is more than "done". */
const RESULTS = {
  suspend: () => "no new hedge is sent",
  resume: (result) => (result.hold_cleared ? `hedging goes on; the hold after ${result.hold_cleared} is released` : "hedging goes on"),
  flatten: (result) => `own shares ${f.quantity(result.own_shares_before)} → ${f.quantity(result.own_shares)}; hedging is held until you resume`,
  refresh_accounts: (result) => `${f.quantity(result.positions)} positions read from IB`,
};

/** The engine's result as a line: its own words where it has some, else the keys and values. */
function resultText(command, status, result) {
  if (!result) return "";
  for (const name of ["reason", "message", "summary", "what"]) if (result[name]) return String(result[name]);
  if (status === "done" && RESULTS[command]) return RESULTS[command](result);
  return Object.entries(result).filter(([, value]) => value !== null && value !== "" && typeof value !== "object")
    .map(([name, value]) => `${f.words(name)} ${typeof value === "number" ? f.quantity(value) : value}`).join(" · ");
}

function confirm(title, body, yes, kind) {
  const dialog = byId("ask");
  setText(byId("ask-title"), title);
  byId("ask-body").replaceChildren(...body);
  setText(byId("ask-yes"), yes);
  byId("ask-yes").className = kind;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => { dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }); });
}

function confirmStop(told) {
  const delta = told?.status?.net_delta;
  return confirm("Stop the engine?", [
    h("p", { text: "A working order is cancelled, then the engine ends. Positions stay as they are and nobody hedges them." }),
    h("p", { class: "figure", text: `Net delta now ${f.number(delta, 1, true)} shares` }),
    h("p", { class: "note", text: "Only a newly started engine goes on; this page cannot start one." }),
  ], "Stop engine", "danger");
}

/** Where a flatten ends: reduce-only, so never more than is held and never across zero, whatever the option delta wants. */
function flattenTarget(own, target, optionDelta) {
  if (target === "zero") return 0;
  const wanted = Math.round(-optionDelta);
  return own >= 0 ? Math.max(0, Math.min(own, wanted)) : Math.min(0, Math.max(own, wanted));
}

async function confirmFlatten(told) {
  const own = told?.details?.ledger_shares;
  const option = told?.details?.option_delta;
  const symbol = told?.status?.symbol ?? "";
  const choice = (value, text, checked) => h("label", { class: "check" }, h("input", { type: "radio", name: "target", value, checked }), text);
  const force = h("input", { type: "checkbox" });
  const preview = (target) => {
    if (typeof own !== "number") return "The engine works out its own shares when it takes the command.";
    if (target === "delta" && typeof option !== "number") return "The option delta is not known: the engine will refuse.";
    const trade = flattenTarget(own, target, option) - own;
    const wanted = own + trade;
    return trade === 0 ? `Nothing to trade: own shares stay at ${f.quantity(own)}. Hedging is held all the same.`
      : `${trade > 0 ? "Buy" : "Sell"} ${f.quantity(Math.abs(trade))} ${symbol}: own shares ${f.quantity(own)} → ${f.quantity(wanted)}`;
  };
  const line = h("p", { class: "figure", text: preview("zero") });
  const choices = h("div", { class: "choices" }, choice("zero", "to zero own shares", true), choice("delta", "down to what the option delta wants", false));
  const target = () => choices.querySelector("input:checked").value;
  choices.addEventListener("change", () => setText(line, preview(target())));
  const yes = await confirm("Flatten the hedge?", [line, choices,
    h("label", { class: "check" }, force, "even if positions are not reconciled (force)"),
    h("p", { class: "note", text: "Only shares the engine traded itself. Hedging stays held until you resume." })], "Flatten", "caution");
  return yes ? { target: target(), force: force.checked } : null;
}

async function confirmPositions(told) {
  const account = told?.accounts.find((row) => row.account_id === told.status?.account) ?? told?.accounts[0];
  const rows = (account?.positions ?? []).filter((row) => row.symbol === told.status?.symbol);
  const expected = Object.fromEntries(rows.map((row) => [row.contract_key, row.position]));
  const yes = await confirm("Accept these positions?", [
    h("p", { text: `What ${account?.account_id ?? "the account"} holds of ${told?.status?.symbol ?? "the symbol"} is taken as right:` }),
    h("ul", { class: "plain" }, rows.map((row) => h("li", { class: "num", text: `${f.quantity(row.position)} × ${f.contract(row)}` }))),
    h("p", { class: "note", text: "Refused when the broker shows something else by then." })], "Accept", "caution");
  return yes ? { expected } : null;
}

/** The form of the IB address: filled from /status until somebody types. */
class IbForm {
  constructor(session, refused) {
    this.session = session;
    this.refused = refused;
    this.dirty = false;
    const form = byId("ib-form");
    form.addEventListener("input", () => { this.dirty = true; this.drawState(); });
    form.addEventListener("submit", (event) => { event.preventDefault(); this.save(); });
    byId("ib-reset").addEventListener("click", () => { this.dirty = false; setText(byId("ib-note"), ""); this.fill(); });
  }

  draw(told) {
    this.told = told.ib_config;
    if (!this.dirty && !byId("ib-form").contains(document.activeElement)) this.fill();
    this.drawState();
  }

  fill() {
    if (!this.told) return;
    byId("ib-host").value = this.told.ib_host;
    byId("ib-port").value = this.told.ib_port_type ?? "";
    byId("ib-confirm").checked = false;
    this.drawState();
  }

  drawState() {
    const fixed = Boolean(this.told?.overridden);
    const locked = fixed || !this.session().signed_in || this.session().read_only;
    for (const id of ["ib-host", "ib-port", "ib-save"]) byId(id).disabled = locked;
    byId("ib-save").disabled = locked || !this.dirty;
    show(byId("ib-reset"), this.dirty);
    show(byId("ib-confirm-box"), this.dirty && ["tws_live", "gateway_live"].includes(byId("ib-port").value));
    const port = this.told && !this.told.ib_port_type ? ` (port ${this.told.port})` : "";
    if (fixed) setText(byId("ib-note"), `Set by ${this.told.overridden_by}${port}.`);
  }

  async save() {
    const body = { ib_host: byId("ib-host").value, ib_port_type: byId("ib-port").value, confirm: byId("ib-confirm").checked };
    try {
      await api("/config/ib", { method: "POST", body });
      this.dirty = false;
      setText(byId("ib-note"), "Saved. Used at the next connection; “Retry IB now” connects at once.");
    } catch (error) {
      setText(byId("ib-note"), f.sentence(error.message));
      if (error.status === 401) this.refused().catch(() => {});
    }
    this.drawState();
  }
}
