import { el, fill, foreign, later, paced, detail, facts, plain } from "./dom.js";
import { stream, Problem } from "./api.js";
import { compare, count, csv, jsonl, number, seconds, show, size } from "./format.js";
import { Grid } from "./table.js";
import { Stack } from "./stack.js";
import { TimeLine } from "./timeline.js";

// mostRows is how many rows the page holds of an answer. Those beyond are
// counted and not kept.
export const mostRows = 100000;

export const states = ["matched", "empty", "partial", "refused", "failed", "reached", "silent", "offline"];

// An Answer is what came back, as it comes: how far it is, its rows, and the
// account of it.
export class Answer {
  constructor({ host, investigation }) {
    this.host = host;
    this.told = investigation || (() => {});
    this.state = el("p", { class: "state", role: "status" });
    this.more = el("div", { class: "account" });
    this.tabs = el("div", { class: "tabs", role: "group", "aria-label": "Tables" });
    this.views = el("div", { class: "segments", role: "group", "aria-label": "How to look at it" });
    this.filter = el("input", { type: "search", placeholder: "Filter rows", "aria-label": "Filter rows", title: "Words that a row must hold. column:word looks in one column; a - in front means without.", oninput: later(() => this.refresh(), 80) });
    this.chips = el("span", { class: "chips" });
    this.shown = el("span", { class: "muted", role: "status" });
    this.save = el("span", { class: "save" },
      el("button", { onclick: () => this.download("csv") }, "CSV"), el("button", { onclick: () => this.download("jsonl") }, "JSONL"));
    this.tools = el("div", { class: "tools", hidden: true }, this.tabs, this.views, this.filter, this.chips, this.shown, this.save);
    this.grid = new Grid({ sort: (name) => this.sort(name), host: (name) => this.host && this.host(name) });
    this.stack = new Stack({ only: (c, value) => this.only(c, value) });
    this.line = new TimeLine({ open: (row) => this.open(row) });
    this.empty = el("p", { class: "nothing", hidden: true });
    this.body = el("div", { class: "body" });
    this.element = el("div", { class: "answer", hidden: true }, this.state, this.more, this.tools, this.empty, this.body);
    this.soon = paced(() => this.refresh(), () => (this.held > 5000 ? 700 : 100));
    this.show("table");
  }

  // ask takes an answer; it ends when the answer has.
  async ask(path, body) {
    this.stop();
    const own = this.control = new AbortController();
    Object.assign(this, { tables: [], at: 0, progress: null, coverage: null, summary: null, problem: null, doubts: [], running: true, dropped: 0, held: 0, order: null, only_: [], started: performance.now() });
    this.filter.value = "";
    this.element.hidden = false;
    this.tick();
    try {
      await stream(path, body, own.signal, (line) => { if (own === this.control) this.take(line); });
    } catch (err) {
      if (own !== this.control) return;
      this.problem = err.name === "AbortError" ? { code: "stopped", message: "stopped: what is shown is what was found until then" } : err instanceof Problem ? err.body : { code: "failed", message: String(err) };
    }
    if (own !== this.control) return;
    this.running = false;
    this.tick();
    this.refresh();
  }

  stop() {
    if (this.control) this.control.abort();
  }

  take(line) {
    switch (line.kind) {
      case "tables":
        this.tables = line.tables.map((t) => ({ ...t, rows: [], columns: t.columns.map((c, i, all) => ({ ...c, origin: i === 0 && c.name === "host" && all[1] && all[1].name === "agent" })) }));
        for (const t of this.tables) t.visible = t.columns.filter((c) => !(c.name === "agent" && t.columns[0].origin));
        break;
      case "row":
        if (this.held >= mostRows) this.dropped++;
        else {
          this.tables[line.table].rows.push(line.row);
          this.held++;
        }
        if (this.held === 1) this.refresh();
        break;
      case "investigation":
        this.told(line.id);
        break;
      case "warning":
        this.doubts.push(line);
        break;
      case "progress":
        this.progress = line;
        break;
      case "coverage":
        this.coverage = line;
        break;
      case "summary":
        this.summary = line;
        break;
      case "error":
        this.problem = line;
        break;
    }
    if (line.kind !== "row") this.tick();
    this.soon();
  }

  // tick shows how far it is.
  tick() {
    const parts = [];
    const sum = this.summary || (this.problem && this.problem.summary);
    const rows = sum ? sum.matched : Math.max(this.held + this.dropped, this.progress ? this.progress.rows : 0);
    if (this.running) parts.push(badge("running", "running"));
    else if (this.problem) parts.push(badge("failed", this.problem.code === "stopped" ? "stopped" : "failed"));
    else parts.push(badge(this.summary.outcome, this.summary.outcome));
    parts.push(count(rows, "row"));
    const looked = sum ? sum.looked : this.progress && this.progress.looked;
    if (looked) parts.push(...lookedAt(looked));
    const took = this.summary ? this.summary.elapsed : this.progress ? this.progress.elapsed : 0;
    if (took) parts.push(seconds(took));
    fill(this.state, parts.map((p, i) => [i > 1 ? el("span", { class: "dot", "aria-hidden": "true" }, " · ") : " ", p]).flat());
    fill(this.more, this.account(sum));
  }

