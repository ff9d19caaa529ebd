/** The field where a model is chosen: of thousands of names only those that fit are offered, and asked for. */
import {enc, h, put} from "./dom.js";
import {api} from "./live.js";

let number = 0;

export function modelField(value, chosen) {
	const id = `names-${++number}`;
	const offers = h("datalist", {id});
	const offer = async () => {
		const {names} = await api(`models?limit=1&names=50&search=${enc(field.value.trim())}`).catch(() => ({names: []})); // the banner says it
		put(offers, names.filter(({kind}) => kind !== "pattern").map(one => h("option", {value: one.name})));
		return names[0];
	};
	const field = h("input", {type: "text", value, list: id, autocomplete: "off", spellcheck: "false", label: "Model", oninput: offer, onchange: () => chosen(field.value.trim())});
	offer().then(first => {
		if (!first) field.placeholder = "no model yet";
		else if (!field.value && field !== document.activeElement) chosen((field.value = first.name));
	});
	return h("span.grow", field, offers);
}
