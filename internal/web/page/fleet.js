import { el, fill, foreign, detail, facts, later, byId, plain } from "./dom.js";
import { get, Problem } from "./api.js";
import { ago, count, number } from "./format.js";
import { problemOf } from "./answer.js";

const preferred = ["tags.role", "tags.team", "tags.env", "os", "distro", "arch", "agent_version"];

// A Fleet is the map of the agents, by what they are.
export class Fleet {
  constructor(place, { ask, there }) {
    this.ask = ask;
    this.there = there;
    this.agents = [];
    this.select = el("select", { onchange: () => { this.by = this.select.value; this.draw(); } });
    this.filter = el("input", { type: "search", placeholder: "Filter agents", "aria-label": "Filter agents", oninput: later(() => this.draw(), 80) });
    this.note = el("p", { class: "muted", role: "status" });
    this.problems = el("div", { "aria-live": "polite" });
    this.map = el("div", { class: "map" });
    fill(place, el("div", { class: "head" }, el("h2", {}, "Fleet"), this.note),
      el("div", { class: "tools" }, el("label", {}, "Group by ", this.select), this.filter,
        el("span", { class: "legend" }, el("span", { class: "key" }, el("span", { class: "dotmark online" }), "online"), el("span", { class: "key" }, el("span", { class: "dotmark" }), "offline"))),
      this.problems, this.map);
  }

  async load() {
    try {
      if (this.none === undefined) this.none = !(await get("/v1/about")).fleet;
      if (this.none) throw new Problem({ code: "no-fleet", message: "no fleet is set up here, and this machine alone can be asked", hint: "quaestor setup says where a fleet's relay is; quaestor web is then started again" });
      const found = await get("/v1/fleet");
      this.agents = found.agents.sort((a, b) => (a.host < b.host ? -1 : a.host > b.host ? 1 : 0));
      this.online = found.online;
      fill(this.problems, found.doubts.map((d) => el("p", { class: "warn" }, "doubt: ", foreign(d))));
      this.problem = null;
    } catch (err) {
      this.problem = err.body || { message: String(err) };
      fill(this.problems, problemOf(this.problem));
    }
    this.there(!this.problem, this.problem, this);
    this.draw();
  }

  groups() {
    const names = new Set();
    for (const a of this.agents) {
      for (const n of Object.keys(a.facts)) names.add(n);
      for (const n of Object.keys(a.tags)) names.add(`tags.${n}`);
    }
    const rank = (n) => (preferred.includes(n) ? preferred.indexOf(n) : preferred.length);
    return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  }

  valueOf(a, name) {
    const tag = name.startsWith("tags.") ? a.tags[name.slice(5)] : undefined;
    return tag ?? a.facts[name] ?? "";
  }

  draw() {
    const names = this.groups();
    if (!names.includes(this.by)) this.by = names[0];
    const have = [...this.select.options].map((o) => o.value).join();
    if (have !== names.join()) fill(this.select, names.map((n) => el("option", { value: n }, plain(n))));
    this.select.value = this.by || "";
    this.note.textContent = this.problem ? "" : `${count(this.agents.length, "agent")}, ${number(this.online || 0)} online`;
    const want = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = (a) => [a.host, a.agent, ...Object.values(a.facts), ...Object.entries(a.tags).flat()].join(" ").toLowerCase();
    const groups = new Map();
    for (const a of this.agents) {
      if (!want.every((w) => text(a).includes(w))) continue;
      const key = a.problem ? null : this.valueOf(a, this.by || "");
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(a);
    }
    const focused = document.activeElement && document.activeElement.dataset.agent;
    const sorted = [...groups].sort(([a], [b]) => (a === null) - (b === null) || (a === "") - (b === "") || (a < b ? -1 : 1));
    fill(this.map, sorted.map(([key, agents]) => el("section", { class: "group", "aria-label": key === null ? "left out" : plain(key || "unknown") },
      el("h3", {}, key === null ? "Left out" : key === "" ? "unknown" : foreign(key), el("span", { class: "muted" }, ` ${number(agents.length)}`)),
      el("div", { class: "boxes" }, agents.map((a) => el("button", {
        class: `box ${a.problem ? "bad" : a.online ? "online" : "offline"}`, "data-agent": a.agent,
        "aria-label": `${plain(a.host || a.agent)}, ${a.problem ? "left out" : a.online ? "online" : "offline"}`, onclick: () => this.open(a),
      }, el("span", { class: `dotmark ${a.online ? "online" : ""}`, "aria-hidden": "true" }), foreign(a.host || a.agent.slice(0, 12))))))));
    if (!this.agents.length && !this.problem) fill(this.map, el("p", { class: "nothing" }, "No agent has enrolled yet: quaestor token new makes what lets one in."));
    const again = focused && this.map.querySelector(`[data-agent="${CSS.escape(focused)}"]`);
    if (again) again.focus();
  }

  // host shows the one with a name.
  host(name) {
    const a = this.agents.find((one) => one.host === name);
    if (a) this.open(a);
    else detail(name, el("p", {}, "The relay names no such agent now."));
  }

  open(a) {
    const q = `FROM host "${a.host.replace(/["\\]/g, "\\$&")}" FIND `;
    const named = /^[ -~]+$/.test(a.host);
    const known = Object.entries(a.facts).filter(([k]) => !(k.startsWith("tags.") && k.slice(5) in a.tags)).sort();
    detail(a.host || a.agent,
      a.problem ? el("p", { class: "warn" }, foreign(a.problem)) : null,
      el("p", {}, named && !a.problem ? el("button", { class: "primary", autofocus: true, onclick: () => { byId("detail").close(); this.ask(q); } }, "Ask this host") : null),
      facts([["state", a.online ? "online" : "offline"], ["seen", ago(a.seen)], ["agent", a.agent],
        ...(a.enrolled ? [["enrolled", a.enrolled]] : []),
        ...Object.entries(a.tags).sort().map(([k, v]) => [`tags.${k}`, v]),
        ...known.filter(([, v]) => v !== ""),
        ...(known.some(([, v]) => v === "") ? [["not known", known.filter(([, v]) => v === "").map(([k]) => k).join(", ")]] : [])]));
  }
}
