/** Keys and money: what was used of each limit and budget, how the period will end, and the sums as a file. */
import { codeBox, drawer, empty, enc, facts, fill, h, link, name, named, put, section, select, told, write } from "./dom.js";
import { ago, ahead, count, money, percent, plural, usd } from "./format.js";
import { List } from "./list.js";
import { api, now } from "./live.js";

const SPANS = [["24h", "the last 24 hours"], ["7d", "the last 7 days"], ["30d", "the last 30 days"], ["90d", "the last 90 days"]];

export function show(main, { signal }) {
  const since = select(SPANS, "30d", () => load(), "Since");
  const csv = h("a", { download: "usage.csv" }, "CSV");
  const wrong = h("div.stack");
  const sums = h("div.stack");
  const usage = usageList();
  const keys = keyList();
  const panel = (title, list) => h("div.panel.flush", h("div.head", h("h2", title)), list.element);
  const usageBox = panel("By model", usage);
  const keyBox = panel("Keys", keys);
  const noKeys = begin();
  // What is looked at stays where it is: lists keep their focus, and all of it stays while the gateway is not reached.
  const place = h("div.stack", { hidden: true }, sums, keyBox, noKeys, usageBox);
  fill(main, h("div.head", h("h1", "Keys and money"), h("div.bar", since, csv)), wrong, place);
  const load = async () => {
    csv.href = `console/api/usage.csv?since=${since.value}&by=day,key,team,model`;
    const found = await told(wrong, signal, api(`money?since=${since.value}`, { signal }));
    if (!found) return;
    put(wrong);
    place.hidden = false;
    keyBox.hidden = !found.has_keys;
    noKeys.hidden = found.has_keys;
    usageBox.classList.toggle("no-keys", !found.has_keys);
    write(usageBox.querySelector("h2"), found.has_keys ? "By key and model" : "By model");
    put(sums, h("div.two", together(found), h("div.panel", bars(found))), found.budgets.length > 0 && h("div.two", found.budgets.map(budget)));
    keys.show(found.keys);
    usage.show(found.usage.rows.sort((a, b) => b.micro_usd - a.micro_usd || b.output - a.output));
  };
  load();
  const timer = setInterval(load, 10_000);
  signal.addEventListener("abort", () => (clearInterval(timer), usage.close(), keys.close()));
}

function together({ usage, kept }) {
  const sum = (key) => usage.rows.reduce((all, row) => all + (row[key] ?? 0), 0);
  const lines = [["requests", "requests", count], ["errors", "errors", count], ["tokens read", "input", count], ["tokens written", "output", count], ["cost", "micro_usd", usd]];
  return h("div.panel", h("h2", "Together"), facts(Object.fromEntries(lines.map(([, key]) => [key, sum(key)])), lines),
    kept === "memory" && h("p.small.muted", "Kept in memory only, since the start: ", h("code", "LLM_PROXY_API_STATE"), " names a directory where it stays."));
}

/** A bar a day: its height is what was spent, or the tokens where nothing has a price. */
function bars({ days, kept }) {
  const priced = days.some((day) => day.micro_usd);
  const of = (day) => (priced ? day.micro_usd : day.input + day.output);
  const most = Math.max(1, ...days.map(of));
  const said = (day) => `${day.day}: ${usd(day.micro_usd)}, ${plural(day.requests, "request")}, ${plural(day.input + day.output, "token")}`;
  if (!days.length) return [h("h2", "By day"), empty(kept === "memory" ? "Days are kept with a usage database only" : "Nothing used yet")];
  const line = h("p.small.muted", said(days.at(-1)));
  const bar = (day) => h("i", { title: said(day), style: { height: `${Math.max(2, (of(day) / most) * 100)}%` }, onmouseenter: () => write(line, said(day)) });
  return [h("h2", priced ? "Money by day" : "Tokens by day"), h("div.bars", { role: "img", label: `${days.length} days` }, days.map(bar)), line];
}

