/** What is known of the gateway now: who I am, what its events tell, and how it is asked. */

export const state = {
  session: null, // as console/session tells it
  status: null, // the event `status`
  running: new Map(), // uid -> Row, in the order in which they began
  total: 0, // how many run, those included that are not told
  ended: [], // the last requests that ended, newest first
  points: [], // the last 15 minutes
  link: "begin", // begin, on, off
  skew: 0, // seconds that the gateway's clock is ahead of ours
};
const bus = new EventTarget();
const KEPT = 200;
const SILENT = 40_000; // a comment comes every 15 s

/** Call `heard` at each of these news until `signal` is aborted. */
export function on(names, heard, signal) {
  for (const name of names.split(" ")) bus.addEventListener(name, heard, { signal });
}
const tell = (name) => bus.dispatchEvent(new Event(name));

/** The gateway's time now, in Unix seconds. */
export const now = () => Date.now() / 1000 + state.skew;

class Refused extends Error {
  constructor(status, error, text) {
    super(error?.message || text || `status ${status}`);
    Object.assign(this, { status, error: error ?? {} });
  }
}

/** Ask for JSON. Raises `Refused` with what the gateway said, TypeError where it is not reached. */
export async function ask(path, { signal, body, method = body === undefined ? "GET" : "POST" } = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch(path, { method, headers, signal, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  let found = null;
  try {
    found = text ? JSON.parse(text) : null;
  } catch {
    // a proxy between us may answer with a page of its own
  }
  if (answer.ok) return found;
  if (answer.status === 401 && path.startsWith("console/api/")) tell("session-over");
  throw new Refused(answer.status, found?.error, found ? "" : `${answer.status} ${answer.statusText}`);
}

export const api = (path, options) => ask(`console/api/${path}`, options);
/** The same endpoints that everybody has, below the prefix. */
export const own = (path) => [state.session?.prefix, path].filter(Boolean).join("/");
export const mayWrite = () => state.session?.role === "write";

let source = null;
let timer = 0;
let watchdog = 0;

/** Begin to listen, or begin anew. */
export function listen() {
  hush();
  source = new EventSource("console/events");
  source.onopen = heard;
  for (const [name, take] of Object.entries(takes)) {
    source.addEventListener(name, (event) => {
      heard();
      take(JSON.parse(event.data));
      tell(name);
    });
  }
  source.onerror = lost;
}

/** Nobody looks: it costs nothing. */
export function hush() {
  clearTimeout(timer);
  clearTimeout(watchdog);
  source?.close();
  source = null;
}

function heard() {
  clearTimeout(watchdog);
  watchdog = setTimeout(lost, SILENT);
  if (state.link === "on") return;
  if (state.points.length) past();
  state.link = "on";
  tell("link");
}

/** The browser tries again by itself only after some failures: we always do, and ask who we are, which may have changed. */
function lost() {
  hush();
  if (state.link !== "off") {
    state.link = "off";
    tell("link");
  }
  timer = setTimeout(async () => {
    try {
      state.session = await ask("console/session");
      tell("session");
      if (state.session.role) listen();
    } catch {
      lost();
    }
  }, 1000);
}

const takes = {
  status(told) {
    state.status = told;
  },
  running({ at, whole, rows, progress = [], gone = [], total }) {
    state.skew = at - Date.now() / 1000;
    if (whole) state.running.clear();
    for (const row of rows) state.running.set(row.uid, row);
    for (const [uid, tokens, first, speed] of progress) {
      const row = state.running.get(uid);
      if (row) Object.assign(row, { tokens, first_token_ms: first, tokens_per_second: speed });
    }
    for (const uid of gone) state.running.delete(uid);
    state.total = total;
  },
  ended({ rows }) {
    state.ended.unshift(...[...rows].reverse());
    state.ended.length = Math.min(state.ended.length, KEPT);
  },
  point(point) {
    const last = state.points.at(-1);
    if (last && last.at >= point.at) return;
    state.points.push(point);
    const oldest = point.at - 900;
    while (state.points[0].at < oldest) state.points.shift();
  },
};

/** The charts' past: asked for when a page begins, and after a gap. */
export async function past() {
  try {
    state.points = (await api("history")).points;
    tell("point");
  } catch {
    // the next point comes by itself
  }
}
