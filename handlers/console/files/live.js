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

/** Call `heard` at this news until `signal` is aborted. */
export const on = (news, heard, signal) => bus.addEventListener(news, heard, {signal});
const tell = news => bus.dispatchEvent(new Event(news));

/** Do it again and again while somebody looks, until `signal` is aborted. */
export function every(ms, what, signal) {
	const timer = setInterval(() => document.hidden || what(), ms);
	signal.addEventListener("abort", () => clearInterval(timer));
}

/** The gateway's time now, in Unix seconds. */
export const now = () => Date.now() / 1000 + state.skew;
/** Where this gateway is: the page stands at BASE/console. */
export const base = new URL(".", location.href).href.replace(/\/$/, "");
export const hello = () => `curl ${base}/v1/chat/completions -d '{"model": "demo", "messages": [{"role": "user", "content": "Hello!"}]}'`;

/** The value of a JSON text; null if it is none. */
export function parse(text) {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}

/** Ask for JSON. Raises an Error with `status` and `error`, as the gateway said it; TypeError where it is not reached. */
export async function ask(path, {signal, body, method = body ? "POST" : "GET"} = {}) {
	const answer = await fetch(path, {method, signal, cache: "no-store", headers: body && {"Content-Type": "application/json"}, body: body && JSON.stringify(body)});
	const {status, statusText, ok} = answer;
	const found = parse(await answer.text()); // null: also of a proxy between us, which may answer with a page of its own
	if (ok) return found;
	if (status === 401 && path.startsWith("console/api/")) tell("session-over");
	const error = found?.error ?? {};
	throw Object.assign(new Error(error.message ?? `${status} ${statusText}`), {status, error});
}

export const api = (path, options) => ask(`console/api/${path}`, options);
/** The same endpoints that everybody has, below the prefix. */
export const own = (path, options) => ask([state.session.prefix, path].filter(Boolean).join("/"), options);
export const mayWrite = () => state.session?.role === "write";

let source = null;
let timer = 0;
let watchdog = 0;

/** Begin to listen, or begin anew. */
export function listen() {
	hush();
	source = new EventSource("console/events");
	source.onopen = heard;
	for (const [news, take] of Object.entries(takes)) {
		source.addEventListener(news, ({data}) => {
			heard();
			take(JSON.parse(data));
			tell(news);
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
	running({at, whole, rows, progress, gone, total}) {
		const {running} = state;
		state.skew = at - Date.now() / 1000;
		state.total = total;
		if (whole) running.clear();
		for (const row of rows) running.set(row.uid, row);
		for (const [uid, tokens, first, speed] of progress) Object.assign(running.get(uid) ?? {}, {tokens, first_token_ms: first, tokens_per_second: speed});
		for (const uid of gone) running.delete(uid);
	},
	ended({rows}) {
		state.ended = [...rows.reverse(), ...state.ended].slice(0, KEPT);
	},
	point(point) {
		if (!(state.points.at(-1)?.at >= point.at)) state.points = [...state.points, point].filter(({at}) => at >= point.at - 900);
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
