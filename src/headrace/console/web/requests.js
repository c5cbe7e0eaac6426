// The requests themselves: searched, page by page, and one of them over time.

import { badge, field, fill, h, keepFocus, panel, table } from "./dom.js";
import { get, query } from "./api.js";
import { waterfall } from "./charts.js";
import { dialogue } from "./dialogs.js";
import { count, ms, usd, when } from "./format.js";
import { problemLine } from "./polling.js";

// On a narrow screen a row is as high as ten.
const PAGE = matchMedia("(max-width: 560px)").matches ? 10 : 25;
const FILTERS = [["from", "From", "date"], ["to", "To", "date"], ["key", "Key"], ["model", "Model"],
  ["provider", "Provider"], ["cache", "Source"], ["status", "Status", "number"]];

function state(status) {
  return badge(String(status), status < 400 ? "good" : status < 500 ? "warn" : "bad");
}

// Stage by stage, where it went through any; of a repeat that memory answered, and of what Headrace
// asked on its own account, from the other times that the ledger has: the call to the
// provider lasts until its last byte, so what is left of the whole is the gateway's own.
function course(call) {
  const whole = Math.max(call.duration_ms, 1e-3);
  if (call.stages?.length) return waterfall(passed(call), whole);
  const first = Math.min(call.first_byte_ms ?? whole, whole);
  const upstream = Math.min(call.upstream_ms ?? 0, whole);
  const own = Math.min(whole - upstream, first);
  return waterfall(upstream > 0
    ? [["Gateway", 0, own, "one"], ["Provider, to its first byte", own, first - own, "two"],
      ["Provider, first byte to last", first, whole - first, "four"]]
    : [["Gateway", 0, first, "one"], ["First byte to last", first, whole - first, "four"]], whole);
}

const TONES = { schedule: "two", send: "two", relay: "four" };
const WORDS = { send: "send, until the answer began", relay: "relay, to its last byte" };

// One stage after the other; what is left at the end is the writing of the answer.
function passed(call) {
  let end = 0;
  const rows = call.stages.map(({ stage, ms: took }) => {
    end += took;
    return [(WORDS[stage] || stage).replaceAll("_", " "), end - took, took, TONES[stage] || "one"];
  });
  const rest = call.duration_ms - end;
  return rest > 0.01 * call.duration_ms ? [...rows, ["to its last byte", end, rest, "four"]] : rows;
}

const FACTS = {
  at: ["When", when], status: ["Status", state], error: ["Error"], key: ["Key"], tenant: ["Tenant"], operation: ["Operation"],
  asked: ["Asked for"], provider: ["Provider"], model: ["Model"], cache: ["Source"], streams: ["Streamed", yes], attempts: ["Calls made", count],
  duration_ms: ["To the last byte", ms], first_byte_ms: ["To the first byte", ms], upstream_ms: ["Provider took", ms],
  input_tokens: ["Tokens in", count], cached_tokens: ["of them cached", count], cache_write_tokens: ["of them written to its cache", count],
  output_tokens: ["Tokens out", count], is_estimated: ["Estimated", yes], cost_usd: ["Cost", usd], saved_usd: ["Saved", usd],
  purpose: ["Asked on account of"], intent: ["Intent"], template: ["Template"],
};

function yes(value) {
  return value ? "yes" : "no";
}

// All that the ledger has of a call, without what is nothing.
function facts(call) {
  const rows = Object.entries(FACTS).filter(([name]) => call[name] || name === "cost_usd");
  return h("dl", {}, rows.map(([name, [label, shown = String]]) => [h("dt", {}, label), h("dd", {}, shown(call[name]))]));
}

async function show(row, tell) {
  try {
    const call = await get(`/admin/usage/calls/${encodeURIComponent(row.id)}`);
    const dialog = dialogue(`Request ${call.id}`, [course(call), facts(call),
      call.content ? h("pre", { tabindex: "0" }, JSON.stringify(call.content, null, 2)) : null,
      h("div", { class: "row end" }, h("button", { type: "button", onclick: () => dialog.close() }, "Close"))]);
  } catch (refused) {
    tell(refused.message);
  }
}

