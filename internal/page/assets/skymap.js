// The map of where on the sky a table has chunks, and how many replicas each has.

import { get, part } from "./api.js";
import { el, name, setText, show, table } from "./dom.js";
import { absent, bands, box, chunkAt, empty, lattice, levels, mostStripes, paint, partition, project, runs, unproject }
  from "./sky.js";
import { count, number, visible } from "./words.js";

const wide = 880; // pixels of the map, unless it is shown smaller
const titles = ["not in the catalogue", "no replica", "1 replica", "2 replicas", "3 replicas", "4 or more replicas",
  "empty"];
const brief = ["absent", "none", "1", "2", "3", "4 or more", "empty"]; // replicas
const least = 6; // pixels from which on the edges of chunks are drawn

let maps = 0;

export class SkyMap {
  #db;
  #striping;
  #sky;
  #table = null;
  #chunks = new Map(); // nodes by chunk
  #empty = null; // runs of chunks that hold no rows; null: not known
  #found = null; // levels
  #ids = null; // lattice
  #size = 0; // for which the lattice is
  #marked = null; // the chunk that is shown
  #canvas = el("canvas", { role: "img", width: wide, height: wide / 2 });
  #select = el("select", { id: `map-table-${++maps}` });
  #input = el("input", { id: `map-chunk-${maps}`, type: "number", min: 0, step: 1, inputmode: "numeric" });
  #told = el("output", { class: "chunk", "for": `map-chunk-${maps}` }, "Point at the map, or name a chunk.");
  #sum = el("p", { class: "sum" });
  #known = el("span");
  #bands = el("div");
  #legend = el("ul", { class: "legend", "aria-label": "Colours of the map" });

