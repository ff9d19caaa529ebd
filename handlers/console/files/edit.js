/** A change of models-config.json from this page: shown in words first, written if its person agrees and nobody was faster. */
import { button, h, name, pre, put, told } from "./dom.js";
import { plural } from "./format.js";
import { api, mayWrite, state } from "./live.js";

export const changes = (all) => (all.length ? h("ul.changes", all.map((one) => h("li", name(one)))) : h("p.muted", "Nothing would change."));

/** Problems or warnings in a note; nothing if there are none. */
export const list = (kind, what, all = []) => all.length > 0 && h(`div.note.${kind}`, h("strong", plural(all.length, what)), h("ul", all.map((one) => h("li", name(one.text ?? one)))));

/** What an edit would do, into `place`; with the right to write also the button that does it. */
export async function preview(edit, place, { done, what = "Write it" } = {}) {
  put(place, h("p.muted", "Asking the loader \u2026"));
  const verdict = await told(place, null, api("config/preview", { body: { edit } }));
  if (!verdict) return;
  const warnings = list("warn", "warning", verdict.warnings);
  if (!verdict.ok) return put(place, h("p", h("strong", "It would be rejected.")), list("bad", "problem", verdict.problems), warnings);
  const said = h("div", { role: "status" });
  put(place, h("div.note.good", h("strong", verdict.same ? "It is what runs already." : "It would be taken:"), !verdict.same && changes(verdict.changes)), warnings,
    !verdict.same && writer(edit, verdict.base, said, done, what), said);
}

function writer(edit, base, said, done, what) {
  if (!state.session.writing) return h("p.small.muted", "This page may not write: save the file yourself, or start the gateway with ", h("code", "LLM_PROXY_API_CONSOLE_WRITE=1"), ".");
  if (!mayWrite()) return h("p.small.muted", "Your key may read only.");
  return h("div.bar", button(what, async ({ target }) => {
    target.disabled = true;
    try {
      const answer = await api("config", { body: { edit, base } });
      put(said, h("div.note.good", h("strong", "Written."), ` Generation ${answer.generation} is ${answer.state}.`));
      done?.();
    } catch ({ status, error, message }) {
      if (status === 409) put(said, h("div.note.warn", h("strong", "Somebody was faster."), " The file is another by now and nothing was written. Look at it, then ask again what your edit would do."), h("h3", "The file as it is now"), pre(error.text ?? "", "pre"));
      else put(said, h("div.note.bad", h("strong", "Not written. "), message), list("bad", "problem", error?.problems));
    }
  }, "button.first"));
}
