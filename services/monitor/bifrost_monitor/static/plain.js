// The page where the control room could not be built: the lamp with its reason, the figures, and the urgent controls.

import { api, byId, draw, h, newKey, setText } from "./dom.js";

const VERDICTS = { green: "Ready to hedge", yellow: "Held back", red: "Not running" };
const EVERY_MS = 1000;
const FIGURES = [["Spot $", "spot"], ["Net delta, shares", "net_delta"], ["Stock, shares", "stock_position"], ["Option legs", "option_legs_count"],
  ["Hedges today", "daily_hedge_count"], ["Day P&L $", "daily_pnl"], ["Trading state", "trading_state"], ["Market time, UTC", "ts"]];
const shown = (value) => (typeof value === "number" ? Number(value.toFixed(2)).toLocaleString("en-US") : String(value ?? "–"));

async function poll() {
  try {
    const told = await api("/status");
    document.body.dataset.lamp = told.status_lamp;
    byId("lamp").setAttribute("aria-label", `lamp: ${told.status_lamp}`);
    setText(byId("verdict"), told.status_lamp === "red" && told.daemon_heartbeat.daemon_alive ? "Blocked" : VERDICTS[told.status_lamp]);
    setText(byId("one-line"), told.one_line);
    draw(byId("reasons"), told.block_reasons, (reasons) => reasons.map((text) => h("li", { text })));
    draw(byId("figures"), told.status, (status) => FIGURES.map(([label, name]) =>
      h("tr", {}, h("th", { scope: "row", text: label }), h("td", { class: "num", text: shown(status?.[name]) }))));
  } catch (error) {
    document.body.dataset.lamp = "none";
    setText(byId("verdict"), "Not known");
    setText(byId("one-line"), error.status ? error.message : "The monitor does not answer.");
  }
  setTimeout(poll, EVERY_MS);
}

async function send(command) {
  if (command === "stop" && !window.confirm("Stop the engine? Positions stay as they are and nobody hedges them.")) return;
  try {
    const { id } = await api(`/control/${command}`, { method: "POST", body: {}, headers: { "Idempotency-Key": newKey() } });
    setText(byId("answer"), `${command}: sent as command ${id}`);
    let told;
    do {
      await new Promise((done) => { setTimeout(done, 400); });
      told = await api(`/control/${id}`);
      setText(byId("answer"), `${command}: ${told.status} ${told.result?.reason ?? ""}`);
    } while (["pending", "accepted"].includes(told.status));
  } catch (error) {
    setText(byId("answer"), `${command}: ${error.message}`);
  }
}

for (const button of document.querySelectorAll("[data-command]")) button.addEventListener("click", () => send(button.dataset.command));
poll();