  constructor(db, striping) {
    this.#db = db;
    this.#striping = striping;
    this.#sky = striping.stripes <= mostStripes ? partition(striping.stripes) : null;
    this.node = el("section", { class: "map", "aria-label": "Sky map" },
      el("div", { class: "controls" },
        el("label", { "for": this.#select.id }, "Chunks of"), this.#select,
        el("label", { "for": this.#input.id }, "Chunk"), this.#input),
      this.#sum, this.#canvas, this.#legend, this.#told,
      el("p", { class: "note" }, "Hammer-Aitoff projection; right ascension 0° is in the middle, ",
        "and rises to the left. ", this.#known),
      el("details", {}, el("summary", {}, "The map as a table: chunks by declination and number of replicas"),
        this.#bands));
    this.#select.addEventListener("change", () => this.#read(this.#select.value));
    this.#input.addEventListener("input", () => {
      this.#mark(this.#input.value === "" ? null : Number(this.#input.value));
    });
    this.#canvas.addEventListener("pointermove", (event) => this.#point(event));
    this.#canvas.addEventListener("pointerdown", (event) => this.#point(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.#canvas);
  }

  // offer says which tables there are, and reads the chunks of the one that is shown.
  async offer(tables) {
    if (this.#table === null || !tables.includes(this.#table)) this.#table = await this.#first(tables);
    show(this.#select, tables.map((t) => el("option", { value: t, selected: t === this.#table }, visible(t, 80))));
    if (this.#table !== null) await this.#read(this.#table);
  }

  // first returns the table whose map is shown first: a director, which has all chunks.
  async #first(tables) {
    for (const t of tables.slice(0, 20)) {
      try {
        const { partitioning: p } = await get(`/v1/tables/${part(this.#db)}/${part(t)}`);
        if (p !== null && p.director_table === t && (p.director_database || this.#db) === this.#db) return t;
      } catch { // another one will do
      }
    }
    return tables[0] ?? null;
  }

  async #read(tableName) {
    this.#table = tableName;
    let chunks;
    try {
      chunks = await get(`/v1/tables/${part(this.#db)}/${part(tableName)}/chunks`);
      await this.#readEmpty();
    } catch (problem) {
      return setText(this.#sum, problem.message);
    }
    if (this.#table !== tableName) return;
    this.#chunks = new Map(chunks.map((c) => [c.id, c.nodes]));
    this.#tell(chunks);
    this.#draw();
    if (this.#marked !== null) this.#mark(this.#marked);
  }

  // readEmpty reads which chunks of the database hold no rows, if anybody has said it.
  async #readEmpty() {
    const [known] = await get(`/v1/empty-chunks?database=${part(this.#db)}`);
    this.#empty = known === undefined || known.error ? null : runs(known.chunks);
  }

  #tell(chunks) {
    if (this.#sky === null) {
      this.#canvas.hidden = true;
      return setText(this.#sum, `${count(chunks.length, "chunk")}; no map is drawn of ` +
        `${number(this.#striping.stripes)} stripes, since ${number(mostStripes)} is the most.`);
    }
    this.#found = levels(chunks, this.#sky, this.#empty ?? []);
    const { counts, outside, placed } = this.#found;
    const there = this.#sky.total - counts[absent] - counts[empty];
    const held = (n, level) => n > 0 && level !== absent && level !== empty;
    const parts = counts.map((n, level) => [n, level]).filter(([n, level]) => held(n, level)).map(
      ([n, level]) => `${number(n)} with ${titles[level]}`);
    let text = `${number(there)} of ${count(this.#sky.total, "chunk")} of the sky are in the catalogue`;
    text += parts.length > 0 ? `: ${parts.join(", ")}.` : ".";
    if (counts[empty] > 0) text += ` ${count(counts[empty], "chunk")} hold no rows.`;
    if (placed > 0) text += ` ${count(placed, "chunk")} in the catalogue are said to hold no rows, too.`;
    setText(this.#known, this.#empty === null ? "Nobody has said which chunks are empty." : "");
    if (outside.length > 0) {
      text += ` ${count(outside.length, "chunk")} beside the sky: ${outside.slice(0, 5).join(", ")}` +
        (outside.length > 5 ? " and others." : ".");
    }
    setText(this.#sum, text);
    const title = `Sky map of ${visible(this.#db, 60)}.${visible(this.#table, 60)}`;
    this.#canvas.setAttribute("aria-label", `${title}. ${text}`);
    show(this.#legend, titles.map((title, level) => (counts[level] > 0 || level === absent) && el("li", {},
      el("span", { class: `swatch level${level}`, "aria-hidden": "true" }), `${title} (${number(counts[level])})`)));
    const all = bands(this.#sky, this.#found.level);
    const some = titles.map((_, level) => level).filter((level) => counts[level] > 0);
    show(this.#bands, table("Chunks by declination and number of replicas, north first",
      ["Declination", ...some.map((l) => brief[l])],
      all.map((b) => [`${b.south}° to ${b.north}°`, ...some.map((l) => number(b.counts[l]))]), "figures"));
  }

  // without says what a chunk is that the catalogue does not have.
  #without(id) {
    const known = this.#empty !== null && this.#empty.some(([first, last]) => first <= id && id <= last);
    return known ? "it holds no rows" : "not in the catalogue";
  }

  #draw() {
    const shown = this.#canvas.clientWidth;
    if (this.#sky === null || this.#found === null || shown === 0) return;
    const width = 2 * Math.round(shown * Math.min(2, devicePixelRatio) / 2);
    if (width !== this.#size) {
      this.#size = width;
      this.#canvas.width = width;
      this.#canvas.height = width / 2;
      this.#ids = lattice(width, width / 2, this.#sky);
    }
    const height = width / 2;
    const pen = this.#canvas.getContext("2d");
    const style = getComputedStyle(this.#canvas);
    const colour = (property) => parse(style.getPropertyValue(property));
    const image = pen.createImageData(width, height);
    const edges = (height * Math.SQRT1_2) / this.#sky.stripes >= least;
    paint(image.data, this.#ids, width, this.#found.level, titles.map((_, level) => colour(`--level${level}`)),
      edges ? colour("--edge") : null);
    pen.putImageData(image, 0, 0);
    this.#grid(pen, width, height, style);
    if (this.#marked !== null) this.#ring(pen, width, height, style);
  }

  #grid(pen, width, height, style) {
    pen.strokeStyle = style.getPropertyValue("--grid");
    pen.lineWidth = width / 1200;
    pen.beginPath();
    const to = (ra, dec, begin) => {
      const { x, y } = project(ra, dec);
      pen[begin ? "moveTo" : "lineTo"](((x + 1) * width) / 2, ((1 - y) * height) / 2);
    };
    for (let dec = -60; dec <= 60; dec += 30) for (let i = 0; i <= 90; i++) to(180.001 + 3.99999 * i, dec, i === 0);
    for (let ra = -120; ra <= 120; ra += 60) for (let i = 0; i <= 60; i++) to(ra, -90 + 3 * i, i === 0);
    pen.stroke();
    pen.beginPath();
    pen.ellipse(width / 2, height / 2, width / 2 - 1, height / 2 - 1, 0, 0, 2 * Math.PI);
    pen.stroke();
    this.#labels(pen, width, height, style);
  }

  // labels says what the lines are: right ascension along the equator, declination along the middle.
  #labels(pen, width, height, style) {
    const scale = width / this.#canvas.clientWidth;
    if (this.#canvas.clientWidth < 480) return; // there is no room
    pen.font = `${12 * scale}px sans-serif`;
    pen.fillStyle = style.getPropertyValue("--label");
    pen.strokeStyle = style.getPropertyValue("--halo");
    pen.lineWidth = 3 * scale;
    const write = (text, ra, dec) => {
      const { x, y } = project(ra, dec);
      const place = [((x + 1) * width) / 2 + 4 * scale, ((1 - y) * height) / 2 - 4 * scale];
      pen.strokeText(text, ...place);
      pen.fillText(text, ...place);
    };
    for (const ra of [120, 60, 0, 300, 240]) write(`${ra}°`, ra, 0);
    for (const dec of [-60, -30, 30, 60]) write(`${dec > 0 ? "+" : ""}${dec}°`, 0, dec);
  }

  // ring draws a circle around the chunk that is shown: it can be too small to be seen.
  #ring(pen, width, height, style) {
    const at = box(this.#marked, this.#sky);
    if (at === null) return;
    const { x, y } = project((at.west + at.east) / 2, (at.south + at.north) / 2);
    pen.strokeStyle = style.getPropertyValue("--ring");
    pen.lineWidth = width / 300;
    pen.beginPath();
    pen.arc(((x + 1) * width) / 2, ((1 - y) * height) / 2, Math.max(width / 90, (0.8 * height) / this.#sky.stripes), 0,
      2 * Math.PI);
    pen.stroke();
  }

  #point(event) {
    if (this.#sky === null) return;
    const at = this.#canvas.getBoundingClientRect();
    const place = unproject((2 * (event.clientX - at.left)) / at.width - 1,
      1 - (2 * (event.clientY - at.top)) / at.height);
    if (place === null) return;
    const id = chunkAt(place.ra, place.dec, this.#sky);
    if (id === this.#marked) return;
    this.#input.value = id;
    this.#mark(id);
  }

  // mark shows a chunk, and says where it is and which nodes have it.
  #mark(id) {
    this.#marked = id;
    requestAnimationFrame(() => this.#draw());
    if (id === null) return show(this.#told, "Point at the map, or name a chunk.");
    const at = this.#sky === null ? null : box(id, this.#sky);
    const nodes = this.#chunks.get(id);
    const degrees = (n) => `${Number(n.toFixed(3))}°`;
    show(this.#told, `Chunk ${id}: `,
      at === null ? "no part of the sky; " : `right ascension ${degrees(at.west)} to ${degrees(at.east)}, ` +
        `declination ${degrees(at.south)} to ${degrees(at.north)}; `,
      nodes === undefined ? this.#without(id) : nodes.length === 0 ? "no replica" : "on ",
      (nodes ?? []).map((n, i) => [i > 0 ? ", " : "", name(n, 60)]).flat());
  }
}

// parse reads a colour such as #1b4b82.
function parse(text) {
  const n = parseInt(text.trim().slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}
