/** The frame: which page is shown, what is said on every page, who may see it, light and dark. */
import {empty, field, first, h, link, name, put, say, set, write} from "./dom.js";
import {ask, hush, listen, on, state} from "./live.js";

const byId = id => document.getElementById(id);
const main = byId("main");
const links = new Map([...document.querySelectorAll("#nav [href^='#']")].map(a => [a.hash.slice(2), a]));
let page = null;
let leaving = null;

/** A page is a module with `show(main, {signal, rest, query})`; the signal is aborted when it is left. */
async function go() {
	const [path, query] = location.hash.slice(2).split("?");
	const [asked, ...rest] = path.split("/").map(decodeURIComponent);
	const next = links.has(asked) ? asked : "now";
	leaving?.abort();
	const {signal} = (leaving = new AbortController());
	for (const [key, one] of links) set(one, {"aria-current": key === next && "page"});
	links.get(next).scrollIntoView({block: "nearest"});
	byId("drawer").close();
	document.title = `${links.get(next).firstChild.data} \u00b7 llm-proxy-api`;
	if (!state.session?.role) return;
	const {show} = await import(`./${next}.js`);
	if (signal.aborted) return;
	scrollTo(0, 0);
	put(main);
	if (page && page !== next) main.focus({preventScroll: true});
	page = next;
	show(main, {signal, rest, query: new URLSearchParams(query)});
}

// who may

async function begin() {
	try {
		state.session = await ask("console/session");
	} catch (error) {
		put(main, h(".panel", empty("The gateway does not answer", h("p", error.message), h("p", "Trying again."))));
		return setTimeout(begin, 1000);
	}
	if (!who()) return;
	listen();
	await go();
}

/** Shows who is signed in, or the way to do so; whether anything else may be shown. */
function who() {
	const {key, role, access, reason} = state.session;
	leave.hidden = !key;
	leave.title = `Signed in with the key ${name(key)}`;
	if (role) return true;
	hush();
	leaving?.abort();
	const closed = access === "closed";
	write(byId("link"), closed ? "closed" : "not signed in");
	if (closed) put(main, h("h1", "This console is closed"), h(".panel", h("p", reason)));
	else signIn();
	return false;
}

function signIn() {
	const key = h("input", {type: "password", name: "key", autocomplete: "current-password", required: true});
	const wrong = h("p.bad", {role: "alert"});
	const onsubmit = async event => {
		event.preventDefault();
		try {
			await ask("console/session", {body: {key: key.value}});
			await begin();
		} catch (error) {
			write(wrong, error.message);
			key.select();
		}
	};
	put(main, h("form.panel.sign-in", {onsubmit}, h("h1", "Sign in"),
		h("p.muted", "This gateway has keys. Type one that has ", h("code", '"admin"'), ": it is exchanged for a cookie of twelve hours, and kept nowhere else."),
		field("Key", key), wrong, h(".bar", first("Sign in")),
		h("p.small.muted", "No such key yet? On the gateway's machine: ", h("code", "llm-proxy key new NAME --admin write --write"))));
	key.focus();
}

const leave = byId("leave");
leave.onclick = () => ask("console/session", {method: "DELETE"}).finally(() => location.reload());
on("session-over", begin);
on("session", who);

// what is said on every page

const MOST = 3;
const banners = byId("banners");
/** `kind`: good, warn or bad; anything else: it is no more to be said. */
function banner(id, kind, ...inside) {
	const old = banners.querySelector(`[data-id="${id}"]`);
	if (!kind) return old?.remove();
	const said = old ?? banners.appendChild(h("", {"data-id": id}));
	said.className = `note ${kind}`;
	say(said, h("", inside));
}

function problems() {
	const {state: is, problems: all, generation, draining, lame_duck: lame, models} = state.status;
	const rejected = is === "rejected";
	banner("edit", rejected && "bad", h("strong", "The last edit was rejected"), `: generation ${generation} goes on. `, link("#/configuration", "Look at it"),
		h("ul", all.slice(0, MOST).map(one => h("li", name(one)))), all.length > MOST && `and ${all.length - MOST} more`);
	banner("mixed", is === "mixed" && "warn", "The workers do not all run the same configuration yet.");
	banner("drain", (draining || lame) && "warn", "The gateway is stopping: running requests are finished, new ones are not taken.");
	mark("configuration", rejected ? "rejected" : generation, rejected);
	mark("models", models);
}

function mark(key, text, bad) {
	const one = links.get(key);
	const said = one.querySelector("span") ?? one.appendChild(h("span"));
	said.className = bad ? "bad" : "";
	write(said, text);
}

function linkChanged() {
	const {link: is, session} = state;
	byId("link").className = `link ${is}`;
	write(byId("link"), {on: `live, ${session.version}${session.role === "read" ? ", read only" : ""}`, off: "connection lost"}[is] ?? "connecting");
	if (is === "off") banner("link", "bad", h("strong", "The connection is lost."), " Trying again every second. What you see is from before.");
	else if (banners.querySelector('[data-id="link"]')) {
		banner("link", "good", "Connected again.");
		setTimeout(() => state.link === "on" && banner("link"), 4000);
	}
}
on("link", linkChanged);
on("status", problems);
on("running", () => mark("now", state.total || ""));

// light and dark, who looks

const {style} = document.documentElement;
const theme = byId("theme");
theme.value = style.colorScheme;
const colours = () => dispatchEvent(new Event("colours"));
theme.onchange = () => {
	style.colorScheme = theme.value;
	try {
		localStorage.setItem("llm-proxy-theme", theme.value);
	} catch {
		// it holds until the page is closed
	}
	colours();
};
matchMedia("(prefers-color-scheme: dark)").onchange = colours;

onhashchange = go;
// A page that nobody sees hears nothing, and is told everything when it is seen again.
let away = 0;
document.onvisibilitychange = () => {
	clearTimeout(away);
	if (!state.session?.role) return;
	if (document.hidden) away = setTimeout(() => ((state.link = "begin"), hush()), 5000);
	else if (state.link === "begin") listen();
};
begin();
