/** Requests: the last ones and, with a usage database, those before; each as a waterfall, to be done again or explained. */
import { button, codeBox, drawer, empty, enc, facts, fill, h, name, named, pre, put, section, select, told, write } from "./dom.js";
import { FACES, curl, faceOf, hello } from "./faces.js";
import { count, moment, ms, plural, rate, time, usd } from "./format.js";
import { List } from "./list.js";
import { api, ask, on, own, state } from "./live.js";

const PAGE = 100;

export function show(main, { signal, rest, query }) {
  const box = (key, placeholder) => h("input", { type: "search", name: key, placeholder, label: placeholder, value: query.get(key) ?? "", onchange: () => load() });
  const status = select([["", "all"], ["ok", "answered"], ["error", "failed"], ["cancelled", "left by the client"]], query.get("status"), () => load(), "Outcome");
  const fields = [box("model", "model"), box("provider", "upstream"), box("key", "key")];
  status.name = "status";
  const head = h("p.muted");
  const news = button("", () => load());
  const older = button("Older ones", () => more(), "button");
  const list = rows();
  fill(main, h("div.head", h("h1", "Requests"), head), h("div.bar", status, fields, news), h("div.panel.flush", list.element), h("div.bar", older));

  let found = [];
  let cursor = null;
  let fresh = 0;
  const draw = () => {
    list.show(found);
    older.hidden = !cursor;
    news.hidden = !fresh;
    write(news, `${fresh} new`);
    write(head, found.length ? `${plural(found.length, "request")}${cursor ? " shown" : ""}` : "");
  };
  const take = async (before = "") => {
    const wanted = [status, ...fields].filter((one) => one.value.trim()).map((one) => `&${one.name}=${enc(one.value.trim())}`).join("");
    const got = await told(head, signal, api(`requests?limit=${PAGE}${wanted}${before && `&before=${enc(before)}`}`, { signal }));
    if (got) cursor = got.next;
    return got?.rows;
  };
  const load = async () => {
    const got = await take();
    if (got) (found = got), (fresh = 0), draw();
  };
  const more = async () => {
    const got = await take(cursor);
    if (got) (found = [...found, ...got]), draw();
  };
  // New ones come in by themselves while the top is looked at; else their number is told, so that nothing moves.
  let waiting = 0;
  on("ended", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const known = new Set(found.slice(0, 500).map((row) => row.request_id));
      fresh = state.ended.filter((row) => row.at >= (found[0]?.at ?? 0) && !known.has(row.request_id)).length;
      if (fresh && scrollY < 40 && found.length <= PAGE) load();
      else draw();
    }, 300);
  }, signal);
  signal.addEventListener("abort", () => (clearTimeout(waiting), list.close()));
  draw();
  load();
  if (rest[0]) api(`requests/${enc(rest[0])}`, { signal }).then(details, (error) => signal.aborted || drawer("This request", h("p.bad", error.message)));
}

const failed = (row) => row.status >= 400 && row.status !== 499;
const outcome = (row) => (row.status === 499 ? "left" : row.status < 400 && row.code ? `${row.status}, cut` : failed(row) && row.code ? `${row.status} ${row.code}` : row.status);
const kindOf = (row) => (row.status === 499 ? "muted" : failed(row) || row.code ? "bad" : "good");

const rows = () => new List({
  kind: "requests",
  label: "Requests",
  key: (row) => row.request_id,
  open: async (row) => details(await api(`requests/${enc(row.request_id)}`).catch(() => row)),
  none: () => empty("No request yet", h("p", "Those that ended stand here, the newest first. To make one:"), codeBox(hello())),
  columns: [
    ["At", "", "at", time],
    ["Model", "", (row) => row.model ?? row.endpoint],
    ["Upstream", "wide", "provider"],
    ["API", "wide api", "face", faceOf],
    ["Outcome", "dot", outcome, String, kindOf],
    ["First token", "wide num sort", "first_byte_ms", ms],
    ["Whole", "num low", "total_ms", ms],
    ["In", "wide num low", "prompt_tokens", count],
    ["Out", "wide num low", "completion_tokens", count],
    ["Cost", "wide num low", "micro_usd", usd],
    ["Who", "wide", (row) => row.key ?? row.client],
  ],
});

