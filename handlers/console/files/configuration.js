/** Configuration: what runs and how it came, what is wrong with the file, the last generations, what an edit would do. */
import { button, choice, empty, facts, fill, h, name, pre, put, select, told } from "./dom.js";
import { changes, list, preview } from "./edit.js";
import { ago, moment, plural } from "./format.js";
import { api, now, on, state } from "./live.js";

const LINES = 1500;
const CAUSES = { start: "at the start", inotify: "by inotify", sweep: "by the sweep of contents", signal: "by a signal" };

export function show(main, { signal, rest }) {
  const summary = h("div.panel");
  const place = h("div.stack");
  let found = null;
  let view = rest[0] ?? "file";
  const views = { file, generations, edit };
  const tabs = choice([["file", "The file"], ["generations", "Generations"], ["edit", "Try an edit"]], view, (key) => {
    view = key;
    draw();
  });
  fill(main, h("div.head", h("h1", "Configuration"), h("p.muted", "Models and prompts are one state with one number.")), summary, h("div.bar", tabs), place);
  const draw = () => found && views[view](place, found, signal, load);
  const load = async () => {
    const got = await told(summary, signal, api("config", { signal }));
    if (!got) return;
    found = got;
    about(summary, found);
    // What somebody types must not be taken away.
    if (view !== "edit" || !place.firstChild) draw();
  };
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

function file(place, { readable, text, masked, problems, running_text: running }) {
  if (!readable || text === null) return put(place, h("div.panel", empty("The file cannot be read")));
  put(place,
    h("div.panel.flush", h("div.head", h("h2", "models-config.json"), h("p.small.muted", plural(text.split("\n").length, "line"), masked ? `, ${plural(masked, "secret")} shown as ***` : "")), lines(text, problems)),
    running && h("details", h("summary", "The text of what runs, which is another"), lines(running, [])));
}

async function generations(place, _, signal, reload) {
  const got = await told(place, signal, api("config/generations", { signal }));
  if (!got) return;
  const all = got.generations;
  const options = all.map((one) => [String(one.generation), `${one.generation}, ${moment(one.loaded_at)}`]);
  const out = h("div");
  const compare = async () => {
    if (from.value === to.value) return put(out, h("p.muted", "Choose two different ones."));
    const diff = await told(out, signal, api(`config/diff?from=${from.value}&to=${to.value}`, { signal }));
    if (diff) put(out, changes(diff.changes));
  };
  const from = select(options, options.at(-1)?.[0], compare, "From");
  const to = select(options, options[0]?.[0], compare, "To");
  const panel = (one) => {
    const outcome = h("div.stack");
    const back = () => preview({ generation: one.generation }, outcome, { done: reload, what: `Back to generation ${one.generation}` });
    return h("div.panel", h("div.head", h("h2", `Generation ${one.generation}`), h("p.small.muted", `${moment(one.loaded_at)}, ${plural(one.models, "model")}`), one.current ? h("span.chip", "runs") : button("Back to this one", back)),
      one.changes ? changes(one.changes) : h("p.muted", "The oldest that is remembered."), outcome);
  };
  put(place, all.length > 1 && h("div.panel", h("div.head", h("h2", "What changed between two"), h("div.bar", from, "and", to)), out), all.map(panel));
  if (all.length > 1) compare();
}

function edit(place, found, _, reload) {
  const text = h("textarea.mono", { rows: 20, spellcheck: "false", wrap: "off", value: found.text ?? "", label: "models-config.json" });
  const outcome = h("div.stack");
  put(place, h("div.panel", h("p.muted", "Change it, or paste another: the loader itself says what would become of it. Nothing is written", found.writing ? " before you have seen that." : "."), text,
    h("div.bar", button("What would this do?", () => preview({ text: text.value }, outcome, { done: reload }), "button.first"),
      button("As the file is", () => ((text.value = found.text ?? ""), put(outcome)), "button")), outcome));
}
