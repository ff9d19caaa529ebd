/** A small chart of the last 15 minutes, drawn by uPlot (vendor/), in the colours of the page. */
import {h, write} from "./dom.js";
import {time} from "./format.js";

const SPAN = 900;

/** uPlot is a classic script that makes a global; it is fetched when the first chart is shown. */
let loading = null;
const library = () => (loading ??= new Promise((onload, onerror) => document.head.append(h("script", {src: "console/vendor/uplot.js", onload, onerror}))));

/** `lines`: [{color: a CSS variable, label, of(point)}]; `value(points)`: what is shown now; `unit(value)`: how a value is read. */
export function chart({title, lines, value, unit, signal}) {
	const plot = h(".plot", {role: "img", label: `${title} of the last 15 minutes`});
	const now = h("p.value", "\u2013");
	const key = h("p.key");
	const element = h(".panel.chart", h("h3", title), now, plot, key);
	let drawn = null;
	let points = [];

	const data = () => [points.map(({at}) => at), ...lines.map(({of}) => points.map(point => of(point) ?? null))];
	const size = () => ({width: plot.clientWidth, height: plot.clientHeight});
	const range = () => {
		const end = points.at(-1)?.at ?? Date.now() / 1000;
		return [end - SPAN, end];
	};
	const legend = point => write(key, (point ? `${time(point.at)}  ` : "") + lines.map(({label, of}) => label + (point ? ` ${unit(of(point))}` : "")).join(", "));

	async function draw() {
		await library();
		if (signal.aborted || !plot.clientWidth) return;
		drawn?.destroy();
		// The colours are light-dark() pairs: what they are now, an element tells.
		const color = name => {
			key.style.color = `var(${name})`;
			const found = getComputedStyle(key).color;
			key.style.color = "";
			return found;
		};
		const axis = {size: 44, gap: 4, space: 32, stroke: color("--muted"), grid: {stroke: color("--line"), width: 1}, ticks: {show: false}, font: "11px sans-serif"};
		const series = line => {
			const stroke = color(line.color);
			return {stroke, width: 1.5, fill: line.fill && `color-mix(in srgb, ${stroke} 14%, transparent)`, points: {show: Boolean(line.dots), size: 4, fill: stroke, filter: alone}};
		};
		drawn = new uPlot(
			{
				...size(),
				padding: [6, 4, 6, 0],
				legend: {show: false},
				cursor: {y: false, points: {size: 6}, drag: {x: false}},
				scales: {x: {range}, y: {range: (_, low, high) => [0, (high || 1) * 1.15]}},
				axes: [{show: false}, {...axis, values: (_, ticks) => ticks.map(short)}],
				series: [{}, ...lines.map(series)],
				hooks: {setCursor: [({cursor}) => legend(points[cursor.idx])]},
			},
			data(),
			plot,
		);
	}
	const sized = new ResizeObserver(() => (drawn ? drawn.setSize(size()) : draw()));
	sized.observe(plot);
	signal.addEventListener("abort", () => (sized.disconnect(), drawn?.destroy()));
	addEventListener("colours", draw, {signal});

	return {
		element,
		show(given) {
			points = given;
			const [number, what] = value(points);
			now.replaceChildren(number, " ", h("small", what));
			legend(points[drawn?.cursor.idx]);
			drawn?.setData(data());
		},
	};
}

/** A value without a neighbour makes no line: it is a dot. */
const alone = (u, at) => u.data[at].flatMap((value, i, all) => (value !== null && (all[i - 1] ?? all[i + 1] ?? null) === null ? [i] : []));
const short = value => (value >= 1e6 ? `${value / 1e6}M` : value >= 1e3 ? `${value / 1e3}k` : String(Number(value.toFixed(2))));
