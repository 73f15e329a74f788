// Curves of a log that may still grow: only what is new is asked for.
import { ask, curve, el, labelled, options, round, say } from "./dom.js";
import { word } from "./words.js";

const SECONDS = 3;
const FIRST = ["loss", "learning_rate", "grad_norm", "tokens_per_second"];

export async function show(place) {
  const found = await ask("/page/runs");
  if (!found.length) {
    place.append(el("p", { class: "note" }, word("noRuns")));
    return;
  }
  const run = el("select", { id: "run" });
  const curves = el("div", { class: "curves", id: "curves" });
  options(run, found.map((one) => one.name));
  let [rows, after, turn, timer] = [new Map(), 0, 0, null];

  function draw() {
    const all = [...rows.values()].sort((a, b) => a.step - b.step);
    const names = [...new Set(all.flatMap((row) => Object.keys(row)))].filter((name) => name !== "step" && all.some((row) => typeof row[name] === "number"));
    names.sort((a, b) => (FIRST.indexOf(a) + 1 || 99) - (FIRST.indexOf(b) + 1 || 99) || a.localeCompare(b));
    curves.replaceChildren(...names.map((name, n) => {
      const points = all.filter((row) => typeof row[name] === "number").map((row) => [row.step, row[name]]);
      const [step, value] = points[points.length - 1];
      return el("figure", { class: "card" }, el("h2", {}, name), curve(points, n), el("figcaption", { class: "quiet number" }, word("latest", { value: round(value, 4), step })));
    }));
  }
  async function read(mine) {
    try {
      let more = true;
      while (more) {
        const told = await ask(`/page/run?${new URLSearchParams({ run: run.value, after })}`);
        if (mine !== turn) return;
        more = told.after > after;
        after = told.after;
        for (const row of told.rows) rows.set(row.step, row); // a run that was resumed goes through some steps again
        if (told.rows.length) draw();
      }
    } catch (error) {
      say(word("failure", { why: error.message }));
    }
    if (mine === turn) timer = setTimeout(() => read(mine), 1000 * SECONDS);
  }
  const anew = () => { clearTimeout(timer); [rows, after] = [new Map(), 0]; curves.replaceChildren(); return read(++turn); };
  run.addEventListener("change", anew);
  place.append(el("div", { class: "row" }, labelled("run", run)), curves);
  await anew();
  return () => { turn += 1; clearTimeout(timer); };
}
