// A picture: captions, answers, what is near it; and pictures for a text.
import { ask, doing, el, labelled } from "./dom.js";
import { dropPlace, pictures, wall } from "./gallery.js";
import { pieces } from "./talk.js";
import { word } from "./words.js";

const DESCRIBE = "describe the picture";

export async function show(place) {
  const list = await pictures();
  let chosen = null;
  const caption = el("button", { type: "button", class: "main", id: "caption", disabled: true }, word("caption"));
  const near = el("button", { type: "button", id: "near", disabled: true }, word("nearCaptions"));
  const question = el("input", { type: "text", id: "question" });
  const put = el("button", { type: "submit", id: "ask", disabled: true }, word("ask"));
  const written = el("p", { class: "told", id: "written", "aria-live": "polite" });
  const nearest = el("ol", { id: "nearest" });
  const drop = dropPlace((url, known) => { chosen = { url, instruction: known?.instruction ?? DESCRIBE }; for (const button of [caption, near, put]) button.disabled = false; });
  const query = el("input", { type: "text", id: "query", value: "a red heart" });
  const find = el("button", { type: "submit", id: "find" }, word("find"));
  const found = el("div", { id: "found" });

  async function write(instruction) {
    written.textContent = word("working");
    let text = "";
    const content = [{ type: "image_url", image_url: { url: chosen.url } }, { type: "text", text: instruction }];
    for await (const piece of pieces({ messages: [{ role: "user", content }], temperature: 0, max_tokens: 40 })) {
      text += piece;
      written.textContent = text;
    }
    if (!text.trim()) written.textContent = word("nothingWritten");
  }

  caption.addEventListener("click", doing(caption, () => write(chosen.instruction)));
  near.addEventListener("click", doing(near, async () => {
    const hits = await ask("/page/find", { body: { picture: chosen.url } });
    nearest.replaceChildren(...hits.map((hit) => el("li", {}, `${list[hit.number].caption} (${hit.cosine.toFixed(2)})`)));
  }));
  const asking = el("form", { class: "row" }, labelled("question", question, true), put);
  asking.addEventListener("submit", doing(put, () => write(question.value || DESCRIBE)));
  const searching = el("form", { class: "row" }, labelled("search", query, true), find);
  searching.addEventListener("submit", doing(find, async () => {
    const hits = await ask("/page/find", { body: { text: query.value } });
    found.replaceChildren(wall(hits.map((hit) => ({ ...list[hit.number], label: `${list[hit.number].caption} (${hit.cosine.toFixed(2)})` })), (one) => drop.set(one.url, one)));
  }));
  place.append(el("div", { class: "two" },
    el("div", {}, el("div", { class: "card" }, drop.place, el("div", { class: "row" }, caption, near), asking, written, nearest)),
    el("div", {}, el("div", { class: "card" }, searching, found), el("div", { class: "card" }, el("h2", {}, word("heldOut")), wall(list, (one) => drop.set(one.url, one))))));
}
