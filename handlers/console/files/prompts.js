/** Prompts: languages, versions and what differs between them, and what a prompt says with its slots filled. */
import { choice, empty, enc, field, fill, h, name, named, pre, put, select, told } from "./dom.js";
import { plural } from "./format.js";
import { api, ask, own } from "./live.js";

const SHOWN = 200;
export const path = (id) => id.split("/").map(enc).join("/");

export async function show(main, { signal, rest }) {
  let chosen = rest.join("/");
  const picks = h("div.stack");
  const place = h("div.stack");
  const search = h("input", { type: "search", placeholder: "id", label: "Search", oninput: () => list() });
  const head = h("p.muted");
  fill(main, h("div.head", h("h1", "Prompts"), head));
  const found = await told(head, signal, ask(own("prompts"), { signal }));
  if (!found) return;
  const all = found.prompts;
  put(head, plural(all.length, "prompt"));
  search.hidden = all.length < 12;
  if (!all.length) return fill(main, h("div.panel", empty("No prompt yet", h("p", "Save one as ", h("code", "resources/prompts/en/greeting.prompt"), ": plain text, with slots as ", h("code", "{{ name }}"), "."))));
  const list = () => {
    const fitting = all.filter((one) => one.id.includes(search.value));
    put(picks, choice(fitting.slice(0, SHOWN).map((one) => [one.id, name(one.id)]), chosen, open, "div.picks"), fitting.length > SHOWN && h("p.small.muted", `and ${fitting.length - SHOWN} more`));
  };
  const open = (id) => prompt(place, all.find((one) => one.id === (chosen = id)), found.problems, signal);
  await open(all.some((one) => one.id === chosen) ? chosen : all[0].id);
  list();
  fill(main, h("div.master", h("div.stack", search, picks), place)); // not before: the list would push the rest down
}

/** One prompt: its languages, its versions, its text, rendered. */
async function prompt(place, { id, languages }, problems, signal) {
  const got = await told(place, signal, ask(own(`prompts/${path(id)}`), { signal }));
  if (!got) return;
  const body = h("div.stack");
  const draw = (language) => put(body, text(id, language, got.versions[language] ?? [languages[language].ref], signal), render(id, language, languages[language].slots));
  const [first] = Object.keys(languages);
  put(place, problems.length > 0 && h("div.note.bad", problems.map((one) => h("p", name(`${one.path}: ${one.message}`)))),
    h("div.panel", h("div.head", h("h2", named(id)), choice(Object.keys(languages).map((one) => [one, one]), first, draw))), body);
  draw(first);
}

function text(id, language, refs, signal) {
  const out = h("div");
  const versions = refs.map((ref, at) => [ref, `${ref.split("@").pop()}${at ? "" : " (newest)"}`]);
  const where = `prompts/${path(id)}`;
  const asked = (tail) => told(out, signal, api(`${where}${tail}language=${enc(language)}`, { signal }));
  const look = async () => {
    const differ = against.value && against.value !== version.value;
    const got = await asked(differ ? `/diff?from=${enc(against.value)}&to=${enc(version.value)}&` : `?ref=${enc(version.value)}&`);
    if (!got) return;
    if (!differ) return put(out, pre(got.text));
    const kinds = { "+": "plus", "-": "minus", " ": "same" };
    put(out, fill(pre("", "pre.lines"), got.lines.map((line) => h(`div.${kinds[line.op]}`, h("i", line.op), line.text || " "))));
  };
  const version = select(versions, refs[0], look);
  const against = select([["", "nothing"], ...versions], "", look);
  look();
  return h("div.panel", h("div.bar", field("Version", version), refs.length > 1 && field("Compared with", against)), out);
}

function render(id, language, slots) {
  const fields = slots.map((name) => h("input", { type: "text", name }));
  const out = h("div", { role: "status" });
  const go = async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(fields.filter((one) => one.value).map((one) => [one.name, one.value]));
    const got = await told(out, null, ask(own(`prompts/${path(id)}/render`), { body: { language, prompt_vars: values } }));
    if (got) put(out, pre(got.text));
  };
  return h("form.panel", { onsubmit: go }, h("h2", "With values"), slots.length ? h("div.fields", slots.map((slot, at) => field(name(slot), fields[at]))) : h("p.muted", "It has no slots."), h("div.bar", h("button", { type: "submit" }, "Render")), out);
}
