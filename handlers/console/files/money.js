/** Keys and money: what was used of each limit and budget, how the period will end, and the sums as a file. */
import {codeBox, drawer, empty, enc, fill, h, link, name, named, put, section, select, told, write} from "./dom.js";
import {ago, ahead, count, money, percent, plural, usd} from "./format.js";
import {facts, list} from "./list.js";
import {api, every} from "./live.js";

const SPANS = [["24h", "the last 24 hours"], ["7d", "the last 7 days"], ["30d", "the last 30 days"], ["90d", "the last 90 days"]];

export function show(main, {signal}) {
	const since = select(SPANS, "30d", () => load(), "Since");
	const csv = h("a", {download: "usage.csv"}, "CSV");
	const wrong = h(".stack");
	const sums = h(".stack");
	const [usage, keys] = [usageList(), keyList()];
	const panel = (title, {element}) => h(".panel.flush", h(".head", h("h2", title)), element);
	const [usageBox, keyBox, noKeys] = [panel("By model", usage), panel("Keys", keys), begin()];
	// What is looked at stays where it is: lists keep their focus, and all of it stays while the gateway is not reached.
	const place = h(".stack", {hidden: true}, sums, keyBox, noKeys, usageBox);
	fill(main, h(".head", h("h1", "Keys and money"), h(".bar", since, csv)), wrong, place);
	const load = async () => {
		csv.href = `console/api/usage.csv?since=${since.value}&by=day,key,team,model`;
		const found = await told(wrong, api(`money?since=${since.value}`));
		if (!found) return;
		const {has_keys: has, budgets} = found;
		place.hidden = false;
		keyBox.hidden = !has;
		noKeys.hidden = has;
		usageBox.classList.toggle("no-keys", !has);
		write(usageBox.querySelector("h2"), has ? "By key and model" : "By model");
		put(sums, h(".two", together(found), h(".panel", bars(found))), budgets.length > 0 && h(".two", budgets.map(budget)));
		keys.show(found.keys);
		usage.show(found.usage.rows.sort((a, b) => b.micro_usd - a.micro_usd || b.output - a.output));
	};
	load();
	every(10_000, load, signal);
}

function together({usage, kept}) {
	const sum = key => usage.rows.reduce((all, row) => all + (row[key] ?? 0), 0);
	return h(".panel", h("h2", "Together"), facts({requests: count(sum("requests")), errors: count(sum("errors")), "tokens read": count(sum("input")), "tokens written": count(sum("output")), cost: usd(sum("micro_usd"))}),
		kept === "memory" && h("p.small.muted", "Kept in memory only, since the start: ", h("code", "LLM_PROXY_API_STATE"), " names a directory where it stays."));
}

/** A bar a day: its height is what was spent, or the tokens where nothing has a price. */
function bars({days, kept}) {
	const priced = days.some(day => day.micro_usd);
	const of = day => (priced ? day.micro_usd : day.input + day.output);
	const most = Math.max(1, ...days.map(of));
	const said = day => `${day.day}: ${usd(day.micro_usd)}, ${plural(day.requests, "request")}, ${plural(day.input + day.output, "token")}`;
	if (!days.length) return [h("h2", "By day"), empty(kept === "memory" ? "Days are kept with a usage database only" : "Nothing used yet")];
	const bar = day => h("i", {title: said(day), style: {height: `${Math.max(2, (of(day) / most) * 100)}%`}});
	return [h("h2", priced ? "Money by day" : "Tokens by day"), h(".bars", {role: "img", label: `${days.length} days`}, days.map(bar)), h("p.small.muted", said(days.at(-1)))];
}

function gauge(share, label) {
	const full = Math.min(100, Math.round(share * 100));
	return h(`.gauge.${share >= 1 ? "bad" : share >= 0.8 ? "warn" : "fine"}`, {role: "meter", label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": full}, h("i", {style: {width: `${full}%`}}));
}

const anew = one => `anew ${ahead(Date.parse(one.resets) / 1000)}`;

function budget(one) {
	const {limit, used, reserved, share, forecast} = one;
	return h(".panel", h(".head", h("h2", named(one.name)), h("p.muted", one.of ? named(one.of) : "shared")),
		gauge(share, `budget ${name(one.name)}`),
		h("p", h("strong", money(used)), ` of ${money(limit)}, ${percent(share)}`, reserved > 0 && `, and ${money(reserved)} for what runs`),
		h(`p.small.${forecast > limit ? "bad" : "muted"}`, forecast !== null && `At this pace ${money(forecast)} at the end of the period; `, anew(one), "."));
}

const limits = row => [...row.windows, ...row.budgets];
const fullest = row => Math.max(...limits(row).map(({used, limit}) => used / limit));

const keyList = () => list({
	kind: "keys",
	key: row => row.name,
	open: key,
	none: () => empty("No key yet"),
	columns: [
		["Key", "sort", "name"],
		["Team", "wide sort", "team"],
		["Last used", "num mid low", row => row.last_used ?? 0, lastUsed],
		["Limits and budgets", "wide num mid low", row => limits(row).length],
		["Fullest", "num low", row => (limits(row).length ? fullest(row) : null), percent],
	],
});

const lastUsed = at => (at ? ago(at) : "never");

function key(row) {
	const bar = (title, {used, limit}, show, more) => h(".stack", h(".head", h("span", title), h("span.muted", `${show(used)} of ${show(limit)}`, more)), gauge(used / limit, title));
	drawer(named(row.name),
		facts({team: row.team, "last used": lastUsed(row.last_used)}),
		h("p", link(`#/requests?key=${enc(row.name)}`, "Its requests")),
		row.windows.length > 0 && section("Limits", row.windows.map(one => bar(`${one.kind} of the ${one.of}`, one, count))),
		row.budgets.length > 0 && section("Budgets", row.budgets.map(one => bar(name(one.name), one, money, `, ${anew(one)}`))));
}

const usageList = () => list({
	kind: "usage",
	key: row => `${row.key}\n${row.team}\n${row.model}`,
	none: () => empty("Nothing used yet", h("p", "Each request that reaches a model is counted here: ask one in the ", link("#/playground", "playground"), ".")),
	columns: [
		["Model", "sort", "model"],
		["Key", "wide of-key sort", row => row.key || null],
		["Team", "wide of-key sort", row => row.team || null],
		["Requests", "wide num low", "requests", count],
		["Errors", "wide num low", "errors", count],
		["Read", "wide num low", "input", count],
		["Written", "num low", "output", count],
		["Cost", "num low", "micro_usd", usd],
	],
});

const begin = () => h(".panel", h("h2", "No keys yet"), h("p.muted", "Everybody who reaches this gateway may ask for everything. Keys, limits and budgets begin with one command on its machine; the key is printed once:"),
	codeBox("llm-proxy key new alice --admin write --write"),
	h("p.small.muted", "Teams, budgets and prices stand in the same file, access.json, and are live like everything else."));
