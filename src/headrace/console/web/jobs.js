// Jobs of all tenants, as they go on: found by state and kind, looked at, cancelled, tried again.

import { announce, badge, field, fill, h, keepFocus, panel, table } from "./dom.js";
import { change, get, query } from "./api.js";
import { bar } from "./charts.js";
import { confirm, dialogue } from "./dialogs.js";
import { ago, count, NONE, share, when } from "./format.js";
import { every, problemLine } from "./polling.js";

const PAGE = 25;
const TONES = { succeeded: "good", running: "good", delayed: "warn", failed: "bad" };
const STATES = ["waiting", "delayed", "running", "succeeded", "failed", "cancelled"];

const isOver = (job) => ["succeeded", "failed", "cancelled"].includes(job.state);
const path = (job, more = "") => `/admin/jobs/${encodeURIComponent(job.id)}${more}`;
const moment = (seconds) => (seconds === null ? NONE : when(seconds * 1000));

function state(job) {
  return badge(job.cancelling ? "being cancelled" : job.state, TONES[job.state]);
}

function progress(job) {
  const words = isOver(job) && job.state !== "succeeded" ? job.error?.message || "" : job.doing;
  return h("span", { class: "progress" },
    h("span", { class: "num" }, share(job.progress)), bar(job.progress, job.state === "failed" ? "three" : "one"),
    h("small", { class: "quiet", title: words }, words));
}

function took(job) {
  if (job.started_at === null) return NONE;
  return ago((job.ended_at ?? Date.now() / 1000) - job.started_at);
}

// What can be done with a job now.
function acts(job, look, tell) {
  const buttons = [];
  if (!isOver(job) && !job.cancelling) {
    buttons.push(h("button", {
      type: "button", class: "danger", "data-key": `cancel ${job.id}`, "aria-label": `Cancel ${job.id}`,
      onclick: () => confirm("Cancel this job?", `${job.id} is not done, or not to its end. It can be tried again.`, "Cancel the job", async () => {
        await change("DELETE", path(job));
        announce("The job is being cancelled.");
        await look();
      }, tell),
    }, "Cancel"));
  }
  if (["failed", "cancelled"].includes(job.state)) {
    buttons.push(h("button", {
      type: "button", "data-key": `retry ${job.id}`, "aria-label": `Try ${job.id} again`,
      onclick: async () => {
        try {
          await change("POST", path(job, "/retry"));
          announce("The job waits for its next try.");
          await look();
        } catch (refused) {
          tell(refused.message);
        }
      },
    }, "Try again"));
  }
  return h("span", { class: "acts" }, buttons);
}

