/** One request of the playground and its answer as it comes: asked, read, measured, shown. */
import {button, codeBox, drawer, fill, h, link, name, note, pre, put} from "./dom.js";
import {read} from "./faces.js";
import {count, ms, rate, usd} from "./format.js";
import {api, parse} from "./live.js";

const RAW = 200_000;
const USUAL = [true, "stop", "end_turn", "STOP", "completed"];

/** The events of an answer, each as text: SSE, lines of JSON, or one JSON. */
async function* events(answer) {
	const kind = answer.headers.get("Content-Type") ?? "";
	const lines = kind.includes("ndjson");
	if (!lines && !kind.includes("event-stream")) return yield await answer.text();
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	let data = [];
	for (;;) {
		const {value = "\n\n", done} = await reader.read();
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

/** What went wrong, whatever the form of the API: code and message. */
function failure(error, status) {
	const {code, type, message, status: word} = typeof error === "string" ? {message: error} : error;
	return {code: [status, code && code !== status ? code : word ?? type].filter(Boolean).join(" "), message: message ?? "The answer says no more."};
}

/**
 * Sends what was composed for `one`, with `key` if there is one; the answer's elements are appended to `one.talk`. By `id` the gateway is
 * asked what became of it, even if its answer never came. Returns the turn of the assistant, or null if it failed. `results(calls, place)` is called where the model wants tools.
 */
export async function answer(one, {id, path, body, reads, curl, python}, {key, signal, label, raw, results}) {
	const turn = {role: "assistant", text: ""};
	const calls = new Map();
	const said = h(".said", {dir: "auto"}, "");
	const thoughts = h(".said.small.muted", {dir: "auto"}, "");
	const thinking = h("details", {hidden: true, open: true}, h("summary", "Thoughts"), thoughts);
	const wanted = h(".stack");
	const line = h("p.facts-line", "asked \u2026");
	const shown = pre("", "pre.events.wrap");
	const wrong = h(".note", {role: "alert", hidden: true});
	fill(one.talk, h(".turn.assistant", h("p.who", label), thinking, said, wanted, wrong, line, h("details", {open: raw}, h("summary", "Raw events"), shown)));

	let [pieces, kept] = [0, 0];
	let [error, end] = [];
	let headers = new Headers();
	const took = piece => {
		const {text, thought} = piece;
		if (piece.error) error ??= failure(piece.error);
		pieces += 1;
		if (text) (turn.text += text), said.firstChild.appendData(text);
		if (thought) (thinking.hidden = false), thoughts.firstChild.appendData(thought);
		for (const {at = calls.size, args = "", ...rest} of piece.calls) {
			if (calls.has(at)) calls.get(at).args += args;
			else calls.set(at, {...rest, args});
		}
		end = piece.end ?? end;
	};
	try {
		const login = key && {Authorization: `Bearer ${key}`};
		const got = await fetch(path, {method: "POST", headers: {"Content-Type": "application/json", "X-Request-Id": id, ...login}, body: JSON.stringify(body), signal});
		headers = got.headers;
		for await (const event of got.ok ? events(got) : [await got.text()]) {
			if (kept < RAW) fill(shown, event, "\n");
			kept += event.length;
			const found = parse(event); // null: "[DONE]"
			if (!got.ok) error = failure(found?.error ?? found ?? event.slice(0, 500), got.status);
			else if (found) took(read(found, reads));
		}
		if (!end) error ??= {code: "cut", message: "The answer ended without its end."};
	} catch (problem) {
		// A browser may drop what came just before a cut: then the gateway is asked for the reason, see below.
		error ??= problem.name === "AbortError" ? {code: "stopped", message: "You stopped it."} : {code: "cut", message: pieces ? `The connection was cut after ${count(pieces)} events.` : "No answer came.", unclear: true};
	}
	turn.calls = [...calls.values()];
	const why = (code, message) => {
		const wait = headers.get("Retry-After");
		wrong.hidden = false;
		wrong.className = `note ${code === "stopped" ? "warn" : "bad"}`;
		put(wrong, h("strong", code), ` ${message}`, wait && ` Try again in ${wait} s.`);
	};
	if (error) why(error.code, error.message);
	else if (calls.size) results(turn.calls, wanted);

	const outside = (label, title, text) => button(label, () => drawer(title, codeBox(text)), "button.plain.small");
	const facts = row => put(line, row && figures(row).map(one => h("span", one)), end && !USUAL.includes(end) && `ended by ${end}`,
		link(`#/requests/${id}`, "this request"), outside("as curl", "As curl", curl), outside("as Python", "As Python", python));
	recordOf(id).then(row => {
		if (error?.unclear && row?.code) why(row.code, row.detail ?? error.message);
		facts(row);
	});
	return error ? null : turn;
}

/** What the gateway says of it; that is there a moment after the end. */
async function recordOf(id) {
	for (const wait of [200, 800, 2000]) {
		await new Promise(done => setTimeout(done, wait));
		try {
			return await api(`requests/${id}`);
		} catch {
			// not yet
		}
	}
}

const figures = row => [
	row.provider && `by ${name(row.provider)}: ${name(row.upstream_model)}`,
	row.stream && `first token after ${ms(row.first_byte_ms)}`,
	`all after ${ms(row.total_ms)}`,
	row.prompt_tokens !== null && `${count(row.prompt_tokens)} tokens in, ${count(row.completion_tokens)} out`,
	row.tokens_per_second && `${rate(row.tokens_per_second)} tokens/s`,
	row.micro_usd !== null && usd(row.micro_usd),
	row.attempts > 1 && `${row.attempts} attempts`,
	row.dropped.length > 0 && `dropped: ${name(row.dropped.join(", "))}`,
].filter(Boolean);
