// The tabs: each is a module with `show(place, about)`, which may return what is to be done when it is left.
import { ask, el, say } from "./dom.js";
import { languages, setLanguage, word } from "./words.js";
import * as watch from "./watch.js";
import * as scores from "./scores.js";
import * as talk from "./talk.js";
import * as describe from "./describe.js";
import * as inside from "./inside.js";
import * as data from "./data.js";
import * as runs from "./runs.js";

const TABS = { watch, scores, talk, describe, inside, data, runs };
const names = Object.keys(TABS);
const main = document.getElementById("main");
const list = document.getElementById("tabs");
let [about, leave, turn] = [null, null, 0];

const current = () => (names.includes(location.hash.slice(1)) ? location.hash.slice(1) : names[0]);

async function show() {
  const [name, mine] = [current(), ++turn];
  leave?.();
  leave = null;
  for (const button of list.children) {
    const is = button.dataset.tab === name;
    button.setAttribute("aria-selected", is);
    button.tabIndex = is ? 0 : -1;
  }
  const place = el("section", { role: "tabpanel", id: "panel", "aria-labelledby": `tab-${name}` },
    el("h1", {}, word(`${name}Title`)), el("p", { class: "lead" }, word(`${name}Lead`)));
  main.replaceChildren(place);
  document.title = `${word(name)} · opengato`;
  try {
    about ??= await ask("/page/about");
    document.getElementById("model").textContent = word("facts", { model: about.model, millions: (about.parameters / 1e6).toFixed(1), context: about.context });
    if (mine !== turn) return;
    const left = await TABS[name].show(place, about);
    if (mine === turn) leave = left;
    else left?.();
  } catch (error) {
    place.append(el("p", { class: "note bad" }, word("failure", { why: error.message })));
  }
}

function header() {
  list.replaceChildren(...names.map((name) => el("button", { type: "button", role: "tab", id: `tab-${name}`, "data-tab": name, "aria-controls": "panel",
    onclick: () => { location.hash = name; } }, word(name))));
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  const other = document.documentElement.lang === "en" ? ["中文", "zh"] : ["English", "en"];
  const button = document.getElementById("language");
  [button.textContent, button.lang] = other;
  button.setAttribute("aria-label", other[0]);
}

list.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = names[(names.indexOf(current()) + step + names.length) % names.length];
  location.hash = next;
  document.getElementById(`tab-${next}`).focus();
});

function choose(language) {
  localStorage.setItem("language", language);
  setLanguage(language);
  header();
  show();
}

function dress(theme) {
  document.documentElement.dataset.theme = theme;
}

document.getElementById("language").addEventListener("click", (event) => choose(event.target.lang));
document.getElementById("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", theme);
  dress(theme);
});
addEventListener("hashchange", show);
addEventListener("unhandledrejection", (event) => say(word("failure", { why: event.reason?.message ?? event.reason })));
dress(localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
choose(localStorage.getItem("language") ?? languages.find((name) => navigator.language.startsWith(name)) ?? "en");
