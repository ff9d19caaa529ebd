/** Models: each deployment and how it stands, the names that lead to it, what an Ollama holds in memory. */
import { button, choice, codeBox, drawer, empty, enc, facts, fill, h, link, name, named, put, section, write } from "./dom.js";
import { preview } from "./edit.js";
import { ago, ahead, bytes, count, ms, percent, plural, rate } from "./format.js";
import { List } from "./list.js";
import { api, now, state } from "./live.js";

const STATES = { ejected: "bad", asleep: "warn", full: "warn", out: "muted", ok: "good" };
const PAGE = 1000;
const NAMES = 20_000;

export function show(main, { signal, query }) {
  let rows = [];
  let names = [];
  let namesOf = null;
  let view = "upstreams";
  const search = h("input", { type: "search", placeholder: "name, provider, state", label: "Search", value: query.get("search") ?? "", oninput: () => draw() });
  const head = h("p.muted");
  const lists = { upstreams: upstreams(), names: otherNames(), memory: memory() };
  const place = h("div.panel.flush", lists.upstreams.element);
  const tabs = choice([["upstreams", "Upstreams"], ["names", "Names"], ["memory", "In memory"]], view, (key) => {
    view = key;
    put(place, lists[key].element);
    draw();
  });
  fill(main, h("div.head", h("h1", "Models"), head), h("div.bar", tabs, search), place);

  const draw = () => {
    const text = search.value.toLowerCase();
    const fits = (row) => ["name", "provider", "model", "state", "alias_of", "kind"].some((key) => row[key]?.toLowerCase().includes(text));
    const all = { upstreams: rows, names, memory: rows.filter((row) => row.memory?.loaded) }[view];
    lists[view].show(text ? all.filter(fits) : all);
  };
  const load = async () => {
    const found = [];
    let first = null;
    let after = "";
    // Thousands of names are asked for again only when there may be others.
    const known = state.status?.hash ?? "";
    const wanted = known && known === namesOf ? 0 : NAMES;
    do {
      const got = await api(`models?limit=${PAGE}&names=${first ? 0 : wanted}${after && `&after=${enc(after)}`}`, { signal });
      first ??= got;
      found.push(...got.rows);
      after = got.next ?? "";
      if (found.length > rows.length) (rows = [...found]), draw();
    } while (after);
    rows = found;
    if (wanted) (names = first.names), (namesOf = known);
    const wrong = Object.keys(STATES).filter((key) => key !== "ok" && first.states[key]).map((key) => `${count(first.states[key])} ${key}`);
    write(head, rows.length ? `${plural(first.total, "upstream")}, ${wrong.join(", ") || "all ok"}` : "");
    draw();
  };
  let timer = 0;
  const again = async () => {
    try {
      await load();
    } catch {
      // the banner says it
    }
    if (!signal.aborted) timer = setTimeout(again, rows.length > PAGE ? 15_000 : 2500);
  };
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    for (const list of Object.values(lists)) list.close();
  });
  again();
}

const p50 = (row) => row.first_token_ms?.p50;
const p95 = (row) => row.first_token_ms?.p95;
const words = (state) => (state === "out" ? "out of use" : state);

const upstreams = () => new List({
  kind: "upstreams",
  label: "Upstreams",
  key: (row) => `${row.provider}\n${row.name}\n${row.model}`,
  open: details,
  none: () => empty("No model yet", h("p", "Write one into ", h("code", "models-config.json"), " and save: it is served a moment later. An Ollama on this machine, for instance:"),
    codeBox('{\n  "ollama": {\n    "llama3.2": {}\n  }\n}'), link("#/configuration/edit", "Try an edit")),
  columns: [
    ["Model", "sort", "name"],
    ["State", "dot sort", (row) => Object.keys(STATES).indexOf(row.state), (_, row) => words(row.state), (row) => STATES[row.state]],
    ["Upstream", "wide sort", (row) => (row.model === row.name ? row.provider : `${row.provider}: ${row.model}`)],
    ["In flight", "num low", "in_flight", count],
    ["First token p50", "wide num sort", p50, ms],
    ["p95", "wide num sort", p95, ms],
    ["Tokens/s", "wide num low", "tokens_per_second", rate],
    ["Last error", "wide low", (row) => row.last_error?.at, (at, row) => `${ago(at, now())}: ${row.last_error.message}`],
  ],
});

const otherNames = () => new List({
  kind: "names",
  label: "Names",
  key: (row) => `${row.kind}\n${row.name}`,
  none: () => empty("No names"),
  columns: [
    ["Name", "sort", "name"],
    ["What it is", "sort", (row) => (row.alias_of ? `alias of ${row.alias_of}` : row.kind)],
    ["Upstreams", "wide num low", "deployments", count],
    ["Policy", "wide", "policy"],
    ["Retries", "wide num", "retries", count],
    ["Falls back to", "wide", (row) => row.fallbacks?.join(", ") || null],
  ],
});

const memory = () => new List({
  kind: "memory",
  label: "In memory",
  key: (row) => `${row.provider}\n${row.name}`,
  none: () => empty("Nothing is in memory that anybody knows of", h("p", "An Ollama tells what it has loaded, and until when.")),
  columns: [
    ["Model", "", "name"],
    ["Where", "wide", "provider"],
    ["Size", "num", (row) => row.memory.size, bytes],
    ["On the GPU", "wide num", ({ memory: { size, vram } }) => (size ? vram / size : null), percent],
    ["Leaves", "num", (row) => row.memory.expires_at, leaves],
  ],
});

const leaves = (at) => ahead(typeof at === "string" ? Date.parse(at) / 1000 : at, now());

function details(row) {
  const outcome = h("div.stack");
  const weigh = (label, weight, what) => button(label, () => preview({ weight: { provider: row.provider, model: row.name, weight } }, outcome, { what }));
  const error = row.last_error;
  drawer(named(row.name),
    h("p", h(`span.dot.${STATES[row.state]}`, words(row.state)), row.reason && `: ${name(row.reason)}`, row.until > now() && `, ends ${ahead(row.until, now())}`),
    error && h("div.note.warn", h("strong", "Last error"), ` ${ago(error.at, now())}: `, named(error.message)),
    h("div.bar", link(`#/playground?model=${enc(row.name)}`, "Ask it"), link(`#/requests?model=${enc(row.name)}`, "Its requests"),
      row.weight > 0 ? weigh("Drain: no new requests", 0, "Drain it") : weigh("Use it again", 1, "Use it")),
    outcome,
    section("Now", facts(row, [
      ["in flight", "in_flight", (n) => `${count(n)}${row.max_concurrent ? ` of ${row.max_concurrent}` : ""}`],
      ["waiting there", "waiting"],
      ["first token", p50, (half) => `${ms(half)} for half, ${ms(p95(row))} for 95 of 100`],
      ["tokens a second", "tokens_per_second", rate],
      ["cache hits", "cache_hits", percent],
      ["load asked for", "polled", (s) => `${count(s)} s ago`],
      ["in memory", "memory", ({ loaded, size, expires_at: at }) => (loaded ? `${bytes(size)}, leaves ${leaves(at)}` : "no")],
    ])),
    section("Configuration", facts(row, [
      ["provider", "provider", named],
      ["dialect", "api_type"],
      ["its name there", "model", named],
      ["vendor", "vendor"],
      ["weight", "weight"],
      ["order", "order"],
      ["most at once", "max_concurrent"],
    ])));
}
