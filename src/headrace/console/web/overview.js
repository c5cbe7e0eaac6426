// What goes on now, and in the last ten minutes.

import { badge, fill, h, keepFocus, panel, table } from "./dom.js";
import { get, query } from "./api.js";
import { bar, lineChart, sparkline } from "./charts.js";
import { ago, count, ms, NONE, rate, share, usd } from "./format.js";
import { severity } from "./alerts.js";
import { levels } from "./levels.js";
import { every, problemLine } from "./polling.js";

const KEPT_S = 600;
const SPARK = 60;
const SOURCES = {
  l1: "Memory (L1)",
  l2: "Shared cache (L2)",
  l3: "Durable cache (L3)",
  semantic: "By meaning",
  joined: "Joined a call",
  miss: "Provider",
  bypass: "Provider, asked for",
  none: "Refused before",
};

function card(label, id) {
  const value = h("strong", { "data-figure": id }, NONE);
  const note = h("small", {}, "");
  const spark = h("div", { class: "spark-box" });
  const element = h("div", { class: "card" }, h("span", {}, label), value, note, spark);
  return {
    element,
    show(text, told, points) {
      value.textContent = text;
      note.textContent = told;
      fill(spark, sparkline(points.slice(-SPARK)));
    },
  };
}

function savings(totals) {
  const dearest = Math.max(...Object.values(totals.saved_usd), 1e-12);
  const busiest = Math.max(...Object.values(totals.saved_calls), 1);
  const rows = Object.keys(totals.saved_calls).map((by) => ({
    by, calls: totals.saved_calls[by], usd: totals.saved_usd[by],
  }));
  const isPriced = rows.some((row) => row.usd > 0);
  return table("Calls that no provider was asked for, since the start", [
    { label: "Tier", get: (row) => SOURCES[row.by] },
    { label: "Calls spared", numeric: true, get: (row) => count(row.calls) },
    { label: "Saved", numeric: true, get: (row) => usd(row.usd) },
    { label: "", graph: true, get: (row) => bar(isPriced ? row.usd / dearest : row.calls / busiest) },
  ], rows);
}

function answers(totals) {
  const all = Math.max(totals.requests, 1);
  const rows = Object.entries(totals.by_cache).sort((one, other) => other[1] - one[1]);
  return table("Where answers came from, since the start", [
    { label: "Source", get: ([name]) => SOURCES[name] || name },
    { label: "Requests", numeric: true, get: ([, number]) => count(number) },
    { label: "Share", numeric: true, get: ([, number]) => share(number / all) },
    { label: "", graph: true, get: ([name, number]) => bar(number / all, name === "miss" || name === "bypass" ? "two" : "one") },
  ], rows, { empty: "No request yet." });
}

function health(lane) {
  if (lane.out) return badge("passed over", "bad");
  if (lane.circuits_open) return badge("circuit open", "bad");
  if (lane.waiting) return badge("queueing", "warn");
  return badge("well", "good");
}

function providers(totals) {
  return table(`Providers, all workers; times of the last ${ago(totals.of_s)}, counts since the start`, [
    { label: "Provider", get: (lane) => lane.name },
    { label: "State", get: health },
    { label: "Answers", numeric: true, get: (lane) => count(Object.values(lane.answers).reduce((sum, each) => sum + each, 0)) },
    { label: "5xx", numeric: true, get: (lane) => count(lane.answers["5xx"]) },
    { label: "No answer", numeric: true, get: (lane) => count(lane.errors) },
    { label: "Retries", numeric: true, get: (lane) => count(lane.retries) },
    { label: "p50", numeric: true, get: (lane) => ms(lane.duration_ms?.p50) },
    { label: "p95", numeric: true, get: (lane) => ms(lane.duration_ms?.p95) },
    { label: "In use", numeric: true, get: (lane) => count(lane.connections.active) },
    { label: "Limited", numeric: true, get: (lane) => (lane.limited ? `${count(lane.limited)} models` : "no") },
    { label: "Waiting", numeric: true, get: (lane) => count(lane.waiting) },
    { label: "Spent", numeric: true, get: (lane) => usd(lane.spent_usd) },
  ], totals.providers, { empty: "No providers are set." });
}

function curves(points, ...wanted) {
  return wanted.map(([label, tone, get]) => ({ label, tone, points: points.map((point) => [point.at, get(point)]) }));
}

// What is the matter, in a line that leads to more.
function alarms(found) {
  if (!found.length) return null;
  const names = [...new Set(found.map((alarm) => alarm.name.replace("Headrace", "")))];
  return [severity(found[0]), " ", h("a", { href: "#/alerts" }, `${count(found.length)} ${found.length === 1 ? "alert" : "alerts"}`), `: ${names.join(", ")}`];
}

