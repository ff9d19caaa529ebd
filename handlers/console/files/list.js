/**
 * A list of any length of which only the rows in sight exist: the page scrolls, the list follows. Rows are kept by key, so
 * that focus and selection stay. ARIA says how many there are.
 *
 * A column: `[head, flags, key or value(row), show(value, row), kind(row)]`. Flags: num, wide (not on narrow screens), sort, low (sorted
 * downwards first), tight, mid (not as wide as what is left), act (`show(cell, row)` fills the cell).
 */
import {button, fill, h, keyed, name, set, write} from "./dom.js";
import {NONE, faceOf, missing, moment, ms, rate, usd} from "./format.js";

const OVER = 8;

const valueOf = ([, , key], row) => (typeof key === "string" ? row[key] : key(row));

for (const moved of ["scroll", "resize"]) addEventListener(moved, () => document.querySelectorAll(".list").forEach(one => one.follow()), {passive: true});

/** `key(row)`, `open(row)` when its first cell is pressed, `none()` for what stands there without rows. Returns `element` and `show(rows)`. */
export function list({columns, key, kind, open, none}) {
	let given = [];
	let rows = [];
	let sorted = null;

	const header = column => {
		const [title, flags] = column;
		const cell = h("", {role: "columnheader", class: flags || null});
		if (!/sort|low/.test(flags)) return fill(cell, title || h("span.unseen", "What can be done"));
		const turn = () => {
			const way = sorted?.column === column ? -sorted.way : flags.includes("low") ? -1 : 1;
			sorted = {column, way};
			for (const one of head.children) set(one, {"aria-sort": one === cell && (way > 0 ? "ascending" : "descending")});
			show(given);
		};
		return fill(cell, button(title, turn, "button"));
	};
	const head = h(".tr.th", {role: "row"}, columns.map(header));
	const body = h(".rows", {role: "rowgroup"});
	const nothing = h("");
	const table = h("", {role: "table", label: kind}, h("", {role: "rowgroup"}, head), body);
	const element = h(`.list.${kind}`, table, nothing);

	const inOrder = ({column, way}) => [...given].sort((one, other) => {
		const [a, b] = [valueOf(column, one), valueOf(column, other)];
		return a === b ? 0 : missing(a) ? 1 : missing(b) ? -1 : a < b ? -way : way;
	});
	const make = () => {
		const row = h(".tr", {role: "row"}, columns.map(([, flags]) => h("", {role: "cell", class: flags || null})));
		if (open) row.firstChild.append(button("", () => open(row.of), "button.open"));
		return row;
	};
	const update = (cell, column, row) => {
		const [, flags, , shown = String, kindOf] = column;
		if (flags.includes("act")) return shown(cell, row);
		const value = valueOf(column, row);
		write(cell.firstElementChild ?? cell, missing(value) ? NONE : name(shown(value, row)));
		if (kindOf) cell.className = `${flags} ${kindOf(row)}`;
	};
	element.follow = () => {
		const height = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
		body.style.height = `${rows.length * height}px`;
		const {top} = body.getBoundingClientRect();
		const from = Math.max(0, Math.floor(-top / height) - OVER);
		const to = Math.max(from, Math.ceil((innerHeight - top) / height) + OVER);
		let at = from;
		keyed(body, rows.slice(from, to), key, make, (line, row) => {
			line.of = row;
			line.style.top = `${at++ * height}px`;
			line.setAttribute("aria-rowindex", at + 1);
			columns.forEach((column, index) => update(line.children[index], column, row));
		});
	};
	function show(all) {
		given = all;
		rows = sorted ? inOrder(sorted) : all;
		table.hidden = !rows.length;
		if (rows.length) nothing.replaceChildren();
		else if (!nothing.firstChild) nothing.append(none());
		set(table, {"aria-rowcount": rows.length + 1});
		element.follow();
	}
	return {element, show};
}

// one of them: all under its own names, each value as its name says that it is to be read

const CALLED = {api_type: "dialect", micro_usd: "cost", itl_ms: "between two tokens", user_agent: "program", face: "API"};
const words = key => CALLED[key] ?? key.replace(/_ms$/, "").replaceAll("_", " ");

function read(key, value) {
	if (Array.isArray(value)) return value.join(", ");
	if (typeof value === "object") return Object.entries(value).filter(([, one]) => one !== null).map(([part, one]) => `${part} ${read(key, one)}`).join(", ");
	if (key === "face") return faceOf(value);
	if (key === "micro_usd") return usd(value);
	if (/_ms$/.test(key)) return ms(value);
	if (/(^|_)at$|until/.test(key)) return moment(value);
	return typeof value === "number" && !(Number.isInteger(value) && value < 1e6) ? rate(value) : value;
}

/** Names and values; what is empty is left out, and so are those that are `hidden`. */
export const facts = (row, ...hidden) => h("dl.facts", Object.entries(row).map(([key, value]) => {
	const said = hidden.includes(key) || (value ?? false) === false ? "" : name(value === true ? "yes" : read(key, value));
	return said && [h("dt", words(key)), h("dd", h("bdi", said))];
}));
