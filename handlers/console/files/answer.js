/** One request of the playground and its answer as it comes: asked, read, measured, shown. */
import { button, codeBox, drawer, fill, h, link, name, pre, put } from "./dom.js";
import { FACES, curl, python } from "./faces.js";
import { count, ms, rate, usd } from "./format.js";
import { api, state } from "./live.js";

const RAW = 200_000;
const USUAL = new Set(["stop", "end_turn", "STOP", "completed"]);

/** The events of an answer, each as text: SSE, lines of JSON, or one JSON. */
async function* events(answer, lines) {
  if (!lines && !answer.headers.get("Content-Type")?.includes("event-stream")) return yield await answer.text();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let data = [];
  for (;;) {
    const { value = "\n\n", done } = await reader.read();
    const parts = (rest + value).split(/\r?\n/);
    rest = parts.pop();
    for (const line of parts) {
      if (lines) line && (yield line);
      else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
      else if (!line && data.length) yield data.splice(0).join("\n");
    }
    if (done) return;
  }
}

const parse = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** What went wrong, whatever the form of the API: code and message. */
function failure(error, status) {
  const { code, type, message, status: word } = typeof error === "string" ? { message: error } : error;
  return { code: [status, code && code !== status ? code : word ?? type].filter(Boolean).join(" "), message: message ?? "The answer says no more." };
}

/**
 * Ask `one.face` with `body`; the answer's elements are appended to `one.talk`. Returns the turn of the assistant, or null if
 * it failed. `results(calls, place)` is called where the model wants tools.
 */
export async function answer(one, asked, body, { key, signal, label, raw, results }) {
  const face = FACES[one.face];
  const path = face.path(asked, state.session.prefix);
  const turn = { role: "assistant", text: "", calls: [] };
  const said = h("div.said", { dir: "auto" }, document.createTextNode(""));
  const thoughts = h("div.said.small.muted", { dir: "auto" }, document.createTextNode(""));
  const thinking = h("details", { hidden: true, open: true }, h("summary", "Thoughts"), thoughts);
  const calls = h("div.stack");
  const line = h("p.facts-line", "asked \u2026");
  const shown = pre("", "pre.events.wrap");
  const wrong = h("div.note.bad", { role: "alert", hidden: true });
  one.talk.append(h("div.turn.assistant", h("p.who", label), thinking, said, calls, wrong, line, h("details", { open: raw }, h("summary", "Raw events"), shown)));

  // Our own, so that the gateway can be asked what became of it, even if its answer never came.
  const id = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const began = performance.now();
  let [first, last, pieces, kept, cost] = [0, 0, 0, 0];
  let [error, end, input, output] = [];
  let headers = new Headers();
  const took = (piece) => {
    if (piece.error) error ??= failure(piece.error);
    if (piece.text || piece.thought || piece.call) {
      last = performance.now();
      first ||= last;
      pieces += 1;
    }
    if (piece.text) (turn.text += piece.text), said.firstChild.appendData(piece.text);
    if (piece.thought) (thinking.hidden = false), thoughts.firstChild.appendData(piece.thought);
    if (piece.call) {
      const { at = turn.calls.length, args = "", ...call } = piece.call;
      const old = turn.calls.find((known) => known.at === at);
      if (old) old.args += args;
      else turn.calls.push({ at, args, ...call });
    }
    end = piece.end ?? end;
    input = piece.input ?? input;
    output = piece.output ?? output;
  };
  try {
    const login = key ? { Authorization: `Bearer ${key}` } : {};
    const got = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json", "X-Request-Id": id, ...login }, body: JSON.stringify(body), signal });
    headers = got.headers;
    for await (const event of got.ok ? events(got, face.lines) : [await got.text()]) {
      if (kept < RAW) fill(shown, event, "\n");
      kept += event.length;
      const found = event === "[DONE]" ? null : parse(event);
      if (!got.ok) error = failure(found?.error ?? found ?? event.slice(0, 500), got.status);
      else if (found) face.read(found, took);
    }
    if (!end) error ??= { code: "cut", message: "The answer ended without its end." };
  } catch (problem) {
    // A browser may drop what came just before a cut: then the gateway is asked for the reason, see below.
    error ??= problem.name === "AbortError" ? { code: "stopped", message: "You stopped it." } : { code: "cut", message: first ? `The connection was cut after ${count(pieces)} events.` : "No answer came.", unclear: true };
  }
  const why = (code, message) => {
    const wait = headers.get("Retry-After");
    wrong.hidden = false;
    put(wrong, h("strong", code), ` ${message}`, wait && ` Try again in ${wait} s.`);
  };
  if (error) {
    if (error.code === "stopped") wrong.className = "note warn";
    why(error.code, error.message);
  } else if (turn.calls.length) results(turn.calls, calls);

  const told = (header) => name(headers.get(header));
  const show = (title, text) => drawer(title, codeBox(text));
  const facts = () => {
    const spent = (last - first) / 1000;
    const written = output ?? (pieces || null);
    const parts = [
      told("X-LLM-Provider") && `by ${told("X-LLM-Provider")}: ${told("X-LLM-Model")}`,
      first && `${asked.stream ? "first token" : "answer"} after ${ms(first - began)}`,
      first && asked.stream && `all after ${ms(last - began)}`,
      input !== undefined && `${count(input)} tokens in`,
      written !== null && `${count(written)} out`,
      asked.stream && spent > 0.05 && written > 1 && `${rate(written / spent)} tokens/s`,
      cost >= 0 && usd(cost),
      told("X-LLM-Attempts") > 1 && `${told("X-LLM-Attempts")} attempts`,
      told("X-Dropped-Params") && `dropped: ${told("X-Dropped-Params")}`,
      end && !USUAL.has(end) && `ended by ${end}`,
    ];
    put(line, parts.filter(Boolean).map((part) => h("span", part)), link(`#/requests/${id}`, "this request"),
      button("as curl", () => show("As curl", curl(path, body, key && "YOUR-KEY")), "button.plain.small"),
      button("as Python", () => show("As Python", python(one.face, asked, body, key || state.session.keys ? "YOUR-KEY" : "any", state.session.prefix)), "button.plain.small"));
  };
  facts();
  recordOf(id).then((found) => {
    if (error?.unclear && found?.code) why(found.code, found.detail ?? error.message);
    cost = found?.micro_usd ?? undefined;
    facts();
  });
  return error ? null : turn;
}

/** What the gateway says of it; that is there a moment after the end. */
async function recordOf(id) {
  for (const wait of [200, 800, 2000]) {
    await new Promise((done) => setTimeout(done, wait));
    try {
      return await api(`requests/${id}`);
    } catch {
      // not yet
    }
  }
}
