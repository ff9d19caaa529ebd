/** A change of models-config.json from this page: shown in words first, written if its person agrees and nobody was faster. */
import {button, h, name, note, pre, put, told} from "./dom.js";
import {plural} from "./format.js";
import {api, mayWrite, state} from "./live.js";

export const changes = all => (all.length ? h("ul.changes", all.map(one => h("li", name(one)))) : h("p.muted", "Nothing would change."));

/** Problems or warnings in a note; nothing if there are none. */
export const list = (kind, what, all) => all?.length > 0 && note(kind, h("strong", plural(all.length, what)), h("ul", all.map(one => h("li", name(one.text)))));

/** What an edit would do, into `place`; with the right to write also the button that does it. */
export async function preview(edit, place, {done, what = "Write it"} = {}) {
	put(place, h("p.muted", "Asking the loader \u2026"));
	const verdict = await told(place, api("config/preview", {body: {edit}}));
	if (!verdict) return;
	const {ok, same, problems, warnings, base} = verdict;
	const warned = list("warn", "warning", warnings);
	if (!ok) return put(place, h("p", h("strong", "It would be rejected.")), list("bad", "problem", problems), warned);
	if (same) return put(place, note("good", h("strong", "It is what runs already.")), warned);
	const said = h("", {role: "status"});
	put(place, note("good", h("strong", "It would be taken:"), changes(verdict.changes)), warned, writer(edit, base, said, done, what), said);
}

function writer(edit, base, said, done, what) {
	if (!state.session.writing) return h("p.small.muted", "This page may not write: save the file yourself, or start the gateway with ", h("code", "LLM_PROXY_API_CONSOLE_WRITE=1"), ".");
	if (!mayWrite()) return h("p.small.muted", "Your key may read only.");
	return h(".bar", button(what, async ({target}) => {
		target.disabled = true;
		try {
			const answer = await api("config", {body: {edit, base}});
			put(said, note("good", h("strong", "Written."), ` Generation ${answer.generation} is ${answer.state}.`));
			done?.();
		} catch ({status, error, message}) {
			if (status === 409) put(said, note("warn", h("strong", "Somebody was faster."), " The file is another by now and nothing was written. Look at it, then ask again what your edit would do."), h("h3", "The file as it is now"), pre(error.text ?? "", "pre"));
			else put(said, note("bad", h("strong", "Not written. "), message), list("bad", "problem", error?.problems));
		}
	}, "button.first"));
}
