// What is the matter now, and what helps.

import { badge, fill, h, keepFocus, panel, table } from "./dom.js";
import { get } from "./api.js";
import { every, problemLine } from "./polling.js";

const SEVERITIES = { page: ["now", "bad"], ticket: ["soon", "warn"] };

export function severity(alarm) {
  const [word, tone] = SEVERITIES[alarm.severity] || [alarm.severity, "plain"];
  return badge(word, tone);
}

function list(alarms) {
  return table("As all workers of this gateway have counted it, the pressing things first", [
    { label: "Alert", get: (alarm) => h("code", {}, alarm.name) },
    { label: "When", get: severity },
    { label: "What is the matter", wide: true, get: (alarm) => alarm.what },
    { label: "What helps", wide: true, get: (alarm) => alarm.todo },
  ], alarms);
}

export function open(main) {
  const { line, tell } = problemLine();
  const box = h("div", { "aria-live": "polite" }, h("p", { class: "quiet" }, "Looking …"));
  let shown = "";
  main.append(line,
    h("p", { class: "quiet facts" }, "What the rules for Prometheus would tell, without their patience: a state of affairs is told at once, a loss for a quarter of an hour."),
    panel("The matter now", box));
  return every(5, async (signal) => {
    const { data } = await get("/admin/alerts", signal);
    if (JSON.stringify(data) === shown) return;
    shown = JSON.stringify(data);
    keepFocus(box, () => fill(box, data.length ? list(data) : h("p", { class: "well" }, badge("well", "good"), " Nothing is the matter.")));
  }, tell);
}
