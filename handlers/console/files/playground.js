/** Playground: a conversation with one model, or with two side by side, through the gateway's own endpoints. */
import {answer} from "./answer.js";
import {button, empty, field, fill, first, h, name, named, pre, put, select, told, write} from "./dom.js";
import {faceOf, faces} from "./format.js";
import {api, base, own, parse} from "./live.js";
import {modelField} from "./names.js";

const WEATHER = [{name: "get_weather", description: "The weather of a city now.", parameters: {type: "object", properties: {city: {type: "string"}}, required: ["city"]}}];
const side = () => ({model: "", face: "openai", turns: [], talk: h(".talk", {"aria-live": "polite"}), stop: null});
/** What stays while another page is looked at; `options` are fields of console/api/compose. */
const kept = {sides: [side(), side()], both: false, raw: false, images: [], text: "", key: "", options: {stream: true}};
const shown = () => kept.sides.slice(0, kept.both ? 2 : 1);

export function show(main, {query}) {
	kept.sides[0].model = query.get("model") ?? kept.sides[0].model;
	const sides = h(".sides");
	const draw = () => {
		sides.classList.toggle("both", kept.both);
		put(sides, shown().map(column));
	};
	const clear = () => {
		for (const one of kept.sides) {
			one.stop?.abort();
			one.turns = [];
			one.talk.replaceChildren();
		}
		draw();
	};
	fill(main,
		h(".head", h("h1", "Playground"), h(".bar", check("Two models side by side", kept, "both", draw), button("Clear", clear, "button"))),
		h(".play", h(".stack", sides, compose(sides)), options()));
	draw();
}

function column(one) {
	if (!one.talk.firstChild) fill(one.talk, empty("Nothing asked yet", h("p", "What you ask goes the way that every client's request goes.")));
	return h("section.panel", {label: "Conversation"}, h(".bar", modelField(one.model, value => (one.model = value)), select(faces, one.face, key => (one.face = key), "API")), one.talk);
}

// controls, each bound to a field of an object

const check = (label, object, key, changed) => h("label.check", h("input", {type: "checkbox", checked: object[key], onchange: ({target}) => ((object[key] = target.checked), changed?.())}), label);
const bound = (what, object, key, attributes) => h(what, {value: object[key], oninput: ({target}) => (object[key] = target.value), ...attributes});
const number = (label, key, step, max) => field(label, bound("input", kept.options, key, {type: "number", min: 0, max, step, placeholder: "default"}));
const area = (label, key, attributes) => field(label, bound("textarea", kept.options, key, {rows: 2, spellcheck: "false", ...attributes}));

// what is asked

const urlOf = ({type, data}) => `data:${type};base64,${data}`;

function compose(sides) {
	const text = bound("textarea", kept, "text", {rows: 3, placeholder: "Say something. Enter sends, Shift+Enter begins a line.", label: "Message"});
	const shots = h(".shots");
	const file = h("input", {type: "file", accept: "image/*", multiple: true, hidden: true, label: "Pictures", onchange: () => take(file.files)});
	const said = h("p.small.bad", {role: "alert"});
	const stop = button("Stop", () => kept.sides.forEach(one => one.stop?.abort()), "button", {disabled: true});
	const take = async files => {
		for (const one of [...files].filter(({type}) => type.startsWith("image/"))) {
			const url = await new Promise(done => Object.assign(new FileReader(), {onload: ({target}) => done(target.result)}).readAsDataURL(one));
			kept.images.push({type: one.type, data: url.slice(url.indexOf(",") + 1)});
		}
		file.value = "";
		pictures();
	};
	const pictures = () => put(shots, kept.images.map((image, at) => h("figure", h("img", {src: urlOf(image), alt: `picture ${at + 1} to send`}),
		button("\u00d7", () => (kept.images.splice(at, 1), pictures()), "button.small", {label: `Leave out picture ${at + 1}`}))));
	const send = async () => {
		const turns = [{role: "user", text: text.value.trim(), images: kept.images}];
		if (!turns[0].text && !kept.images.length) return text.focus();
		const all = await composed(shown(), turns, said);
		if (!all) return;
		kept.images = [];
		kept.text = text.value = "";
		pictures();
		stop.disabled = false;
		await Promise.allSettled(all.map(([one, what]) => talk(one, turns, what)));
		stop.disabled = kept.sides.every(one => !one.stop);
	};
	const open = () => sides.querySelectorAll("details:has(.events)").forEach(one => (one.open = kept.raw));
	text.onkeydown = event => {
		if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
		event.preventDefault();
		send();
	};
	pictures();
	return h("form.panel", {
		onsubmit: event => (event.preventDefault(), send()),
		onpaste: ({clipboardData}) => take(clipboardData.files),
		ondragover: event => event.preventDefault(),
		ondrop: event => (event.preventDefault(), take(event.dataTransfer.files)),
	}, shots, text, said, h(".bar", first("Send"), stop, button("Picture", () => file.click(), "button"), file, check("Raw events", kept, "raw", open)));
}

