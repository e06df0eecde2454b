// Accounts with their positions, and operations.

import { api, byId, draw, h, setText, show } from "./dom.js";
import * as f from "./format.js";

const OLD_QUOTE_S = 300;
const POSITION_HEAD = [["Contract"], ["Quantity", "num"], ["Cost $", "num"], ["Price $", "num"], ["Quote"], ["Value $", "num"],
  ["P&L $", "num"], ["Money"], ["IV %", "num"], ["Delta", "num"]];

export function drawAccounts(told) {
  const at = told.accounts_fetched_at;
  const seconds = at === null || !told.read_at ? null : Date.parse(told.read_at) / 1000 - at;
  setText(byId("fetched"), seconds === null ? "" : `fetched from IB ${f.age(seconds)} ago`);
  byId("fetched").title = at === null ? "" : f.bothZones(new Date(at * 1000).toISOString());
  const data = told.accounts.map((account) => ({ ...account, traded: account.account_id === told.status?.account }));
  draw(byId("accounts"), data.length ? data : told.self_check, () => (data.length ? data.map(account) : empty(told)));
}

function empty(told) {
  const text = told.block_reasons[0]?.startsWith("database_unavailable")
    ? "The database cannot be read." : "No account yet: the engine writes them once IB has answered.";
  return h("p", { class: "empty", text });
}

function account(row) {
  const profit = row.positions.reduce((sum, one) => sum + (one.unrealized_pnl ?? 0), 0);
  const unpriced = row.positions.filter((one) => one.unrealized_pnl === null).length;
  return h("article", { class: "account" },
    h("div", { class: "account-head" },
      h("h3", {}, row.account_id, row.traded ? h("span", { class: "tag", text: "traded" }) : null,
        row.reported ? null : h("span", { class: "tag bad", text: "no longer reported by IB" })),
      h("dl", { class: "sums" }, sum("Net liquidation", row.summary.net_liquidation), sum("Cash", row.summary.total_cash),
        sum("Buying power", row.summary.buying_power), sum("Open P&L", profit, f.trend(profit), unpriced ? `${unpriced} without a price` : ""))),
    row.positions.length ? positionTable(row.positions) : h("p", { class: "empty", text: "No positions." }));
}

function sum(label, value, kind = "", title = null) {
  return h("div", { title }, h("dt", { text: label }), h("dd", { class: `num ${kind}`, text: f.dollars(value, 0, Boolean(kind)) }));
}

function positionTable(positions) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Positions table" },
    h("table", { class: "data" },
      h("thead", {}, h("tr", {}, POSITION_HEAD.map(([label, kind]) => h("th", { scope: "col", class: kind, text: label })))),
      h("tbody", {}, positions.map(positionRow))));
}

function positionRow(row) {
  const cell = (text, kind = "", title = null) => h("td", { class: kind, title, text });
  const greeks = row.greeks ?? {};
  return h("tr", {},
    h("th", { scope: "row", title: row.contract_key }, h("span", { class: "contract-symbol", text: row.symbol }), ` ${f.contract(row)}`,
      row.managed ? h("span", { class: "tag", title: "the engine hedges this leg", text: "managed" }) : null),
    cell(f.quantity(row.position), "num"),
    cell(f.money(row.avg_cost), "num", row.sec_type === "OPT" ? "per contract, multiplier included" : "per share"),
    cell(f.money(row.price), "num", row.bid === null ? null : `bid ${f.money(row.bid)} · ask ${f.money(row.ask)}`),
    quoteCell(row),
    cell(f.money(row.market_value, 0), "num"),
    cell(f.signedMoney(row.unrealized_pnl, 0), `num ${f.trend(row.unrealized_pnl)}`),
    h("td", {}, row.moneyness ? h("span", { class: `tag money-${row.moneyness.toLowerCase()}`, title: `intrinsic $${f.money(row.intrinsic)}`, text: row.moneyness }) : ""),
    cell(greeks.iv ? f.number(greeks.iv * 100, 1) : "", "num"),
    cell(greeks.delta === null || greeks.delta === undefined ? "" : f.number(greeks.delta, 3), "num"));
}

function quoteCell(row) {
  if (row.price === null) return h("td", { class: "muted", title: row.price_error, text: row.price_error ? "no price" : "waiting" });
  const seconds = row.quote_age_s ?? row.price_age_s;
  return h("td", { title: [f.bothZones(row.quote_ts), row.price_error].filter(Boolean).join("\n") },
    h("span", { class: `tag source-${row.price_source ?? "none"}`, text: row.price_source ?? "?" }),
    h("span", { class: `age num ${seconds > OLD_QUOTE_S ? "old" : ""}`, text: ` ${f.age(seconds)}` }));
}

const PAGE = 30;
const KIND = { hedge_intent: "intent", order_sent: "order sent", fill: "fill", reject: "reject", cancel: "cancel" };

/** Follows GET /operations: again when a new row is known, and older pages on demand. */
export class Operations {
  constructor() {
    this.rows = [];
    this.cursor = null;
    this.latest = undefined;
    this.pages = 1;
    this.busy = false;
    byId("operation-type").addEventListener("change", () => this.restart());
    byId("operations-more").addEventListener("click", () => { this.pages += 1; this.load(); });
  }

  restart() {
    this.pages = 1;
    this.load();
  }

  follow(latest) {
    if (latest === this.latest || latest === undefined) return;
    this.load().then((loaded) => { if (loaded) this.latest = latest; });
  }

  async load() {
    if (this.busy) return false;
    this.busy = true;
    const type = byId("operation-type").value;
    try {
      let cursor = null;
      const rows = [];
      for (let page = 0; page < this.pages; page += 1) {
        const query = new URLSearchParams({ limit: String(PAGE), ...(type ? { type } : {}), ...(cursor ? { cursor } : {}) });
        const told = await api(`/operations?${query}`);
        rows.push(...told.operations);
        cursor = told.next_cursor;
        if (!cursor) break;
      }
      this.rows = rows;
      this.cursor = cursor;
      this.show(type ? `No ${KIND[type]} yet.` : "No operation yet: nothing has been sent.");
      return true;
    } catch (error) {
      this.show(error.message);
      return false;
    } finally {
      this.busy = false;
      if (type !== byId("operation-type").value) this.load();
    }
  }

  show(message) {
    show(byId("operations-table"), this.rows.length > 0);
    show(byId("operations-empty"), this.rows.length === 0);
    setText(byId("operations-empty"), message);
    show(byId("operations-more"), Boolean(this.cursor));
    draw(byId("operations"), this.rows, (rows) => rows.map(operationRow));
  }
}

function operationRow(row) {
  const cell = (text, kind = "") => h("td", { class: kind, text });
  return h("tr", { title: [row.order_ref, row.exec_id].filter(Boolean).join(" · ") || null },
    h("td", { class: "num time", title: f.bothZones(row.ts), text: f.newYork(row.ts) }),
    h("td", {}, h("span", { class: `tag op-${row.type}`, text: KIND[row.type] ?? row.type })),
    cell(row.side ?? "", row.side === "BUY" ? "up" : "down"), cell(f.quantity(row.quantity), "num"), cell(f.money(row.price), "num"),
    cell(row.commission === null ? "" : f.money(row.commission), "num"), cell(row.state_reason ? f.purpose(row.state_reason) : "", "reason"));
}
