// Declared service levels: what is left of their budgets, and how fast they burn.

import { badge, table } from "./dom.js";
import { count, ms, share } from "./format.js";
import { bar } from "./charts.js";

// As the alerts judge them (`burning` of `/admin/slos`).
const BURNING = { steady: ["burning", "warn"], slow: ["burning slowly", "warn"] };

function state(level) {
  if (level.burning === "fast") return badge("burning fast", "bad");
  if (level.budget_left <= 0) return badge("used up", "bad");
  if (level.burning) return badge(...(BURNING[level.burning] || [level.burning, "warn"]));
  return level.answers ? badge("kept", "good") : badge("no answers yet");
}

function givesWay(level) {
  const { reaction } = level;
  if (!reaction) return "–";
  const gave = `${count(reaction.gave_way)} so far`;
  if (reaction.share === 0) return `${reaction.action}, at rest; ${gave}`;
  const { low, normal } = reaction.shares;
  return [badge(reaction.action, "warn"), ` ${share(low)} of low, ${share(normal)} of normal; ${gave}`];
}

function good(level) {
  const what = level.kind === "availability" ? "nothing failed" : `${level.kind.replaceAll("_", " ")} ≤ ${ms(level.threshold_ms)}`;
  return `${what}, ${share(level.objective)}`;
}

function left(level) {
  return [share(Math.max(0, level.budget_left)), bar(level.budget_left, level.budget_left > 0.25 ? "one" : "three")];
}

function burn(rate) {
  return typeof rate === "number" ? `${rate.toFixed(1)}×` : "–";
}

export function levels(told) {
  return table("Of what was counted since the worker that tells it began; a burn of 1× lasts for the whole window", [
    { label: "Level", get: (level) => level.name },
    { label: "State", get: state },
    { label: "Good is", wide: true, get: good },
    { label: "Bad", numeric: true, get: (level) => `${count(level.bad)} of ${count(level.answers)}` },
    { label: "Burn 5 min", numeric: true, get: (level) => burn(level.burn_rates["5m"]) },
    { label: "1 h", numeric: true, get: (level) => burn(level.burn_rates["1h"]) },
    { label: "6 h", numeric: true, get: (level) => burn(level.burn_rates["6h"]) },
    { label: "3 d", numeric: true, get: (level) => burn(level.burn_rates["3d"]) },
    { label: "Budget left", get: left },
    { label: "Gives way", wide: true, get: givesWay },
  ], told.data, { empty: "No service levels are declared." });
}
