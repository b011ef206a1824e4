import { byId, fill, el } from "./dom.js";
import { Ask } from "./ask.js";
import { Fleet } from "./fleet.js";
import { Investigations, Investigation } from "./investigations.js";
import { Cases, Case } from "./cases.js";

const every = { fleet: 15000, investigations: 3000 }; // milliseconds, while one looks at it

const host = (name) => fleet.host(name);
const toEditor = (text) => {
  location.hash = "#ask";
  route();
  ask.open(text);
};

const ask = new Ask(byId("ask"), { host });
const fleet = new Fleet(byId("fleet"), {
  ask: toEditor,
  there: (yes, problem, f) => {
    ask.fleet(yes);
    fill(byId("relay"), yes ? [el("span", { class: "dotmark online", "aria-hidden": "true" }), `${f.online} of ${f.agents.length} agents online`]
      : problem.code === "no-fleet" ? "this machine alone" : [el("span", { class: "dotmark bad", "aria-hidden": "true" }), "the fleet cannot be asked"]);
  },
});
const investigations = new Investigations(byId("investigations"));
const cases = new Cases(byId("cases"));
const one = new Case(byId("case"));
const investigation = new Investigation(byId("investigation"), { host, ask: toEditor });

let current = "";

const names = {
  ask: "Quaestor", fleet: "Fleet – Quaestor", investigations: "Investigations – Quaestor", investigation: "Investigation – Quaestor",
  cases: "Cases – Quaestor", case: "Case – Quaestor",
};

// route shows the view that the address names.
function route() {
  const [view, id] = (location.hash.slice(1) || "ask").split("/");
  const name = Object.hasOwn(names, view) ? view : "ask";
  const whole = `${name}/${id || ""}`;
  if (whole === current) return;
  const first = !current;
  current = whole;
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  for (const a of document.querySelectorAll("nav a")) {
    const own = a.dataset.view === name || a.dataset.view === `${name}s`;
    if (own) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  document.title = names[name];
  if (name === "case") one.open(id || "");
  else one.close();
  if (name === "cases") cases.load();
  if (name !== "investigation") investigation.close();
  if (name === "investigation") investigation.open(id || "");
  if (name === "fleet") fleet.load();
  if (name === "investigations") investigations.load();
  if (name === "ask") ask.editor.focus();
  else if (!first) byId("main").focus();
}

addEventListener("hashchange", route);
setInterval(() => { if (current === "fleet/" && !document.hidden) fleet.load(); }, every.fleet);
setInterval(() => { if (current === "investigations/" && !document.hidden) investigations.load(); }, every.investigations);
ask.editor.checkNow();
route();
if (current !== "fleet/") fleet.load();