  account(sum) {
    const out = [];
    if (this.problem) {
      out.push(problemOf(this.problem));
      if (this.problem.summary) out.push(el("p", { class: "warn" }, "What is shown came before; it is not all there is."));
    }
    if (sum && sum.reason) out.push(el("p", { class: "warn" }, foreign(sum.reason)));
    if (sum && sum.limits && sum.limits.length) out.push(el("p", { class: "warn" }, "cut by the query's bounds: ", foreign(sum.limits.join(", "))));
    if (this.dropped) out.push(el("p", { class: "warn" }, `${count(this.dropped, "row")} more came than this page keeps: quaestor run -o FILE writes all of them`));
    for (const d of this.doubts) out.push(el("pre", { class: "diagnostic" }, d.text));
    const counts = this.coverage ? countStates(this.coverage) : this.progress && this.progress.agents;
    if (counts) out.push(coverageBar(counts));
    if (this.coverage) out.push(whoAnswered(this.coverage));
    if (sum && sum.skipped && sum.skipped.length) out.push(leftOut(sum.skipped));
    return out;
  }

  get table() { return this.tables && this.tables[this.at]; }

  // rows gives those that the filters let through, in order.
  rows() {
    const t = this.table;
    const tests = [...words(this.filter.value, t.visible), ...this.only_.map(({ column, value }) => { const key = JSON.stringify(value); return (row) => JSON.stringify(row[column.name] ?? null) === key; })];
    let rows = tests.length ? t.rows.filter((row) => tests.every((f) => f(row))) : t.rows;
    if (this.order) {
      const { column, down } = this.order;
      rows = [...rows].sort((a, b) => {
        const x = a[column] ?? null, y = b[column] ?? null;
        return x === null || y === null ? compare(x, y) : down ? compare(y, x) : compare(x, y);
      });
    }
    return rows;
  }

  refresh() {
    const t = this.table;
    this.tools.hidden = !t || (!this.held && !this.running);
    fill(this.tabs, this.tables.length > 1 ? this.tables.map((one, i) => el("button", { "aria-pressed": String(i === this.at), onclick: () => { this.at = i; this.order = null; this.only_ = []; this.refresh(); } }, `${one.name} ${number(one.rows.length)}`)) : []);
    this.tabs.hidden = this.tables.length < 2;
    const none = !t || !t.rows.length;
    this.body.hidden = none;
    this.empty.hidden = !none || this.running || Boolean(this.problem);
    this.empty.textContent = none ? this.nothing() : "";
    if (none) return;
    const rows = this.rows();
    fill(this.chips, this.only_.map((o) => el("button", { class: "chip", "aria-label": `Remove the filter ${o.column.name}`, onclick: () => { this.only_ = this.only_.filter((x) => x !== o); this.refresh(); } },
      `${o.column.name} = `, o.value === null ? "none" : foreign(show(o.value, o.column.type)), el("span", { "aria-hidden": "true" }, " ✕"))));
    this.shown.textContent = rows.length === t.rows.length ? "" : `${number(rows.length)} of ${number(t.rows.length)}`;
    if (this.view === "table") this.grid.set(t.visible, rows, this.order);
    else if (this.view === "stack") this.stack.set(t.visible, rows);
    else this.line.set(t.visible, rows);
  }

  // nothing says what it means that there are no rows.
  nothing() {
    if (!this.summary) return "";
    if (this.coverage && this.coverage.targeted === 0) return "Nobody was asked: the target names no agent.";
    if (this.coverage && this.coverage.answered < this.coverage.targeted) return `No rows, but ${number(this.coverage.targeted - this.coverage.answered)} of ${count(this.coverage.targeted, "agent")} did not answer.`;
    if (this.summary.outcome !== "complete") return "No rows, but not everything could be looked at.";
    return "Nothing found: all that was asked about was looked at.";
  }

  show(view) {
    this.view = view;
    const names = { table: "Table", stack: "Stack", line: "Time line" };
    fill(this.views, Object.entries(names).map(([v, name]) => el("button", { "aria-pressed": String(v === view), "data-look": v, onclick: () => { this.show(v); this.views.querySelector(`[data-look=${v}]`).focus(); } }, name)));
    fill(this.body, { table: this.grid, stack: this.stack, line: this.line }[view].element);
    if (this.tables) this.refresh();
  }

  sort(name) {
    const o = this.order;
    this.order = !o || o.column !== name ? { column: name, down: false } : o.down ? null : { column: name, down: true };
    this.refresh();
    this.grid.head.querySelector(`[data-column="${CSS.escape(name)}"]`).focus();
  }

  only(column, value) {
    this.only_ = [...this.only_.filter((o) => o.column.name !== column.name), { column, value }];
    this.show("table");
    this.grid.table.focus({ preventScroll: true });
  }

  open(row) {
    detail("Row", facts(this.table.visible.map((c) => [c.name, row[c.name] === null ? "" : show(row[c.name], c.type === "time" ? "" : c.type)])));
  }

