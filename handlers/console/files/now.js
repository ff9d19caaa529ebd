/** Now: what is wrong, the last 15 minutes, what runs and can be stopped. */
import {chart} from "./chart.js";
import {button, codeBox, drawer, empty, enc, fill, h, link, name, named, say, write} from "./dom.js";
import {count, faceOf, ms, plural, rate, seconds, span} from "./format.js";
import {facts, list} from "./list.js";
import {api, every, hello, mayWrite, now, on, own, past, state} from "./live.js";

export function show(main, {signal}) {
	const health = h(".note", "\u2026");
	const charts = four.map(one => chart({...one, signal}));
	const head = h("p.muted");
	const said = h("p.small", {role: "status"});
	const requests = running(said);
	fill(main,
		h(".head", h("h1", "Now"), head),
		health,
		h(".charts", charts.map(one => one.element)),
		h(".panel.flush", h(".head", h("h2", "Running requests"), said), requests.element));

	let wrong = [];
	const judge = () => state.status && verdict(health, head, wrong);
	const look = async () => {
		({wrong} = await api("health").catch(() => ({wrong})));
		judge();
	};
	const points = () => {
		for (const one of charts) one.show(state.points);
		look();
	};
	const rows = () => requests.show([...state.running.values()]);
	on("status", look, signal);
	on("point", points, signal);
	on("running", rows, signal);
	every(1000, () => state.running.size && rows(), signal); // ages go on while nothing else changes
	rows();
	points();
	past();
}

const lastMinute = points => points.slice(-12);
const sum = (points, key) => lastMinute(points).reduce((all, point) => all + point[key], 0);

/** What is wrong, in the server's words; or what there is, if all is well. */
function verdict(note, head, wrong) {
	const {started_at: began, workers, models} = state.status;
	write(head, `up ${span(now() - began)}, ${plural(workers.length || 1, "worker")}`);
	note.className = `note ${wrong.some(({kind}) => kind === "bad") ? "bad" : wrong.length ? "warn" : "good"}`;
	const sentence = ({words}) => h("li", words.map(one => (one.href ? link(one.href, named(one.text)) : name(one))));
	if (wrong.length) say(note, h("strong", wrong.length === 1 ? "One thing is wrong" : `${wrong.length} things are wrong`), h("ul", wrong.map(sentence)));
	else if (!models) say(note, h("strong", "No model yet."), " Put one into models-config.json and save: it is served a moment later. ", link("#/models", "How"));
	else say(note, h("strong", "All is well."), ` ${plural(models, "model")} ${models === 1 ? "is" : "are"} served. `, link("#/models", "Look at them"), ", ", link("#/playground", "ask one"), ", ", link("#/clients", "connect a program"), ".");
}

function middle(points, of) {
	const found = lastMinute(points).map(of).filter(one => one > 0).sort((a, b) => a - b);
	return found[Math.floor(found.length / 2)];
}

/** Buckets are of five seconds. */
const p50 = point => point.first_token_ms.p50;
const speed = point => point.tokens_per_second;
const four = [
	{
		title: "Requests",
		unit: rate,
		lines: [{label: "a second", color: "--accent", fill: true, of: p => p.requests / 5}],
		value: p => [count(sum(p, "requests")), "in the last minute"],
	},
	{
		title: "First token",
		unit: ms,
		lines: [{label: "p95", color: "--warn", dots: true, of: p => p.first_token_ms.p95}, {label: "p50", color: "--accent", dots: true, of: p50}],
		value: p => [ms(middle(p, p50)), "p50"],
	},
	{
		title: "Tokens a second",
		unit: rate,
		lines: [{label: "all together", color: "--accent", fill: true, of: p => p.output / 5}, {label: "one stream", color: "--good", dots: true, of: speed}],
		value: p => [rate(middle(p, speed)), "one stream"],
	},
	{
		title: "Errors",
		unit: count,
		lines: [{label: "failed", color: "--bad", fill: true, of: p => p.errors}, {label: "left by clients", color: "--muted", of: p => p.cancelled}],
		value: p => [count(sum(p, "errors")), "in the last minute"],
	},
];

/** `said` is where the outcome of a stop is told. */
function running(said) {
	const stopper = row => button("Stop", async ({target}) => {
		target.disabled = true;
		try {
			const answer = await own(`requests/${enc(row.uid)}/stop`, {body: {}});
			write(said, `${name(row.model)} stopped: its upstream was released after ${ms(answer.released_ms)}`);
		} catch (error) {
			target.disabled = false;
			write(said, `Not stopped: ${error.message}`);
		}
	}, "button.small.bad", {label: `Stop the request to ${name(row.model)}`});
	return list({
		kind: "running",
		key: row => row.uid,
		open: row => drawer(named(row.model), mayWrite() && h(".bar", stopper(row)), facts(row, "uid", "age_ms")),
		none: () => empty("Nothing runs at the moment", h("p", "Ask a model in the ", link("#/playground", "playground"), ", or from a terminal:"), codeBox(hello())),
		columns: [
			["Model", "", "model"],
			["Upstream", "wide", "provider"],
			["State", "wide", "state"],
			["API", "wide tight", "face", faceOf],
			["Who", "wide", row => row.key ?? row.client],
			["Age", "num low", row => now() - row.started_at, seconds],
			["Tokens", "num low", "tokens", count],
			["A second", "wide num low", "tokens_per_second", rate],
			["", "act", "uid", (cell, row) => mayWrite() && !cell.firstChild && cell.append(stopper(row))],
		],
	});
}
