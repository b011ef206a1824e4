import { el, fill, later, newId, byId } from "./dom.js";
import { post, bytesAt, indexAt } from "./api.js";

const tokens = /(?<comment>--[^\n]*)|(?<text>"(?:\\.|[^"\\\n])*"?|'[^'\n]*'?)|(?<ref>[@$][\w.-]+)|(?<keyword>\b[A-Z][A-Z]+\b)|(?<number>\b\d[\w.:-]*)/g;

// An Editor is a text area with colours, mistakes and completion. It tells
// changed what the gateway says of the text, and run when it is to be asked.
export class Editor {
  constructor({ changed, run, label }) {
    this.changed = changed;
    this.run = run;
    this.wrong = [];
    this.picked = -1;
    this.list = [];
    const box = newId();
    this.area = el("textarea", {
      spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": label, rows: 1,
      "aria-autocomplete": "list", "aria-controls": box, "aria-haspopup": "listbox",
      placeholder: "FIND file /etc/** WHERE …      Ctrl Space: how it may go on",
      oninput: () => this.typed(), onkeydown: (e) => this.key(e), onblur: () => this.close(),
      onscroll: () => { this.shade.scrollLeft = this.area.scrollLeft; },
    });
    this.shade = el("pre", { "aria-hidden": "true", class: "shade" });
    this.popup = el("ul", { id: box, role: "listbox", class: "popup", "aria-label": "How it may go on", hidden: true });
    this.element = el("div", { class: "editor" }, this.shade, this.area, this.popup);
    this.check = later(() => this.checkNow(), 180);
    this.ask = later(() => this.complete(false), 40);
    this.asked = 0;
    this.paint();
  }

  get text() { return this.area.value; }

  set text(text) {
    this.area.value = text;
    this.wrong = [];
    this.paint();
    this.checkNow();
  }

  focus() { this.area.focus(); }

  typed() {
    this.wrong = [];
    this.paint();
    this.check();
    this.ask();
  }

  // paint colours the text that stands behind the area.
  paint() {
    const text = this.text, spans = [];
    for (const m of text.matchAll(tokens)) {
      const kind = Object.keys(m.groups).find((k) => m.groups[k] !== undefined);
      spans.push([m.index, m.index + m[0].length, kind]);
    }
    for (const [from, to, warning] of this.wrong) spans.push([from, Math.max(to, from + 1), warning ? "doubt" : "wrong"]);
    const cuts = [...new Set([0, text.length, ...spans.flatMap(([a, b]) => [Math.min(a, text.length), Math.min(b, text.length)])])].sort((a, b) => a - b);
    const parts = [];
    for (let i = 0; i + 1 < cuts.length; i++) {
      const kinds = spans.filter(([a, b]) => a <= cuts[i] && b >= cuts[i + 1]).map((s) => s[2]);
      const piece = text.slice(cuts[i], cuts[i + 1]);
      parts.push(kinds.length ? el("span", { class: kinds.join(" ") }, piece) : piece);
    }
    const atEnd = this.wrong.some(([from]) => from >= text.length);
    fill(this.shade, ...parts, atEnd ? el("span", { class: "wrong" }, " ") : "", "\n");
  }

  async checkNow() {
    const text = this.text;
    if (!text.trim()) {
      this.changed({ diagnostics: [], params: [], ok: false, empty: true });
      return;
    }
    let found;
    try {
      found = await post("/v1/check", { query: text });
    } catch (err) {
      found = { ok: false, params: [], diagnostics: [], problem: err.body };
    }
    if (text !== this.text) return;
    this.wrong = found.diagnostics.map((d) => [indexAt(text, d.start), indexAt(text, d.end), d.warning]);
    this.paint();
    this.changed(found);
  }

  async complete(asked) {
    const text = this.text, at = this.area.selectionStart, turn = ++this.asked;
    if (at !== this.area.selectionEnd || (!asked && !text.trim())) return this.close();
    let found;
    try {
      found = await post("/v1/complete", { query: text, offset: bytesAt(text, at) });
    } catch {
      return this.close(); // whoever runs the query is told what is the matter
    }
    if (turn !== this.asked || text !== this.text || document.activeElement !== this.area) return;
    const list = found.candidates.map((c) => ({ ...c, from: indexAt(text, c.start), to: indexAt(text, c.end) }));
    const whole = list.some((c) => text.slice(c.from, at).toLowerCase() === c.text.toLowerCase());
    const begun = list.some((c) => c.from < at);
    if (!list.length || (!asked && (whole || !begun))) return this.close();
    this.open(list);
  }

  open(list) {
    this.list = list;
    fill(this.popup, list.map((c, i) => el("li", {
      role: "option", id: `${this.popup.id}-${i}`, "aria-selected": "false",
      onmousedown: (e) => { e.preventDefault(); this.accept(i); },
    }, el("span", { class: "word" }, c.text), el("span", { class: "kind" }, c.detail || c.kind), c.doc ? el("span", { class: "doc" }, c.doc) : null)));
    this.popup.hidden = false;
    this.place(list[0].from);
    this.pick(0);
  }

  // place puts the list below the word that is being written.
  place(index) {
    const range = document.createRange();
    const walk = document.createTreeWalker(this.shade, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      if (index <= node.length) {
        range.setStart(node, index);
        break;
      }
      index -= node.length;
    }
    range.collapse(true);
    const at = range.getBoundingClientRect(), home = this.element.getBoundingClientRect();
    const left = at.left - home.left;
    this.popup.style.left = `${Math.max(0, Math.min(left, home.width - this.popup.offsetWidth))}px`;
    this.popup.style.top = `${at.bottom - home.top + 4}px`;
  }

  pick(i) {
    const n = this.list.length;
    this.picked = (i + n) % n;
    [...this.popup.children].forEach((e, k) => e.setAttribute("aria-selected", String(k === this.picked)));
    this.area.setAttribute("aria-activedescendant", `${this.popup.id}-${this.picked}`);
    byId(`${this.popup.id}-${this.picked}`).scrollIntoView({ block: "nearest" });
  }

  accept(i) {
    const c = this.list[i];
    this.close();
    this.area.setRangeText(c.text, c.from, Math.max(c.to, this.area.selectionStart), "end");
    this.typed();
  }

  close() {
    this.asked++;
    this.popup.hidden = true;
    this.list = [];
    this.area.removeAttribute("aria-activedescendant");
  }

  key(e) {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
      e.preventDefault();
      this.close();
      this.run();
    } else if (e.key === " " && e.ctrlKey) {
      e.preventDefault();
      this.complete(true);
    } else if (this.list.length && !e.isComposing) {
      const page = 8;
      const move = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page }[e.key];
      if (move) {
        e.preventDefault();
        this.pick(Math.abs(move) === 1 ? this.picked + move : Math.min(this.list.length - 1, Math.max(0, this.picked + move)));
      } else if (e.key === "Enter" || e.key === "Tab") {
        e.preventDefault();
        this.accept(this.picked);
      } else if (e.key === "Escape") {
        e.preventDefault();
        this.close();
      } else if (e.key === "ArrowLeft" || e.key === "ArrowRight" || e.key === "Home" || e.key === "End") {
        this.close();
      }
    }
  }
}
