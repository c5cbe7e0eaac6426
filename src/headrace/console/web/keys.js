// Keys of the store: made, put in another's place, taken away. A key is shown once, when it is made.

import { badge, field, fill, h, panel, table } from "./dom.js";
import { change, get, leave, query, who } from "./api.js";
import { confirm, dialogue } from "./dialogs.js";
import { ago, count, usd, when } from "./format.js";
import { problemLine } from "./polling.js";

const STATES = { active: "good", expired: "warn", revoked: "bad" };
const LIMITS = [["requests_per_minute", "Requests a minute"], ["tokens_per_minute", "Tokens a minute"], ["concurrent", "At once"],
  ["day_usd", "Dollars a day"], ["month_usd", "Dollars a month"]];

function showSecret(made) {
  const done = h("button", { class: "primary", type: "button", onclick: () => dialog.close() }, "Done");
  const copied = h("span", { role: "status" });
  const copy = h("button", {
    type: "button",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(made.key);
        copied.textContent = "Copied.";
      } catch {
        copied.textContent = "Select it and copy it by hand.";
      }
    },
  }, "Copy");
  const dialog = dialogue(`The key '${made.name}'`, [h("p", {}, "It is shown now and never again: only its digest is kept."),
    h("p", { class: "secret", "data-secret": "" }, made.key), h("div", { class: "row end" }, copied, copy, done)]);
}

function terms(key) {
  const told = [
    key.requests_per_minute && `${count(key.requests_per_minute)} requests/min`,
    key.tokens_per_minute && `${count(key.tokens_per_minute)} tokens/min`,
    key.concurrent && `${count(key.concurrent)} at once`,
    key.day_usd !== null && `${usd(key.day_usd)}/day`,
    key.month_usd !== null && `${usd(key.month_usd)}/month`,
    key.models.length && key.models.join(", "),
  ].filter(Boolean);
  return told.length ? told.join(" · ") : "no limits";
}

function maker(show, tell) {
  const name = h("input", { required: true, maxlength: 64, spellcheck: "false" });
  const tenant = h("input", { required: true, maxlength: 64, spellcheck: "false" });
  const models = h("input", { spellcheck: "false" });
  const days = h("input", { type: "number", min: 1, step: 1 });
  const admin = h("input", { type: "checkbox" });
  const limits = LIMITS.map(([term, label]) => [term, label, h("input", { type: "number", min: 0, step: "any" })]);

  async function make(event) {
    event.preventDefault();
    const wish = { name: name.value.trim(), tenant: tenant.value.trim(), admin: admin.checked };
    if (models.value.trim()) wish.models = models.value.split(",").map((each) => each.trim()).filter(Boolean);
    if (days.value) wish.expires_s = Number(days.value) * 86_400;
    for (const [term, , input] of limits) if (input.value) wish[term] = Number(input.value);
    try {
      const made = await change("POST", "/admin/keys", wish);
      event.target.reset();
      tell("");
      await show();
      showSecret(made);
    } catch (refused) {
      tell(refused.message);
    }
  }

  return h("form", { onsubmit: make },
    field("Name", name, "What logs and books call it."), field("Tenant", tenant),
    field("Models", models, "Patterns with commas between them, such as gpt-4o*; empty for all."),
    field("Days it lasts", days, "Empty for ever."),
    h("div", { class: "row limits" }, limits.map(([, label, input]) => field(label, input))),
    h("div", { class: "field check" }, h("label", {}, admin, " Administrator")),
    h("button", { class: "primary", type: "submit" }, "Make a key"));
}

// Who is signed in, and the way to end all that were signed in with the same key.
function sessions(tell) {
  const { key, ends_s: endsS, is_open: isOpen } = who();
  if (isOpen) return null;
  return panel("Signed in", h("p", {}, "With the key ", h("b", {}, key), endsS ? ` until ${when(1000 * endsS)}, or until you sign out.` : "."),
    h("button", {
      type: "button", class: "danger",
      onclick: () => confirm("Sign out everywhere?", `All sessions that were begun with the key '${key}' end, this one too, in whichever browser. The key itself stays as it is.`, "Sign out everywhere", () => leave(true), tell),
    }, "Sign out everywhere"));
}

export function open(main) {
  const { line, tell } = problemLine();
  const box = h("div");
  const more = h("button", { type: "button", onclick: () => show(last) }, "More");
  let last = null;

  function acts(key) {
    if (key.state !== "active") return "";
    return h("span", { class: "acts" },
      h("button", {
        type: "button", "aria-label": `Rotate ${key.name}`,
        onclick: () => confirm(`Rotate '${key.name}'?`, "Another key takes its place; the old one works for a day yet.", "Rotate", async () => {
          const made = await change("POST", `/admin/keys/${encodeURIComponent(key.id)}/rotate`);
          await show();
          showSecret(made);
        }, tell),
      }, "Rotate"),
      h("button", {
        type: "button", class: "danger", "aria-label": `Revoke ${key.name}`,
        onclick: () => confirm(`Revoke '${key.name}'?`, "No request with it is let in any more, and that is for good.", "Revoke", async () => {
          await change("DELETE", `/admin/keys/${encodeURIComponent(key.id)}`);
          await show();
        }, tell),
      }, "Revoke"));
  }

  async function show(after = null) {
    try {
      const page = await get(query("/admin/keys", { limit: 50, order: "desc", after }));
      last = page.last_id;
      more.hidden = !page.has_more;
      const now = Date.now() / 1000;
      fill(box, table("Keys of the store, newest first; those of the settings file are not among them", [
        { label: "Name", get: (key) => key.name },
        { label: "Tenant", get: (key) => key.tenant },
        { label: "State", get: (key) => [badge(key.state, STATES[key.state]), key.admin ? badge("admin", "warn") : null] },
        { label: "May", wide: true, get: terms },
        { label: "Made", numeric: true, get: (key) => `${ago(now - key.created_at)} ago` },
        { label: "Used", numeric: true, get: (key) => (key.last_used_at ? `${ago(now - key.last_used_at)} ago` : "never") },
        { label: "", get: acts },
      ], page.data, { empty: "No keys in the store yet." }));
    } catch (refused) {
      tell(refused.message);
    }
  }

  main.append(line, panel("Keys", box, h("div", { class: "row end" }, more)),
    h("div", { class: "grid-2 start" }, panel("A new key", maker(show, tell)), sessions(tell)));
  more.hidden = true;
  show();
}
