/** Now: what is wrong, the last 15 minutes, what runs and can be stopped. */
import { chart } from "./chart.js";
import { button, codeBox, drawer, empty, enc, facts, fill, h, link, name, named, say, write } from "./dom.js";
import { faceOf, hello } from "./faces.js";
import { ahead, count, ms, percent, plural, rate, seconds, span, time } from "./format.js";
import { List } from "./list.js";
import { api, ask, mayWrite, now, on, own, past, state } from "./live.js";

export function show(main, { signal }) {
  const health = h("div.note.health", "\u2026");
  const charts = four.map((one) => chart({ ...one, signal }));
  const head = h("p.muted");
  const said = h("p.small", { role: "status" });
  const list = running(said);
  fill(main,
    h("div.head", h("h1", "Now"), head),
    health,
    h("div.charts", charts.map((one) => one.element)),
    h("div.panel.flush", h("div.head", h("h2", "Running requests"), said), list.element));

  let trouble = [];
  const look = async () => {
    try {
      trouble = (await api("models?state=trouble&names=0&limit=20", { signal })).rows;
    } catch {
      return; // the banner says that the connection is lost
    }
    judge();
  };
  const judge = () => state.status && verdict(health, head, trouble);
  const points = () => charts.forEach((one) => one.show(state.points));
  const rows = () => list.show([...state.running.values()]);
  on("status", judge, signal);
  on("point", () => (points(), look()), signal);
  on("running", rows, signal);
  // Ages go on while nothing else changes.
  const clock = setInterval(() => state.running.size && rows(), 1000);
  signal.addEventListener("abort", () => (clearInterval(clock), list.close()));
  points();
  rows();
  judge();
  look();
  past();
}

const sum = (points, key) => points.reduce((all, point) => all + (point[key] ?? 0), 0);
const lastMinute = (points) => points.slice(-12);

/** What is wrong, in words; or what there is, if all is well. */
function verdict(note, head, trouble) {
  const { status } = state;
  write(head, `up ${span(now() - status.started_at)}, ${plural(status.workers.length || 1, "worker")}`);
  const wrong = [];
  const rejected = status.state === "rejected";
  if (rejected) wrong.push(["The last edit was rejected. ", link("#/configuration", "What is wrong with it")]);
  if (status.last_good) wrong.push(["The files could not be read at the start: the last good copy serves."]);
  if (status.usage?.lost) wrong.push([`${plural(status.usage.lost, "row")} of usage could not be written. Is the disk full?`]);
  for (const row of trouble) {
    wrong.push([link(`#/models?search=${enc(row.name)}`, named(row.name)), " at ", named(row.provider), ` is ${row.state}: `, named(row.reason ?? row.last_error?.message),
      row.until > now() && `; it ends ${ahead(row.until, now())}`]);
  }
  const points = lastMinute(state.points);
  const failed = sum(points, "errors");
  const errors = failed / sum(points, "requests");
  if (failed > 2 && errors > 0.05) wrong.push([`${percent(errors)} of the requests of the last minute failed. `, link("#/requests?status=error", "Which")]);
  const kind = !wrong.length ? "good" : rejected || trouble.some((row) => row.state === "ejected") ? "bad" : "warn";
  note.className = `note health ${kind}`;
  if (wrong.length) return say(note, h("strong", wrong.length === 1 ? "One thing is wrong" : `${wrong.length} things are wrong`), h("ul", wrong.map((one) => h("li", one))));
  if (!status.models) return say(note, h("strong", "No model yet."), " Put one into models-config.json and save: it is served a moment later. ", link("#/models", "How"));
  return say(note, h("strong", "All is well."), ` ${plural(status.models, "model")} ${status.models === 1 ? "is" : "are"} served. `, link("#/models", "Look at them"), ", ", link("#/playground", "ask one"), ", ", link("#/clients", "connect a program"), ".");
}

function middle(points, of) {
  const found = lastMinute(points).map(of).filter((one) => one > 0).sort((a, b) => a - b);
  return found.length ? found[Math.floor(found.length / 2)] : null;
}

/** Buckets are of five seconds. */
const four = [
  {
    title: "Requests",
    unit: rate,
    lines: [{ label: "a second", color: "--accent", fill: true, of: (p) => p.requests / 5 }],
    value: (p) => [count(sum(lastMinute(p), "requests")), "in the last minute"],
  },
  {
    title: "First token",
    unit: ms,
    lines: [{ label: "p95", color: "--warn", dots: true, of: (p) => p.first_token_ms?.p95 }, { label: "p50", color: "--accent", dots: true, of: (p) => p.first_token_ms?.p50 }],
    value: (p) => [ms(middle(p, (one) => one.first_token_ms?.p50)), "p50"],
  },
  {
    title: "Tokens a second",
    unit: rate,
    lines: [{ label: "all together", color: "--accent", fill: true, of: (p) => p.output / 5 }, { label: "one stream", color: "--good", dots: true, of: (p) => p.tokens_per_second }],
    value: (p) => [rate(middle(p, (one) => one.tokens_per_second)), "one stream"],
  },
  {
    title: "Errors",
    unit: count,
    lines: [{ label: "failed", color: "--bad", fill: true, of: (p) => p.errors }, { label: "left by clients", color: "--muted", of: (p) => p.cancelled }],
    value: (p) => [count(sum(lastMinute(p), "errors")), "in the last minute"],
  },
];

const STATES = { waiting: "waits for a place", asked: "waits for a token", streaming: "streams", drained: "last bytes go out" };
const stateOf = (value) => STATES[value] ?? value;

/** `said` is where the outcome of a stop is told. */
function running(said) {
  const stopper = (row) => button("Stop", async ({ target }) => {
    target.disabled = true;
    try {
      const answer = await ask(own(`requests/${enc(row.uid)}/stop`), { body: {} });
      write(said, `${name(row.model)} stopped: its upstream was released after ${ms(answer.released_ms)}`);
    } catch (error) {
      target.disabled = false;
      write(said, `Not stopped: ${error.message}`);
    }
  }, "button.small.bad", { label: `Stop the request to ${name(row.model)}` });
  return new List({
    kind: "running",
    label: "Running requests",
    key: (row) => row.uid,
    open: (row) => drawer(named(row.model), mayWrite() && h("div.bar", stopper(row)), details(row)),
    none: () => empty("Nothing runs at the moment", h("p", "Ask a model in the ", link("#/playground", "playground"), ", or from a terminal:"), codeBox(hello())),
    columns: [
      ["Model", "", "model"],
      ["Upstream", "wide", "provider"],
      ["State", "wide", "state", stateOf],
      ["API", "wide", "face", faceOf],
      ["Who", "wide", (row) => row.key ?? row.client],
      ["Age", "num low", (row) => now() - row.started_at, seconds],
      ["Tokens", "num low", "tokens", count],
      ["A second", "wide num low", "tokens_per_second", rate],
      ["", "act", "uid", (cell, row) => mayWrite() && !cell.firstChild && cell.append(stopper(row))],
    ],
  });
}

const details = (row) => facts(row, [
  ["state", "state", stateOf],
  ["upstream", "provider", named],
  ["its model", "upstream_model", named],
  ["attempts", "attempts"],
  ["asked by", "face", faceOf],
  ["at", "endpoint"],
  ["began", "started_at", time],
  ["first token", "first_token_ms", ms],
  ["tokens", "tokens", count],
  ["tokens a second", "tokens_per_second", rate],
  ["key", "key", named],
  ["team", "team", named],
  ["client", "client"],
  ["program", "user_agent", named],
  ["worker", "worker"],
  ["request id", "id", named],
]);
