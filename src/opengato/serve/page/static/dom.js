// Elements, requests and the small pieces that several tabs share. Text is only ever set as text.
import { word } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

export const el = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);
export const options = (select, values, name = (value) => value) =>
  select.replaceChildren(...values.map((value) => el("option", { value }, name(value))));
export const labelled = (name, control, wide) => el("label", { class: wide ? "wide" : "" }, word(name), control);
export const round = (value, digits = 3) =>
  value === null || value === undefined ? "–" : Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(digits)));

export function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => place.replaceChildren(), 6000);
}

export const token = () => sessionStorage.getItem("token");

export async function request(path, { body, signal } = {}) {
  const headers = token() ? { authorization: `Bearer ${token()}` } : {};
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.status === 401 && !request.asked) {
    request.asked = true;
    const given = prompt(word("token"));
    request.asked = false;
    if (given) {
      sessionStorage.setItem("token", given);
      return request(path, { body, signal });
    }
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => null);
    throw new Error(told?.error?.message ?? `${answer.status} ${answer.statusText}`);
  }
  return answer;
}

export const ask = async (path, more) => (await request(path, more)).json();

// What a button does; while it does so the button waits, and what fails is said.
export function doing(button, work) {
  return async (event) => {
    event?.preventDefault();
    button.disabled = true;
    try {
      await work(event);
    } catch (error) {
      say(word("failure", { why: error.message }));
    } finally {
      button.disabled = false;
    }
  };
}

export const dataUrl = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });

function swatch(colour) {
  const patch = el("span", { class: "swatch", role: "img", "aria-label": `rgb ${colour.join(" ")}` });
  patch.style.background = `rgb(${colour.join(" ")})`;
  return patch;
}

// Positions of a sequence, in the colours of their modalities.
export function sequence(cells) {
  const names = [...new Set(cells.map((cell) => cell.modality))];
  const tone = (name) => `tone${names.indexOf(name) % 7}`;
  return el("div", {},
    el("ul", { class: "legend" }, names.map((name) => el("li", { class: tone(name) }, name))),
    el("ol", { class: "cells", tabindex: 0, "aria-label": word("sequence") }, cells.map((cell) =>
      el("li", { class: `${tone(cell.modality)}${cell.predict ? " predict" : ""}`, title: `${cell.modality}, ${word("stepNumber", { n: cell.step })}` }, cell.colour ? swatch(cell.colour) : cell.value))));
}

// A table whose columns sort. A column: {name, text, value(row), show(row)}.
export function table(title, columns, rows, pick) {
  const body = el("tbody");
  let [by, up] = [null, true];
  const heads = columns.map((column, index) => el("th", { class: column.text ? "text" : "", scope: "col" },
    el("button", { type: "button", onclick: () => sort(index) }, column.name)));
  function sort(index) {
    up = by === index ? !up : Boolean(columns[index].text);
    by = index;
    heads.forEach((head, place) => head.setAttribute("aria-sort", place !== by ? "none" : up ? "ascending" : "descending"));
    fill();
  }
  function fill() {
    const ordered = by === null ? rows : [...rows].sort((a, b) => {
      const [x, y] = [columns[by].value(a), columns[by].value(b)];
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x ?? "").localeCompare(String(y ?? ""), undefined, { numeric: true });
      return up ? order : -order;
    });
    body.replaceChildren(...ordered.map((row) => el("tr", { class: pick ? "pick" : "", onclick: pick ? () => pick(row) : null },
      columns.map((column, place) => el("td", { class: column.text ? "text" : "" },
        pick && place === 0 ? el("button", { type: "button", onclick: (event) => { event.stopPropagation(); pick(row); } }, String(column.value(row)))
          : column.show ? column.show(row) : String(column.value(row) ?? "–"))))));
  }
  fill();
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
    el("table", {}, el("caption", {}, title), el("thead", {}, el("tr", {}, heads)), body));
}

// A line, with its last value in words. `points` are [x, y].
export function curve(points, tone = 0) {
  const [width, height, left, bottom] = [320, 150, 56, 20];
  const sound = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  if (!sound.length) return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "presentation" });
  const thin = Math.ceil(sound.length / 400);
  const kept = sound.filter((_, index) => index % thin === 0 || index === sound.length - 1);
  const [xs, ys] = [kept.map((p) => p[0]), kept.map((p) => p[1])];
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const x = (value) => left + ((value - x0) / (x1 - x0 || 1)) * (width - left - 8);
  const y = (value) => 10 + (1 - (value - y0) / (y1 - y0 || 1)) * (height - bottom - 14);
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, class: `tone${tone % 7}`, role: "presentation" },
    svg("path", { class: "axis", d: `M${left} 6V${height - bottom}H${width - 4}`, fill: "none" }),
    svg("text", { x: left - 4, y: 14, "text-anchor": "end" }, round(y1)), svg("text", { x: left - 4, y: height - bottom, "text-anchor": "end" }, round(y0)),
    svg("text", { x: left, y: height - 5 }, String(x0)), svg("text", { x: width - 4, y: height - 5, "text-anchor": "end" }, String(x1)),
    svg("path", { class: "line", d: kept.map(([a, b], index) => `${index ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("") }));
}