/** Each side with its next request, in the form of its API; null, and why in `said`, if the options are none. */
async function composed(sides, turns, said) {
	put(said);
	try {
		return await Promise.all(sides.map(async one => [one, await api("compose", {body: {url: base, face: one.face, model: one.model, turns: [...one.turns, ...turns], ...kept.options}})]));
	} catch (error) {
		write(said, error.message);
		return null;
	}
}

/** Turns of the user, or results of tools, at one side; then the model's. `what`: as it was composed. */
async function talk(one, turns, what) {
	one.stop?.abort();
	one.talk.querySelector(".empty")?.remove();
	const before = one.turns.length;
	for (const turn of turns) {
		one.turns.push(turn);
		fill(one.talk, h(".turn.user", h("p.who", turn.role === "tool" ? `Result of ${name(turn.name)}` : "You"),
			turn.images?.length > 0 && h(".shots", turn.images.map((image, at) => h("img", {src: urlOf(image), alt: `picture ${at + 1}`}))),
			turn.text && h(".said", {dir: "auto"}, turn.text)));
	}
	one.talk.lastChild.scrollIntoView({block: "nearest"});
	const mine = (one.stop = new AbortController());
	const turn = await answer(one, what, {key: kept.key, raw: kept.raw, signal: mine.signal, label: named(`${one.model}, ${faceOf(one.face)}`), results: (calls, place) => results(one, calls, place)});
	if (one.stop === mine) one.stop = null;
	// What failed is not said again with the next question.
	if (turn) one.turns.push(turn);
	else if (one.turns.length > before) one.turns.length = before;
}

/** The model wants tools: the person answers for them. */
function results(one, calls, place) {
	const fields = calls.map(call => h("textarea.mono", {rows: 2, value: '{"temperature": 21, "sky": "clear"}', label: `Result of ${name(call.name)}`}));
	const said = h("p.bad");
	const send = button(calls.length === 1 ? "Send the result" : "Send the results", async () => {
		const turns = calls.map(({id, name}, at) => ({role: "tool", call: id, name, text: fields[at].value}));
		const all = await composed([one], turns, said);
		send.disabled = Boolean(all);
		if (all) await talk(one, turns, all[0][1]);
	});
	const shown = ({args}) => (parse(args) ? JSON.stringify(parse(args), null, 2) : args);
	put(place, calls.map((call, at) => h(".stack", h("p", "calls ", h("strong", named(call.name))), pre(shown(call)), field("What the tool answers", fields[at]))), h(".bar", send), said);
}

function options() {
	const tools = area("Tools, as JSON: name, description, parameters", "tools", {rows: 3, class: "mono"});
	const example = button("an example", () => (kept.options.tools = tools.lastChild.value = JSON.stringify(WEATHER, null, 2)), "button.plain.small");
	return h("section.panel", {label: "Options"}, h("h2", "Options"),
		prompts(),
		area("System prompt", "system"),
		h(".fields", number("Temperature", "temperature", 0.1, 2), number("Top p", "top_p", 0.05, 1), number("Most tokens", "max_tokens", 1), number("Seed", "seed", 1)),
		area("Stop at (a line each)", "stop", {rows: 1}),
		check("Stream", kept.options, "stream"),
		h(".stack", tools, h(".bar", example)),
		area("More fields of the request, as JSON", "extra", {class: "mono"}),
		field("Ask with another key", bound("input", kept, "key", {type: "password", autocomplete: "off", placeholder: "as you are"})));
}

/** A prompt of the library with its slots. */
function prompts() {
	const place = h(".stack");
	const slots = h(".stack");
	const choose = found => {
		if (kept.options.prompt?.id !== found?.id) kept.options.prompt = found && {id: found.id, values: {}, language: Object.keys(found.languages)[0]};
		const {prompt} = kept.options;
		if (!prompt) return put(slots);
		const languages = Object.keys(found.languages);
		const draw = () => put(slots, languages.length > 1 && field("Language", select(languages, prompt.language, one => ((prompt.language = one), draw()))),
			found.languages[prompt.language].slots.map(slot => field(name(slot), bound("input", prompt.values, slot, {type: "text"}))));
		draw();
	};
	told(place, own("prompts")).then(got => {
		if (!got?.prompts.length) return;
		const find = id => got.prompts.find(one => one.id === id);
		const known = kept.options.prompt?.id;
		put(place, field("Prompt of the library", select([["", "none"], ...got.prompts.map(({id}) => [id, name(id)])], known, id => choose(find(id)))), slots);
		choose(find(known));
	});
	return place;
}
