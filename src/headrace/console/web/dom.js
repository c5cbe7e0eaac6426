// Elements without markup: whatever comes from outside can only ever become text.

const SVG = "http://www.w3.org/2000/svg";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(2)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

// An element: h("p", {class: "note", onclick: run}, "text", another).
export function h(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

// The same for drawings.
export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

export function fill(element, ...children) {
  element.replaceChildren();
  return build(element, {}, children);
}

// Draws something anew: a table stays scrolled, and who was on a part with a `data-key` is there again.
export function keepFocus(element, draw) {
  const held = element.contains(document.activeElement) ? document.activeElement.closest("[data-key]") : null;
  const left = element.querySelector(".scroll")?.scrollLeft;
  draw();
  const again = element.querySelector(".scroll");
  if (left && again) again.scrollLeft = left;
  if (held) element.querySelector(`[data-key="${CSS.escape(held.dataset.key)}"]`)?.focus({ preventScroll: true });
}

const kind = (column) => ["num", "wide", "graph"].find((each) => column[each === "num" ? "numeric" : each]) || null;

// Longer texts may be cut off in a table, and are told whole to whoever points at them.
const LONG = 20;

// A table whose columns are {label, get(row), numeric, wide, graph}; rows may be chosen with onchoose(row).
// On a narrow screen those of many columns stand one below the other; their roles are said, since what
// is no table to look at is none to every browser.
export function table(caption, columns, rows, { empty = "Nothing yet.", onchoose } = {}) {
  const head = columns.map((column) =>
    h("th", { scope: "col", role: "columnheader", class: kind(column) }, column.label),
  );
  const body = rows.map((row) => {
    const cells = columns.map((column, at) => {
      const content = column.get(row);
      const inner = onchoose && at === 0
        ? h("button", { class: "link", type: "button", "data-key": row.id, onclick: () => onchoose(row) }, content)
        : content;
      return h(at === 0 ? "th" : "td", {
        title: typeof content === "string" && content.length > LONG ? content : null,
        scope: at === 0 ? "row" : null,
        role: at === 0 ? "rowheader" : "cell",
        "data-label": at === 0 ? null : column.label,
        class: kind(column),
      }, inner);
    });
    return h("tr", { role: "row" }, cells);
  });
  const none = h("tr", { role: "row" }, h("td", { colspan: columns.length, class: "empty", role: "cell" }, empty));
  const stacks = columns.length > 4 || columns.some((column) => column.wide);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption, "data-key": "table" },
    h("table", { role: "table", class: [stacks && "stacks", columns.length > 9 ? "many" : columns.length > 6 && "some"].filter(Boolean).join(" ") || null },
      h("caption", { class: "quiet" }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
      h("tbody", { role: "rowgroup" }, body.length ? body : none)));
}

export function panel(title, ...children) {
  return h("section", { class: "panel", "aria-label": title }, h("h2", {}, title), children);
}

export function badge(text, tone = "plain") {
  return h("span", { class: `badge ${tone}` }, text);
}

let fields = 0;

// A labelled control: field("Name", h("input"), "hint").
export function field(label, control, hint) {
  fields += 1;
  control.id = control.id || `field-${fields}`;
  const told = hint ? h("small", { id: `${control.id}-hint` }, hint) : null;
  if (told) control.setAttribute("aria-describedby", told.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, told);
}

// Tells one thing to whoever listens, without moving the focus.
export function announce(text) {
  const place = document.getElementById("spoken");
  if (place) place.textContent = text;
}
