// Alarms, numbers, mirrors and czars: what GET /v1/status says.

import { alarmsOf } from "./alarms.js";
import { badge, el, facts, name, nothing, setText, show, svg, table } from "./dom.js";
import { path, remember, summary, top } from "./plot.js";
import { ago, bytes, count, duration, freshness, lag, moment, number } from "./words.js";

const $ = (id) => document.getElementById(id);

let shownAlarms = "";

// showAlarms tells what is wrong. It changes nothing while that is the same, since each change is read aloud.
export function showAlarms(status, more = []) {
  const all = [...more, ...alarmsOf(status)];
  const now = JSON.stringify(all);
  if (now === shownAlarms) return;
  shownAlarms = now;
  document.title = all.length > 0 ? `(${all.length}) css-sync` : "css-sync";
  if (all.length === 0) return show($("alarm-list"), el("p", { class: "well" }, "All is well."));
  show($("alarm-list"), el("ul", { class: "alarms" }, all.map((a) =>
    el("li", { class: a.grave ? "grave" : "slight" },
      el("p", {}, el("strong", {}, name(a.where, 80)), " ", name(a.text, 500)),
      a.do !== "" && el("p", { class: "do" }, name(a.do, 500)),
      a.since !== "" && el("p", { class: "since" }, `since ${moment(a.since)}`)))));
}

// showSums tells how much there is.
export function showSums({ catalogue, etcd }) {
  const tiles = catalogue === null ? [] : [
    ["databases", catalogue.databases], ["tables", catalogue.tables], ["chunks", catalogue.chunks],
    ["nodes", catalogue.nodes], ["keys", catalogue.keys],
  ];
  tiles.push(["revision of etcd", etcd.revision]);
  const size = Math.max(0, ...etcd.endpoints.map((e) => e.db_bytes));
  const all = [...tiles.map(([term, n]) => [term, number(n)]), ["size of etcd", bytes(size)]];
  show($("sum-list"), all.map(([term, text]) => el("div", {}, el("dt", {}, term), el("dd", {}, text))));
  setText($("where"), etcd.prefix);
}

const samples = new Map(); // of lags, by mirror

function keyOf(mirror) {
  return `${mirror.name} ${mirror.server}`;
}

// showMirrors tells how mirrors stand. Their lag is remembered for as long as the page is open.
export function showMirrors({ mirrors }, now) {
  const there = new Set(mirrors.map(keyOf));
  for (const key of samples.keys()) if (!there.has(key)) samples.delete(key);
  for (const m of mirrors) samples.set(keyOf(m), remember(samples.get(keyOf(m)) ?? [], now, m.lag_seconds));
  if (mirrors.length === 0) return show($("mirror-list"), nothing("No mirror is kept."));
  show($("mirror-list"), mirrors.map((m) => mirrorCard(m, now)));
}

function mirrorCard(m, now) {
  const phase = m.daemon?.phase ?? (m.leader === "" ? "no daemon" : "no report");
  const good = m.troubles.length === 0 ? "good" : m.troubles.some((t) => t.holds) ? "bad" : "warn";
  return el("article", { class: "card mirror", "data-mirror": m.name },
    el("div", { class: "head" }, el("h3", {}, name(m.name || m.server, 80)), badge(good, phase)),
    el("p", { class: "lag" }, lag(m.lag_seconds, m.lag_revisions)),
    plotOf(samples.get(keyOf(m)), now),
    facts(
      ["MySQL", m.server === "" ? null : name(m.server)],
      ["led by", m.leader === "" ? "nobody" : name(m.leader)],
      ["standing by", m.standing_by.length === 0 ? null : m.standing_by.map((s) => el("div", {}, name(s)))],
      ["shows revision", m.ok ? number(m.applied_revision) : null],
      ["last written", m.updated ? ago(Date.parse(m.updated), now) : null],
      ["rows", m.ok ? number(m.rows) : null],
      ["who may write", m.writers || null],
      ["on record", m.ok ? onRecord(m) : null],
    ));
}

function onRecord(m) {
  const parts = [];
  if (m.waiting > 0) parts.push(`${number(m.waiting)} waiting`);
  if (m.quarantined > 0) parts.push(`${number(m.quarantined)} in quarantine`);
  if (m.conflicts > 0) parts.push(count(m.conflicts, "conflict"));
  if (m.foreign > 0) parts.push(count(m.foreign, "foreign write"));
  return parts.length === 0 ? "nothing" : parts.join(", ");
}

const wide = 300;
const high = 64;

function plotOf(all, now) {
  const line = path(all, now, wide, high);
  return el("figure", { class: "plot" },
    svg("svg", { viewBox: `0 -2 ${wide} ${high + 4}`, preserveAspectRatio: "none", role: "img", "aria-label":
      summary(all, duration) },
    svg("path", { class: "grid", d: `M0 0H${wide}M0 ${high / 2}H${wide}M0 ${high}H${wide}` }),
    line !== "" && svg("path", { class: "line", d: line })),
    el("figcaption", {}, el("span", {}, "5 min ago"), el("span", {}, `full height: ${duration(top(all))} behind`),
      el("span", {}, "now")));
}

const states = { alive: "good", silent: "bad", ending: "warn" };

// showCzars tells which czars are registered, and how fresh what they know is. A czar that is silent or ends can be
// evicted by who may.
export function showCzars({ czars, etcd }, now, evict) {
  if (czars.length === 0) return show($("czar-list"), nothing("No czar is registered."));
  const columns = ["Czar", "State", "Has seen", "Registered"];
  if (evict !== null) columns.push("Act");
  show($("czar-list"), table("Registered czars", columns, czars.map((c) => {
    const cells = [
      el("span", {}, name(c.name || c.id, 60), c.name !== "" && el("small", { class: "id" }, name(c.id, 40))),
      badge(states[c.state] ?? "plain", c.state),
      el("span", { class: "brief" }, freshness(c.seen, etcd.revision)), ago(Date.parse(c.since), now),
    ];
    if (evict !== null) {
      cells.push(el("button", { type: "button", class: "danger", "data-key": `evict ${c.id}`, onclick: () => evict(c) },
        "Evict"));
    }
    return cells;
  })));
}