export function open(main) {
  const { line, tell } = problemLine();
  const inputs = Object.fromEntries(FILTERS.map(([name, , kind]) => [name, h("input", { type: kind || "text", spellcheck: "false" })]));
  const older = h("button", { type: "button", disabled: true, onclick: () => look(last) }, "Older");
  const newest = h("button", { type: "button", disabled: true, onclick: () => look(null) }, "Newest");
  const stop = h("button", { type: "button", onclick: () => { turn += 1; rest(false); } }, "Stop");
  const on = h("button", { type: "button", onclick: () => look(after, last, found) }, "Search on");
  const progress = h("p", { class: "quiet", hidden: true });
  const box = h("div");
  let after = null;
  let last = null;
  let found = [];
  let wanted = {};
  let turn = 0;

  // A search for few among many goes step by step, and says how far it is.
  function tellProgress(page, isSearching) {
    progress.hidden = !page.searched_to;
    stop.hidden = !isSearching;
    // A page that is full is left to Older.
    on.hidden = isSearching || !page.searched_to || found.length >= PAGE;
    progress.textContent = page.searched_to ? `Searched back to ${when(page.searched_to)} so far; found ${count(found.length)}.` : "";
  }

  function rest(hasFound) {
    stop.hidden = true;
    on.hidden = hasFound;
  }

  function list(page) {
    older.disabled = !page.has_more;
    newest.disabled = after === null;
    keepFocus(box, () => fill(box, table("Newest first; choose one to see it over time", [
      { label: "Request", get: (row) => row.id },
      { label: "When", get: (row) => when(row.at) },
      { label: "Status", get: (row) => state(row.status) },
      { label: "Key", get: (row) => row.key },
      { label: "Asked for", get: (row) => row.asked },
      { label: "Answered by", get: (row) => (row.provider ? `${row.provider}/${row.model}` : "–") },
      { label: "Source", get: (row) => row.cache },
      { label: "Tokens", numeric: true, get: (row) => `${count(row.input_tokens)} / ${count(row.output_tokens)}` },
      { label: "Time", numeric: true, get: (row) => ms(row.duration_ms) },
      { label: "Cost", numeric: true, get: (row) => usd(row.cost_usd) },
    ], found, { empty: page.searched_to ? "None found so far." : "No request fits.", onchoose: (row) => show(row, tell) })));
  }

  // The page after a request, or what is missing of it from where the search was stopped.
  async function look(begin, from = begin, held = []) {
    turn += 1;
    const mine = turn;
    after = begin;
    found = held;
    last = from;
    try {
      for (;;) {
        const page = await get(query("/admin/usage/calls", { ...wanted, limit: PAGE - found.length, after: last }));
        if (mine !== turn) return;
        tell("");
        last = page.last_id;
        found = [...found, ...page.data];
        const isSearching = Boolean(page.searched_to) && found.length < PAGE;
        tellProgress(page, isSearching);
        list(page);
        if (!isSearching) return;
      }
    } catch (refused) {
      if (mine === turn) {
        tell(refused.message);
        rest(progress.hidden);
      }
    }
  }

  // What is typed counts from the next search on: until then pages are of the one that they are turned in.
  function search(event) {
    event.preventDefault();
    wanted = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()]));
    look(null);
  }

  const form = h("form", { class: "row", onsubmit: search },
    FILTERS.map(([name, label]) => field(label, inputs[name])),
    h("button", { class: "primary", type: "submit" }, "Search"));
  main.append(line, panel("Search", form),
    panel("Requests", progress, box, h("div", { class: "row end" }, stop, on, newest, older)));
  rest(true);
  look(null);
  return () => { turn += 1; };
}
