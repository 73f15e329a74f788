// Stores: episodes by task and outcome, step by step, and as the agent would read them.
import { ask, doing, el, labelled, options, round, say, sequence, table } from "./dom.js";
import { word } from "./words.js";

function value(one) {
  if (one.picture) return el("img", { src: one.picture, alt: word("observation") });
  if (one.text !== undefined) return el("span", {}, one.text);
  return el("span", { class: "number" }, `${one.numbers.map((n) => round(n)).join(" ")}${one.shape.reduce((a, b) => a * b, 1) > one.numbers.length ? " …" : ""}`);
}

export async function show(place) {
  const stores = await ask("/page/stores");
  if (!stores.length) {
    place.append(el("p", { class: "note" }, word("noStores")));
    return;
  }
  const [store, task, success] = [el("select", { id: "store" }), el("select", { id: "of" }), el("select", { id: "success" })];
  const [rows, one] = [el("div", { id: "episodes" }), el("div", { id: "episode", "aria-live": "polite" })];
  const back = el("button", { type: "button" }, word("previous"));
  const on = el("button", { type: "button" }, word("next"));
  const where = el("span", { class: "quiet number" });
  let [first, total] = [0, 0];
  options(store, stores.map((known) => known.name), (name) => `${name} (${stores.find((known) => known.name === name).episodes})`);
  options(success, ["", "true", "false"], (name) => (name === "" ? word("all") : word(name === "true" ? "solved" : "failed")));

  const tasks = () => { const known = stores.find((each) => each.name === store.value); options(task, ["", ...Object.keys(known.tasks)], (name) => (name === "" ? word("all") : `${name} (${known.tasks[name]})`)); };
  async function list() {
    const query = new URLSearchParams({ store: store.value, task: task.value, success: success.value, first });
    const found = await ask(`/page/episodes?${query}`);
    total = found.total;
    where.textContent = word("ofTotal", { from: total ? first + 1 : 0, to: first + found.episodes.length, total });
    back.disabled = first === 0;
    on.disabled = first + found.episodes.length >= total;
    rows.replaceChildren(table(word("episodes"), [
      { name: "#", text: true, value: (row) => row.number }, { name: word("task"), text: true, value: (row) => row.task }, { name: word("steps"), value: (row) => row.steps },
      { name: word("returned"), value: (row) => row.return, show: (row) => round(row.return) }, { name: word("outcome"), text: true, value: (row) => (row.success === null ? "" : word(row.success ? "solved" : "failed")) },
    ], found.episodes, (row) => open(row.number).catch((error) => say(word("failure", { why: error.message })))));
  }
  async function open(number) {
    const found = await ask(`/page/episode?${new URLSearchParams({ store: store.value, number })}`);
    one.replaceChildren(el("div", { class: "card" }, el("h2", {}, `${word("episode", { n: number })}: ${found.task}`),
      el("dl", {}, el("dt", {}, word("instruction")), el("dd", {}, found.instruction || "–"), el("dt", {}, word("returned")), el("dd", { class: "number" }, round(found.return)), ...Object.entries(found.provenance).slice(0, 8).flatMap(([name, told]) => [el("dt", {}, name), el("dd", {}, typeof told === "object" ? JSON.stringify(told) : String(told))])),
      el("ol", { class: "steps", tabindex: 0, "aria-label": word("steps") }, found.steps.map((step, n) => el("li", {}, el("b", {}, word("stepNumber", { n })), " ",
        Object.entries(step.observation).map(([name, seen]) => el("div", {}, el("span", { class: "quiet" }, `${name} `), value(seen))),
        Object.entries(step.action).map(([name, done]) => el("div", {}, el("span", { class: "quiet" }, `${word("done")} ${name} `), value(done))), el("div", { class: "quiet number" }, `${word("reward")} ${round(step.reward)}`)))),
      el("h2", {}, word("tokens")), found.unreadable ? el("p", { class: "note" }, word("unreadable", { why: found.unreadable })) : sequence(found.cells)));
  }
  const anew = () => { first = 0; one.replaceChildren(); return list(); };
  const heard = (work) => () => work().catch((error) => say(word("failure", { why: error.message })));
  store.addEventListener("change", heard(() => { tasks(); return anew(); }));
  task.addEventListener("change", heard(anew));
  success.addEventListener("change", heard(anew));
  for (const [button, step] of [[back, -50], [on, 50]]) button.addEventListener("click", async () => { await doing(button, async () => { first = Math.max(0, first + step); })(); heard(list)(); });
  place.append(el("div", { class: "row" }, labelled("store", store), labelled("task", task), labelled("outcome", success)), el("div", { class: "two" }, el("div", {}, rows, el("div", { class: "row" }, back, on, where)), one));
  tasks();
  await list();
}
