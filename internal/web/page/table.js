import { el, fill, foreign, newId, detail, facts, plain } from "./dom.js";
import { show, isNumber, number } from "./format.js";

const rowHeight = 30; // pixels; as in style.css
const spare = 12; // rows that are drawn beyond what is seen
const sample = 400; // rows that the widths of columns are measured by
const widest = 56, narrowest = 7; // characters

// A Grid shows rows, of which there may be many: only those that are seen are
// in the page.
export class Grid {
  constructor({ sort, host }) {
    this.sort = sort;
    this.host = host;
    this.rows = [];
    this.columns = [];
    this.at = -1;
    this.id = newId();
    this.cols = el("colgroup");
    this.head = el("thead");
    this.body = el("tbody");
    this.table = el("table", { role: "grid", tabindex: "0", "aria-label": "Rows: arrows move, Enter shows one", onkeydown: (e) => this.key(e) }, this.cols, this.head, this.body);
    this.element = el("div", { class: "grid", onscroll: () => this.draw() }, this.table);
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  // set takes rows in the order in which they are to be shown.
  set(columns, rows, order) {
    const again = columns !== this.columns;
    this.columns = columns;
    this.rows = rows;
    this.at = Math.min(this.at, rows.length - 1);
    if (again) {
      this.at = -1;
      this.element.scrollTop = 0;
    }
    if (again || this.measured < Math.min(sample, rows.length)) this.measure();
    fill(this.head, el("tr", {}, columns.map((c) => {
      const own = order && order.column === c.name;
      return el("th", { scope: "col", class: isNumber(c.type) ? "number" : "", "aria-sort": own ? (order.down ? "descending" : "ascending") : "none" },
        el("button", { class: "quiet", title: `${c.name}: ${c.type}`, "data-column": c.name, onclick: () => this.sort(c.name) },
          c.name, el("span", { class: "arrow", "aria-hidden": "true" }, own ? (order.down ? "↓" : "↑") : "")));
    })));
    this.table.setAttribute("aria-rowcount", String(rows.length + 1));
    this.draw(true);
  }

  measure() {
    this.measured = Math.min(sample, this.rows.length);
    const front = this.rows.slice(0, sample);
    const widths = this.columns.map((c) => {
      const longest = front.reduce((n, row) => Math.max(n, plain(show(row[c.name], c.type)).length), c.name.length + 2);
      return Math.min(widest, Math.max(narrowest, longest)) + 3;
    });
    fill(this.cols, widths.map((w) => {
      const col = el("col");
      col.style.width = `${w}ch`;
      return col;
    }));
    this.table.style.minWidth = `${widths.reduce((a, b) => a + b, 0)}ch`;
  }

  draw(all) {
    const first = Math.max(0, Math.floor(this.element.scrollTop / rowHeight) - spare);
    const last = Math.min(this.rows.length, first + Math.ceil(this.element.clientHeight / rowHeight) + 2 * spare);
    if (!all && first === this.first && last === this.last) return;
    this.first = first;
    this.last = last;
    const pad = (n) => {
      const tr = el("tr", { "aria-hidden": "true" });
      tr.style.height = `${n * rowHeight}px`;
      return n > 0 ? tr : null;
    };
    fill(this.body, pad(first), this.rows.slice(first, last).map((row, i) => this.row(row, first + i)), pad(this.rows.length - last));
    this.mark();
  }

  row(row, i) {
    return el("tr", { id: `${this.id}-${i}`, "aria-rowindex": i + 2, onclick: (e) => { if (!e.target.closest("button") && getSelection().isCollapsed) this.open(i); } },
      this.columns.map((c) => this.cell(row[c.name], c)));
  }

  cell(value, c) {
    if (value === null || value === undefined) return el("td", { class: "none" }, "–");
    const text = show(value, c.type);
    const open = c.origin && this.host ? el("button", { class: "link", onclick: () => this.host(value) }, foreign(text)) : foreign(text);
    return el("td", { class: isNumber(c.type) ? "number" : "", title: c.type === "size" ? `${number(value)} bytes` : plain(text) }, open);
  }

  mark() {
    for (const tr of this.body.children) tr.setAttribute("aria-selected", String(tr.id === `${this.id}-${this.at}`));
    if (this.at >= 0) this.table.setAttribute("aria-activedescendant", `${this.id}-${this.at}`);
    else this.table.removeAttribute("aria-activedescendant");
  }

  go(i) {
    if (!this.rows.length) return;
    this.at = Math.max(0, Math.min(this.rows.length - 1, i));
    const top = this.at * rowHeight, room = this.element.clientHeight - rowHeight * 1.2;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    if (top + rowHeight > this.element.scrollTop + room) this.element.scrollTop = top + rowHeight - room;
    this.draw();
    this.mark();
  }

  key(e) {
    if (e.target !== this.table) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / rowHeight) - 2);
    const to = {
      ArrowDown: this.at + 1, ArrowUp: this.at - 1, PageDown: this.at + page, PageUp: this.at - page, Home: 0, End: this.rows.length - 1,
    }[e.key];
    if (to !== undefined) {
      e.preventDefault();
      this.go(to);
    } else if (e.key === "Enter" && this.at >= 0) {
      e.preventDefault();
      this.open(this.at);
    }
  }

  // open shows one row whole.
  open(i) {
    this.at = i;
    this.mark();
    const row = this.rows[i];
    detail(`Row ${number(i + 1)} of ${number(this.rows.length)}`, facts(this.columns.map((c) => {
      const value = row[c.name];
      if (value === null || value === undefined) return [c.name, ""];
      if (c.type === "size") return [c.name, `${number(value)} bytes`];
      if (c.type === "time") return [c.name, value];
      if (c.type === "duration") return [c.name, `${value} s`];
      return [c.name, show(value, "")];
    })));
  }
}
