/** Models: each deployment and how it stands, the names that lead to it, what an Ollama holds in memory. */
import {button, choice, codeBox, drawer, empty, enc, fill, h, link, name, named, note, put, write} from "./dom.js";
import {preview} from "./edit.js";
import {ago, ahead, bytes, count, ms, percent, plural, rate} from "./format.js";
import {facts, list} from "./list.js";
import {api, now, state} from "./live.js";

const STATES = {ejected: "bad", asleep: "warn", full: "warn", out: "muted", ok: "good"};
const PAGE = 1000;
const NAMES = 20_000;

export function show(main, {signal, query}) {
	let rows = [];
	let names = [];
	let namesOf = null;
	let view = "upstreams";
	const search = h("input", {type: "search", placeholder: "name, provider, state", label: "Search", value: query.get("search"), oninput: () => draw()});
	const head = h("p.muted");
	const lists = {upstreams: upstreams(), names: otherNames(), memory: memory()};
	const place = h(".panel.flush", lists.upstreams.element);
	const tabs = choice([["upstreams", "Upstreams"], ["names", "Names"], ["memory", "In memory"]], view, key => {
		view = key;
		put(place, lists[key].element);
		draw();
	});
	fill(main, h(".head", h("h1", "Models"), head), h(".bar", tabs, search), place);

	const draw = () => {
		const text = search.value.toLowerCase();
		const fits = row => ["name", "provider", "model", "state", "alias_of", "kind"].some(key => row[key]?.toLowerCase().includes(text));
		lists[view].show({upstreams: rows, names, memory: rows.filter(row => row.memory?.loaded)}[view].filter(fits));
	};
	const load = async () => {
		const found = [];
		let after = "";
		// Thousands of names are asked for again only when there may be others.
		const known = state.status?.hash ?? "";
		do {
			const wanted = !after && (!known || known !== namesOf);
			const got = await api(`models?limit=${PAGE}&names=${wanted ? NAMES : 0}&after=${after || 0}`, {signal});
			if (wanted) ({names} = got), (namesOf = known);
			found.push(...got.rows);
			after = got.next;
			if (found.length > rows.length || !after) rows = [...found];
			const wrong = Object.keys(STATES).filter(key => key !== "ok" && got.states[key]).map(key => `${count(got.states[key])} ${key}`);
			write(head, got.total ? `${plural(got.total, "upstream")}, ${wrong.join(", ") || "all ok"}` : "");
			draw();
		} while (after);
	};
	const again = async () => {
		if (!document.hidden) await load().catch(() => {}); // the banner says it
		if (!signal.aborted) setTimeout(again, rows.length > PAGE ? 15_000 : 2500);
	};
	again();
}

const p50 = row => row.first_token_ms?.p50;
const p95 = row => row.first_token_ms?.p95;
const words = ({state: is}) => (is === "out" ? "out of use" : is);

const upstreams = () => list({
	kind: "upstreams",
	key: row => `${row.provider}\n${row.name}\n${row.model}`,
	open: details,
	none: () => empty("No model yet", h("p", "Write one into ", h("code", "models-config.json"), " and save: it is served a moment later. An Ollama on this machine, for instance:"),
		codeBox('{\n  "ollama": {\n    "llama3.2": {}\n  }\n}'), link("#/configuration/edit", "Try an edit")),
	columns: [
		["Model", "sort", "name"],
		["State", "dot tight sort", row => Object.keys(STATES).indexOf(row.state), (_, row) => words(row), row => STATES[row.state]],
		["Upstream", "wide sort", row => (row.model === row.name ? row.provider : `${row.provider}: ${row.model}`)],
		["In flight", "num low", "in_flight", count],
		["First token p50", "wide num mid sort", p50, ms],
		["p95", "wide num sort", p95, ms],
		["Tokens/s", "wide num low", "tokens_per_second", rate],
		["Last error", "wide low", row => row.last_error?.at, (at, row) => `${ago(at)}: ${row.last_error.message}`],
	],
});

const otherNames = () => list({
	kind: "names",
	key: row => `${row.kind}\n${row.name}`,
	none: () => empty("No names"),
	columns: [
		["Name", "sort", "name"],
		["What it is", "sort", row => (row.alias_of ? `alias of ${row.alias_of}` : row.kind)],
		["Upstreams", "wide num low", "deployments", count],
		["Policy", "wide", "policy"],
		["Retries", "wide num", "retries", count],
		["Falls back to", "wide", row => row.fallbacks?.join(", ") || null],
	],
});

const memory = () => list({
	kind: "memory",
	key: row => `${row.provider}\n${row.name}`,
	none: () => empty("Nothing is in memory that anybody knows of", h("p", "An Ollama tells what it has loaded, and until when.")),
	columns: [
		["Model", "", "name"],
		["Where", "wide", "provider"],
		["Size", "num", row => row.memory.size, bytes],
		["On the GPU", "wide num", ({memory: {size, vram}}) => (size ? vram / size : null), percent],
		["Leaves", "num mid", row => row.memory.expires_at, leaves],
	],
});

const leaves = at => ahead(typeof at === "string" ? Date.parse(at) / 1000 : at);

function details(row) {
	const outcome = h(".stack");
	const weigh = (label, weight, what) => button(label, () => preview({weight: {provider: row.provider, model: row.name, weight}}, outcome, {what}));
	const error = row.last_error;
	drawer(named(row.name),
		h("p", h(`span.dot.${STATES[row.state]}`, words(row)), row.reason && `: ${name(row.reason)}`, row.until > now() && `, ends ${ahead(row.until)}`),
		error && note("warn", h("strong", "Last error"), ` ${ago(error.at)}: `, named(error.message)),
		h(".bar", link(`#/playground?model=${enc(row.name)}`, "Ask it"), link(`#/requests?model=${enc(row.name)}`, "Its requests"),
			row.weight > 0 ? weigh("Drain: no new requests", 0, "Drain it") : weigh("Use it again", 1, "Use it")),
		outcome,
		facts({...row, memory: row.memory?.loaded && `${bytes(row.memory.size)}, leaves ${leaves(row.memory.expires_at)}`}, "name", "state", "reason", "last_error", "list"));
}
