/** A small chart of the last 15 minutes, drawn by uPlot (vendor/), in the colours of the page. */
import { h, write } from "./dom.js";
import { time } from "./format.js";

const SPAN = 900;
let loading = null;

/** uPlot is a classic script that makes a global; it is fetched when the first chart is shown. */
function library() {
  loading ??= new Promise((resolve, reject) => {
    document.head.append(h("script", { src: "console/vendor/uplot.js", onload: () => resolve(window.uPlot), onerror: reject }));
  });
  return loading;
}

/** `lines`: [{color: a CSS variable, label, of(point)}]; `shown(points)`: the value now; `unit(value)`: how a value is read. */
export function chart({ title, lines, value, unit, tick = short, signal }) {
  const plot = h("div.plot", { role: "img", "aria-label": `${title} of the last 15 minutes` });
  const now = h("p.value", "\u2013");
  const key = h("p.key");
  const element = h("div.panel.chart", h("h3", title), now, plot, key);
  const said = lines.map((line) => line.label).join(", ");
  let drawn = null;
  let points = [];

  const data = () => [points.map((p) => p.at), ...lines.map((line) => points.map((p) => line.of(p) ?? null))];
  const range = () => {
    const end = points.at(-1)?.at ?? Date.now() / 1000;
    return [end - SPAN, end];
  };
  const legend = (index) => {
    const point = points[index];
    write(key, point ? `${time(point.at)}  ${lines.map((line) => `${line.label} ${unit(line.of(point))}`).join(", ")}` : said);
  };

  async function draw() {
    const UPlot = await library();
    if (signal.aborted || !plot.clientWidth) return;
    drawn?.destroy();
    const css = getComputedStyle(document.documentElement);
    // The colours are light-dark() pairs: what they are now, an element tells.
    const color = (name) => {
      const probe = h("i", { style: { color: `var(${name})` } });
      element.append(probe);
      const found = getComputedStyle(probe).color;
      probe.remove();
      return found;
    };
    const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: `11px ${css.fontFamily || "sans-serif"}` };
    drawn = new UPlot(
      {
        width: plot.clientWidth,
        height: plot.clientHeight,
        padding: [6, 4, 6, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
        scales: { x: { time: true, range }, y: { range: (_, low, high) => [0, (high || 1) * 1.15] } },
        axes: [
          { ...axis, show: false },
          { ...axis, size: 44, gap: 4, space: 32, values: (_, ticks) => ticks.map(tick) },
        ],
        series: [{}, ...lines.map((line) => ({ stroke: color(line.color), width: 1.5, fill: line.fill && `color-mix(in srgb, ${color(line.color)} 14%, transparent)`, points: { show: Boolean(line.dots), size: 4, fill: color(line.color), filter: alone } }))],
        hooks: { setCursor: [(u) => legend(u.cursor.idx)] },
      },
      data(),
      plot,
    );
  }
  const sized = new ResizeObserver(() => (drawn ? drawn.setSize({ width: plot.clientWidth, height: plot.clientHeight }) : draw()));
  sized.observe(plot);
  signal.addEventListener("abort", () => (sized.disconnect(), drawn?.destroy()));
  addEventListener("colours", draw, { signal });

  return {
    element,
    show(given) {
      points = given;
      const [number, ...small] = value(points);
      now.replaceChildren(number, " ", h("small", ...small));
      if (!drawn || drawn.cursor.idx === null || drawn.cursor.idx === undefined) write(key, said);
      drawn?.setData(data());
    },
  };
}

/** A value without a neighbour makes no line: it is a dot. */
const alone = (u, at) => u.data[at].flatMap((value, i, all) => (value !== null && (all[i - 1] ?? null) === null && (all[i + 1] ?? null) === null ? [i] : []));
const short = (value) => (value >= 1e6 ? `${value / 1e6}M` : value >= 1e3 ? `${value / 1e3}k` : String(Number(value.toFixed(2))));
