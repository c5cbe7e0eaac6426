// How calls to providers flow: limits, queues, circuits, health, as one worker sees them.

import { badge, fill, h, keepFocus, panel, table } from "./dom.js";
import { get } from "./api.js";
import { ago, count, ms, NONE, share } from "./format.js";
import { every, problemLine } from "./polling.js";

const CIRCUITS = { closed: "good", open: "bad", half_open: "warn" };

function health(lane) {
  if (lane.is_out) return badge("passed over", "bad");
  if (lane.ejected) return badge("ejected", "bad");
  return badge("in use", "good");
}

function providers(told, pools) {
  return table("Who is asked, and where", [
    { label: "Provider", get: ([name]) => name },
    { label: "State", get: ([, lane]) => health(lane) },
    { label: "Dialect", get: ([name]) => pools[name]?.dialect ?? NONE },
    { label: "Address", get: ([name]) => pools[name]?.base_url ?? NONE },
    { label: "Idle", numeric: true, get: ([name]) => count(pools[name]?.idle) },
    { label: "Active", numeric: true, get: ([name]) => count(pools[name]?.active) },
    { label: "Retries made", numeric: true, get: ([, lane]) => count(lane.retries?.spent) },
    { label: "Retries refused", numeric: true, get: ([, lane]) => count(lane.retries?.refused) },
  ], Object.entries(told.providers), { empty: "No providers are set." });
}

function oldest(queue) {
  return queue ? Math.max(0, ...(queue.classes || []).map((each) => each.oldest_wait_s || 0)) : null;
}

function models(told) {
  const rows = Object.entries(told.providers).flatMap(([name, lane]) =>
    Object.entries(lane.models).map(([model, gate]) => ({ name, model, ...gate })));
  return table("By provider and model; calls at once are limited from the first refusal on", [
    { label: "Model", get: (row) => `${row.name}/${row.model}` },
    { label: "Circuit", get: (row) => badge(String(row.circuit.state).replace("_", " "), CIRCUITS[row.circuit.state] || "warn") },
    { label: "Opened", numeric: true, get: (row) => count(row.circuit.opened) },
    { label: "In flight", numeric: true, get: (row) => count(row.inflight) },
    { label: "Limit", numeric: true, get: (row) => (row.limit ? count(row.limit.limit) : "none") },
    { label: "Waiting", numeric: true, get: (row) => count(row.queue ? row.queue.waiting : 0) },
    { label: "Oldest wait", numeric: true, get: (row) => ms(1000 * oldest(row.queue)) },
    { label: "Second calls", numeric: true, get: (row) => (row.hedges ? count(row.hedges.made) : NONE) },
  ], rows, { empty: "No model has been asked for yet at this worker." });
}

function worker(told, status) {
  const { process } = told;
  const facts = [
    ["Worker", `${status.worker} (process ${status.pid})`],
    ["Running for", ago(status.uptime_s)],
    ["Pressure", process.pressure ? badge(String(process.pressure), "bad") : badge("none", "good")],
    ["Lag of the loop", ms(process.lag_ms)],
    ["CPU", share(process.cpu_share)],
    ["Memory", `${count(process.memory_mb)} MB`],
    ["Requests in flight", count(status.requests_in_flight)],
    ["Calls to providers", count(status.upstream_calls)],
    ["Answers in memory", `${count(status.cache.entries)} (${(status.cache.bytes / 1e6).toFixed(1)} MB)`],
  ];
  return h("dl", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export function open(main) {
  const { line, tell } = problemLine();
  const boxes = [h("div"), h("div"), h("div")];
  main.append(line,
    h("p", { class: "quiet facts" }, "As the worker that answers knows it; where there are several, figures change from one to the other."),
    panel("Providers", boxes[0]), panel("Limits and queues", boxes[1]), panel("This worker", boxes[2]));
  return every(3, async (signal) => {
    const [told, status] = await Promise.all([get("/admin/flow", signal), get("/admin/status", signal)]);
    keepFocus(boxes[0], () => fill(boxes[0], providers(told, status.providers)));
    keepFocus(boxes[1], () => fill(boxes[1], models(told)));
    fill(boxes[2], worker(told, status));
  }, tell);
}