/** Where its time went: bars on one scale, in the order in which things happened. */
function waterfall(row) {
  const whole = Math.max(row.total_ms ?? 0, 0.001);
  const part = (value) => `${Math.max(0, Math.min(100, (value / whole) * 100))}%`;
  const bar = (title, kind, from, to, said = ms(to - from)) => h("div", h("span.name", { title }, title),
    h("span.track", h(`i.${kind}`, { style: { left: part(from), width: part(to - from) } })), h("span.num.muted", said));
  let at = row.queued_ms ?? 0;
  const tries = (row.tries ?? []).map((one) => {
    const good = /^(ok|2..)$/.test(one.outcome);
    const from = at;
    if (!good) at += one.ms;
    return bar(`${name(one.provider)}${good ? "" : `: ${one.outcome}`}`, good ? "use" : "fail", from, from + one.ms);
  });
  const first = row.first_byte_ms;
  return h("div.fall", row.queued_ms > 0 && bar("waited", "wait", 0, row.queued_ms), tries,
    first !== null && [bar("first token", "use", Math.min(at, first), first, `at ${ms(first)}`), bar(row.stream ? "stream" : "answer", "fine", first, whole)],
    bar("whole", "wait", 0, whole));
}

function details(row) {
  const out = h("div.stack");
  // What was said in it is kept nowhere: the same kind of request asks with a greeting.
  const face = FACES[row.face] ?? FACES.openai;
  const asked = { model: row.model ?? "", stream: Boolean(row.stream), turns: [{ role: "user", text: "Hello!" }] };
  const path = face.path(asked, state.session.prefix);
  const body = face.body(asked);
  const explain = async () => {
    const found = await told(out, null, ask(own("explain"), { body: { path: `/${path}`, body } }));
    if (found) explained(out, found);
  };
  drawer(["Request to ", named(row.model ?? row.endpoint)],
    h("p", h(`span.dot.${kindOf(row)}`, outcome(row)), `, ${moment(row.at)}`, row.detail && `: ${name(row.detail)}`),
    section("Where the time went", waterfall(row)),
    h("div.bar", button("As curl", () => put(out, codeBox(curl(path, body)), h("p.small.muted", "What was said in it is kept nowhere: put your own words in."))),
      button("Explain: where would it go now?", explain)),
    out,
    section("What it used", facts(row, [
      ["tokens read", "prompt_tokens", (n) => `${count(n)}${row.cached_tokens ? `, ${count(row.cached_tokens)} of them from the cache` : ""}`],
      ["tokens written", "completion_tokens", (n) => `${count(n)}${row.reasoning_tokens ? `, ${count(row.reasoning_tokens)} of them thinking` : ""}`],
      ["counts", (one) => one.estimated && "estimated: the upstream told none"],
      ["tokens a second", "tokens_per_second", rate],
      ["cost", "micro_usd", usd],
      ["our own work", "own_ms", ms],
      ["waiting for the client", "client_ms", ms],
      ["between two tokens", "itl_ms", ms],
    ])),
    section("Who and where", facts(row, [
      ["upstream", "provider", named],
      ["its model", "upstream_model", named],
      ["attempts", "attempts"],
      ["fallback", "fallback", named],
      ["kept to", "affinity", named],
      ["ended by", "ended_by"],
      ["phase", "phase"],
      ["dropped", (one) => one.dropped?.join(", "), named],
      ["prompt", "prompt", named],
      ["language", "language", named],
      ["asked at", (one) => one.path && `${one.method} ${one.path}`, named],
      ["key", "key", named],
      ["team", "team", named],
      ["client", "client"],
      ["program", "user_agent", named],
      ["configuration", "generation"],
      ["request id", "request_id", named],
      ["trace id", "trace_id", named],
    ])),
    row.headers && section("Headers of the answer", facts(row.headers, Object.keys(row.headers).map((key) => [key, key, named]))));
}

function explained(place, found) {
  put(place, h("div.note", h("strong", found.waits ? "It would wait." : `It would go to ${name(found.candidates.find((one) => one.chosen)?.provider ?? "nobody")}.`),
    h("ul", found.candidates.map((one) => h("li", named(`${one.provider}: ${one.model}`), `, ${one.state}: `, name(one.why)))),
    found.dropped.length > 0 && h("p", "dropped: ", name(found.dropped.join(", ")))),
  found.call && h("details", h("summary", "What would be sent"), pre(`${found.call.method} ${found.call.url}\n${JSON.stringify(found.call.body, null, 2)}`)));
}
