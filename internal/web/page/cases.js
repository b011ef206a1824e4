import { el, fill, foreign } from "./dom.js";
import { get } from "./api.js";
import { ago, count, size } from "./format.js";
import { problemOf } from "./answer.js";

const pathOf = (name) => `/v1/cases/${encodeURIComponent(name)}/report`;

// Cases lists what was recorded.
export class Cases {
  constructor(place) {
    this.problems = el("div", { "aria-live": "polite" });
    this.list = el("ol", { class: "cards" });
    fill(place, el("div", { class: "head" }, el("h2", {}, "Cases"), el("p", { class: "muted" }, "Questions, answers and notes that were recorded")), this.problems, this.list);
  }

  async load() {
    let found;
    try {
      found = await get("/v1/cases");
      fill(this.problems);
    } catch (err) {
      return fill(this.problems, problemOf(err.body || { message: String(err) }));
    }
    fill(this.list, found.cases.map((c) => el("li", {}, el("a", { class: "card", href: `#case/${encodeURIComponent(c.name)}` },
      el("strong", {}, foreign(c.name)),
      c.problem ? el("span", { class: "warn" }, foreign(c.problem))
        : el("span", { class: "muted" }, `${count(c.questions, "question")}, ${count(c.notes, "note")} · ${size(c.size)} · last added to ${ago(c.last)}`)))));
    if (!found.cases.length) fill(this.list, el("li", { class: "nothing" }, "No case yet: quaestor run --case NAME records a question and its answer."));
  }
}

// A Case shows the report of one, in a frame that may do nothing.
export class Case {
  constructor(place) { this.place = place; }

  open(id) {
    let name = id;
    try {
      name = decodeURIComponent(id);
    } catch {} // an address that somebody typed: there is no such case
    const path = pathOf(name);
    fill(this.place, el("div", { class: "head" }, el("h2", {}, foreign(name)), el("a", { href: path, download: `${name}.html` }, "Download the report")),
      el("iframe", { class: "report", sandbox: "", src: path, title: "The report of the case" }));
  }

  close() { fill(this.place); }
}
