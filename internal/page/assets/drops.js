// Drops: what they wait for, and for how long.

import { badge, el, name, nothing, setText, show, table } from "./dom.js";
import { countdown, duration, visible } from "./words.js";

const list = document.getElementById("drop-list");
const phases = { requested: "plain", marked: "warn", dropping: "warn", failed: "bad" };

// showDrops tells of the drops that have not ended. Acts are what may be done, null where nothing may.
export function showDrops(drops, now, acts) {
  if (drops.length === 0) return show(list, nothing("Nothing is being dropped."));
  const columns = ["Name", "Phase", "Delay left", "Held up by", "Wanted"];
  if (acts !== null) columns.push("Act");
  show(list, table("Drops that have not ended", columns, drops.map((d) => {
    const cells = [
      el("span", {}, name(d.name, 80), " ", el("small", {}, d.kind)),
      el("span", {}, badge(phases[d.phase] ?? "plain", d.phase),
        el("small", { class: "summary" }, name(d.summary, 300))),
      left(d, now), holders(d), wanted(d),
    ];
    if (acts !== null) cells.push(el("div", { class: "buttons" }, buttons(d, acts)));
    return cells;
  })));
}

function left(d, now) {
  if (d.left_seconds <= 0) return "over";
  return el("span", { class: "countdown", "data-until": now + d.left_seconds * 1000 }, countdown(d.left_seconds));
}

// tick moves on the countdowns.
export function tick(now) {
  for (const node of list.querySelectorAll("[data-until]")) {
    setText(node, countdown((Number(node.dataset.until) - now) / 1000));
  }
}

function holders(d) {
  const all = d.waiting_for.map((b) => el("li", {}, name(b.name || b.czar, 60), ": ", name(b.why, 200)));
  if (d.tables_first) all.push(el("li", {}, "drops of its tables"));
  if (d.error) all.push(el("li", { class: "problem" }, name(d.error, 300)));
  if (d.trouble && d.trouble !== d.error) all.push(el("li", { class: "problem" }, name(d.trouble, 300)));
  return all.length === 0 ? "nobody" : el("ul", { class: "plain" }, all);
}

function wanted(d) {
  const age = d.age_seconds === undefined ? "" : `${duration(d.age_seconds)} ago`;
  return el("span", {}, age, d.by !== "" && [" by ", name(d.by, 60)]);
}

function buttons(d, acts) {
  const button = (label, act) => el("button", { type: "button", "data-key": `${label} ${visible(d.name)}`,
    onclick: () => act(d) }, label);
  return [
    (d.phase === "requested" || d.phase === "marked") && button("Cancel", acts.cancel),
    d.phase === "failed" && button("Retry", acts.retry),
  ];
}
