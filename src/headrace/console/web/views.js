// The views in the order of the menu.

import { open as overview } from "./overview.js";

export const VIEWS = [
  { name: "overview", title: "Overview", open: overview },
];
