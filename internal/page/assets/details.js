// What is told of the database or table that was chosen.

import { get, part } from "./api.js";
import { badge, el, facts, name, nothing, show, table } from "./dom.js";
import { SkyMap } from "./skymap.js";
import { number } from "./words.js";

const node = document.getElementById("details");
const mostColumns = 300; // that are shown
const mostTables = 1000; // that a map can be chosen of

let chosen = null;
let turn = 0; // of what is read: what comes late is not shown

export function chosenDatabase() {
  return chosen?.db ?? null;
}

// choose shows the details of a table, or of a database where the table is null.
export async function choose(db, tableName) {
  chosen = { db, table: tableName };
  await refresh();
}

// refresh reads what was chosen anew.
export async function refresh() {
  if (chosen === null) return;
  const mine = ++turn;
  const { db, table: tableName } = chosen;
  let parts;
  try {
    parts = tableName === null ? await databaseParts(db) : await tableParts(db, tableName);
  } catch (problem) {
    parts = [el("h3", {}, name(tableName === null ? db : `${db}.${tableName}`)), el("p", { class: "problem" },
      problem.message)];
  }
  if (mine === turn) show(node, parts);
}

const ready = (status) => badge(status === "READY" ? "good" : "warn", status);

function stripingText(s) {
  return s === null ? "none: it has no partitioned tables" :
    `${number(s.stripes)} stripes, ${number(s.sub_stripes)} sub-stripes, overlap ${s.overlap}°`;
}

async function databaseParts(db) {
  const [d, names] = await Promise.all([get(`/v1/databases/${part(db)}`),
    get(`/v1/names?database=${part(db)}&limit=${mostTables}`)]);
  const parts = [
    el("h3", {}, name(db), " ", ready(d.status)),
    facts(["tables", names.complete ? number(names.names.length) : `more than ${number(mostTables)}`],
      ["partitioning", stripingText(d.striping)], ["storage class", d.storage_class || null],
      ["release status", d.release_status || null], ["created at revision", number(d.created_revision)],
      ["changed at revision", number(d.modified_revision)], ["cannot be read", d.error ? name(d.error, 500) : null]),
  ];
  if (d.striping !== null) parts.push(await mapOf(db, d.striping, names.names));
  return parts;
}

// maps are kept, so that one that is refreshed stays as it is.
let kept = null;

async function mapOf(db, striping, names) {
  if (kept?.db !== db || kept.stripes !== striping.stripes) {
    kept = { db, stripes: striping.stripes, map: new SkyMap(db, striping) };
  }
  await kept.map.offer(names.filter((n) => n.table !== null).map((n) => n.table));
  return kept.map.node;
}

async function tableParts(db, tableName) {
  const t = await get(`/v1/tables/${part(db)}/${part(tableName)}`);
  return [
    el("h3", {}, name(`${db}.${tableName}`), " ", ready(t.status)),
    facts(["partitioning", t.partitioning === null ? "none: every worker holds it whole" : partitioningText(t)],
      ["director", directorText(t)],
      ["columns of position", t.partitioning?.longitude_column ? el("span", {}, name(t.partitioning.longitude_column),
        ", ", name(t.partitioning.latitude_column)) : null],
      ["match table", matchText(t.match)],
      ["shared scans", t.shared_scan === null ? "none" :
        `rating ${t.shared_scan.scan_rating}${t.shared_scan.lock_in_mem ? ", locked in memory" : ""}`],
      ["cannot be queried", t.unqueryable ? name(t.unqueryable, 500) : null],
      ["created at revision", number(t.created_revision)], ["changed at revision", number(t.modified_revision)],
      ["cannot be read", t.error ? name(t.error, 500) : null]),
    columnsOf(t),
  ];
}

function partitioningText(t) {
  const p = t.partitioning;
  const words = [p.sub_chunks ? "in chunks and sub-chunks" : "in chunks"];
  if (p.overlap) words.push(`overlap ${p.overlap}°`);
  return words.join(", ");
}

function directorText({ database, table: own, partitioning: p }) {
  if (p === null || p.director_table === "") return null;
  if (p.director_table === own && (p.director_database || database) === database) {
    return el("span", {}, "it is one, by ", name(p.director_column));
  }
  const director = `${p.director_database || database}.${p.director_table}`;
  return el("span", {}, name(director), " by ", name(p.director_column));
}

function matchText(m) {
  return m === null ? null : el("span", {}, name(m.director_table1), " with ", name(m.director_table2),
    `, at most ${m.angular_separation}° apart`);
}

function columnsOf(t) {
  if (t.columns === null) {
    const why = name(t.columns_error ?? "", 300);
    return el("div", {}, el("p", { class: "problem" }, "The columns cannot be read: ", why),
      el("pre", {}, name(t.schema, 4000)));
  }
  if (t.columns.length === 0) return nothing("It has no columns.");
  const shown = t.columns.slice(0, mostColumns);
  return el("details", { open: true }, el("summary", {}, `Columns: ${number(t.columns.length)}`),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Columns" },
      table("Columns", ["Column", "Type"], shown.map((c) => [name(c.name, 80), name(c.type, 120)]))),
    t.columns.length > shown.length && el("p", { class: "note" }, `These are the first ${number(shown.length)}.`));
}
