// Recent changes, and what mirrors have on record.

import { get, part } from "./api.js";
import { el, name, nothing, show, table, time } from "./dom.js";
import { number } from "./words.js";

const most = 50; // entries and records that are shown
const changeList = document.getElementById("change-list");
const recordList = document.getElementById("record-list");

let entries = [];
let next = 0; // the revision from which on nothing is known
let begins = 0;

// forget begins anew, as after etcd was set back.
export function forget() {
  entries = [];
  next = 0;
}

// readChanges adds what happened since it was called last.
export async function readChanges() {
  try {
    const log = await get(`/v1/log?limit=${most}` + (next > 0 ? `&from=${next}` : ""));
    entries = [...log.entries, ...entries].slice(0, most);
    next = log.revision + 1;
    begins = log.begins;
  } catch (problem) {
    return show(changeList, el("p", { class: "problem" }, problem.message));
  }
  if (entries.length === 0) {
    return show(changeList, nothing(
      `Nothing has changed since revision ${number(begins)}, where etcd's history begins.`));
  }
  show(changeList, el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Recent changes" },
    table("Recent changes, the newest first", ["Revision", "When", "Who", "What"], entries.map((e) => [
      number(e.revision), e.time === null ? "not told" : time(e.time),
      e.author === null ? "unknown" : name(e.author, 80), changes(e.changes),
    ]))));
}

function changes(all) {
  const shown = all.slice(0, 4).map((text) => el("li", {}, name(text, 300)));
  if (all.length > shown.length) shown.push(el("li", {}, `${number(all.length - shown.length)} more`));
  return el("ul", { class: "plain" }, shown);
}

let shownRecords = "";

// showRecords tells what mirrors have on record. It reads them when that has changed.
export async function showRecords({ mirrors }) {
  const some = mirrors.filter((m) => m.quarantined + m.conflicts + m.foreign > 0);
  const now = JSON.stringify(some.map((m) => [m.name, m.quarantined, m.conflicts, m.foreign]));
  if (now === shownRecords) return;
  shownRecords = now;
  if (some.length === 0) return show(recordList, nothing("Nothing is on record."));
  const parts = await Promise.all(some.map(async (m) => {
    try {
      return recordsOf(m, await get(`/v1/mirrors/${part(m.name)}?limit=${most}`));
    } catch (problem) {
      shownRecords = ""; // so that it is tried again
      return el("div", {}, heading(m), el("p", { class: "problem" }, problem.message));
    }
  }));
  show(recordList, parts);
}

function heading(m) {
  return el("h3", {}, "Mirror ", name(m.name, 80));
}

function recordsOf(m, r) {
  const list = (title, explanation, shown, total, columns, row) => shown.length > 0 && el("details", { open: true },
    el("summary", {}, `${title}: ${number(total)}`),
    el("p", { class: "note" }, explanation, total > shown.length && ` These are ${number(shown.length)} of them.`),
    table(title, columns, shown.map(row)));
  return el("div", { class: "records" }, heading(m),
    list("Quarantine", "Keys of the catalogue that kvData cannot hold.", r.quarantine, m.quarantined,
      ["Key", "Why", "Since"], (q) => [name(q.key), name(q.detail || q.reason, 300), time(q.since)]),
    list("Conflicts", "What others wrote into kvData, and etcd did not take; css-sync conflicts decides on them.",
      r.conflicts, r.conflicts_total, ["Key", "Others wrote", "etcd held", "Why", "Who and when"],
      (c) => [name(c.key), value(c.wrote), value(c.etcd), name(c.explanation || c.reason, 300),
        el("span", {}, name(c.writer, 60), " ", time(c.written ?? c.seen))]),
    list("Foreign writes", "What others wrote into kvData past the mirror.", r.foreign, r.foreign_total,
      ["Key", "They wrote", "The mirror had left", "Seen"],
      (f) => [name(f.key), f.kind === "missing" ? "nothing: they deleted it" : value(f.have),
        f.kind === "extra" ? "nothing" : value(f.want), el("span", {}, time(f.seen), f.undone && ", undone")]));
}

function value(text) {
  if (text === null) return "nothing";
  return text === "" ? "an empty value" : el("code", {}, name(text, 120));
}
