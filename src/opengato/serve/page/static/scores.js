// Scores as sortable tables and plots.
import { ask, el, labelled, round, svg, table } from "./dom.js";
import { word } from "./words.js";

const fixed = (value) => (typeof value === "number" ? value.toFixed(3) : "–");

function ofReport(results) {
  return results.map((one) => ({ task: one.task, metric: one.metric, score: one.score.value, interval: [one.score.low, one.score.high], samples: one.num_samples, references: one.references ?? {} }));
}

function plot(rows) {
  const [line, left, width] = [20, 190, 640];
  const [low, high] = [Math.min(0, ...rows.map((row) => row.interval[0] ?? row.score)), Math.max(1, ...rows.map((row) => row.interval[1] ?? row.score))];
  const x = (value) => left + ((value - low) / (high - low)) * (width - left - 12);
  const height = rows.length * line + 26;
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "tone0", role: "presentation" },
    [0, 1].map((value) => [svg("line", { class: "axis", x1: x(value), x2: x(value), y1: 18, y2: height }), svg("text", { x: x(value), y: 12, "text-anchor": "middle" }, word(value ? "expert" : "random"))]),
    rows.map((row, n) => [
      svg("text", { x: left - 8, y: 34 + n * line, "text-anchor": "end" }, row.task.split("/").slice(1).join("/").slice(0, 28)),
      svg("line", { class: "span", x1: x(row.interval[0] ?? row.score), x2: x(row.interval[1] ?? row.score), y1: 30 + n * line, y2: 30 + n * line }),
      svg("circle", { class: "dot", cx: x(row.score), cy: 30 + n * line, r: 3.5 }),
    ]));
}

function section(place, title, rows, videos) {
  if (!rows.length) return;
  const filter = el("input", { type: "text", id: `filter-${title.length}` });
  const [body, shown] = [el("div"), el("div")];
  const columns = [
    { name: word("task"), text: true, value: (row) => row.task },
    { name: word("metric"), text: true, value: (row) => row.metric },
    { name: word("score"), value: (row) => row.score, show: (row) => fixed(row.score) },
    { name: word("interval"), value: (row) => row.interval[0], show: (row) => `${fixed(row.interval[0])} – ${fixed(row.interval[1])}` },
    { name: word("samples"), value: (row) => row.samples },
    { name: word("references"), text: true, value: (row) => Object.entries(row.references).map(([name, value]) => `${name} ${round(value)}`).join(", ") },
  ];
  if (Object.keys(videos).length) columns.push({ name: word("videos"), text: true, value: (row) => (videos[row.task] ? 1 : 0), show: (row) => (videos[row.task]
    ? el("button", { type: "button", "aria-label": word("video", { task: row.task }), onclick: () => shown.replaceChildren(el("h2", {}, word("video", { task: row.task })),
      videos[row.task].endsWith(".mp4") ? el("video", { src: videos[row.task], controls: true, autoplay: true, muted: true, loop: true, width: 256 }) : el("img", { src: videos[row.task], alt: row.task })) }, "▶") : "") });
  const fill = () => {
    const kept = rows.filter((row) => `${row.task} ${row.metric}`.toLowerCase().includes(filter.value.toLowerCase()));
    body.replaceChildren(table(title, columns, kept));
  };
  filter.addEventListener("input", fill);
  fill();
  place.append(el("div", { class: "row" }, labelled("filter", filter)), shown, body);
  const control = rows.filter((row) => row.metric === "normalised return");
  const families = [...new Set(control.map((row) => row.task.split("/")[0]))];
  for (const family of families) {
    place.append(el("details", { class: "card", open: families.length === 1 || family === families[0] }, el("summary", {}, `${word("score")}: ${family}`), plot(control.filter((row) => row.task.startsWith(`${family}/`)).sort((a, b) => b.score - a.score))));
  }
}

export async function show(place, about) {
  const { card, here, videos } = await ask("/page/scores");
  if (about.report) place.append(el("p", {}, el("a", { href: "/report/" }, word("report"))));
  if (!card && !here.length) place.append(el("p", { class: "note" }, word("noScores")));
  if (card) {
    const aggregates = Object.entries(card.aggregates ?? {}).map(([name, one]) => ({ name, ...one }));
    place.append(table(word("byFamily"), [
      { name: word("family"), text: true, value: (row) => row.name }, { name: word("tasks"), value: (row) => row.tasks },
      { name: word("mean"), value: (row) => row.mean, show: (row) => fixed(row.mean) }, { name: word("interval"), value: (row) => row.interval?.[0], show: (row) => `${fixed(row.interval?.[0])} – ${fixed(row.interval?.[1])}` },
      { name: word("median"), value: (row) => row.median, show: (row) => fixed(row.median) }, { name: "IQM", value: (row) => row.iqm, show: (row) => fixed(row.iqm) },
    ], aggregates));
    section(place, word("measured", card), Object.entries(card.tasks ?? {}).map(([task, one]) => ({ task, references: {}, ...one })), videos);
  }
  section(place, word("here"), ofReport(here), videos);
}