export function open(main) {
  const cards = {
    rate: card("Requests a second", "rate"),
    hits: card("Cache hit rate", "hits"),
    latency: card("Latency p95", "latency"),
    first: card("First byte p95", "first"),
    saved: card("Saved", "saved"),
    errors: card("Errors", "errors"),
  };
  const charts = {
    rate: lineChart("Throughput", (value) => `${rate(value)}/s`, { area: true }),
    latency: lineChart("Latency, to the last byte", ms),
    first: lineChart("Time to the first byte", ms),
    hits: lineChart("Cache hit rate", share, { top: 1, area: true }),
  };
  const tables = { savings: panel("Saved by tier"), answers: panel("Answers"), levels: panel("Service levels"), providers: panel("Providers") };
  const { line, tell } = problemLine();
  const facts = h("p", { class: "quiet facts" }, "Looking …");
  const strip = h("p", { class: "strip", role: "status" });
  main.append(line, strip, facts,
    h("div", { class: "cards" }, Object.values(cards).map((each) => each.element)),
    h("div", { class: "grid-2" }, Object.values(charts).map((each) => each.element)),
    h("div", { class: "grid-2" }, tables.savings, tables.answers), tables.levels, tables.providers);
  const ofLevels = problemLine();
  tables.levels.append(ofLevels.line);
  let points = [];

  function show(told) {
    const { totals } = told;
    const last = points.at(-1);
    const get = (pick) => points.map(pick);
    cards.rate.show(rate(last?.requests_per_s ?? 0), `${count(totals.requests)} since the start`, get((each) => each.requests_per_s));
    cards.hits.show(share(last?.hit_share ?? totals.hit_share), `${share(totals.hit_share)} since the start`, get((each) => each.hit_share));
    cards.latency.show(ms(last?.latency_ms?.p95 ?? totals.latency_ms?.p95), `p50 ${ms(totals.latency_ms?.p50)} · p99 ${ms(totals.latency_ms?.p99)} in ${ago(totals.of_s)}`, get((each) => each.latency_ms?.p95));
    cards.first.show(ms(last?.first_byte_ms?.p95 ?? totals.first_byte_ms?.p95), `p50 ${ms(totals.first_byte_ms?.p50)} in ${ago(totals.of_s)}`, get((each) => each.first_byte_ms?.p95));
    const saved = Object.values(totals.saved_usd).reduce((sum, each) => sum + each, 0);
    cards.saved.show(usd(saved), `${usd(totals.spent_usd)} spent`, get((each) => each.saved_usd_per_s));
    cards.errors.show(count(totals.failed), `5xx; ${count(totals.refused)} refused (4xx)`, get((each) => each.failed_per_s));
    const to = told.now;
    const from = Math.min(points[0]?.at ?? to - 60, to - 60);
    charts.rate.update(curves(points, ["answered", "one", (each) => each.requests_per_s], ["refused", "two", (each) => each.refused_per_s], ["failed", "three", (each) => each.failed_per_s]), from, to);
    const spread = (pick) => [["p50", "one", (each) => pick(each)?.p50], ["p95", "two", (each) => pick(each)?.p95], ["p99", "three", (each) => pick(each)?.p99]];
    charts.latency.update(curves(points, ...spread((each) => each.latency_ms)), from, to);
    charts.first.update(curves(points, ...spread((each) => each.first_byte_ms)), from, to);
    charts.hits.update(curves(points, ["hits", "one", (each) => each.hit_share]), from, to);
    replace(tables.savings, savings(totals));
    replace(tables.answers, answers(totals));
    replace(tables.providers, providers(totals));
    const workers = `${count(totals.workers)} ${totals.workers === 1 ? "worker" : "workers"}`;
    const { jobs } = totals;
    const work = jobs.waiting || jobs.running ? ` · ${count(jobs.running)} jobs running, ${count(jobs.waiting)} waiting` : "";
    facts.textContent = `Version ${told.version} · ${workers} · ${count(totals.inflight)} in flight · ${count(totals.connections)} connections · ${count(totals.memory_mb)} MB · CPU ${share(last?.cpu_share)}${work}`;
  }

  function replace(box, content) {
    const held = box.querySelector(".scroll");
    keepFocus(box, () => (held ? held.replaceWith(content) : box.append(content)));
  }

  const endLevels = every(10, async (signal) => replace(tables.levels, levels(await get("/admin/slos", signal))), ofLevels.tell);
  let told = "";
  const endAlarms = every(10, async (signal) => {
    const { data } = await get("/admin/alerts", signal);
    if (JSON.stringify(data) !== told) fill(strip, alarms(data));
    told = JSON.stringify(data);
  }, (problem) => {
    // What was the matter may be over by now: nobody is told what nobody knows.
    if (!problem || told === problem) return;
    told = problem;
    fill(strip, badge("not known", "warn"), ` What is the matter cannot be told: ${problem}`);
  });
  const endNumbers = every(2, async (signal) => {
    const told = await get(query("/admin/overview", { after: points.at(-1)?.at }), signal);
    points = [...points, ...told.series].filter((point) => point.at > told.now - KEPT_S);
    show(told);
  }, tell);
  return () => {
    endLevels();
    endAlarms();
    endNumbers();
  };
}
