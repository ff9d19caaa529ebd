/** Requests: the last ones and, with a usage database, those before; each as a waterfall, to be done again or explained. */
import {button, codeBox, drawer, empty, enc, fill, h, name, named, note, pre, put, section, select, told, write} from "./dom.js";
import {count, moment, ms, plural, time, usd} from "./format.js";
import {facts, list} from "./list.js";
import {api, base, hello, on, own, state} from "./live.js";

const PAGE = 100;
const MOST = 500;

export function show(main, {signal, rest, query}) {
	const box = (key, placeholder) => h("input", {type: "search", name: key, placeholder, label: placeholder, value: query.get(key), onchange: () => load()});
	const status = select([["", "all"], ["ok", "answered"], ["error", "failed"], ["cancelled", "left by the client"]], query.get("status"), () => load(), "Outcome");
	status.name = "status";
	const fields = [status, box("model", "model"), box("provider", "upstream"), box("key", "key")];
	const head = h("p.muted");
	const news = button("Show new ones", () => load());
	const older = button("Older ones", () => load(cursor), "button");
	const rows = ended();
	fill(main, h(".head", h("h1", "Requests"), head), h(".bar", fields, news), h(".panel.flush", rows.element), h(".bar", older));

	let found = [];
	let cursor = null;
	const draw = () => {
		rows.show(found);
		older.hidden = !cursor;
		write(head, found.length ? `${plural(found.length, "request")}${cursor ? " shown" : ""}` : "");
	};
	/** Those before a cursor are added, else all is asked anew. */
	const load = async before => {
		const wanted = fields.map(one => one.value.trim() && `&${one.name}=${enc(one.value.trim())}`).join("");
		const got = await told(head, api(`requests?limit=${PAGE}${wanted}${before ? `&before=${enc(before)}` : ""}`));
		if (!got) return;
		cursor = got.next;
		found = before ? [...found, ...got.rows] : got.rows;
		news.hidden = !before || news.hidden;
		draw();
	};
	// New ones come in by themselves while the top of all is looked at; else that there are some is told, so that nothing moves.
	on("ended", () => {
		if (scrollY > 40 || found.length >= MOST || fields.some(one => one.value)) return (news.hidden = false);
		const known = new Set(found.map(row => row.request_id));
		const fresh = state.ended.filter(row => row.at >= (found[0]?.at ?? 0) && !known.has(row.request_id));
		found = [...fresh, ...found];
		draw();
	}, signal);
	draw();
	load();
	if (rest[0]) open(rest[0]);
}

const open = id => api(`requests/${enc(id)}`).then(details, error => drawer("This request", h("p.bad", error.message)));

const ended = () => list({
	kind: "requests",
	key: row => row.request_id,
	open: row => open(row.request_id),
	none: () => empty("No request yet", h("p", "Those that ended stand here, the newest first. To make one:"), codeBox(hello())),
	columns: [
		["At", "tight", "at", time],
		["Model", "", row => row.model ?? row.endpoint],
		["Upstream", "wide", "provider"],
		["Outcome", "dot mid", "outcome", String, row => row.mark],
		["First token", "wide num sort", "first_byte_ms", ms],
		["Whole", "num low", "total_ms", ms],
		["In", "wide num low", "prompt_tokens", count],
		["Out", "wide num low", "completion_tokens", count],
		["Cost", "wide num low", "micro_usd", usd],
		["Who", "wide", row => row.key ?? row.client],
	],
});

/** Where its time went: bars on one scale. */
function waterfall(bars) {
	const part = value => `${(value / Math.max(0.001, ...bars.map(({to}) => to))) * 100}%`;
	return h(".fall", bars.map(({title, kind, from, to, ms: took}) => h("", h("span.name", {title}, name(title)),
		h("span.track", h(`i.${kind}`, {style: {left: part(from), width: part(to - from)}})), h("span.num.muted", ms(took)))));
}

function details(row) {
	const out = h(".stack");
	// What was said in it is kept nowhere: the same kind of request asks with a greeting.
	const again = async then => {
		const turns = [{role: "user", text: "Hello!"}];
		const asked = await told(out, api("compose", {body: {url: base, face: row.face || "openai", model: row.model ?? "", stream: Boolean(row.stream), turns}}));
		if (asked) await then(asked);
	};
	const explain = async ({path, body}) => {
		const found = await told(out, own("explain", {body: {path: `/${path}`, body}}));
		if (found) explained(out, found);
	};
	drawer(["Request to ", named(row.model ?? row.endpoint)],
		h("p", h(`span.dot.${row.mark}`, row.outcome), `, ${moment(row.at)}`, row.detail && `: ${name(row.detail)}`),
		section("Where the time went", waterfall(row.bars)),
		h(".bar", button("As curl", () => again(({curl}) => put(out, codeBox(curl), h("p.small.muted", "What was said in it is kept nowhere: put your own words in.")))),
			button("Explain: where would it go now?", () => again(explain))),
		out,
		section("What is known of it", facts(row, "headers", "tries", "bars", "detail", "outcome", "mark")),
		section("Headers of the answer", facts(row.headers)));
}

function explained(place, {waits, candidates, dropped, call}) {
	put(place, note("", h("strong", waits ? "It would wait." : `It would go to ${name(candidates.find(one => one.chosen)?.provider ?? "nobody")}.`),
		h("ul", candidates.map(one => h("li", named(`${one.provider}: ${one.model}`), `, ${one.state}: `, name(one.why)))),
		dropped.length > 0 && h("p", "dropped: ", name(dropped.join(", ")))),
	call && h("details", h("summary", "What would be sent"), pre(`${call.method} ${call.url}\n${JSON.stringify(call.body, null, 2)}`)));
}
