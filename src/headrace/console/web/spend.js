// What calls came to, by key, model, day and more.

import { field, fill, h, panel, table } from "./dom.js";
import { get, query } from "./api.js";
import { bar } from "./charts.js";
import { count, ms, share, usd } from "./format.js";
import { problemLine } from "./polling.js";

const GROUPS = {
  "key,model": "Key and model", key: "Key", model: "Model", provider: "Provider", tenant: "Tenant",
  cache: "Where answers came from", day: "Day", month: "Month", intent: "Intent",
};
const SPANS = { 1: "Today", 7: "7 days", 30: "30 days", 90: "90 days" };
const NAMED = { key: "Key", model: "Model", provider: "Provider", tenant: "Tenant", cache: "Source", day: "Day", month: "Month", intent: "Intent" };

function from(days) {
  return new Date(Date.now() - (days - 1) * 86_400_000).toISOString().slice(0, 10);
}

function select(options, chosen, onchange) {
  return h("select", { onchange }, Object.entries(options).map(([value, label]) =>
    h("option", { value, selected: value === chosen }, label)));
}

function sums(told) {
  const dearest = Math.max(...told.data.map((row) => row.cost_usd), 1e-12);
  const busiest = Math.max(...told.data.map((row) => row.calls), 1);
  const isPriced = told.data.some((row) => row.cost_usd > 0);
  return table(`${told.from} to ${told.to}, days in UTC`, [
    ...told.group_by.map((name) => ({ label: NAMED[name] || name, get: (row) => row[name] || "none" })),
    { label: "Calls", numeric: true, get: (row) => count(row.calls) },
    { label: "Errors", numeric: true, get: (row) => count(row.errors) },
    { label: "Tokens in", numeric: true, get: (row) => count(row.input_tokens) },
    { label: "Tokens out", numeric: true, get: (row) => count(row.output_tokens) },
    { label: "Mean time", numeric: true, get: (row) => ms(row.duration_ms_mean) },
    { label: "Saved", numeric: true, get: (row) => usd(row.saved_usd) },
    { label: "Spent", numeric: true, get: (row) => usd(row.cost_usd) },
    { label: "", graph: true, get: (row) => bar(isPriced ? row.cost_usd / dearest : row.calls / busiest) },
  ], told.data, { empty: "No call in this time." });
}

function card(label, value, note) {
  return h("div", { class: "card bare" }, h("span", {}, label), h("strong", {}, value), h("small", {}, note));
}

function total(told) {
  const all = told.total;
  const unpriced = all.unpriced_calls ? `${count(all.unpriced_calls)} calls without a known price` : "every call is priced";
  return [
    card("Spent", usd(all.cost_usd), unpriced),
    card("Saved", usd(all.saved_usd), `${share(all.saved_usd / Math.max(all.saved_usd + all.cost_usd, 1e-12))} of what it would have been`),
    card("Calls", count(all.calls), `${count(all.errors)} errors`),
    card("Tokens", count(all.input_tokens + all.output_tokens), `${count(all.input_tokens)} in, ${count(all.output_tokens)} out`),
  ];
}

function budgets(told) {
  if (!told.enabled || !told.budgets.length) return h("p", { class: "quiet" }, "No budgets are set.");
  const rows = told.budgets.flatMap((budget) => Object.entries(budget)
    .filter(([, value]) => value && typeof value === "object" && "limit_usd" in value)
    .map(([period, value]) => ({ name: budget.name, period, ...value })));
  return table("Spent, and what may be spent", [
    { label: "Budget", get: (row) => row.name },
    { label: "Period", get: (row) => row.period },
    { label: "Spent", numeric: true, get: (row) => usd(row.spent_usd) },
    { label: "Limit", numeric: true, get: (row) => usd(row.limit_usd) },
    { label: "", graph: true, get: (row) => bar(row.limit_usd ? row.spent_usd / row.limit_usd : 1, row.spent_usd > 0.8 * row.limit_usd ? "three" : "one") },
  ], rows);
}

export function open(main) {
  const { line, tell } = problemLine();
  const group = select(GROUPS, "key,model", () => show());
  const span = select(SPANS, "30", () => show());
  const boxes = { total: h("div", { class: "cards four" }), sums: h("div"), budgets: h("div") };
  main.append(line,
    h("div", { class: "row controls" }, field("By", group), field("Of", span)),
    boxes.total, panel("Spend", boxes.sums), panel("Budgets", boxes.budgets));
  let turn = 0;

  async function show() {
    turn += 1;
    const mine = turn;
    try {
      const [told, money] = await Promise.all([
        get(query("/admin/usage", { group_by: group.value, from: from(Number(span.value)) })),
        get("/admin/spend"),
      ]);
      if (mine !== turn) return;
      tell("");
      fill(boxes.total, total(told));
      fill(boxes.sums, sums(told));
      fill(boxes.budgets, budgets(money));
    } catch (refused) {
      tell(refused.message);
    }
  }
  show();
}
