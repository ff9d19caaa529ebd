/** Configuration: what runs and how it came, what is wrong with the file, the last generations, what an edit would do. */
import { button, choice, empty, facts, fill, h, keyed, name, pre, put, select, told, write } from "./dom.js";
import { changes, list, preview } from "./edit.js";
import { ago, moment, plural } from "./format.js";
import { api, now, on, state } from "./live.js";

const LINES = 1500;
const CAUSES = { start: "at the start", inotify: "by inotify", sweep: "by the sweep of contents", signal: "by a signal" };

export function show(main, { signal, rest }) {
  const summary = h("div.panel");
  const place = h("div.stack");
  let found = null;
  const load = async () => {
    const got = await told(summary, signal, api("config", { signal }));
    if (!got) return;
    found = got;
    about(summary, found);
    view.show(found);
  };
  // Each has an element of its own: what somebody has begun in it stays, whatever becomes of the configuration meanwhile.
  const views = { file: file(), generations: generations(signal, load), edit: edit(load) };
  let view = null;
  const choose = (key) => {
    view = views[key];
    put(place, view.element);
    if (found) view.show(found);
  };
  const first = views[rest[0]] ? rest[0] : "file";
  const tabs = choice([["file", "The file"], ["generations", "Generations"], ["edit", "Try an edit"]], first, choose);
  fill(main, h("div.head", h("h1", "Configuration"), h("p.muted", "Models and prompts are one state with one number.")), summary, h("div.bar", tabs), place);
  choose(first);
  let seen = "";
  const look = () => {
    const { generation, state: is, file_hash: hash, problems } = state.status;
    const news = JSON.stringify([generation, is, hash, problems]);
    if (news !== seen) load();
    seen = news;
  };
  on("status", look, signal);
  if (state.status) look();
}

function about(place, found) {
  const rejected = found.state === "rejected";
  const kind = rejected ? "bad" : found.state === "applied" ? "good" : "warn";
  put(place,
    h("p", h(`strong.dot.${kind}`, rejected ? `The file is rejected, generation ${found.generation} goes on` : `Generation ${found.generation} is ${found.state}`)),
    list("bad", "problem", found.problems),
    list("warn", "warning", found.warnings),
    facts(found, [
      ["loaded", "loaded_at", (at) => `${moment(at)}, ${ago(at, now())}`],
      ["last noticed", "noticed", ({ at, cause }) => `${moment(at)}, ${CAUSES[cause] ?? cause}`],
      ["hash", "hash"],
      ["hash of the files", (row) => row.file_hash !== row.hash && row.file_hash],
      ["last good copy", (row) => row.last_good && "serves: the files could not be read at the start"],
    ]));
}

/** The text with the numbers of its lines, the reasons under those that are wrong. */
function lines(text, problems) {
  const wrong = new Map();
  for (const one of problems) if (one.line) wrong.set(one.line, [...(wrong.get(one.line) ?? []), one]);
  const all = text.split("\n");
  const box = pre("", "pre.lines");
  const part = (from, to) => all.slice(from, to).forEach((line, index) => {
    const at = from + index + 1;
    fill(box, h(wrong.has(at) ? "div.hit" : "div", h("i", at), line || " "), wrong.get(at)?.map((one) => h("div.why", name(one.message ?? one.text))));
  });
  for (const at of wrong.keys()) if (at > LINES) part(at - 4, at + 3), fill(box, h("div.muted", "\u2026"));
  part(0, LINES);
  if (all.length > LINES) fill(box, button(`Show all ${all.length} lines`, ({ target }) => (target.remove(), part(LINES))));
  return box;
}

function file() {
  const element = h("div.stack");
  const show = ({ readable, text, masked, problems, running_text: running }) => {
    if (!readable || text === null) return put(element, h("div.panel", empty("The file cannot be read")));
    put(element,
      h("div.panel.flush", h("div.head", h("h2", "models-config.json"), h("p.small.muted", plural(text.split("\n").length, "line"), masked ? `, ${plural(masked, "secret")} shown as ***` : "")), lines(text, problems)),
      running && h("details", h("summary", "The text of what runs, which is another"), lines(running, [])));
  };
  return { element, show };
}

function generations(signal, reload) {
  const wrong = h("div.stack");
  const comparing = h("div.stack");
  const all = h("div.stack");
  const picked = {};
  let known = "";
  const show = async () => {
    const got = await told(wrong, signal, api("config/generations", { signal }));
    if (!got) return;
    put(wrong);
    const rows = got.generations;
    const news = rows.map(keyOf).join();
    if (news !== known && rows.length > 1) put(comparing, comparison(rows, picked, signal));
    known = news;
    keyed(all, rows, keyOf, (one) => generation(one, reload), (element, { current }) => {
      element.querySelector(".chip").hidden = !current;
      element.querySelector("button").hidden = current;
    });
  };
  return { element: h("div.stack", wrong, comparing, all), show };
}
const keyOf = (one) => `${one.generation} ${one.hash} ${one.loaded_at}`;

/** `picked`: what somebody has chosen; else the oldest and the newest are compared. */
function comparison(rows, picked, signal) {
  const options = rows.map((one) => [String(one.generation), `${one.generation}, ${moment(one.loaded_at)}`]);
  const out = h("div");
  const compare = async () => {
    if (from.value === to.value) return put(out, h("p.muted", "Choose two different ones."));
    const diff = await told(out, signal, api(`config/diff?from=${from.value}&to=${to.value}`, { signal }));
    if (diff) put(out, changes(diff.changes));
  };
  const pick = (label, usual) => select(options, options.some(([key]) => key === picked[label]) ? picked[label] : usual, (key) => ((picked[label] = key), compare()), label);
  const from = pick("From", options.at(-1)[0]);
  const to = pick("To", options[0][0]);
  compare();
  return h("div.panel", h("div.head", h("h2", "What changed between two"), h("div.bar", from, "and", to)), out);
}

function generation(one, reload) {
  const outcome = h("div.stack");
  const back = () => preview({ generation: one.generation }, outcome, { done: reload, what: `Back to generation ${one.generation}` });
  return h("div.panel", h("div.head", h("h2", `Generation ${one.generation}`), h("p.small.muted", `${moment(one.loaded_at)}, ${plural(one.models, "model")}`), h("span.chip", "runs"), button("Back to this one", back)),
    one.changes ? changes(one.changes) : h("p.muted", "The oldest that is remembered."), outcome);
}

function edit(reload) {
  const text = h("textarea.mono", { rows: 20, spellcheck: "false", wrap: "off", label: "models-config.json" });
  const outcome = h("div.stack");
  const about = h("p.muted");
  const element = h("div.panel", about, text,
    h("div.bar", button("What would this do?", () => preview({ text: text.value }, outcome, { done: reload }), "button.first"),
      button("As the file is", () => ((text.value = newest), put(outcome)), "button")), outcome);
  let newest = "";
  const show = (found) => {
    // What somebody types is not taken away.
    const untouched = text.value === newest;
    newest = found.text ?? "";
    if (untouched && text.value !== newest) text.value = newest;
    write(about, `Change it, or paste another: the loader itself says what would become of it. Nothing is written${found.writing ? " before you have seen that" : ""}.`);
  };
  return { element, show };
}
