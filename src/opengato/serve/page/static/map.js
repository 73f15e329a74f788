// The map of tasks: a point an episode, near where the agent's hidden states are alike, in the colour of its family.
import { ask, doing, el, labelled, options, svg } from "./dom.js";
import { word } from "./words.js";

const [WIDTH, HEIGHT, EDGE, AGAIN] = [640, 420, 14, 2000];
const familyOf = (task) => task.split("/")[0];

function scatter(found, pick) {
  const families = [...new Set(found.tasks.map(familyOf))];
  const [xs, ys] = [found.points.map((point) => point[1]), found.points.map((point) => point[2])];
  const scale = (values, size) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (value) => EDGE + ((value - low) / (high - low || 1)) * (size - 2 * EDGE);
  };
  const [x, y] = [scale(xs, WIDTH), scale(ys, HEIGHT)];
  const dots = found.points.map(([task, a, b]) => svg("circle", { class: `dot tone${families.indexOf(familyOf(found.tasks[task])) % 7}`, "data-task": task, cx: x(a).toFixed(1), cy: (HEIGHT - y(b)).toFixed(1), r: 4,
    onpointerover: () => pick(task), onpointerdown: () => pick(task) }, svg("title", {}, found.tasks[task])));
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "map", role: "img", "aria-label": word("mapTitle") }, dots);
  const legend = el("ul", { class: "legend" }, families.map((family, n) => el("li", { class: `tone${n % 7}` }, family)));
  return { picture, legend, dots };
}

function drawn(found) {
  const task = el("select", { id: "mapTask" });
  const told = el("p", { id: "mapTold", class: "told", "aria-live": "polite" }, word("mapHover"));
  options(task, ["", ...found.tasks.keys()], (value) => (value === "" ? word("all") : found.tasks[value]));
  const light = (value) => {
    const number = value === "" ? null : Number(value);
    for (const dot of shown.dots) dot.classList.toggle("dim", number !== null && Number(dot.dataset.task) !== number);
    const episodes = found.points.filter((point) => point[0] === number).length;
    told.textContent = number === null ? word("mapHover") : word("mapPoint", { task: found.tasks[number], n: episodes });
    task.value = value;
  };
  const shown = scatter(found, light);
  task.addEventListener("change", () => light(task.value));
  const share = (name) => `${Math.round(100 * found.neighbours[name])}%`;
  return [el("p", {}, word("mapFacts", { n: found.points.length, layer: found.layer, depth: found.depth, same: share("same task"), chance: share("same task by chance") })),
    el("div", { class: "row" }, labelled("task", task)), shown.legend, shown.picture, told];
}

// Fills a card with the map, or with a button that draws it; returns what ends the waiting.
export function chart(place) {
  let [timer, left] = [null, false];
  const body = el("div", { id: "map" });
  const draw = el("button", { type: "button", id: "draw" }, word("mapDraw"));
  const look = async () => { if (!left) tell(await ask("/page/map")); };
  function tell(found) {
    if (left) return;
    const parts = { none: () => [el("p", { class: "quiet" }, word("mapNone"))], ready: () => [draw], drawing: () => [el("p", { role: "status" }, word("mapDrawing"))],
      failed: () => [el("p", { class: "note bad" }, word("failure", { why: found.why })), draw], there: () => drawn(found) };
    body.replaceChildren(...parts[found.state]());
    if (found.state === "drawing") timer = setTimeout(look, AGAIN);
  }
  draw.addEventListener("click", doing(draw, async () => tell(await ask("/page/map", { body: {} }))));
  place.append(el("h2", {}, word("mapTitle")), el("p", { class: "quiet" }, word("mapLead")), body);
  look();
  return () => { left = true; clearTimeout(timer); };
}
