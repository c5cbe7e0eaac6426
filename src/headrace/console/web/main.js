// The frame of the page: who is signed in, and which view is open.

import { announce, fill, h } from "./dom.js";
import { closeAll } from "./dialogs.js";
import { leave, resume, signIn, who, whenOver } from "./api.js";
import { VIEWS } from "./views.js";

const app = document.getElementById("app");
let close = () => {};

function brand() {
  return h("span", { class: "brand" }, h("img", { src: "/ui/icon.svg", alt: "", width: 26, height: 26 }), "Headrace");
}

// Whatever asks again and again for a view, or for a dialogue over it, ends with it.
function endView() {
  closeAll();
  close();
  close = () => {};
}

function showSignIn(why = "") {
  endView();
  document.title = "Sign in · Headrace";
  const key = h("input", { type: "password", id: "key", autocomplete: "current-password", required: true, spellcheck: "false" });
  const problem = h("p", { class: "problem", role: "alert" }, why);
  const button = h("button", { class: "primary", type: "submit" }, "Sign in");
  const form = h("form", {
    class: "sign-in panel",
    onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      problem.textContent = "";
      try {
        await signIn(key.value.trim());
        key.value = "";
        showFrame();
      } catch (refused) {
        problem.textContent = refused.message;
        key.focus();
      } finally {
        button.disabled = false;
      }
    },
  },
  h("h1", {}, brand()),
  h("p", {}, "Sign in with the key of an administrator. The key is not kept: the browser gets a session that ends after eight hours."),
  h("input", { type: "text", name: "username", autocomplete: "username", value: "administrator", hidden: true }),
  h("div", { class: "field" }, h("label", { for: "key" }, "Administrator's key"), key),
  problem, button);
  fill(app, h("main", { id: "main", class: "centre" }, form));
  key.focus();
}

function openView() {
  const name = location.hash.replace(/^#\/?/, "").split("/")[0] || VIEWS[0].name;
  const view = VIEWS.find((each) => each.name === name) || VIEWS[0];
  endView();
  const main = document.getElementById("main");
  document.title = `${view.title} · Headrace`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === view.name) {
      link.setAttribute("aria-current", "page");
      // By hand: what is scrolled into view is where the next Tab would begin.
      const nav = link.closest("nav");
      nav.scrollLeft = link.offsetLeft - nav.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2;
    } else {
      link.removeAttribute("aria-current");
    }
  }
  fill(main, h("h1", { tabindex: "-1" }, view.title));
  close = view.open(main) || (() => {});
}

function showFrame() {
  const { key, is_open: isOpen } = who();
  const links = VIEWS.map((view) => h("li", {}, h("a", { href: `#/${view.name}`, "data-view": view.name }, view.title)));
  const out = h("button", { type: "button", onclick: () => leave() }, "Sign out");
  const skip = h("a", {
    class: "skip",
    href: "#main",
    onclick: (event) => {
      event.preventDefault();
      document.getElementById("main").focus();
    },
  }, "Skip to content");
  fill(app, skip,
    h("header", {}, brand(),
      h("nav", { "aria-label": "Views" }, h("ul", {}, links)),
      h("div", { class: "who" }, h("span", { class: "quiet" }, isOpen ? "open: no keys are set" : key), isOpen ? null : out)),
    h("main", { id: "main", tabindex: "-1" }),
    h("div", { id: "spoken", class: "unseen", role: "status", "aria-live": "polite" }));
  openView();
}

whenOver((why) => showSignIn(why));
window.addEventListener("hashchange", () => {
  if (!who()) return;
  openView();
  document.querySelector("main h1").focus();
  announce(document.title);
});

if (await resume()) showFrame();
else showSignIn();
