"use strict";
const holder = document.getElementById("data");
const root = JSON.parse(holder.textContent);
const compared = holder.dataset.compared === "true";
const flame = document.getElementById("flame");
const told = document.getElementById("told");
const find = document.getElementById("find");
const ROW = 20;
let shown = root;

function measure(box, above, depth) {
  box.above = above;
  box.depth = depth;
  return 1 + box.inside.reduce((most, each) => Math.max(most, measure(each, box, depth + 1)), 0);
}
const rows = measure(root, null, 0);
flame.style.height = `${rows * ROW}px`;

function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.charCodeAt(0)) % 997;
  return 18 + (sum % 37);
}

function color(box) {
  if (!compared) return `hsl(${hue(box.name)} 80% ${box.name.includes("headrace/") ? 62 : 74}%)`;
  const change = box.count / (root.count || 1) - box.before / (root.before || 1);
  const strength = Math.min(1, Math.abs(change) * 12);
  return `hsl(${change > 0 ? 6 : 215} ${20 + 60 * strength}% ${86 - 22 * strength}%)`;
}

function words(box) {
  const share = (100 * box.count / (root.count || 1)).toFixed(1);
  if (!compared) return `${box.name}: ${share} %, ${box.count} samples`;
  const old = (100 * box.before / (root.before || 1)).toFixed(1);
  return `${box.name}: ${share} %, before ${old} %`;
}

function place(box, left, width, isAbove) {
  if (width * flame.clientWidth < 2) return;
  const element = document.createElement("div");
  element.textContent = box.name;
  element.style.left = `${100 * left}%`;
  element.style.width = `${100 * width}%`;
  element.style.bottom = `${box.depth * ROW}px`;
  element.style.background = color(box);
  element.classList.toggle("above", isAbove);
  const wanted = find.value.trim().toLowerCase();
  element.classList.toggle("hit", wanted !== "" && box.name.toLowerCase().includes(wanted));
  element.addEventListener("click", () => look(box));
  element.addEventListener("mouseenter", () => { told.textContent = words(box); });
  flame.append(element);
  if (isAbove) return;
  let start = left;
  for (const each of box.inside) {
    const part = box.count ? width * each.count / box.count : 0;
    place(each, start, part, false);
    start += part;
  }
}

function draw() {
  flame.replaceChildren();
  for (let box = shown.above; box; box = box.above) place(box, 0, 1, true);
  place(shown, 0, 1, false);
}

function look(box) {
  shown = box;
  told.textContent = words(box);
  draw();
}

function samplesOf(box, wanted) {
  if (box.name.toLowerCase().includes(wanted)) return box.count;
  return box.inside.reduce((sum, each) => sum + samplesOf(each, wanted), 0);
}

function search() {
  const wanted = find.value.trim().toLowerCase();
  const share = wanted ? 100 * samplesOf(root, wanted) / (root.count || 1) : 0;
  document.getElementById("found").textContent = wanted ? `${share.toFixed(1)} % of all samples` : "";
  draw();
}

flame.addEventListener("keydown", (event) => {
  if (event.key === "Escape") look(root);
  if (event.key === "ArrowUp" && shown.inside.length) look([...shown.inside].sort((a, b) => b.count - a.count)[0]);
  if (event.key === "ArrowDown" && shown.above) look(shown.above);
  if (event.key.startsWith("Arrow")) event.preventDefault();
});
document.getElementById("reset").addEventListener("click", () => look(root));
find.addEventListener("input", search);
window.addEventListener("resize", draw);
draw();
