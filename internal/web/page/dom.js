// What a host supplied goes into the page as text nodes alone. The browser is
// told to refuse anything else: see the policy in web.go.

// What leaves no trace on a screen, or turns the order of what stands around
// it, is shown as an escape: as the terminal does.
const invisible = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]|[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b-\u180f\ufe00-\ufe0f\u{e0000}-\u{e0fff}]/gu;

function escapeOf(c) {
  const n = c.codePointAt(0);
  if (c === "\n") return "\\n";
  if (c === "\r") return "\\r";
  if (c === "\t") return "\\t";
  if (n >= 0xdc80 && n <= 0xdcff) return "\\x" + (n - 0xdc00).toString(16);
  if (n < 0x80) return "\\x" + n.toString(16).padStart(2, "0");
  if (n <= 0xffff) return "\\u" + n.toString(16).padStart(4, "0");
  return "\\U" + n.toString(16).padStart(8, "0");
}

// plain gives a text with its invisible characters escaped.
export function plain(text) {
  return String(text).replace(invisible, escapeOf);
}

// plainLines does so line by line.
export const plainLines = (text) => text.split("\n").map((line) => plain(line)).join("\n");

// json gives a value as JSON that means the same, with its invisible characters
// escaped: files that are saved here end up on terminals.
export function json(value) {
  return JSON.stringify(value).replace(invisible, (c) => c.split("").map((unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0")).join(""));
}

// foreign gives nodes for a text of a host; escapes look different from text.
export function foreign(text) {
  text = String(text);
  const out = document.createDocumentFragment();
  let from = 0;
  for (const m of text.matchAll(invisible)) {
    if (m.index > from) out.append(text.slice(from, m.index));
    out.append(el("span", { class: "escape" }, escapeOf(m[0])));
    from = m.index + m[0].length;
  }
  if (from < text.length) out.append(text.slice(from));
  return out;
}

// el makes an element. Properties that begin with "on" are listeners.
export function el(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") e[name] = value;
    else e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

export function fill(e, ...children) {
  e.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

export const byId = (id) => document.getElementById(id);

// later calls f once when nothing has called it for a while.
export function later(f, ms) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => f(...args), ms);
  };
}

// paced calls f at once in a while, however often it is called.
export function paced(f, ms) {
  let timer = 0;
  return () => {
    if (!timer) timer = setTimeout(() => { timer = 0; f(); }, typeof ms === "function" ? ms() : ms);
  };
}

let ids = 0;
export const newId = () => "e" + ++ids;

// detail shows something about one thing, until Escape.
export function detail(title, ...children) {
  const d = byId("detail");
  fill(d,
    el("header", {},
      el("h2", { id: "detail-title" }, foreign(title)),
      el("button", { class: "quiet", "aria-label": "Close", onclick: () => d.close() }, "✕")),
    ...children);
  d.onclick = (e) => { if (e.target === d) d.close(); }; // beside it
  if (!d.open) d.showModal();
  d.scrollTop = 0;
}

export function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.map(([name, value]) => [
    el("dt", {}, foreign(name)),
    value === null || value === "" ? el("dd", { class: "none" }, "none") : el("dd", {}, value instanceof Node ? value : foreign(value)),
  ]));
}
