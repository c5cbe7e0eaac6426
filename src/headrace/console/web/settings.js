// What the gateway goes by; secrets never leave it.

import { badge, field, fill, h, panel, table } from "./dom.js";
import { get } from "./api.js";
import { problemLine } from "./polling.js";

export function open(main) {
  const { line, tell } = problemLine();
  const search = h("input", { type: "search", spellcheck: "false", oninput: () => show() });
  const all = h("input", { type: "checkbox", onchange: () => show() });
  const box = h("div");
  let settings = [];

  function show() {
    const wanted = search.value.trim().toLowerCase();
    const rows = settings.filter((each) => (all.checked || each.is_set) && each.path.toLowerCase().includes(wanted));
    fill(box, table("Secrets are shown as ***", [
      { label: "Setting", get: (each) => each.path },
      { label: "Value", wide: true, get: (each) => each.value },
      { label: "", get: (each) => (each.is_set ? badge("set", "good") : badge("as usual")) },
    ], rows, { empty: "No setting of this name." }));
  }

  main.append(line, panel("Settings",
    h("div", { class: "row controls" }, field("Search", search),
      h("div", { class: "field check" }, h("label", {}, all, " Those that are as usual, too"))), box));
  get("/admin/settings").then((page) => {
    settings = page.data;
    show();
  }, (refused) => tell(refused.message));
}
