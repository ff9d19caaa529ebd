/**
 * A list of any length of which only the rows in sight exist: the page scrolls, the list follows. Rows are kept by key, so
 * that focus and selection stay. ARIA says how many there are.
 *
 * A column: `[head, flags, key or value(row), show(value, row), kind(row)]`. Flags: num, wide (not on narrow screens), sort, low (sorted
 * downwards first), act (`show(cell, row)` fills the cell). The columns' widths stand in the style sheet (--cols of the list's class).
 */
import { button, fill, h, keyed, name, set, write } from "./dom.js";
import { NONE, missing } from "./format.js";

const OVER = 8;

const valueOf = ([, , key], row) => (typeof key === "string" ? row[key] : key(row));

export class List {
  constructor({ columns, key, label, kind, open, none }) {
    Object.assign(this, { columns, key, none, open, rows: [], sorted: null });
    this.head = h("div.tr.th", { role: "row" }, columns.map((column) => this.#head(column)));
    this.body = h("div.rows", { role: "rowgroup" });
    this.nothing = h("div");
    this.table = h("div", { role: "table", label }, h("div", { role: "rowgroup" }, this.head), this.body);
    this.element = h(`div.list.${kind}`, this.table, this.nothing);
    this.seen = () => this.#show();
    addEventListener("scroll", this.seen, { passive: true });
    addEventListener("resize", this.seen);
  }

  /** The page is left. */
  close() {
    removeEventListener("scroll", this.seen);
    removeEventListener("resize", this.seen);
  }

  show(rows) {
    this.given = rows;
    this.rows = this.#inOrder(rows);
    this.table.hidden = !rows.length;
    if (rows.length) this.nothing.replaceChildren();
    else if (!this.nothing.firstChild) this.nothing.append(this.none());
    this.table.setAttribute("aria-rowcount", rows.length + 1);
    this.#show();
  }

  #head(column) {
    const [head, flags] = column;
    const cell = h("div", { role: "columnheader", class: flags || null });
    if (!/sort|low/.test(flags)) return fill(cell, head || h("span.unseen", "What can be done"));
    const turn = () => {
      const first = flags.includes("low") ? -1 : 1;
      const way = this.sorted?.column !== column ? first : this.sorted.way === first ? -first : 0;
      this.sorted = way ? { column, way } : null;
      for (const one of this.head.children) one.removeAttribute("aria-sort");
      if (way) set(cell, { "aria-sort": way > 0 ? "ascending" : "descending" });
      this.show(this.given);
    };
    return fill(cell, button(head, turn, "button"));
  }

  #inOrder(rows) {
    if (!this.sorted) return rows;
    const { column, way } = this.sorted;
    const order = (a, b) => (a === b ? 0 : missing(a) ? 1 : missing(b) ? -1 : a < b ? -way : way);
    return [...rows].sort((a, b) => order(valueOf(column, a), valueOf(column, b)));
  }

  #show() {
    const height = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
    this.body.style.height = `${this.rows.length * height}px`;
    const top = this.body.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor(-top / height) - OVER);
    const to = Math.max(from, Math.ceil((innerHeight - top) / height) + OVER);
    const slice = this.rows.slice(from, to).map((row, at) => ({ row, at: from + at }));
    keyed(this.body, slice, ({ row }) => this.key(row), () => this.#make(), (element, { row, at }) => {
      element.row = row;
      element.style.top = `${at * height}px`;
      element.setAttribute("aria-rowindex", at + 2);
      this.columns.forEach((column, index) => this.#cell(element.children[index], column, row));
    });
  }

  #make() {
    const element = h("div.tr", { role: "row" }, this.columns.map(([, flags]) => h("div", { role: "cell", class: flags || null })));
    if (this.open) element.firstChild.append(button("", () => this.open(element.row), "button.open"));
    return element;
  }

  #cell(cell, column, row) {
    const [, flags, , show = (value) => value, kind] = column;
    if (flags.includes("act")) return show(cell, row);
    const value = valueOf(column, row);
    const place = cell.firstElementChild ?? cell;
    write(place, missing(value) ? NONE : name(show(value, row)));
    if (kind) cell.className = `${flags} ${kind(row)}`;
  }
}
