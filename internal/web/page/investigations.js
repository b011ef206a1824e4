import { el, fill, foreign, plainLines } from "./dom.js";
import { get, post, Problem } from "./api.js";
import { ago, number, oneLine, size } from "./format.js";
import { Answer, problemOf } from "./answer.js";

const bar = (i) => {
  const done = el("span", { class: "part matched" }), reached = el("span", { class: "part reached" }), rest = el("span", { class: "part offline" });
  done.style.flexGrow = String(i.done);
  reached.style.flexGrow = String(Math.max(0, i.reached - i.done));
  rest.style.flexGrow = String(Math.max(0, i.agents - Math.max(i.reached, i.done)) + (i.agents ? 0 : 1));
  return el("div", { class: "coverage", role: "img", "aria-label": `${i.done} of ${i.agents} done` }, [done, reached, rest].filter((part) => part.style.flexGrow > 0));
};

// Investigations lists what was asked of the fleet, with how far each is.
export class Investigations {
  constructor(place) {
    this.problems = el("div", { "aria-live": "polite" });
    this.list = el("ol", { class: "cards" });
    fill(place, el("div", { class: "head" }, el("h2", {}, "Investigations"), el("p", { class: "muted" }, "What was asked of the fleet, the latest first")), this.problems, this.list);
  }

  async load() {
    let found;
    try {
      if (this.none === undefined) this.none = !(await get("/v1/about")).fleet;
      if (this.none) throw new Problem({ code: "no-fleet", message: "no fleet is set up here: what is asked of this machine alone is no investigation" });
      found = await get("/v1/investigations");
      fill(this.problems);
    } catch (err) {
      return fill(this.problems, problemOf(err.body || { message: String(err) }));
    }
    const focused = document.activeElement && document.activeElement.hash;
    fill(this.list, found.investigations.map((i) => el("li", {}, el("a", { class: "card", href: `#investigation/${i.id}` },
      el("span", { class: "line" }, el("span", { class: `badge ${i.state}` }, i.state), el("time", { datetime: i.submitted, title: i.submitted }, ago(i.submitted)),
        el("span", { class: "muted" }, `${number(i.done)} of ${number(i.agents)} done · ${size(i.bytes)}`)),
      el("code", {}, i.query ? oneLine(i.query) : foreign(i.problem || "")),
      i.purpose ? el("span", { class: "muted" }, foreign(i.purpose)) : null, bar(i)))));
    if (!found.investigations.length) fill(this.list, el("li", { class: "nothing" }, "Nothing was asked of the fleet yet, or the relay keeps it no longer."));
    if (focused) {
      const again = [...this.list.querySelectorAll("a")].find((a) => a.hash === focused);
      if (again) again.focus();
    }
  }
}

// An Investigation is one of them, with its answers as they come.
export class Investigation {
  constructor(place, { host, ask }) {
    this.ask = ask;
    this.about = el("div", { class: "about" });
    this.problems = el("div", { "aria-live": "polite" });
    this.answer = new Answer({ host });
    fill(place, this.about, this.problems, this.answer.element);
  }

  async open(id) {
    this.id = id;
    fill(this.about);
    fill(this.problems);
    await this.load();
    if (this.id !== id || !this.known) return;
    await this.answer.ask(`/v1/investigations/${id}/results?follow=true`);
    if (this.id === id) this.load(); // it may be done now
  }

  // close lets go of the answers; the investigation goes on.
  close() {
    this.id = null;
    this.answer.stop();
  }

  async load() {
    const id = this.id;
    let i;
    try {
      i = await get(`/v1/investigations/${id}`);
    } catch (err) {
      this.known = false;
      return fill(this.problems, problemOf(err.body || { message: String(err) }));
    }
    if (id !== this.id) return;
    this.known = true;
    fill(this.about, el("div", { class: "head" }, el("h2", {}, "Investigation"), el("span", { class: `badge ${i.state}` }, i.state), el("p", { class: "muted" }, `${i.id} · asked ${ago(i.submitted)}`)),
      el("pre", { class: "query" }, plainLines(i.query || "")), i.purpose ? el("p", {}, foreign(i.purpose)) : null, i.problem ? el("p", { class: "warn" }, foreign(i.problem)) : null,
      el("div", { class: "tools" }, el("button", { onclick: () => this.ask(i.query) }, "Edit and ask again"),
        i.state === "open" ? el("button", { onclick: () => this.cancel() }, "Cancel it on the agents") : null));
  }

  async cancel() {
    try {
      await post(`/v1/investigations/${this.id}/cancel`, {});
      fill(this.problems);
    } catch (err) {
      return fill(this.problems, problemOf(err.body || { message: String(err) }));
    }
    await this.load();
  }
}
