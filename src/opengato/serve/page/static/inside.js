// Attention over the patches of a picture, word by word, and the sequence as it was read.
import { ask, doing, el, labelled, options, sequence, svg } from "./dom.js";
import { dropPlace, pictures, wall } from "./gallery.js";
import { chart } from "./map.js";
import { word } from "./words.js";

function over(found, weights) {
  const [rows, columns, most] = [weights.length, weights[0].length, Math.max(1e-9, ...weights.flat())];
  return el("div", { class: "over" }, el("img", { src: found.picture, alt: "" }),
    svg("svg", { viewBox: `0 0 ${columns} ${rows}`, preserveAspectRatio: "none", role: "presentation" }, weights.flatMap((row, r) => row.map((value, c) =>
      svg("rect", { x: c, y: r, width: 1, height: 1, fill: `rgb(${Math.round(40 + 215 * (value / most))} ${Math.round(20 + 150 * (value / most) ** 2)} 30)`, "fill-opacity": (0.15 + 0.6 * (value / most)).toFixed(2) })))));
}

export async function show(place, about) {
  const list = await pictures();
  let [chosen, found] = [null, null];
  const [layer, head] = [el("select", { id: "layer" }), el("select", { id: "head" })];
  const look = el("button", { type: "button", class: "main", id: "look", disabled: true }, word("look"));
  const [maps, read] = [el("div", { class: "attention", id: "maps" }), el("div", { id: "read" })];
  options(layer, Array.from({ length: about.layers }, (_, n) => n + 1));
  options(head, ["mean"], () => word("average"));
  const drop = dropPlace((url, known) => { chosen = known ? { number: known.number } : { picture: url }; look.disabled = !about.looks || !about.layers; });

  function draw() {
    if (!found) return;
    maps.replaceChildren(...found.words.map((text, q) => {
      const heads = found.weights[q];
      const weights = head.value === "mean" ? heads[0].map((row, r) => row.map((_, c) => heads.reduce((sum, one) => sum + one[r][c], 0) / heads.length)) : heads[Number(head.value)];
      const share = `${Math.round(100 * weights.flat().reduce((a, b) => a + b, 0))}%`;
      return el("figure", {}, over(found, weights), el("figcaption", {}, el("b", {}, text.trim() || "␠"), " ", el("span", { class: "quiet" }, word("onPicture", { share }))));
    }));
    read.replaceChildren(sequence(found.cells));
  }

  const see = async () => {
    found = await ask("/page/look", { body: { ...chosen, layer: Number(layer.value) } });
    const before = head.value;
    options(head, ["mean", ...found.weights[0].map((_, n) => n)], (value) => (value === "mean" ? word("average") : String(value + 1)));
    head.value = before;
    draw();
  };
  look.addEventListener("click", doing(look, see));
  layer.addEventListener("change", () => { if (found) look.click(); });
  head.addEventListener("change", draw);
  const card = el("div", { class: "card" });
  place.append(el("div", { class: "two" },
    el("div", {}, el("div", { class: "card" }, el("div", { class: "row" }, labelled("layer", layer), labelled("head", head), look), el("h2", {}, word("attention")), maps), el("div", { class: "card" }, el("h2", {}, word("sequence")), read)),
    el("div", {}, el("div", { class: "card" }, drop.place), el("div", { class: "card" }, el("h2", {}, word("heldOut")), wall(list, (one) => drop.set(one.url, one))))), card);
  return chart(card);
}
