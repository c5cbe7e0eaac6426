// The views in the order of the menu.

import { open as alerts } from "./alerts.js";
import { open as flow } from "./flow.js";
import { open as jobs } from "./jobs.js";
import { open as keys } from "./keys.js";
import { open as overview } from "./overview.js";
import { open as playground } from "./playground.js";
import { open as requests } from "./requests.js";
import { open as settings } from "./settings.js";
import { open as spend } from "./spend.js";

export const VIEWS = [
  { name: "overview", title: "Overview", open: overview },
  { name: "alerts", title: "Alerts", open: alerts },
  { name: "flow", title: "Flow", open: flow },
  { name: "playground", title: "Playground", open: playground },
  { name: "requests", title: "Requests", open: requests },
  { name: "jobs", title: "Jobs", open: jobs },
  { name: "spend", title: "Spend", open: spend },
  { name: "keys", title: "Keys", open: keys },
  { name: "settings", title: "Settings", open: settings },
];
