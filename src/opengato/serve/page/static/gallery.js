// The held-out pictures, to choose from.
import { ask, el } from "./dom.js";
import { word } from "./words.js";

let held = null;
export const pictures = async () => (held ??= await ask("/page/pictures"));

export function wall(list, pick) {
  return el("ul", { class: "pictures" }, list.map((one) => el("li", {}, el("button", { type: "button", "data-picture": one.number, onclick: () => pick(one) },
    el("img", { src: one.url, alt: "", loading: "lazy" }), one.label ?? one.caption))));
}

// Where a picture is dropped or chosen; `pick` is told its address and, of a held-out one, what is known of it.
export function dropPlace(pick) {
  const shown = el("img", { alt: word("chosen"), hidden: true });
  const note = el("span", { class: "quiet" });
  const file = el("input", { type: "file", accept: "image/*", id: "file", "aria-label": word("dropHere") });
  const place = el("div", { class: "drop", id: "drop" }, shown, note, el("span", {}, word("dropHere")), file);
  const set = (url, known = null) => {
    shown.src = url;
    shown.hidden = false;
    note.textContent = known ? word("humans", { caption: known.caption }) : "";
    pick(url, known);
  };
  const take = async (blob) => {
    // Drawn anew: what a camera or a drawing program wrote becomes a PNG of a size that a server takes.
    const bitmap = await createImageBitmap(blob);
    const scale = Math.min(1, 1024 / Math.max(bitmap.width, bitmap.height));
    const canvas = el("canvas", { width: Math.max(1, Math.round(bitmap.width * scale)), height: Math.max(1, Math.round(bitmap.height * scale)) });
    const brush = canvas.getContext("2d");
    brush.fillStyle = "white";
    brush.fillRect(0, 0, canvas.width, canvas.height);
    brush.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    set(canvas.toDataURL("image/png"));
  };
  file.addEventListener("change", () => file.files[0] && take(file.files[0]));
  place.addEventListener("dragover", (event) => { event.preventDefault(); place.classList.add("over"); });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => { event.preventDefault(); place.classList.remove("over"); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); });
  return { place, set };
}
