import { el, fill, foreign } from "./dom.js";
import { show, number, count } from "./format.js";

const most = 300; // bars that are drawn

// A Stack counts the values of a column, rarest first.
export class Stack {
  constructor({ only }) {
    this.only = only;
    this.common = false;
    this.select = el("select", { "aria-label": "Column to stack", onchange: () => { this.column = this.select.value; this.draw(); } });
    this.order = el("button", { class: "quiet", onclick: () => { this.common = !this.common; this.draw(); } });
    this.note = el("span", { class: "muted" });
    this.list = el("ol", { class: "stack" });
    this.element = el("div", { class: "scroll" }, el("div", { class: "tools" }, el("label", {}, "Stack by ", this.select), this.order, this.note), this.list);
  }

  set(columns, rows) {
    if (columns !== this.columns) {
      this.columns = columns;
      if (!columns.some((c) => c.name === this.column)) this.column = likely(columns, rows);
      fill(this.select, columns.map((c) => el("option", { value: c.name }, c.name)));
      this.select.value = this.column;
    }
    this.rows = rows;
    this.draw();
  }

  draw() {
    const c = this.columns.find((one) => one.name === this.column);
    if (!c) return;
    const host = this.columns.find((one) => one.origin);
    const bars = stacked(this.rows, c, host);
    bars.sort((a, b) => (this.common ? b.rows - a.rows : a.rows - b.rows) || (a.text < b.text ? -1 : 1));
    const longest = bars.reduce((n, b) => Math.max(n, b.rows), 1);
    const order = this.common ? "Most frequent first" : "Rarest first";
    this.order.textContent = `${order} ⇅`;
    this.order.setAttribute("aria-label", `${order}: turn round`);
    this.note.textContent = `${count(bars.length, "value")} in ${count(this.rows.length, "row")}${bars.length > most ? `; ${number(most)} are shown` : ""}`;
    fill(this.list, bars.slice(0, most).map((b) => {
      const bar = el("span", { class: "bar" });
      bar.style.width = `${(100 * b.rows) / longest}%`;
      const hosts = host && host !== c ? ` · ${count(b.hosts.size, "host")}` : "";
      return el("li", {}, el("button", { class: "value", title: "Show these rows alone", onclick: () => this.only(c, b.value) },
        el("span", { class: "name" + (b.value === null ? " none" : "") }, b.value === null ? "none" : foreign(b.text)),
        el("span", { class: "track" }, bar),
        el("span", { class: "count" }, `${count(b.rows, "row")}${hosts}`)));
    }));
  }
}

// stacked counts rows by the value of a column.
export function stacked(rows, c, host) {
  const found = new Map();
  for (const row of rows) {
    const value = row[c.name] ?? null;
    const key = JSON.stringify(value);
    let one = found.get(key);
    if (!one) found.set(key, one = { value, text: show(value, c.type), rows: 0, hosts: new Set() });
    one.rows++;
    if (host) one.hosts.add(row[host.name]);
  }
  return [...found.values()];
}

// likely gives the column that one would stack by: one whose values repeat.
function likely(columns, rows) {
  const front = rows.slice(0, 1000);
  let best = columns[0], fewest = Infinity;
  for (const c of columns) {
    const n = new Set(front.map((row) => JSON.stringify(row[c.name] ?? null))).size;
    if (n > 1 && n < fewest && c.type !== "time") {
      best = c;
      fewest = n;
    }
  }
  return best && best.name;
}
