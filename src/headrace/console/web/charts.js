// Curves over time, drawn as SVG: small, themed by the style sheet, and told in words as well.

import { fill, h, svg } from "./dom.js";
import { clock, ms } from "./format.js";

const LEFT = 8;
const RIGHT = 8;
const TOP = 18;
const BOTTOM = 20;
const STEPS = [1, 2, 2.5, 5, 10];

function niceTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * STEPS.find((step) => step * power >= value * 0.999);
}

// One path for each run of points that have a value.
function paths(points, x, y) {
  const parts = [];
  let isDown = false;
  for (const [at, value] of points) {
    if (value === null || value === undefined) {
      isDown = false;
      continue;
    }
    parts.push(`${isDown ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
    isDown = true;
  }
  return parts.join("");
}

function lastOf(points) {
  const known = points.filter(([, value]) => value !== null && value !== undefined);
  return known.length ? known[known.length - 1][1] : null;
}

// A chart with `update(series, from, to)`; series are {label, tone, points: [[seconds, value]]}.
export function lineChart(title, format, { height = 190, top = null, area = false } = {}) {
  const drawing = svg("svg", { role: "img", height, class: "chart", "aria-label": `${title}: nothing yet` });
  const legend = h("div", { class: "legend" });
  const readout = h("div", { class: "readout", "aria-hidden": "true" });
  const element = h("section", { class: "panel", "aria-label": title },
    h("div", { class: "chart-head" }, h("h2", {}, title), legend), h("div", { class: "plot" }, drawing, readout));
  let shown = null;

  function draw(mark = null) {
    if (!shown) return;
    const { series, from, to } = shown;
    const width = Math.max(drawing.parentNode.clientWidth, 120);
    const values = series.flatMap((each) => each.points.map((point) => point[1] ?? 0));
    const most = top ?? niceTop(Math.max(0, ...values));
    const x = (at) => LEFT + ((at - from) / Math.max(to - from, 1)) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (1 - Math.min(value, most) / most) * (height - TOP - BOTTOM);
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute("aria-label", words(series));
    const parts = [0, 0.5, 1].map((part) => svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(part * most), y2: y(part * most) }));
    for (const each of series) {
      const path = paths(each.points, x, y);
      if (area && path) {
        const known = each.points.filter((point) => point[1] !== null && point[1] !== undefined);
        const base = y(0).toFixed(1);
        const outline = `M${x(known[0][0]).toFixed(1)} ${base}${paths(known, x, y).replace("M", "L")}`;
        parts.push(svg("path", { class: `area ${each.tone}`, d: `${outline}L${x(known.at(-1)[0]).toFixed(1)} ${base}Z` }));
      }
      parts.push(svg("path", { class: `line ${each.tone}`, d: path || "M0 0" }));
    }
    if (mark !== null) parts.push(svg("line", { class: "mark", x1: x(mark), x2: x(mark), y1: TOP, y2: height - BOTTOM }));
    parts.push([0.5, 1].map((part) => svg("text", { class: "tick", x: LEFT, y: y(part * most) - 3 }, format(part * most))));
    parts.push(svg("text", { class: "tick", x: LEFT, y: height - 5 }, clock(from)));
    parts.push(svg("text", { class: "tick end", x: width - RIGHT, y: height - 5 }, clock(to)));
    fill(drawing, parts);
  }

  function words(series) {
    const told = series.map((each) => {
      const last = lastOf(each.points);
      return `${each.label} ${last === null ? "none" : format(last)}`;
    });
    return `${title}: ${told.join(", ")}`;
  }

  drawing.addEventListener("pointermove", (event) => {
    if (!shown || !shown.series[0].points.length) return;
    const box = drawing.getBoundingClientRect();
    const part = (event.clientX - box.left - LEFT) / Math.max(box.width - LEFT - RIGHT, 1);
    const wanted = shown.from + part * (shown.to - shown.from);
    const times = shown.series[0].points.map((point) => point[0]);
    const at = times.reduce((best, time) => (Math.abs(time - wanted) < Math.abs(best - wanted) ? time : best));
    const told = shown.series.map((each) => {
      const found = each.points.find((point) => point[0] === at);
      return `${each.label} ${found && found[1] !== null ? format(found[1]) : "–"}`;
    });
    readout.textContent = `${clock(at)}   ${told.join("   ")}`;
    draw(at);
  });
  drawing.addEventListener("pointerleave", () => {
    readout.textContent = "";
    draw();
  });
  new ResizeObserver(() => draw()).observe(element);

  function update(series, from, to) {
    shown = { series, from, to };
    fill(legend, series.map((each) => {
      const last = lastOf(each.points);
      return h("span", {}, h("i", { class: `swatch ${each.tone}` }), each.label, " ", h("b", {}, last === null ? "–" : format(last)));
    }));
    draw();
  }

  return { element, update };
}

// A curve the size of a word, for the eye only.
export function sparkline(points) {
  const values = points.map((value) => value ?? 0);
  const most = Math.max(...values, 1e-9);
  const step = 100 / Math.max(values.length - 1, 1);
  const path = values.map((value, at) => `${at ? "L" : "M"}${(at * step).toFixed(1)} ${(27 - (value / most) * 24).toFixed(1)}`).join("");
  return svg("svg", { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { class: "area one", d: path ? `${path}L100 30L0 30Z` : "M0 0" }),
    svg("path", { class: "line one", d: path || "M0 0" }));
}

// What came after what: rows are [label, start, took, tone], in milliseconds of `whole`.
export function waterfall(rows, whole) {
  return h("div", { class: "waterfall" }, rows.map(([label, start, took, tone]) => {
    const mark = h("span", { class: tone });
    mark.style.left = `${((100 * start) / whole).toFixed(2)}%`;
    mark.style.width = `${((100 * Math.min(took, whole - start)) / whole).toFixed(2)}%`;
    return [h("span", {}, label), h("div", { class: "track", "aria-hidden": "true" }, mark), h("span", { class: "num" }, ms(took))];
  }));
}

// A bar of a share from 0 to 1.
export function bar(part, tone = "one") {
  const inner = h("span", { class: tone });
  inner.style.width = `${(Math.min(Math.max(part, 0), 1) * 100).toFixed(1)}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, inner);
}
