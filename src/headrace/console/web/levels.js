// Declared service levels: what is left of their budgets, and how fast they burn.

import { badge, table } from "./dom.js";
import { count, ms, share } from "./format.js";
import { bar } from "./charts.js";

// As of the alerts: how many times too fast a budget of a month burns before somebody is told, over two
// windows each, and of how many bad answers.
const FAST = 14.4;
const STEADY = 6;
const BAD_LEAST = 5;
const MONTH_DAYS = 30;

// Of a shorter budget the same share is gone sooner; one that lasts its window burns at 1.
function isBurning(level, factor, ...rates) {
  const limit = Math.max(1, (factor * level.window_days) / MONTH_DAYS);
  return level.bad >= BAD_LEAST && rates.every((rate) => rate > limit);
}

function state(level) {
  const { "5m": now, "1h": hour, "6h": long } = level.burn_rates;
  if (isBurning(level, FAST, now, hour)) return badge("burning fast", "bad");
  if (level.budget_left <= 0) return badge("used up", "bad");
  if (isBurning(level, STEADY, hour, long)) return badge("burning", "warn");
  return level.answers ? badge("kept", "good") : badge("no answers yet");
}

function givesWay(level) {
  const reaction = level.reaction;
  if (!reaction) return "–";
  if (reaction.share === 0) return `${reaction.action}, at rest`;
  const { low, normal } = reaction.shares;
  return badge(`${reaction.action}: ${share(low)} of low, ${share(normal)} of normal`, "warn");
}

function burn(rate) {
  return typeof rate === "number" ? `${rate.toFixed(1)}×` : "–";
}

export function levels(told) {
  return table("Of what was counted since the worker that tells it began; a burn of 1× lasts for the whole window", [
    { label: "Level", get: (level) => level.name },
    { label: "State", get: state },
    { label: "Good is", get: (level) => (level.kind === "availability" ? "nothing failed" : `${level.kind.replaceAll("_", " ")} ≤ ${ms(level.threshold_ms)}`) },
    { label: "Objective", numeric: true, get: (level) => share(level.objective) },
    { label: "Bad", numeric: true, get: (level) => `${count(level.bad)} of ${count(level.answers)}` },
    { label: "Burn 5 min", numeric: true, get: (level) => burn(level.burn_rates["5m"]) },
    { label: "1 h", numeric: true, get: (level) => burn(level.burn_rates["1h"]) },
    { label: "6 h", numeric: true, get: (level) => burn(level.burn_rates["6h"]) },
    { label: "Budget left", numeric: true, get: (level) => share(Math.max(0, level.budget_left)) },
    { label: "Gives way", get: givesWay },
    { label: "Gave way", numeric: true, get: (level) => (level.reaction ? count(level.reaction.gave_way) : "–") },
    { label: "", get: (level) => bar(level.budget_left, level.budget_left > 0.25 ? "one" : "three") },
  ], told.data, { empty: "No service levels are declared." });
}
