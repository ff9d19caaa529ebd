/** Playground: a conversation with one model, or with two side by side, through the gateway's own endpoints. */
import { answer } from "./answer.js";
import { button, empty, field, fill, h, name, named, pre, put, select, told, write } from "./dom.js";
import { FACES } from "./faces.js";
import { ask, own } from "./live.js";
import { modelField } from "./names.js";
import { path } from "./prompts.js";

const WEATHER = [{ name: "get_weather", description: "The weather of a city now.", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } }];
const side = () => ({ model: "", face: "openai", turns: [], talk: h("div.talk", { "aria-live": "polite" }), stop: null });
/** What stays while another page is looked at. */
const kept = { sides: [side(), side()], both: false, raw: false, images: [], text: "", key: "", options: { stream: true }, prompt: null };
const shown = () => kept.sides.slice(0, kept.both ? 2 : 1);

export function show(main, { signal, query }) {
  kept.sides[0].model = query.get("model") ?? kept.sides[0].model;
  const sides = h("div.sides");
  const draw = () => {
    sides.className = kept.both ? "sides both" : "sides";
    put(sides, shown().map(column));
  };
  const clear = () => {
    for (const one of kept.sides) {
      one.stop?.abort();
      one.turns = [];
      one.talk.replaceChildren();
    }
    draw();
  };
  fill(main,
    h("div.head", h("h1", "Playground"), h("div.bar", check("Two models side by side", kept, "both", draw), button("Clear", clear, "button"))),
    h("div.play", h("div.stack", sides, compose(sides)), options(signal)));
  draw();
}

function column(one) {
  if (!one.talk.firstChild) fill(one.talk, empty("Nothing asked yet", h("p", "What you ask goes the way that every client's request goes.")));
  const faces = select(Object.entries(FACES).map(([key, face]) => [key, face.long]), one.face, (key) => (one.face = key), "API");
  return h("section.panel", { label: "Conversation" }, h("div.bar", modelField(one.model, (value) => (one.model = value)), faces), one.talk);
}

// controls, each bound to a field of an object

const check = (label, object, key, changed) => h("label.check", h("input", { type: "checkbox", checked: object[key], onchange: ({ target }) => ((object[key] = target.checked), changed?.()) }), label);
const bound = (what, object, key, attributes) => h(what, { value: object[key] ?? "", oninput: ({ target }) => (object[key] = target.value), ...attributes });
const number = (label, key, step, max) => field(label, bound("input", kept.options, key, { type: "number", min: 0, max, step, placeholder: "default" }));

// what is asked

function compose(sides) {
  const text = bound("textarea", kept, "text", { rows: 3, placeholder: "Say something. Enter sends, Shift+Enter begins a line.", label: "Message" });
  const shots = h("div.shots");
  const file = h("input", { type: "file", accept: "image/*", multiple: true, hidden: true, label: "Pictures", onchange: () => take(file.files) });
  const said = h("p.small.bad", { role: "alert" });
  const stop = button("Stop", () => kept.sides.forEach((one) => one.stop?.abort()), "button", { disabled: true });
  const take = async (files) => {
    for (const one of [...files].filter(({ type }) => type.startsWith("image/"))) {
      const url = await new Promise((done) => Object.assign(new FileReader(), { onload: ({ target }) => done(target.result) }).readAsDataURL(one));
      kept.images.push({ type: one.type, data: url.slice(url.indexOf(",") + 1), url });
    }
    file.value = "";
    pictures();
  };
  const pictures = () => put(shots, kept.images.map((image, at) => h("figure", h("img", { src: image.url, alt: `picture ${at + 1} to send` }),
    button("\u00d7", () => (kept.images.splice(at, 1), pictures()), "button.small", { label: `Leave out picture ${at + 1}` }))));
  const send = async () => {
    const words = text.value.trim();
    if (!words && !kept.images.length) return text.focus();
    put(said);
    let common;
    try {
      common = await wanted();
    } catch (error) {
      return write(said, error.message);
    }
    const images = kept.images;
    kept.images = [];
    kept.text = text.value = "";
    pictures();
    stop.disabled = false;
    await Promise.allSettled(shown().map((one) => say(one, [{ role: "user", text: words, images }], common)));
    stop.disabled = kept.sides.every((one) => !one.stop);
  };
  const open = () => sides.querySelectorAll("details:has(.events)").forEach((one) => (one.open = kept.raw));
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  pictures();
  return h("form.panel", {
    onsubmit: (event) => (event.preventDefault(), send()),
    onpaste: ({ clipboardData }) => take(clipboardData.files),
    ondragover: (event) => event.preventDefault(),
    ondrop: (event) => (event.preventDefault(), take(event.dataTransfer.files)),
  }, shots, text, said, h("div.bar", h("button.first", { type: "submit" }, "Send"), stop, button("Picture", () => file.click(), "button"), file, check("Raw events", kept, "raw", open)));
}

