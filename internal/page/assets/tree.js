// The tree of databases and tables. It holds names only, of a database from when it is opened, and has elements for
// those rows alone that can be seen.

import { get, part } from "./api.js";
import { el, name, setText } from "./dom.js";
import { count, number, visible } from "./words.js";

const high = 30; // pixels of a row; parts.css says the same
const beyond = 8; // rows that are there above and below what can be seen
const mostNames = 100000;
const mostFound = 500;

export class Tree {
  #node = document.getElementById("tree");
  #note = document.getElementById("tree-note");
  #space = el("div", { class: "space", role: "presentation" });
  #databases = []; // as the API lists them
  #opened = new Map(); // by database: its tables, or null while they are read
  #found = null; // what a search found; null: there is none
  #rows = [];
  #at = 0; // the row that has the focus
  #chosen = "";
  #choose;

  // choose is called with a database and a table, or null for the database itself.
  constructor(choose) {
    this.#choose = choose;
    this.#node.append(this.#space);
    this.#node.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.#node.addEventListener("keydown", (event) => this.#key(event));
    this.#node.addEventListener("click", (event) => this.#click(event));
    new ResizeObserver(() => this.#draw()).observe(this.#node);
  }

  // read reads the databases, and the tables of those that are open.
  async read() {
    try {
      this.#databases = await get("/v1/databases");
    } catch (problem) {
      if (problem.code !== "no_catalogue") throw problem;
      this.#databases = [];
    }
    const there = new Set(this.#databases.map((d) => d.name));
    for (const db of this.#opened.keys()) if (!there.has(db)) this.#opened.delete(db);
    this.#lay();
    await Promise.all([...this.#opened.keys()].map((db) => this.readTables(db)));
  }

  isOpen(db) {
    return this.#opened.has(db);
  }

  async readTables(db) {
    let tables;
    try {
      tables = (await get(`/v1/names?database=${part(db)}&limit=${mostNames}`)).names;
    } catch (problem) {
      tables = [{ database: db, table: null, status: "", error: problem.message }];
    }
    if (!this.#opened.has(db)) return;
    this.#opened.set(db, tables);
    this.#lay();
  }

  // find shows what has a text in its name, all of the tree for "".
  async find(text) {
    if (text === "") {
      this.#found = null;
    } else {
      const found = await get(`/v1/names?text=${part(text)}&limit=${mostFound}`);
      this.#found = found;
    }
    this.#at = 0;
    this.#node.scrollTop = 0;
    this.#lay();
  }

  // database returns what is known of one, undefined for one that there is not.
  database(db) {
    return this.#databases.find((d) => d.name === db);
  }

  // lay makes the list of rows.
  #lay() {
    const kept = this.#rows[this.#at]?.key;
    this.#rows = this.#found === null ? this.#treeRows() : this.#foundRows();
    const at = this.#rows.findIndex((r) => r.key === kept);
    this.#at = at >= 0 ? at : Math.min(this.#at, Math.max(0, this.#rows.length - 1));
    this.#space.style.height = `${this.#rows.length * high}px`;
    setText(this.#note, this.#told());
    this.#draw();
  }

  #told() {
    if (this.#found === null) return `${count(this.#databases.length, "database")}; open one to see its tables.`;
    const n = this.#found.names.length;
    if (n === 0) return "Nothing has that in its name.";
    return this.#found.complete ? `${number(n)} found.` : `The first ${number(n)} found; type more to narrow it down.`;
  }

  #treeRows() {
    const rows = [];
    for (const [i, d] of this.#databases.entries()) {
      const open = this.#opened.has(d.name);
      rows.push({ key: `d ${d.name}`, db: d.name, table: null, label: d.name, status: d.error ? "unreadable" : d.status,
        tables: d.tables ?? 0, level: 1, open, position: i + 1, size: this.#databases.length });
      if (!open) continue;
      const tables = this.#opened.get(d.name) ?? [{ table: null, status: "", error: "reading" }];
      for (const [j, t] of tables.entries()) rows.push(this.#tableRow(d.name, t, j + 1, tables.length));
      if (tables.length === 0) rows.push(this.#tableRow(d.name, { table: null, error: "no tables" }, 1, 1));
    }
    return rows;
  }

  #tableRow(db, t, position, size) {
    return { key: `t ${db}.${t.table}`, db, table: t.table, label: t.table ?? t.error, note: t.table === null,
      status: t.error && t.table !== null ? "unreadable" : t.status, level: 2, position, size };
  }

  #foundRows() {
    const all = this.#found.names;
    return all.map((n, i) => ({ key: `f ${n.database}.${n.table}`, db: n.database, table: n.table, label:
      n.table === null ? n.database : `${n.database}.${n.table}`, status: n.error ? "unreadable" : n.status, level: 1,
    position: i + 1, size: all.length }));
  }

  // draw makes elements for the rows that can be seen.
  #draw() {
    const first = Math.max(0, Math.floor(this.#node.scrollTop / high) - beyond);
    const end = this.#node.scrollTop + this.#node.clientHeight;
    const last = Math.min(this.#rows.length, Math.ceil(end / high) + beyond);
    const nodes = [];
    for (let i = first; i < last; i++) nodes.push(this.#row(i));
    this.#space.replaceChildren(...nodes);
    const active = this.#at >= first && this.#at < last;
    if (active) this.#node.setAttribute("aria-activedescendant", `row-${this.#at}`);
    else this.#node.removeAttribute("aria-activedescendant");
  }

  #row(i) {
    const r = this.#rows[i];
    const isParent = r.open !== undefined;
    const node = el("div", {
      id: `row-${i}`, role: "treeitem", class: `row level${r.level}${i === this.#at ? " at" : ""}`,
      "aria-level": r.level, "aria-posinset": r.position, "aria-setsize": r.size,
      "aria-expanded": isParent ? String(r.open) : null, "aria-selected": String(r.key === this.#chosen),
    },
    el("span", { class: "twist", "aria-hidden": "true" }, isParent ? (r.open ? "▾" : "▸") : ""),
    r.note ? el("em", {}, visible(r.label)) : name(r.label, 120),
    r.status !== "" && r.status !== "READY" && r.status !== undefined && el("small", { class: "odd" },
      visible(r.status.split(":")[0], 40)),
    isParent && el("small", { class: "amount" }, number(r.tables)));
    node.style.transform = `translateY(${i * high}px)`;
    return node;
  }

  // click finds the row by its place: elements of rows come and go while a button is down.
  #click(event) {
    const i = Math.floor((event.clientY - this.#space.getBoundingClientRect().top) / high);
    if (i < 0 || i >= this.#rows.length) return;
    this.#at = i;
    this.#activate();
    if (this.#rows[this.#at]?.open !== undefined) this.#toggle();
  }

  // activate shows the details of the row with the focus.
  #activate() {
    const r = this.#rows[this.#at];
    if (r === undefined || r.note) return;
    this.#chosen = r.key;
    this.#draw();
    this.#choose(r.db, r.table);
  }

  #toggle() {
    const { db, open } = this.#rows[this.#at];
    if (open) {
      this.#opened.delete(db);
      return this.#lay();
    }
    this.#opened.set(db, null);
    this.#lay();
    return this.readTables(db);
  }

  #key(event) {
    const r = this.#rows[this.#at];
    if (r === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.#node.clientHeight / high) - 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in moves) this.#move(this.#at + moves[event.key]);
    else if (event.key === "ArrowRight" && r.open === false) this.#toggle();
    else if (event.key === "ArrowRight" && r.open) this.#move(this.#at + 1);
    else if (event.key === "ArrowLeft" && r.open) this.#toggle();
    else if (event.key === "ArrowLeft" && r.level === 2) this.#move(this.#parent(r));
    else if (event.key === "Enter" || event.key === " ") this.#activate();
    else return;
    event.preventDefault();
  }

  #parent(row) {
    return this.#rows.findIndex((r) => r.key === `d ${row.db}`);
  }

  #move(to) {
    this.#at = Math.max(0, Math.min(this.#rows.length - 1, to));
    const y = this.#at * high;
    if (y < this.#node.scrollTop) this.#node.scrollTop = y;
    else if (y + high > this.#node.scrollTop + this.#node.clientHeight) {
      this.#node.scrollTop = y + high - this.#node.clientHeight;
    }
    this.#draw();
  }
}
