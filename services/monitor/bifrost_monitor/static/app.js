// Polls GET /status every second and hands it to the parts of the page.

import { Controls } from "./controls.js";
import { drawDesk } from "./desk.js";
import { api, byId, setText, show } from "./dom.js";
import * as f from "./format.js";
import { Logs } from "./logs.js";
import { drawAccounts, Operations } from "./tables.js";

const EVERY_MS = 1000;
const HIDDEN_EVERY_MS = 10_000;
const OLD_AFTER_MS = 4000;

let told = null;
let toldAt = 0;
let trouble = "";

const controls = new Controls(() => told);
const operations = new Operations();
const logs = new Logs();

async function poll() {
  try {
    told = await api("/status");
    toldAt = Date.now();
    trouble = "";
    drawDesk(told);
    drawAccounts(told);
    controls.draw(told);
    operations.follow(told.latest_operation_id);
    setText(byId("foot"), `Bifrost monitor ${told.monitor.version}${told.monitor.read_only ? " · read only" : ""}`);
  } catch (error) {
    trouble = error.status === 401 ? "Open this page by the link that `make token` prints." : error.status ? error.message : "The monitor does not answer.";
  }
  drawBanner();
  setTimeout(poll, document.hidden ? HIDDEN_EVERY_MS : EVERY_MS);
}

/** A picture that is no longer the present must look like it. */
function drawBanner() {
  const old = told !== null && Date.now() - toldAt > OLD_AFTER_MS && !document.hidden;
  const visible = Boolean(trouble) && (old || told === null);
  show(byId("banner"), visible);
  document.body.classList.toggle("old", old && Boolean(trouble));
  if (visible) setText(byId("banner"), told === null ? trouble : `${trouble} What you see is ${f.age((Date.now() - toldAt) / 1000)} old.`);
}

function tick() {
  setText(byId("clock-local"), f.local(new Date().toISOString()));
}

const THEMES = { auto: ["◐", "automatic"], light: ["☀", "light"], dark: ["☾", "dark"] };

function setTheme(name) {
  const theme = THEMES[name] ? name : "auto";
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  setText(byId("theme"), THEMES[theme][0]);
  byId("theme").setAttribute("aria-label", `Theme: ${THEMES[theme][1]}`);
  localStorage.setItem("theme", theme);
}

byId("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  setTheme(names[(names.indexOf(localStorage.getItem("theme") ?? "auto") + 1) % names.length]);
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });

setTheme(localStorage.getItem("theme") ?? "auto");
setInterval(tick, 1000);
tick();
controls.checkSession().then(() => { if (controls.session.signed_in) logs.choose("engine"); }).catch(() => {});
poll();