  // download saves the rows that are shown, with all their columns.
  download(form) {
    if (!this.table) return;
    const rows = this.rows(), columns = this.table.columns;
    const text = form === "csv" ? csv(columns, rows) : jsonl(rows);
    const url = URL.createObjectURL(new Blob([text], { type: form === "csv" ? "text/csv" : "application/x-ndjson" }));
    // A file that is not all there is says so by its name.
    const whole = this.summary && this.summary.outcome === "complete" && !this.dropped && rows.length === this.table.rows.length;
    const a = el("a", { href: url, download: `quaestor-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}${whole ? "" : "-partial"}.${form}` });
    document.body.append(a);
    a.click();
    a.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }
}

// words makes tests of what was typed into the filter.
export function words(text, columns) {
  return [...text.matchAll(/(-?)(?:([\w.]+):)?("[^"]*"|\S+)/g)].map(([all, not, name, word]) => {
    let within = columns.filter((c) => c.name === name);
    let want = word.replaceAll('"', "").toLowerCase();
    if (name && !within.length) want = all.slice(not.length).replaceAll('"', "").toLowerCase();
    if (!within.length) within = columns;
    const has = (row) => within.some((c) => { const v = row[c.name]; return v !== null && v !== undefined && (show(v, "").toLowerCase().includes(want) || show(v, c.type).toLowerCase().includes(want)); });
    return not ? (row) => !has(row) : has;
  });
}

const badge = (kind, text) => el("span", { class: `badge ${kind}` }, text);

function lookedAt(looked) {
  const out = [];
  for (const [kind, n] of Object.entries(looked).sort()) {
    if (!n) continue;
    out.push(kind === "bytes" ? `${size(n)} read` : kind === "opened" ? `${number(n)} opened` : plain(`${number(n)} ${n === 1 ? kind.replace(/ies$/, "y").replace(/s$/, "") : kind}`));
  }
  return out;
}

export function problemOf(p) {
  if (p.diagnostics && p.diagnostics.length) return el("div", { class: "problem" }, p.diagnostics.map((d) => el("pre", { class: "diagnostic" }, d.text)));
  return el("div", { class: "problem", role: "alert" }, el("p", {}, foreign(p.message)), p.hint ? el("p", { class: "hint" }, foreign(p.hint)) : null);
}

function countStates(coverage) {
  const out = { targeted: coverage.targeted, answered: coverage.answered };
  for (const a of coverage.agents) out[a.state] = (out[a.state] || 0) + 1;
  return out;
}

// coverageBar shows who answered, in one line.
export function coverageBar(counts) {
  const bar = el("div", { class: "coverage", role: "img", "aria-label": states.filter((s) => counts[s]).map((s) => `${counts[s]} ${s}`).join(", ") });
  for (const s of states) {
    if (!counts[s]) continue;
    const part = el("span", { class: `part ${s}` });
    part.style.flexGrow = String(counts[s]);
    bar.append(part);
  }
  const legend = el("p", { class: "legend" }, el("strong", {}, counts.targeted ? `${number(counts.answered)} of ${count(counts.targeted, "agent")} answered` : "nobody was asked"),
    states.filter((s) => counts[s]).map((s) => el("span", { class: "key" }, el("span", { class: `swatch ${s}` }), `${number(counts[s])} ${s}`)));
  return el("div", { class: "cover" }, legend, bar);
}

function whoAnswered(coverage) {
  const out = coverage.doubts.map((d) => el("p", { class: "warn" }, "doubt: ", foreign(d)));
  const agents = [...coverage.agents].sort((a, b) => states.indexOf(b.state) - states.indexOf(a.state));
  out.push(el("details", {}, el("summary", {}, "Every agent"), el("table", { class: "plain" },
    el("thead", {}, el("tr", {}, ["state", "host", "rows", "reason"].map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, agents.slice(0, 1000).map((a) => el("tr", {}, el("td", {}, el("span", { class: `swatch ${a.state}` }), a.state), el("td", { title: plain(a.agent) }, foreign(a.host || a.agent)), el("td", { class: "number" }, number(a.rows)), el("td", {}, foreign(a.reason || "")))))),
    agents.length > 1000 ? el("p", { class: "muted" }, `and ${number(agents.length - 1000)} more`) : null));
  return el("div", {}, out);
}

function leftOut(skipped) {
  const total = skipped.reduce((n, k) => n + k.count, 0);
  return el("details", {}, el("summary", {}, `${number(total)} not looked at: ${skipped.map((k) => `${number(k.count)} ${plain(k.kind.replaceAll("_", " "))}`).join(", ")}`),
    el("ul", { class: "skips" }, skipped.flatMap((k) => [...k.first.map((f) => el("li", {}, foreign(f.where), f.detail ? el("span", { class: "muted" }, " ", foreign(f.detail)) : null)), k.count > k.first.length ? el("li", { class: "muted" }, `and ${number(k.count - k.first.length)} more: ${plain(k.kind)}`) : null]).filter(Boolean)));
}
