import { el, fill, byId } from "./dom.js";
import { post } from "./api.js";
import { count } from "./format.js";
import { Editor } from "./editor.js";
import { Answer, problemOf } from "./answer.js";

const samples = {
  local: [
    ["Files of /etc that changed in the last week", "FIND file /etc/** WHERE mtime > now - 7d RETURN path, size, mtime"],
    ["Programs that run as their owner", "FIND file /usr/bin/* WHERE suid RETURN path, owner, mode, mtime"],
    ["This machine", "FIND host"],
  ],
  fleet: [
    ["Which systems there are", "FROM fleet FIND host RETURN os, distro, count() AS machines GROUP BY os, distro"],
    ["Files of /etc, over all machines", "FROM fleet FIND file /etc/** RETURN path, size, mtime"],
  ],
};

// An Ask is the editor and the answer below it.
export class Ask {
  constructor(place, { host }) {
    this.hasFleet = false;
    this.editor = new Editor({ label: "Query", changed: (found) => this.changed(found), run: () => this.run() });
    this.answer = new Answer({ host, investigation: (id) => this.submitted(id) });
    this.problems = el("div", { class: "problems", "aria-live": "polite" });
    this.params = el("div", { class: "params", hidden: true });
    this.go = el("button", { class: "primary", onclick: () => this.run() }, "Run", el("kbd", {}, "Ctrl ↵"));
    this.halt = el("button", { hidden: true, onclick: () => this.stop() }, "Stop");
    this.draw = el("button", { onclick: () => this.explain() }, "Explain");
    this.wait = el("select", {}, [["", "that are connected"], ["10m", "up to 10 minutes"], ["1h", "up to an hour"]].map(([v, name]) => el("option", { value: v }, name)));
    this.purpose = el("input", { type: "text", placeholder: "Why: for the journal of every machine", "aria-label": "Purpose" });
    this.options = el("div", { class: "options", hidden: true }, el("label", {}, "Wait for agents ", this.wait), this.purpose);
    this.plan = el("div", { class: "plan", hidden: true });
    this.tries = el("div", { class: "tries" });
    fill(place, el("h2", { class: "away" }, "Ask"), this.editor.element, this.problems,
      el("div", { class: "tools" }, this.go, this.halt, this.draw, this.params, this.options), this.plan, this.tries, this.answer.element);
    this.suggest();
  }

  // fleet says whether there is one to ask.
  fleet(there) {
    if (there === this.hasFleet) return;
    this.hasFleet = there;
    this.suggest();
  }

  suggest() {
    const list = this.hasFleet ? [...samples.fleet, ...samples.local.slice(0, 1)] : samples.local;
    fill(this.tries, el("p", { class: "muted" }, "To begin with:"), list.map(([about, text]) => el("button", { class: "try", onclick: () => { this.open(text); } }, el("span", {}, about), el("code", {}, text))));
  }

  open(text) {
    this.editor.text = text;
    this.editor.focus();
    this.editor.area.setSelectionRange(text.length, text.length);
  }

  changed(found) {
    this.found = found;
    this.tries.hidden = !found.empty || !this.answer.element.hidden;
    this.go.disabled = Boolean(found.empty);
    this.draw.disabled = Boolean(found.empty);
    this.halt.textContent = "Stop";
    this.options.hidden = !found.fleet;
    fill(this.problems, found.problem ? problemOf(found.problem) : found.diagnostics.map((d) => el("pre", { class: d.warning ? "diagnostic doubt" : "diagnostic" }, d.text)),
      found.more ? el("p", { class: "muted" }, `and ${count(found.more, "further mistake")}`) : null);
    const names = found.params.map((p) => p.name).join();
    if (names === this.names) return;
    this.names = names;
    this.params.hidden = !names;
    fill(this.params, found.params.map((p) => el("label", {}, `$${p.name} `, el("input", { type: "text", "data-param": p.name, placeholder: p.required ? p.type : `${p.type}, has a default` }))));
  }

  values() {
    const out = {};
    for (const input of this.params.querySelectorAll("input")) if (input.value !== "") out[input.dataset.param] = input.value;
    return out;
  }

  async run() {
    const query = this.editor.text;
    if (!query.trim()) return;
    await this.editor.checkNow();
    if (!this.found.ok || query !== this.editor.text) return this.editor.focus();
    const body = { query, params: this.values() };
    if (this.found.fleet) {
      body.keep = true; // the page may be closed; Stop ends it
      if (this.wait.value) body.wait = this.wait.value;
      if (this.purpose.value) body.purpose = this.purpose.value;
    }
    this.asked = [];
    this.tries.hidden = true;
    this.plan.hidden = true;
    this.halt.hidden = false;
    const turn = (this.turn = {});
    await this.answer.ask("/v1/query", body);
    if (turn === this.turn) {
      if (document.activeElement === this.halt) this.editor.focus();
      this.halt.hidden = true;
    }
  }

  submitted(id) { this.asked.push(id); }

  // stop ends the question: on this machine by leaving, on others by saying so.
  async stop() {
    const asked = this.asked;
    if (!asked.length) return this.answer.stop();
    this.halt.disabled = true;
    try {
      await Promise.all(asked.map((id) => post(`/v1/investigations/${id}/cancel`, {})));
    } catch (err) {
      fill(this.problems, problemOf(err.body || { message: String(err) }));
    }
    this.answer.stop();
    this.halt.disabled = false;
  }

  async explain() {
    let nodes;
    try {
      const found = await post("/v1/explain", { query: this.editor.text, params: this.values() });
      nodes = found.plans.map((p) => el("pre", {}, p.text));
    } catch (err) {
      nodes = [problemOf(err.body || { message: String(err) })];
    }
    this.plan.hidden = false;
    fill(this.plan, el("header", {}, el("h3", {}, "How it would be asked"), el("button", { class: "quiet", "aria-label": "Close the plan", onclick: () => { this.plan.hidden = true; byId("ask").querySelector("textarea").focus(); } }, "✕")), nodes);
  }
}
