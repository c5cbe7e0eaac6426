// A chat through the gateway itself, with what its answer tells of the way it came.

import { announce, badge, field, fill, h, panel } from "./dom.js";
import { get, send } from "./api.js";
import { waterfall } from "./charts.js";
import { ms, NONE, usd } from "./format.js";

const TOLD = {
  "x-headrace-cache": "Cache",
  "x-headrace-provider": "Provider",
  "x-headrace-model": "Model",
  "x-headrace-attempts": "Calls made",
  "x-headrace-tier": "Tier",
  "x-headrace-intent": "Intent",
  "x-headrace-arm": "Arm",
  "x-headrace-compressed": "Compressed",
  "x-headrace-similarity": "Similarity",
  "x-headrace-fallback": "Fallback",
  "x-request-id": "Request",
};

// The data of server-sent events as they come.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const lines = held.split(/\r?\n/);
    held = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data:")) yield line.slice(5).trim();
    }
  }
}

function stages(header) {
  return (header || "").split(",").map((part) => {
    const [name, ...fields] = part.trim().split(";");
    const took = fields.find((each) => each.startsWith("dur="));
    return [name, took ? Number(took.slice(4)) : NaN];
  }).filter(([name, took]) => name && Number.isFinite(took));
}

function way(headers, figures) {
  const timed = stages(headers.get("server-timing"));
  let end = 0;
  const passed = timed.map(([name, took]) => {
    end += took;
    return [name.replaceAll("_", " "), end - took, took, "one"];
  });
  const cost = headers.get("x-headrace-cost-usd");
  const rows = [
    ["First text", ms(figures.first)],
    ["All of it", ms(figures.whole)],
    ["Tokens", figures.usage ? `${figures.usage.prompt_tokens} in, ${figures.usage.completion_tokens} out` : NONE],
    ["Cost", cost === null ? NONE : usd(Number(cost))],
    ...Object.entries(TOLD).filter(([name]) => headers.get(name)).map(([name, label]) =>
      [label, name === "x-headrace-cache" ? badge(headers.get(name), headers.get(name) === "miss" ? "plain" : "good") : headers.get(name)]),
  ];
  return [
    h("dl", {}, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    timed.length ? h("h3", {}, "Stages before the answer began") : null,
    waterfall(passed, Math.max(end, 1e-6)),
  ];
}

async function stream(request, onText) {
  const response = await send("/v1/chat/completions", { method: "POST", ...request });
  let usage = null;
  for await (const data of events(response.body)) {
    if (data === "[DONE]") break;
    const event = JSON.parse(data);
    if (event.error) throw new Error(event.error.message);
    usage = event.usage || usage;
    onText(event.choices?.[0]?.delta?.content || "");
  }
  return { headers: response.headers, usage };
}

export function open(main) {
  const model = h("select", {});
  const system = h("textarea", { rows: 2 });
  const prompt = h("textarea", { rows: 6, required: true });
  const fresh = h("input", { type: "checkbox" });
  const button = h("button", { class: "primary", type: "submit" }, "Send");
  const stop = h("button", { type: "button", disabled: true, onclick: () => ender?.abort() }, "Stop");
  const answer = h("div", { class: "answer", role: "region", "aria-label": "Answer", "aria-busy": "false" });
  const problem = h("p", { class: "problem", role: "alert" });
  const waiting = () => h("p", { class: "quiet" }, "Where the answer came from, and how long each stage took.");
  const told = h("div", {}, waiting());
  const box = panel("Answer", problem, answer);
  let ender = null;

  async function ask(event) {
    event.preventDefault();
    ender = new AbortController();
    const { signal } = ender;
    const began = performance.now();
    let first = null;
    problem.textContent = "";
    answer.replaceChildren();
    fill(told, waiting());
    box.scrollIntoView({ block: "nearest" });
    answer.setAttribute("aria-busy", "true");
    button.disabled = true;
    stop.disabled = false;
    const messages = [{ role: "user", content: prompt.value }];
    if (system.value.trim()) messages.unshift({ role: "system", content: system.value });
    const body = { model: model.value, messages, stream: true, stream_options: { include_usage: true } };
    const more = fresh.checked ? { "cache-control": "no-cache" } : {};
    try {
      const { headers, usage } = await stream({ body, signal, more }, (text) => {
        if (text && first === null) first = performance.now() - began;
        answer.append(text);
      });
      fill(told, way(headers, { first, whole: performance.now() - began, usage }));
      announce("The answer is complete.");
    } catch (refused) {
      if (!signal.aborted) problem.textContent = refused.message;
    } finally {
      answer.setAttribute("aria-busy", "false");
      button.disabled = false;
      stop.disabled = true;
    }
  }

  const form = h("form", { onsubmit: ask },
    field("Model", model), field("System prompt", system), field("Prompt", prompt),
    h("div", { class: "field check" }, h("label", {}, fresh, " Ask the provider, whatever is stored")),
    h("div", { class: "row" }, button, stop));
  main.append(h("p", { class: "quiet facts" }, "A chat like any caller's, with the rights and the budget of the key that signed in."),
    h("div", { class: "side" }, panel("Ask", form), h("div", { class: "stack" }, box, panel("The way it came", told))));
  get("/v1/models").then((page) => {
    fill(model, page.data.map((each) => h("option", { value: each.id }, each.id)));
  }, (refused) => {
    problem.textContent = refused.message;
  });
  return () => ender?.abort();
}
