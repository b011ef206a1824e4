import { json, plain } from "./dom.js";

const group = new Intl.NumberFormat("en");
export const number = (n) => group.format(n);
export const count = (n, one, many) => `${number(n)} ${n === 1 ? one : many || one + "s"}`;

export function size(n) {
  if (n < 1000) return `${n} B`;
  const units = ["kB", "MB", "GB", "TB", "PB", "EB"];
  let i = -1;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export function seconds(s) {
  if (s < 0.1) return `${Math.max(1, Math.round(s * 1000))} ms`;
  if (s < 10) return `${s.toFixed(s < 1 ? 2 : 1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}

export const time = (text) => text.replace("T", " ").replace(/(\.\d+)?Z$/, "");

export function ago(text) {
  const s = (Date.now() - Date.parse(text)) / 1000;
  return s < 5 ? "now" : `${seconds(s)} ago`;
}

// show gives a value for eyes, of a column of a type.
export function show(value, type) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map((v) => show(v, "")).join(", ");
  if (type === "size") return size(value);
  if (type === "time") return time(value);
  if (type === "duration") return seconds(value);
  return String(value);
}

export const isNumber = (type) => type === "int" || type === "size" || type === "float" || type === "duration";

// compare orders two values of a column; what is not there comes last.
export function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "number" && typeof b === "number") return a - b;
  const x = Array.isArray(a) ? a.join() : String(a), y = Array.isArray(b) ? b.join() : String(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

// inert puts a ' before what a spreadsheet would take for a formula: at the
// beginning, and behind a semicolon, where it begins a cell in countries that
// write 1,5 for one and a half.
const inert = (text) => text.replace(/(^|;[ "]*)(?=[=+\-@＝＋－＠])/g, "$1'");

// csv writes rows for a spreadsheet, which must take none of them for a
// formula, and for a terminal, which must obey none.
export function csv(columns, rows) {
  const cell = (v) => {
    let s = v === null || v === undefined ? "" : Array.isArray(v) ? v.join(", ") : String(v);
    if (typeof v !== "number") s = inert(plain(s));
    return (typeof v === "string" && s === "") || /[",]|^ | $/.test(s) ? `"${s.replaceAll('"', '""')}"` : s;
  };
  const lines = [columns.map((c) => cell(c.name))];
  for (const row of rows) lines.push(columns.map((c) => cell(row[c.name])));
  return lines.map((l) => l.join(",") + "\r\n").join("");
}

export const jsonl = (rows) => rows.map((row) => json(row) + "\n").join("");

export const oneLine = (text) => plain(text.replace(/--[^\n]*/g, " ").replace(/\s+/g, " ").trim());
