// Live play: frames and figures come over a WebSocket; see serve/page/watch.py for what is said there.
import { ask, el, labelled, options, round, say, sequence, svg, token } from "./dom.js";
import { word } from "./words.js";

const KEYS = [["turn left", "ArrowLeft"], ["turn right", "ArrowRight"], ["forward", "ArrowUp"], ["up", "ArrowUp"], ["down", "ArrowDown"], ["left", "ArrowLeft"], ["right", "ArrowRight"],
  ["pick up", "p"], ["drop", "d"], ["toggle", " "], ["fire", " "], ["nothing", "n"]];
const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "space" };

export function meanings(spec) {
  const found = Array.from({ length: spec.num_values ?? 0 }, (_, n) => String(n));
  for (const [, number, name] of (spec.meaning ?? "").matchAll(/(\d+) ([a-z][^,;()]*)/g)) if (Number(number) < found.length) found[Number(number)] = name.trim();
  return found;
}

export async function show(place) {
  const { tasks } = await ask("/v1/tasks");
  const families = [...new Set(tasks.map((task) => task.family))];
  const family = el("select", { id: "family" });
  const task = el("select", { id: "task" });
  const seed = el("input", { type: "number", id: "seed", min: 0, max: 999999, value: 0 });
  const fps = el("select", { id: "fps" });
  const beside = el("input", { type: "checkbox", id: "beside" });
  const begin = el("button", { type: "button", class: "main", id: "begin" }, word("begin"));
  const play = el("button", { type: "button", id: "play", disabled: true }, word("play"));
  const step = el("button", { type: "button", id: "step", disabled: true }, word("step"));
  const over = el("button", { type: "button", id: "over", disabled: true, "aria-pressed": "false" }, word("takeOver"));
  const told = el("p", { class: "told", id: "told" });
  const usual = el("p", { class: "quiet" });
  const stages = el("div", { class: "stages", id: "stages" });
  const chances = el("div", { class: "chances", id: "chances" });
  const latency = el("p", { class: "quiet number", id: "latency" });
  const read = el("div", { id: "read" });
  const hand = el("div", { class: "card", id: "hand", hidden: true });
  options(family, families);
  options(fps, [1, 2, 5, 10, 15, 30]);
  fps.value = 15;
  const fill = () => { options(task, tasks.filter((one) => one.family === family.value).map((one) => one.id), (id) => id.split("/").slice(1).join("/")); };
  fill();
  if (tasks.some((one) => one.id === "babyai/GoToLocal")) { family.value = "babyai"; fill(); task.value = "babyai/GoToLocal"; }
  place.append(
    el("div", { class: "row" }, labelled("family", family), labelled("task", task), labelled("seed", seed), labelled("speed", fps), el("label", { class: "line" }, beside, el("span", {}, word("beside")))),
    el("div", { class: "row" }, begin, play, step, over),
    el("div", { class: "two" },
      el("div", {}, el("div", { class: "card" }, told, stages, usual), hand),
      el("div", {}, el("div", { class: "card" }, el("h2", {}, word("action")), chances, latency), el("div", { class: "card" }, el("h2", {}, word("positions")), read))));

  let [socket, playing, byHand, spec, shown, queue] = [null, false, false, null, {}, []];
  const send = (message) => { if (socket?.readyState === 1) socket.send(JSON.stringify(message)); else if (socket) queue.push(message); };
  const pace = () => send({ type: "pace", playing, fps: Number(fps.value) });

  function connect() {
    if (socket && socket.readyState < 2) return;
    const address = new URL("/page/watch", location.href.replace(/^http/, "ws"));
    if (token()) address.searchParams.set("token", token());
    queue = [];
    const mine = socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { for (const message of queue.splice(0)) mine.send(JSON.stringify(message)); };
    socket.onmessage = (event) => {
      const length = new DataView(event.data).getUint32(0);
      const message = JSON.parse(new TextDecoder().decode(new Uint8Array(event.data, 4, length)));
      let start = 4 + length;
      const pictures = {};
      for (const [name, size] of Object.entries(message.pictures ?? {})) {
        pictures[name] = new Blob([new Uint8Array(event.data, start, size)], { type: "image/jpeg" });
        start += size;
      }
      take(message, pictures);
    };
    socket.onclose = (event) => { if (socket === mine && !mine.left) { enable(false); say(word("lostConnection", { why: event.reason || event.code })); } };
  }

  function enable(is) {
    for (const button of [play, step, over]) button.disabled = !is;
    if (!is) { playing = false; setHand(false); }
    play.textContent = word(playing ? "pause" : "play");
  }

  function take(message, pictures) {
    if (message.type === "error") {
      if (message.code === 500 || !message.param?.startsWith("action")) { enable(false); stages.replaceChildren(el("p", { class: "note bad" }, message.message)); }
      else say(message.message);
      return;
    }
    if (message.type === "begun") {
      spec = message.task.action;
      shown = {};
      stages.replaceChildren();
      chances.replaceChildren();
      read.replaceChildren();
      latency.textContent = "";
      usual.textContent = word("usual", { random: round(message.task.random_return), expert: round(message.task.expert_return) });
      stages.classList.toggle("beside", Object.keys(message.players).length > 1);
      playing = true;
      enable(true);
      pace();
      controls();
    }
    told.textContent = `${word("instruction")}: ${message.instruction}`;
    for (const name of ["agent", "expert", "random"]) if (message.players[name]) stage(name, message.players[name], pictures[name]);
    if (message.type === "step") {
      figures(message);
      if (message.over) enable(false);
    }
  }

  function stage(name, player, picture) {
    if (!shown[name]) {
      const [image, dark, caption] = [el("img", { alt: word(name) }), el("p", { class: "dark", hidden: true }), el("figcaption")];
      shown[name] = { image, dark, caption };
      stages.append(el("figure", { class: `stage ${name}`, "data-player": name }, image, dark, caption));
    }
    const { image, dark, caption } = shown[name];
    if (picture) {
      const old = image.src;
      image.src = URL.createObjectURL(picture);
      if (old) URL.revokeObjectURL(old);
    }
    const why = player.lost ?? player.blind;
    image.hidden = Boolean(why) && !picture;
    dark.hidden = !why;
    if (why) dark.textContent = word("noPicture", { why });
    const end = player.success ? ["yes", "solved"] : player.over && player.success === false ? ["no", "failed"] : player.over ? ["", "over"] : null;
    caption.replaceChildren(el("b", {}, word(name)), el("span", { class: "number" }, `${word("returned")} ${round(player.return)} · ${word("stepNumber", { n: player.steps })}`),
      ...(end ? [el("span", { class: `chip ${end[0]}` }, word(end[1]))] : []));
  }

  function figures(message) {
    if (!message.action) return;
    const rows = [];
    for (const chance of message.chances ?? []) {
      const field = spec[chance.field];
      if (!field) continue;
      if (field.num_values) {
        const names = meanings(field);
        chance.rows[0].forEach((p, n) => rows.push(el("div", { class: `chance${message.action[chance.field] === n ? " chosen" : ""}` },
          el("span", {}, names[n] ?? String(n)), el("span", { class: "track" }, bar(p)), el("span", { class: "number" }, `${(100 * p).toFixed(1)}%`))));
      } else chance.rows.forEach((row, n) => rows.push(el("div", { class: "chance" }, el("span", {}, `${chance.field} ${n + 1}`), histogram(row), el("span", { class: "number" }, round([message.action[chance.field]].flat(9)[n])))));
    }
    if (!rows.length) rows.push(el("p", { class: "quiet" }, `${word("actedBy", { who: word(message.by) })}: ${JSON.stringify(message.action)}`));
    chances.replaceChildren(...rows);
    const env = round(message.players.agent.env_ms);
    latency.textContent = message.timing ? `${word("latency")}: ${word("latencyValue", { model: round(message.timing.model_ms), queue: round(message.timing.queue_ms), env })}` : "";
    if (message.cells) read.replaceChildren(sequence(message.cells));
  }

  function bar(p) {
    const fill = el("span", { class: "fill" });
    fill.style.width = `${100 * p}%`;
    fill.style.display = "block";
    return fill;
  }

  function histogram(row) {
    const most = Math.max(...row);
    return svg("svg", { viewBox: `0 0 ${row.length} 20`, preserveAspectRatio: "none", height: 22, width: "100%", class: "tone0", role: "presentation" },
      row.map((p, n) => svg("rect", { class: "bar", x: n, y: 20 - (20 * p) / most, width: 0.9, height: (20 * p) / most })));
  }

  function setHand(is) {
    byHand = is;
    hand.hidden = !is;
    over.setAttribute("aria-pressed", is);
    over.textContent = word(is ? "handBack" : "takeOver");
  }

  let keys = {};
  function controls() {
    setHand(false);
    keys = {};
    const parts = [];
    const fields = Object.entries(spec);
    for (const [name, field] of fields) {
      if (field.num_values && fields.length === 1) {
        const taken = new Set();
        parts.push(el("div", { class: "keys" }, meanings(field).map((meaning, n) => {
          const act = () => send({ type: "hand", action: { [name]: n } });
          const named = KEYS.find(([part, key]) => meaning === part || (meaning.startsWith(part) && !taken.has(key)))?.[1];
          const key = named && !taken.has(named) ? named : n < 10 ? String(n) : null;
          if (key) { taken.add(key); keys[key] = act; }
          return el("button", { type: "button", onclick: act, "data-act": n }, meaning, key ? el("kbd", {}, NAMES[key] ?? key) : null);
        })));
      } else {
        const count = field.shape.reduce((a, b) => a * b, 1);
        const at = (bound, n, otherwise) => (bound === null ? otherwise : [bound].flat(9)[Math.min(n, [bound].flat(9).length - 1)]);
        parts.push(el("div", { "data-field": name }, Array.from({ length: count }, (_, n) => {
          const [low, high] = field.num_values ? [0, field.num_values - 1] : [at(field.low, n, -1), at(field.high, n, 1)];
          return el("label", {}, `${name} ${n + 1}`, el("input", { type: "range", min: low, max: high, step: field.num_values ? 1 : (high - low) / 100, value: field.num_values ? 0 : (low + high) / 2 }));
        })));
      }
    }
    if (!Object.keys(keys).length) parts.push(el("button", { type: "button", class: "main", onclick: () => send({ type: "hand", action: sliders() }) }, word("apply")));
    hand.replaceChildren(el("p", {}, word("yourTurn")), ...parts);
  }

  function sliders() {
    const action = {};
    for (const group of hand.querySelectorAll("[data-field]")) {
      const values = [...group.querySelectorAll("input")].map((input) => Number(input.value));
      action[group.dataset.field] = spec[group.dataset.field].shape.length ? values : values[0];
    }
    return action;
  }

  const typed = (event) => {
    if (!byHand || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };
  document.addEventListener("keydown", typed);

  family.addEventListener("change", fill);
  fps.addEventListener("change", pace);
  begin.addEventListener("click", () => {
    connect();
    enable(false);
    told.textContent = "";
    usual.textContent = "";
    stages.replaceChildren(el("p", { class: "quiet", role: "status" }, word("starting")));
    send({ type: "start", task: task.value, seed: Math.max(0, Math.floor(Number(seed.value) || 0)), beside: beside.checked });
  });
  play.addEventListener("click", () => {
    playing = !playing;
    if (byHand && playing) { setHand(false); send({ type: "who", by: "agent" }); }
    play.textContent = word(playing ? "pause" : "play");
    pace();
  });
  step.addEventListener("click", () => {
    if (playing) play.click();
    send({ type: "step" });
  });
  over.addEventListener("click", () => {
    setHand(!byHand);
    if (byHand) { playing = false; play.textContent = word("play"); pace(); hand.querySelector("button, input")?.focus(); }
    send({ type: "who", by: byHand ? "hand" : "agent" });
  });
  return () => {
    document.removeEventListener("keydown", typed);
    if (socket) { socket.left = true; socket.close(); }
  };
}