function facts(job) {
  const rows = [
    ["State", state(job)], ["Progress", job.doing ? `${share(job.progress)}: ${job.doing}` : share(job.progress)], ["Kind", job.kind], ["Queue", `${job.queue}, ${job.priority} priority`],
    ["Tenant", job.tenant], ["Tries", `${count(job.attempts)} of ${count(job.attempts_max)}${job.losses ? `, lost with its worker ${count(job.losses)} times` : ""}`],
    ["Submitted", moment(job.created_at)], ["Not before", moment(job.due_at)], ["Begun", moment(job.started_at)],
    ["Ended", moment(job.ended_at)], ["Worker", job.worker ?? NONE],
    ["Reason", job.error ? [job.error.code ? [h("code", {}, job.error.code), " "] : "", job.error.message] : NONE],
  ];
  return h("dl", {}, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function words(event) {
  const told = Object.entries(event.data ?? {}).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return told.join(" · ");
}

function json(title, value) {
  return value === null || value === undefined ? null
    : [h("h3", {}, title), h("pre", { tabindex: "0" }, JSON.stringify(value, null, 2))];
}

function details(job) {
  return [facts(job), json("Result", job.result), json("Input", job.input), h("h3", {}, "What happened"),
    table("What was noted on its way, at most of the last 200 changes", [
      { label: "When", get: (event) => moment(event.at) },
      { label: "What", get: (event) => event.event },
      { label: "Told", get: words },
    ], job.events, { empty: "Nothing was noted." })];
}

// One job in a dialogue, looked at again until it ends.
function show(job, onclose) {
  const { line, tell } = problemLine();
  const box = h("div");
  const buttons = h("span");
  let shown = "";

  async function look(signal) {
    const told = await get(path(job), signal);
    if (JSON.stringify(told) === shown) return;
    shown = JSON.stringify(told);
    keepFocus(box, () => fill(box, details(told)));
    keepFocus(buttons, () => fill(buttons, acts(told, look, tell)));
  }

  const end = every(1, look, tell);
  const dialog = dialogue(`Job ${job.id}`, [line, box, h("div", { class: "row end" }, buttons,
    h("button", { type: "button", onclick: () => dialog.close() }, "Close"))], () => {
    end();
    onclose();
  });
}

function select(options, onchange) {
  return h("select", { onchange }, h("option", { value: "" }, "All"), options.map((each) => h("option", { value: each }, each)));
}

export function open(main) {
  const { line, tell } = problemLine();
  const states = select(STATES, () => first());
  const kinds = select([], () => first());
  const tenant = h("input", { spellcheck: "false", onchange: () => first() });
  const older = h("button", { type: "button", disabled: true, onclick: () => turnTo(last) }, "Older");
  const newest = h("button", { type: "button", disabled: true, onclick: () => turnTo(null) }, "Newest");
  const reach = h("p", { class: "quiet", hidden: true });
  const box = h("div");
  let after = null;
  let last = null;
  let shown = "";
  let turn = 0;

  function seeKinds(known) {
    if (kinds.options.length === known.length + 1) return;
    const chosen = kinds.value;
    fill(kinds, h("option", { value: "" }, "All"), known.map((each) => h("option", { value: each }, each)));
    kinds.value = chosen;
  }

  async function look(signal) {
    const mine = turn;
    const wanted = { state: states.value, kind: kinds.value, tenant: tenant.value.trim(), limit: PAGE, after };
    const page = await get(query("/admin/jobs", wanted), signal);
    if (mine !== turn || JSON.stringify(page) === shown) return;
    shown = JSON.stringify(page);
    last = page.last_id;
    older.disabled = !page.has_more;
    // Of a kind that is rare some are looked at at once, and not all.
    older.textContent = page.searched_to === null ? "Older" : "Search on";
    reach.hidden = page.searched_to === null;
    reach.textContent = page.searched_to === null ? "" : `Searched back to ${moment(page.searched_to)} so far; found ${count(page.data.length)} on this page.`;
    newest.disabled = after === null;
    seeKinds(page.kinds);
    keepFocus(box, () => fill(box, table("Newest first; choose one for all that is known of it", [
      { label: "Job", get: (job) => job.id },
      { label: "State", get: state },
      { label: "Kind", get: (job) => job.kind },
      { label: "Tenant", get: (job) => job.tenant },
      { label: "Progress", get: progress },
      { label: "Tries", numeric: true, get: (job) => `${count(job.attempts)} of ${count(job.attempts_max)}` },
      { label: "Submitted", get: (job) => moment(job.created_at) },
      { label: "Took", numeric: true, get: took },
      { label: "", get: (job) => acts(job, look, tell) },
    ], page.data, { empty: page.searched_to === null ? "No job fits." : "None found so far.", onchoose: (job) => show(job, () => refocus(job.id)) })));
  }

  // The row may have been drawn anew while its dialogue was open.
  function refocus(id) {
    box.querySelector(`[data-key="${CSS.escape(id)}"]`)?.focus();
  }

  async function turnTo(cursor) {
    turn += 1;
    after = cursor;
    try {
      await look();
      tell("");
    } catch (refused) {
      tell(refused.message);
    }
  }

  function first() {
    turnTo(null);
  }

  main.append(line, panel("Search",
    h("form", { class: "row controls", onsubmit: (event) => { event.preventDefault(); first(); } },
      field("State", states), field("Kind", kinds), field("Tenant", tenant))),
  panel("Jobs", reach, box, h("div", { class: "row end" }, newest, older)));
  return every(2, look, (problem) => tell(problem.startsWith("No route") ? "Jobs are off in this gateway (jobs.enabled)." : problem));
}
