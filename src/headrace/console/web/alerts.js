// What is the matter now, and what helps.

import { badge, fill, h, keepFocus, panel, table } from "./dom.js";
import { get } from "./api.js";
import { ago } from "./format.js";
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

const DAYS_S = 2 * 86_400;

// What this page cannot tell, and what it cannot tell yet.
function limits(told) {
  const reasons = [...new Set(told.elsewhere.map((each) => each.why))].map((why) => [why, told.elsewhere.filter((each) => each.why === why)]);
  return [
    h("p", { class: "quiet" }, "Only Prometheus tells, by the rules of ", h("code", {}, "headrace observe export"), ":"),
    h("ul", {}, reasons.map(([why, alerts]) => h("li", {}, alerts.map((each, at) => [at ? ", " : "", h("code", {}, each.name)]), `: ${why}.`))),
    told.seen_s < DAYS_S ? h("p", { class: "quiet" }, h("code", {}, "HeadraceCostSpike"), " compares with the week before, and is told from the third day on; ",
      h("code", {}, "HeadraceHitRateFell"), ` from the second. This gateway has been watched for ${ago(told.seen_s)}.`) : null,
  ];
}

export function open(main) {
  const { line, tell } = problemLine();
  const box = h("div", { "aria-live": "polite" }, h("p", { class: "quiet" }, "Looking …"));
  const bounds = h("div");
  let shown = "";
  main.append(line,
    h("p", { class: "quiet facts" }, "What the rules for Prometheus would tell, without their patience: a state of affairs is told at once, a loss for a quarter of an hour."),
    panel("The matter now", box), panel("What is not told here", bounds));
  return every(5, async (signal) => {
    const told = await get("/admin/alerts", signal);
    const { data } = told;
    fill(bounds, limits(told));
    if (JSON.stringify(data) === shown) return;
    shown = JSON.stringify(data);
    keepFocus(box, () => fill(box, data.length ? list(data) : h("p", { class: "well" }, badge("well", "good"), " Nothing is the matter.")));
  }, tell);
}
