/** What every page does with the DOM. Law: whatever is shown is set as text or as an attribute; nothing parses HTML. */

const nothing = one => (one ?? false) === false;

/** An element: `h("button.small", {onclick: f}, "Stop")`, a `div` if nothing else is said. Null, undefined and false are left out. */
export function h(what, ...inside) {
	const [tag, ...classes] = what.split(".");
	const made = document.createElement(tag || "div");
	if (classes.length) made.className = classes.join(" ");
	if (inside[0]?.constructor === Object) set(made, inside.shift());
	return fill(made, inside);
}

export function set(element, attributes) {
	for (const [name, value] of Object.entries(attributes)) {
		if (name === "style") Object.assign(element.style, value);
		else if (/^(on|value$|checked$)/.test(name)) element[name] = value ?? "";
		else if (nothing(value)) element.removeAttribute(name);
		else element.setAttribute(name === "label" ? "aria-label" : name, value === true ? "" : value);
	}
	return element;
}

/** Texts, elements and lists of them at the end of an element. */
export function fill(element, ...inside) {
	element.append(...inside.flat(Infinity).filter(one => !nothing(one)));
	return element;
}

export function put(element, ...inside) {
	element.replaceChildren();
	return fill(element, inside);
}

/** Set a text only where it changed: many are looked at four times a second. */
export function write(element, text) {
	const said = String(text ?? "");
	if (element.textContent !== said) element.textContent = said;
}

/** The same for texts with links in them, which would lose their focus. */
export function say(element, ...inside) {
	const made = h("", inside);
	if (element.textContent !== made.textContent) element.replaceChildren(...made.childNodes);
}

// What turns the direction of a line, or is not seen, must not hide in a name (Unicode, annex 9).
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
const code = mark => `\u27e8U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
/** A name as it may be shown: in one line, with marks that nobody sees written out. */
export const name = text => String(text ?? "").replace(UNSEEN, code);
export const named = text => h("bdi", name(text));

/** Children by key: what is gone is taken away, what stays is kept (with its focus), what is new is made. */
export function keyed(parent, rows, key, make, update) {
	const had = (parent.kept ??= new Map());
	const ids = new Set(rows.map(key));
	for (const [id, element] of had) if (!ids.has(id)) had.delete(id), element.remove();
	let place = parent.firstChild;
	for (const row of rows) {
		const id = key(row);
		if (!had.has(id)) had.set(id, make(row));
		const element = had.get(id);
		update(element, row);
		if (element === place) place = place.nextSibling;
		else parent.insertBefore(element, place);
	}
}

export const button = (label, onclick, what = "button.small", more) => h(what, {type: "button", onclick, ...more}, label);
export const first = label => h("button.first", {type: "submit"}, label);
export const pre = (text, what = "pre.wrap") => h(what, {tabindex: 0}, text);

/** A text to paste, and the button for it. */
export function codeBox(text) {
	const shown = pre(text, "pre");
	const copy = button("Copy", async () => {
		// A page by plain HTTP from another machine has no clipboard: mark the text, so that a key does it.
		const done = await navigator.clipboard?.writeText(text).then(() => "Copied", () => null);
		if (!done) getSelection().selectAllChildren(shown);
		write(copy, done ?? "Ctrl+C");
		setTimeout(() => write(copy, "Copy"), 1500);
	});
	return h(".code", shown, copy);
}

/** The panel at the side: a dialog, so Escape, focus and the way back are the browser's. */
export function drawer(title, ...inside) {
	const dialog = document.getElementById("drawer");
	put(dialog, h(".head", h("h2", {id: "drawer-title"}, title), button("Close", () => dialog.close())), h(".stack", {tabindex: 0}, inside));
	dialog.onclick = event => {
		if (event.target === dialog) dialog.close(); // beside it
	};
	if (!dialog.open) dialog.showModal();
}

export const section = (title, ...inside) => h("section", h("h3", title), inside);
export const link = (href, ...text) => h("a", {href}, text);
export const enc = encodeURIComponent;

export const empty = (title, ...inside) => h(".empty", h("strong", title), inside);
export const note = (kind, ...inside) => h(`.note.${kind}`, inside);
export const field = (label, control) => h("label.field", label, control);

/** `options`: keys, or pairs of a key and what is shown of it. */
export function select(options, value, onchange, label) {
	const made = h("select", {onchange: () => onchange?.(made.value), label}, options.map(one => h("option", {value: [one].flat()[0]}, [one].flat().at(-1))));
	made.value = value ?? "";
	return made;
}

/** A row of buttons of which one is pressed; `chosen(key)` is called when that changes. */
export function choice(options, now, chosen, what = ".tabs") {
	const press = key => [...row.children].forEach(one => set(one, {"aria-pressed": String(one.dataset.key === key)}));
	const row = h(what, {role: "group"}, options.map(([key, label = key]) => button(label, () => (press(key), chosen(key)), "button.small", {"data-key": key})));
	press(now);
	row.press = press;
	return row;
}

const asking = new WeakMap();
/**
 * What was asked for; null, and the reason said in `place`, if it was refused. Of several for the same place the last counts, in
 * whatever order they are answered: the others are null.
 */
export async function told(place, asked) {
	asking.set(place, asked);
	const counts = () => asking.get(place) === asked;
	try {
		const got = await asked;
		if (!counts()) return null;
		put(place);
		return got;
	} catch (error) {
		if (counts()) put(place, note("bad", error.message));
		return null;
	}
}
