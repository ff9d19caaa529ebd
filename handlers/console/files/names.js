/** The field where a model is chosen: of thousands of names only those that fit are offered, and asked for. */
import { enc, fill, h, put } from "./dom.js";
import { api } from "./live.js";

const OFFERED = 50;
let number = 0;

export function modelField(value, chosen) {
  const id = `names-${++number}`;
  const offers = h("datalist", { id });
  const offer = async () => {
    const { names } = await api(`models?limit=1&names=${OFFERED}&search=${enc(field.value.trim())}`);
    put(offers, names.filter((one) => one.kind !== "pattern").map((one) => h("option", { value: one.name })));
    return names;
  };
  let waiting = 0;
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => offer().catch(() => {}), 150);
  };
  const field = h("input", { type: "text", value, list: id, autocomplete: "off", spellcheck: "false", label: "Model", oninput: later, onchange: () => chosen(field.value.trim()) });
  offer().then(([first]) => {
    if (!first && !field.value) field.placeholder = "no model yet";
    else if (!field.value) chosen((field.value = first.name));
  }, () => {});
  return fill(h("span.grow"), field, offers);
}