/** Turns of the user, or results of tools, at one side; then the model's. */
async function say(one, turns, { extra, key, ...common }) {
  one.stop?.abort();
  one.talk.querySelector(".empty")?.remove();
  const before = one.turns.length;
  for (const turn of turns) {
    one.turns.push(turn);
    one.talk.append(h("div.turn.user", h("p.who", turn.role === "tool" ? `Result of ${name(turn.name)}` : "You"),
      turn.images?.length > 0 && h("div.shots", turn.images.map((image, at) => h("img", { src: image.url, alt: `picture ${at + 1}` }))),
      turn.text && h("div.said", { dir: "auto" }, turn.text)));
  }
  const mine = (one.stop = new AbortController());
  const asked = { ...common, model: one.model, turns: one.turns };
  const face = FACES[one.face];
  one.talk.lastChild.scrollIntoView({ block: "nearest" });
  const turn = await answer(one, asked, { ...face.body(asked), ...extra }, { key, signal: mine.signal, label: named(`${one.model}, ${face.long}`), raw: kept.raw, results: (calls, place) => results(one, calls, place) });
  if (one.stop === mine) one.stop = null;
  // What failed is not said again with the next question.
  if (turn) one.turns.push(turn);
  else if (one.turns.length > before) one.turns.length = before;
}

/** The model wants tools: the person answers for them. */
function results(one, calls, place) {
  const fields = calls.map((call) => h("textarea.mono", { rows: 2, value: '{"temperature": 21, "sky": "clear"}', label: `Result of ${name(call.name)}` }));
  const send = button(calls.length === 1 ? "Send the result" : "Send the results", async () => {
    send.disabled = true;
    try {
      await say(one, calls.map((call, at) => ({ role: "tool", call: call.id, name: call.name, text: fields[at].value })), await wanted());
    } catch (error) {
      fill(place, h("p.bad", error.message));
    }
  });
  put(place, calls.map((call, at) => h("div.stack", h("p", "calls ", named(call.name, "strong")), pre(pretty(call.args)), field("What the tool answers", fields[at]))), h("div.bar", send));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function options(signal) {
  const area = (label, key, attributes) => field(label, bound("textarea", kept.options, key, { rows: 2, spellcheck: "false", ...attributes }));
  const tools = area("Tools, as JSON: name, description, parameters", "tools", { rows: 3, class: "mono" });
  const example = button("an example", () => (kept.options.tools = tools.lastChild.value = JSON.stringify(WEATHER, null, 2)), "button.plain.small");
  return h("section.panel", { label: "Options" }, h("h2", "Options"),
    prompts(signal),
    area("System prompt", "system"),
    h("div.fields", number("Temperature", "temperature", 0.1, 2), number("Top p", "top_p", 0.05, 1), number("Most tokens", "max_tokens", 1), number("Seed", "seed", 1)),
    area("Stop at (a line each)", "stop", { rows: 1 }),
    check("Stream", kept.options, "stream"),
    h("div.stack", tools, h("div.bar", example)),
    area("More fields of the request, as JSON", "extra", { class: "mono" }),
    field("Ask with another key", bound("input", kept, "key", { type: "password", autocomplete: "off", placeholder: "as you are" })));
}

/** A prompt of the library with its slots. */
function prompts(signal) {
  const place = h("div.stack");
  const slots = h("div.stack");
  const choose = (found) => {
    if (kept.prompt?.id !== found?.id) kept.prompt = found && { id: found.id, values: {}, language: Object.keys(found.languages)[0] };
    const prompt = kept.prompt;
    if (!prompt) return put(slots);
    const languages = Object.keys(found.languages);
    const draw = () => {
      prompt.slots = found.languages[prompt.language].slots;
      put(slots, languages.length > 1 && field("Language", select(languages.map((one) => [one, one]), prompt.language, (one) => ((prompt.language = one), draw()))),
        prompt.slots.map((slot) => field(name(slot), bound("input", prompt.values, slot, { type: "text" }))));
    };
    draw();
  };
  told(place, signal, ask(own("prompts"), { signal })).then((got) => {
    if (!got?.prompts.length) return;
    const find = (id) => got.prompts.find((one) => one.id === id);
    put(place, field("Prompt of the library", select([["", "none"], ...got.prompts.map((one) => [one.id, name(one.id)])], kept.prompt?.id, (id) => choose(find(id)))), slots);
    choose(find(kept.prompt?.id));
  });
  return place;
}

/** What is wanted of every side, judged before anything is sent. Raises Error. */
async function wanted() {
  const { system, stop, tools, extra, stream, ...numbers } = kept.options;
  let before = system?.trim();
  if (kept.prompt) {
    const { id, language, values, slots } = kept.prompt;
    const given = Object.fromEntries(slots.filter((slot) => values[slot]).map((slot) => [slot, values[slot]]));
    const { text } = await ask(own(`prompts/${path(id)}/render`), { body: { language, prompt_vars: given } });
    before = before ? `${text}\n\n${before}` : text;
  }
  const lines = stop?.split("\n").filter(Boolean);
  return {
    ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== "").map(([key, value]) => [key, Number(value)])),
    stream,
    system: before || undefined,
    stop: lines?.length ? lines : undefined,
    tools: json(tools, "Tools")?.map((tool) => tool.function ?? tool),
    extra: json(extra, "More fields"),
    key: kept.key,
  };
}

function json(text, what) {
  if (!text?.trim()) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${what}: ${error.message}`);
  }
}
