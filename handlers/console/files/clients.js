/** Clients: what to paste into each program, with this gateway's address and a model that it has. */
import {choice, codeBox, enc, fill, h, put, section, told} from "./dom.js";
import {api, base, state} from "./live.js";
import {modelField} from "./names.js";

const GROUPS = {agent: "Agents", chat: "Chat", library: "Libraries"};
let model = "";

export function show(main, {rest}) {
	let chosen = rest[0];
	const place = h(".panel");
	const picks = h(".stack");
	const wrong = h(".stack");
	const both = h(".master", picks, place);
	const load = async () => {
		const got = await told(wrong, api(`clients?url=${enc(base)}&model=${enc(model)}`));
		if (!got || !wrong.isConnected) return;
		const {clients} = got;
		const draw = id => {
			chosen = id;
			for (const row of picks.querySelectorAll(".picks")) row.press(id);
			put(place, program(clients.find(one => one.id === id)));
		};
		put(picks, Object.entries(GROUPS).map(([key, title]) => h(".stack", h("h3", title), choice(clients.filter(({group}) => group === key).map(({id, name}) => [id, name]), "", draw, ".picks"))));
		draw(clients.some(one => one.id === chosen) ? chosen : clients[0].id);
		if (!both.isConnected) main.append(both); // not before: the list would push the rest down
	};
	fill(main, h(".head", h("h1", "Clients"), h("p.muted", "Only a base URL changes: ", h("code", base))),
		h(".bar", h("span.muted", "Model"), modelField(model, value => ((model = value), load()))), wrong);
	load();
}

const program = ({id, name, speaks, parts, start, notes}) => [
	h(".head", h("h2", name), h("span.chip", `speaks ${speaks}`)),
	parts.map(({title, text}) => section(title, codeBox(text.trimEnd()))),
	start && section("Start it", codeBox(start)),
	parts.some(part => part.path) && h("p.small.muted", "Or let it be written: ", h("code", `llm-proxy client ${id} --write`)),
	notes.length > 0 && h("ul.changes.small", notes.map(one => h("li", one))),
	h("p.small.muted", state.session.keys ? "Where a key stands, put your own." : "Where a key stands, anything will do: this gateway asks for none."),
];
