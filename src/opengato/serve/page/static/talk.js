// A chat: text, pictures, sounds and films go to /v1/chat/completions, the answer comes as a stream.
import { dataUrl, doing, el, labelled, request, say } from "./dom.js";
import { word } from "./words.js";

const SENSES = { image: "picture", audio: "sound", video: "film" };
const FILMS = /\.(mp4|m4v|mov|webm|mkv|avi|mpe?g|ogv)$/i;  // browsers do not know the type of all of them

// The pieces of a stream of server-sent events.
export async function* pieces(body, signal) {
  const answer = await request("/v1/chat/completions", { body: { ...body, stream: true }, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const told = JSON.parse(data);
      if (told.error) throw new Error(told.error.message);
      const piece = told.choices[0]?.delta?.content;
      if (piece) yield piece;
    }
  }
}

export async function show(place, about) {
  const talk = el("div", { class: "talk card", id: "talk", role: "log", "aria-live": "polite", tabindex: 0, "aria-label": word("talkTitle") });
  const text = el("textarea", { id: "text", rows: 3 });
  const send = el("button", { type: "submit", class: "main", id: "send" }, word("send"));
  const stop = el("button", { type: "button", id: "stop", disabled: true }, word("stop"));
  const temperature = el("input", { type: "number", min: 0, max: 2, step: 0.1, value: 0.7 });
  const length = el("input", { type: "number", min: 1, max: 1024, value: 80 });
  const [has, lacks] = [Object.keys(SENSES).filter((kind) => about.senses.includes(kind)), Object.keys(SENSES).filter((kind) => !about.senses.includes(kind))];
  const hears = has.includes("audio");
  const named = (kinds) => kinds.map((kind) => word(SENSES[kind])).join(", ");
  const file = el("input", { type: "file", id: "attach", accept: has.map((kind) => `${kind}/*`).join(",") });
  const record = el("button", { type: "button", id: "record", hidden: !hears }, word("record"));
  const clear = el("button", { type: "button" }, word("clear"));
  let [attached, aborter, messages, recorder] = [[], null, [], null];

  async function attach(blob, name) {
    const url = await dataUrl(blob);
    const kind = FILMS.test(name) ? "video" : blob.type.split("/")[0];
    const part = kind === "image" ? { type: "image_url", image_url: { url } } : kind === "video" ? { type: "video_url", video_url: { url } }
      : { type: "input_audio", input_audio: { data: url.split(",")[1], format: blob.type.includes("mpeg") ? "mp3" : blob.type.includes("ogg") || blob.type.includes("webm") ? "ogg" : "wav" } };
    attached.push({ part, kind, source: kind === "image" ? url : URL.createObjectURL(blob), name });
    say(word("attached", { name }));
  }

  file.addEventListener("change", async () => { for (const one of file.files) await attach(one, one.name); file.value = ""; });
  record.addEventListener("click", async () => {
    if (recorder) { recorder.stop(); return; }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      const parts = [];
      recorder = new MediaRecorder(stream);
      recorder.ondataavailable = (event) => parts.push(event.data);
      recorder.onstop = async () => {
        for (const track of stream.getTracks()) track.stop();
        recorder = null;
        record.textContent = word("record");
        await attach(await wav(new Blob(parts)), word("sound"));
      };
      recorder.start();
      record.textContent = word("recording");
    } catch (error) {
      say(word("microphone", { why: error.message }));
    }
  });

  // What a browser records is of many formats; a WAV of one channel is read everywhere.
  async function wav(blob) {
    const context = new AudioContext();
    const sound = await context.decodeAudioData(await blob.arrayBuffer());
    context.close();
    const samples = sound.getChannelData(0);
    const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
    const put = (at, letters) => [...letters].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
    put(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); put(8, "WAVEfmt "); view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
    view.setUint32(24, sound.sampleRate, true); view.setUint32(28, 2 * sound.sampleRate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true); put(36, "data"); view.setUint32(40, 2 * samples.length, true);
    samples.forEach((value, n) => view.setInt16(44 + 2 * n, Math.max(-1, Math.min(1, value)) * 32767, true));
    return new Blob([view], { type: "audio/wav" });
  }

  async function answer() {
    const said = text.value;
    if (!said.trim() && !attached.length) return;
    const seen = attached.map(({ kind, source, name }) => kind === "image" ? el("img", { src: source, alt: word("picture") }) : el(kind === "video" ? "video" : "audio", { src: source, controls: true, "aria-label": name }));
    talk.append(el("p", { class: "me" }, seen, said));
    messages.push({ role: "user", content: [...attached.map((one) => one.part), ...(said.trim() ? [{ type: "text", text: said }] : [])] });
    [attached, text.value] = [[], ""];
    const bubble = el("p", { class: "it" });
    talk.append(bubble);
    aborter = new AbortController();
    stop.disabled = false;
    const began = performance.now();
    let [written, count] = ["", 0];
    try {
      for await (const piece of pieces({ messages, temperature: Number(temperature.value), max_tokens: Number(length.value), seed: Math.floor(Math.random() * 1e9) }, aborter.signal)) {
        written += piece;
        count += 1;
        bubble.textContent = written;
        talk.scrollTop = talk.scrollHeight;
      }
      say(word("perSecond", { n: count, s: ((performance.now() - began) / 1000).toFixed(1) }));
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      say(word("stopped"));
    } finally {
      stop.disabled = true;
      if (!written) bubble.textContent = word("nothingWritten");
      if (written) messages.push({ role: "assistant", content: written });
      else messages.pop();
    }
  }

  const form = el("form", { class: "card" }, labelled("yourText", text, true),
    el("div", { class: "row" }, send, stop, clear, record, el("label", { hidden: !has.length }, named(has), file), labelled("temperature", temperature), labelled("length", length)), lacks.length ? el("p", { class: "quiet" }, word("lacks", { what: named(lacks) })) : null);
  form.addEventListener("submit", doing(send, answer));
  text.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); if (!send.disabled) form.requestSubmit(); } });
  stop.addEventListener("click", () => aborter?.abort());
  clear.addEventListener("click", () => { aborter?.abort(); [messages, attached] = [[], []]; talk.replaceChildren(); });
  place.append(talk, form);
  return () => { aborter?.abort(); recorder?.stop(); };
}
