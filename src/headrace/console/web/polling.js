// Asks again and again, without overlapping, and less while nobody looks.

import { h } from "./dom.js";

const HIDDEN_S = 30;

// Calls `act(signal)` at once and then every `seconds`; gives what ends it.
export function every(seconds, act, onProblem) {
  const ender = new AbortController();
  let timer = 0;
  async function turn() {
    try {
      await act(ender.signal);
      if (!ender.signal.aborted) onProblem("");
    } catch (problem) {
      if (ender.signal.aborted) return;
      onProblem(problem.message);
    }
    if (!ender.signal.aborted) timer = setTimeout(turn, 1000 * (document.hidden ? HIDDEN_S : seconds));
  }
  turn();
  return () => {
    clearTimeout(timer);
    ender.abort();
  };
}

// A line that says what is wrong, and is empty while nothing is.
export function problemLine() {
  const line = h("p", { class: "problem", role: "alert" });
  return { line, tell: (text) => { if (line.textContent !== text) line.textContent = text; } };
}