function gauge(share, label) {
  const full = Math.min(100, Math.round(share * 100));
  return h(`div.gauge.${share >= 1 ? "bad" : share >= 0.8 ? "warn" : "fine"}`, { role: "meter", label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": full }, h("i", { style: { width: `${full}%` } }));
}

const anew = (one) => `anew ${ahead(Date.parse(one.resets) / 1000, now())}`;

function budget(one) {
  const over = one.forecast > one.limit;
  return h("div.panel", h("div.head", h("h2", named(one.name)), h("p.muted", one.of ? named(one.of) : "shared")),
    gauge(one.share, `budget ${name(one.name)}`),
    h("p", h("strong", money(one.used)), ` of ${money(one.limit)}, ${percent(one.share)}`, one.reserved > 0 && `, and ${money(one.reserved)} for what runs`),
    h(`p.small.${over ? "bad" : "muted"}`, one.forecast !== null && `At this pace ${money(one.forecast)} at the end of the period; `, anew(one), "."));
}

const limits = (row) => [...row.windows, ...row.budgets];

const keyList = () => new List({
  kind: "keys",
  label: "Keys",
  key: (row) => row.name,
  open: key,
  none: () => empty("No key yet"),
  columns: [
    ["Key", "sort", "name"],
    ["Team", "wide sort", "team"],
    ["Last used", "num low", (row) => row.last_used ?? 0, (at) => (at ? ago(at, now()) : "never")],
    ["Limits and budgets", "wide num low", (row) => limits(row).length],
    ["Fullest", "num low", (row) => (limits(row).length ? Math.max(...limits(row).map((one) => one.used / one.limit)) : null), percent],
  ],
});

const WINDOWS = { rpm: "requests a minute", rpd: "requests a day", tpm: "tokens a minute", tpd: "tokens a day", input_tpm: "tokens read a minute", output_tpm: "tokens written a minute", concurrent: "requests at once" };

function key(row) {
  const bar = (title, one, show, more = "") => h("div.stack", h("div.head", h("span", title), h("span.muted", `${show(one.used)} of ${show(one.limit)}${more}`)), gauge(one.used / one.limit, title));
  drawer(named(row.name),
    facts(row, [["team", "team", named], ["last used", (one) => (one.last_used ? ago(one.last_used, now()) : "never")]]),
    h("p", link(`#/requests?key=${enc(row.name)}`, "Its requests")),
    row.windows.length > 0 && section("Limits", row.windows.map((one) => bar(`${WINDOWS[one.kind] ?? one.kind} (of the ${one.of})`, one, count))),
    row.budgets.length > 0 && section("Budgets", row.budgets.map((one) => bar(name(one.name), one, money, `, ${anew(one)}`))));
}

const usageList = () => new List({
  kind: "usage",
  label: "Usage",
  key: (row) => `${row.key}\n${row.team}\n${row.model}`,
  none: () => empty("Nothing used yet", h("p", "Each request that reaches a model is counted here: ask one in the ", link("#/playground", "playground"), ".")),
  columns: [
    ["Model", "sort", "model"],
    ["Key", "wide of-key sort", (row) => row.key || null],
    ["Team", "wide of-key sort", (row) => row.team || null],
    ["Requests", "wide num low", "requests", count],
    ["Errors", "wide num low", "errors", count],
    ["Read", "wide num low", "input", count],
    ["Written", "num low", "output", count],
    ["Cost", "num low", "micro_usd", usd],
  ],
});

const begin = () => h("div.panel", h("h2", "No keys yet"), h("p.muted", "Everybody who reaches this gateway may ask for everything. Keys, limits and budgets begin with one command on its machine; the key is printed once:"),
  codeBox("llm-proxy key new alice --admin write --write"),
  h("p.small.muted", "Teams, budgets and prices stand in the same file, access.json, and are live like everything else."));
