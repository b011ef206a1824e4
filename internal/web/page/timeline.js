import { el, fill, foreign } from "./dom.js";
import { count, number, show } from "./format.js";

const buckets = 72;
const most = 400; // events that are listed

// A TimeLine lays the times of rows out: bars over time, and the events of the
// span that is looked at, in order.
export class TimeLine {
  constructor({ open }) {
    this.open = open;
    this.off = new Set();
    this.span = null;
    this.choice = el("fieldset", { class: "choice" });
    this.note = el("span", { class: "muted", role: "status" });
    this.whole = el("button", { class: "quiet", onclick: () => { this.span = null; this.draw(); } }, "Show all");
    this.bars = el("div", { class: "bars", role: "group", "aria-label": "Events over time: arrows move, Enter looks closer", onkeydown: (e) => this.key(e) });
    this.ends = el("div", { class: "ends muted" });
    this.list = el("ol", { class: "events" });
    this.element = el("div", { class: "scroll" }, el("div", { class: "tools" }, this.choice, this.whole, this.note), this.bars, this.ends, this.list);
  }

  set(columns, rows) {
    if (columns !== this.columns) {
      this.columns = columns;
      this.span = null;
      this.times = columns.filter((c) => c.type === "time");
      fill(this.choice, el("legend", { class: "away" }, "Times"), this.times.map((c, i) => el("label", {},
        el("input", { type: "checkbox", checked: !this.off.has(c.name), onchange: (e) => { this.off[e.target.checked ? "delete" : "add"](c.name); this.draw(); } }),
        el("span", { class: `swatch lane${i % 4}` }), c.name)));
    }
    this.rows = rows;
    this.draw();
  }

  events() {
    const out = [];
    this.times.forEach((c, lane) => {
      if (this.off.has(c.name)) return;
      for (const row of this.rows) {
        const at = Date.parse(row[c.name]);
        if (!Number.isNaN(at)) out.push({ at, lane: lane % 4, column: c.name, row });
      }
    });
    return out.sort((a, b) => a.at - b.at);
  }

  draw() {
    if (!this.times.length) {
      fill(this.bars);
      fill(this.list);
      fill(this.ends);
      this.whole.hidden = true;
      this.note.textContent = "There is no time among the columns: RETURN mtime, for example.";
      return;
    }
    const all = this.events();
    const [from, to] = this.span || [all.length ? all[0].at : 0, all.length ? all[all.length - 1].at + 1 : 1];
    const seen = all.filter((e) => e.at >= from && e.at < to);
    this.whole.hidden = !this.span;
    this.note.textContent = `${count(seen.length, "event")}${this.span ? ` of ${number(all.length)}` : ""}${seen.length > most ? `; the first ${number(most)} are listed` : ""}`;
    this.chart(seen, from, to);
    fill(this.list, seen.slice(0, most).map((e) => el("li", {}, el("button", { class: "event", onclick: () => this.open(e.row) },
      el("time", {}, show(e.row[e.column], "time")), el("span", { class: "column" }, el("span", { class: `swatch lane${e.lane}` }), e.column), el("span", { class: "label" }, this.label(e.row))))));
  }

  chart(events, from, to) {
    const step = Math.max(1, (to - from) / buckets);
    const bins = Array.from({ length: buckets }, () => [0, 0, 0, 0]);
    for (const e of events) bins[Math.min(buckets - 1, Math.floor((e.at - from) / step))][e.lane]++;
    const sum = (b) => b.reduce((x, y) => x + y, 0);
    const highest = bins.reduce((n, b) => Math.max(n, sum(b)), 1);
    const day = (t) => new Date(t).toISOString().replace("T", " ").slice(0, to - from > 864e5 * 3 ? 10 : 19);
    fill(this.bars, bins.map((bin, i) => {
      const start = from + i * step, n = sum(bin);
      return el("button", {
        class: "bin", tabindex: i === 0 ? "0" : "-1", title: `${day(start)}: ${count(n, "event")}`, "aria-label": `${day(start)}: ${count(n, "event")}`,
        disabled: n === 0 && i !== 0, onclick: () => { if (n && step > 1000) { this.span = [start, start + step]; this.draw(); this.bars.firstChild.focus(); } },
      }, bin.map((k, lane) => {
        if (!k) return null;
        const part = el("span", { class: `lane${lane}` });
        part.style.height = `${Math.max(3, (100 * k) / highest)}%`;
        return part;
      }));
    }));
    fill(this.ends, el("span", {}, events.length ? day(from) : ""), el("span", {}, events.length ? day(to) : ""));
  }

  key(e) {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (e.key === "Escape" && this.span) {
      this.span = null;
      this.draw();
      this.bars.firstChild.focus();
    }
    if (!way) return;
    e.preventDefault();
    let at = document.activeElement;
    do at = way > 0 ? at.nextElementSibling : at.previousElementSibling; while (at && at.disabled);
    if (at) at.focus();
  }

  // label says in a few words which row an event is of.
  label(row) {
    const names = this.columns.filter((c) => c.type !== "time" && row[c.name] !== null).sort((a, b) => rank(a) - rank(b)).slice(0, 3);
    return names.map((c, i) => [i ? " · " : "", foreign(show(row[c.name], c.type))]).flat().reduce((f, n) => { f.append(n); return f; }, document.createDocumentFragment());
  }
}

const telling = ["host", "path", "name", "line"];
const rank = (c) => (telling.includes(c.name) ? telling.indexOf(c.name) : telling.length + (c.name === "agent"));
