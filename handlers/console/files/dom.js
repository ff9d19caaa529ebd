/** What every page does with the DOM. Law: whatever is shown is set as text or as an attribute; nothing parses HTML. */

/**
 * An element: `h("button.small", {onclick: f}, "Stop")`. Names that begin with "on" are listeners, `style` is an object,
 * what the element has as a property is set so; null, undefined and false are left out.
 */
export function h(what, ...inside) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag || "div");
  if (classes.length) made.className = classes.join(" ");
  if (inside.length && isPlain(inside[0])) set(made, inside.shift());
  return fill(made, ...inside);
}

const isPlain = (one) => one !== null && typeof one === "object" && Object.getPrototypeOf(one) === Object.prototype;

export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === "label" && value) element.setAttribute("aria-label", value);
    else if (name === "value" || name === "checked") element[name] = value;
    else if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

/** Texts, elements and lists of them at the end of an element. */
export function fill(element, ...inside) {
  for (const one of inside.flat(Infinity)) {
    if (one !== null && one !== undefined && one !== false) element.append(one instanceof Node ? one : String(one));
  }
  return element;
}

export function put(element, ...inside) {
  element.replaceChildren();
  return fill(element, ...inside);
}

/** Set a text only where it changed: many are looked at four times a second. */
export function write(element, text) {
  const said = text === null || text === undefined ? "" : String(text);
  if (element.textContent !== said) element.textContent = said;
  return element;
}

/** The same for texts with links in them, which would lose their focus. */
export function say(element, ...inside) {
  const made = fill(document.createElement("div"), ...inside);
  if (element.textContent !== made.textContent) element.replaceChildren(...made.childNodes);
}

// What turns the direction of a line, or is not seen, must not hide in a name (Unicode, annex 9).
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
const code = (mark) => `\u27e8U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
/** A name as it may be shown: in one line, with marks that nobody sees written out. */
export const name = (text) => String(text ?? "").replace(UNSEEN, code);
export const named = (text, what = "bdi") => h(what, { class: "name" }, name(text));

/** Children by key: what stays is kept (with its focus), what is new is made, what is gone is taken away. */
export function keyed(parent, rows, key, make, update) {
  const had = (parent.kept ??= new Map());
  const seen = new Set();
  let before = null;
  for (const row of rows) {
    const id = key(row);
    seen.add(id);
    let element = had.get(id);
    if (!element) had.set(id, (element = make(row)));
    update?.(element, row);
    const place = before ? before.nextSibling : parent.firstChild;
    if (place !== element) parent.insertBefore(element, place);
    before = element;
  }
  for (const [id, element] of had) if (!seen.has(id)) had.delete(id), element.remove();
}

export const button = (label, onclick, what = "button.small", more) => h(what, { type: "button", onclick, ...more }, label);

/** A text to paste, and the button for it. */
export function codeBox(text) {
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      write(copy, "Copied");
    } catch {
      // A page by plain HTTP from another machine has no clipboard: mark the text, so that a key does it.
      getSelection().selectAllChildren(copy.previousSibling);
      write(copy, "Ctrl+C");
    }
    setTimeout(() => write(copy, "Copy"), 1500);
  });
  return h("div.code", pre(text, "pre"), copy);
}
export const pre = (text, what = "pre.wrap") => h(what, { tabindex: 0 }, text);

/** The panel at the side: a dialog, so Escape, focus and the way back are the browser's. */
export function drawer(title, ...inside) {
  const dialog = document.getElementById("drawer");
  put(dialog, h("div.head", h("h2", { id: "drawer-title" }, title), button("Close", () => dialog.close())), h("div.stack", { tabindex: 0 }, inside));
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close(); // beside it; no value: false would stop the links in it
  };
  if (!dialog.open) dialog.showModal();
}

export const section = (title, ...inside) => h("section", h("h3", title), inside);
export const link = (href, ...text) => h("a", { href }, text);
export const enc = encodeURIComponent;

/** What is there of a row, as names and values: `[name, key or value(row), show(value)]`. */
export function facts(row, lines) {
  const list = h("dl.facts");
  for (const [term, key, show = (value) => value] of lines) {
    const value = typeof key === "string" ? row[key] : key(row);
    if (value || value === 0) fill(list, h("dt", term), h("dd", show(value)));
  }
  return list;
}

export const empty = (title, ...inside) => h("div.empty", h("strong", title), inside);
export const field = (label, control) => h("label.field", label, control);

export function select(options, value, onchange, label) {
  const made = h("select", { onchange: () => onchange?.(made.value), label }, options.map(([key, text]) => h("option", { value: key }, text)));
  made.value = value ?? "";
  return made;
}

/** A row of buttons of which one is pressed; `chosen(key)` is called when that changes. */
export function choice(options, now, chosen, what = "div.tabs") {
  const press = (key) => [...row.children].forEach((one) => set(one, { "aria-pressed": String(one.dataset.key === key) }));
  const row = h(what, { role: "group" }, options.map(([key, label]) => button(label, () => (press(key), chosen(key)), "button.small", { "data-key": key })));
  press(now);
  row.press = press;
  return row;
}

const asking = new WeakMap();
/**
 * What was asked for; null, and the reason said in `place`, if it was refused and the page is still there. Null too if something
 * else has been asked for the same place meanwhile: of several the last counts, in whatever order they are answered.
 */
export async function told(place, signal, asked) {
  asking.set(place, asked);
  const counts = () => asking.get(place) === asked;
  try {
    const got = await asked;
    return counts() ? got : null;
  } catch (error) {
    if (counts() && !signal?.aborted) put(place, h("div.note.bad", error.message));
    return null;
  }
}
