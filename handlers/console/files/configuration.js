/** Configuration: what runs and how it came, what is wrong with the file, the last generations, what an edit would do. */
import {button, choice, empty, fill, h, keyed, name, pre, put, select, told, write} from "./dom.js";
import {changes, list, preview} from "./edit.js";
import {ago, moment, plural} from "./format.js";
import {facts} from "./list.js";
import {api, on, state} from "./live.js";

const LINES = 1500;

export function show(main, {signal, rest}) {
	const summary = h(".panel");
	const place = h(".stack");
	let found = null;
	const load = async () => {
		const got = await told(summary, api("config"));
		if (!got) return;
		found = got;
		about(summary, found);
		view.show(found);
	};
	// Each has an element of its own: what somebody has begun in it stays, whatever becomes of the configuration meanwhile.
	const views = {file: file(), generations: generations(load), edit: edit(load)};
	let view = null;
	const choose = key => {
		view = views[key];
		put(place, view.element);
		if (found) view.show(found);
	};
	const begin = views[rest[0]] ? rest[0] : "file";
	const tabs = choice([["file", "The file"], ["generations", "Generations"], ["edit", "Try an edit"]], begin, choose);
	fill(main, h(".head", h("h1", "Configuration"), h("p.muted", "Models and prompts are one state with one number.")), summary, h(".bar", tabs), place);
	choose(begin);
	let seen = "";
	const look = () => {
		if (!state.status) return;
		const {generation, state: is, file_hash: hash, problems} = state.status;
		const news = JSON.stringify([generation, is, hash, problems]);
		if (news !== seen) load();
		seen = news;
	};
	on("status", look, signal);
	look();
}

function about(place, {state: is, generation, problems, warnings, loaded_at: loaded, noticed, hash, file_hash: file, last_good: copy}) {
	const rejected = is === "rejected";
	put(place,
		h("p", h(`strong.dot.${rejected ? "bad" : is === "applied" ? "good" : "warn"}`, rejected ? `The file is rejected, generation ${generation} goes on` : `Generation ${generation} is ${is}`)),
		list("bad", "problem", problems),
		list("warn", "warning", warnings),
		facts({
			loaded: `${moment(loaded)}, ${ago(loaded)}`,
			"last noticed": `${moment(noticed.at)} (${noticed.cause})`,
			hash,
			"hash of the files": file !== hash && file,
			"last good copy": copy && "serves: the files could not be read at the start",
		}));
}

/** The text with the numbers of its lines, the reasons under those that are wrong. */
function lines(text, problems) {
	const all = text.split("\n");
	const box = pre("", "pre.lines");
	const part = (from, to) => all.slice(from, to).forEach((line, index) => {
		const at = from + index + 1;
		const wrong = problems.filter(one => one.line === at);
		fill(box, h(wrong.length ? ".hit" : "", h("i", at), line || " "), wrong.map(one => h(".why", name(one.message))));
	});
	for (const {line} of problems) if (line > LINES) part(line - 4, line + 3), fill(box, h(".muted", "\u2026"));
	part(0, LINES);
	if (all.length > LINES) fill(box, button(`Show all ${all.length} lines`, ({target}) => (target.remove(), part(LINES))));
	return box;
}

function file() {
	const element = h(".stack");
	const show = ({readable, text, masked, problems, running_text: running}) => {
		if (!readable) return put(element, h(".panel", empty("The file cannot be read")));
		put(element,
			h(".panel.flush", h(".head", h("h2", "models-config.json"), h("p.small.muted", plural(text.split("\n").length, "line"), masked ? `, ${plural(masked, "secret")} shown as ***` : "")), lines(text, problems)),
			running && h("details", h("summary", "The text of what runs, which is another"), lines(running, [])));
	};
	return {element, show};
}

function generations(reload) {
	const wrong = h(".stack");
	const comparing = h(".stack");
	const all = h(".stack");
	const picked = {};
	let known = "";
	const show = async () => {
		const got = await told(wrong, api("config/generations"));
		if (!got) return;
		const rows = got.generations;
		const news = rows.map(keyOf).join();
		if (news !== known && rows.length > 1) put(comparing, comparison(rows, picked));
		known = news;
		keyed(all, rows, keyOf, one => generation(one, reload), (element, {current}) => {
			element.querySelector(".chip").hidden = !current;
			element.querySelector("button").hidden = current;
		});
	};
	return {element: h(".stack", wrong, comparing, all), show};
}
const keyOf = one => `${one.generation} ${one.hash} ${one.loaded_at}`;

/** `picked`: what somebody has chosen; else the oldest and the newest are compared. */
function comparison(rows, picked) {
	const options = rows.map(one => [String(one.generation), `${one.generation}, ${moment(one.loaded_at)}`]);
	const out = h("");
	const compare = async () => {
		if (from.value === to.value) return put(out, h("p.muted", "Choose two different ones."));
		const diff = await told(out, api(`config/diff?from=${from.value}&to=${to.value}`));
		if (diff) put(out, changes(diff.changes));
	};
	const pick = (label, [usual]) => select(options, options.some(([key]) => key === picked[label]) ? picked[label] : usual, key => ((picked[label] = key), compare()), label);
	const from = pick("From", options.at(-1));
	const to = pick("To", options[0]);
	compare();
	return h(".panel", h(".head", h("h2", "What changed between two"), h(".bar", from, "and", to)), out);
}

function generation(one, reload) {
	const outcome = h(".stack");
	const back = () => preview({generation: one.generation}, outcome, {done: reload, what: `Back to generation ${one.generation}`});
	return h(".panel", h(".head", h("h2", `Generation ${one.generation}`), h("p.small.muted", `${moment(one.loaded_at)}, ${plural(one.models, "model")}`), h("span.chip", "runs"), button("Back to this one", back)),
		one.changes ? changes(one.changes) : h("p.muted", "The oldest that is remembered."), outcome);
}

function edit(done) {
	const text = h("textarea.mono", {rows: 20, spellcheck: "false", wrap: "off", label: "models-config.json"});
	const outcome = h(".stack");
	const about = h("p.muted");
	let newest = "";
	const element = h(".panel", about, text,
		h(".bar", button("What would this do?", () => preview({text: text.value}, outcome, {done}), "button.first"),
			button("As the file is", () => ((text.value = newest), put(outcome)), "button")), outcome);
	const show = found => {
		// What somebody types is not taken away.
		const untouched = text.value === newest;
		newest = found.text;
		if (untouched) text.value = newest;
		write(about, `Change it, or paste another: the loader itself says what would become of it. Nothing is written${found.writing ? " before you have seen that" : ""}.`);
	};
	return {element, show};
}
