/** The field where a model is chosen: of thousands of names only those that fit are offered. */
import { fill, h, name, put } from "./dom.js";
import { api } from "./live.js";

const OFFERED = 50;
let asked = 0;
let known = [];

/** The names that clients may ask for, aliases too. */
export async function names() {
  if (Date.now() - asked > 5000) {
    known = (await api("models?limit=1")).names.filter((row) => row.kind !== "pattern").map((row) => row.name);
    asked = Date.now();
  }
  return known;
}

let number = 0;
export function modelField(value, chosen) {
  const id = `names-${++number}`;
  const offers = h("datalist", { id });
  const offer = () => {
    const text = field.value.toLowerCase();
    const fitting = known.filter((one) => one.toLowerCase().includes(text)).slice(0, OFFERED);
    put(offers, fitting.map((one) => h("option", { value: one })));
  };
  const field = h("input", { type: "text", value, list: id, autocomplete: "off", spellcheck: "false", label: "Model", oninput: offer, onchange: () => chosen(field.value.trim()) });
  names().then((found) => {
    if (!field.value && found.length) chosen((field.value = found[0]));
    if (!found.length) field.placeholder = "no model yet";
    offer();
  }, () => {});
  return fill(h("span.grow"), field, offers);
}
