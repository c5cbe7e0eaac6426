// Dialogues: one thing shown over the page, or asked before something is done.

import { h } from "./dom.js";

let titles = 0;

// A dialogue with a title, where it begins to be read; it is gone when it is closed, and `onclose` is told.
export function dialogue(title, children, onclose = () => {}) {
  titles += 1;
  const id = `dialog-title-${titles}`;
  const dialog = h("dialog", {
    "aria-labelledby": id,
    onclose: () => {
      dialog.remove();
      onclose();
    },
  }, h("h2", { id, tabindex: "-1", autofocus: true }, title), children);
  document.getElementById("main").append(dialog);
  dialog.showModal();
  return dialog;
}

// Closes those that are open: one that is taken off the page with its view never tells that it closed.
export function closeAll() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

// Asks before `act` is done; what goes wrong with it is told.
export function confirm(title, text, label, act, tell) {
  const yes = h("button", {
    class: "danger", type: "button",
    onclick: async () => {
      yes.disabled = true;
      dialog.close();
      try {
        await act();
      } catch (refused) {
        tell(refused.message);
      }
    },
  }, label);
  const dialog = dialogue(title, [h("p", {}, text),
    h("div", { class: "row end" }, h("button", { type: "button", onclick: () => dialog.close() }, "Leave it"), yes)]);
}
