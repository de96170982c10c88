// Making elements. Whatever is shown is put in as text, never as markup.

import { moment, visible } from "./words.js";

const svgSpace = "http://www.w3.org/2000/svg";

// el makes an element. Attributes that are null or false are left out; "on..." are listeners. Children are elements or
// texts.
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

// svg makes an element of a drawing.
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(svgSpace, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// name shows what somebody else called something: as text, all of which can be seen, and which turns nothing around.
export function name(text, limit) {
  return el("bdi", { class: "name" }, visible(text, limit));
}

// show replaces what is in an element, and keeps the focus where it was if what had it is there again.
export function show(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  if (focused === undefined) return;
  for (const node of parent.querySelectorAll("[data-key]")) {
    if (node.dataset.key === focused) return node.focus();
  }
}

// setText changes a text only where it is another one, so that a screen reader does not say it again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// table makes a table. Columns are names; rows are lists of cells. On a phone each row becomes a card, in which each
// cell says what it is, unless the table is of the kind "figures". What is no table to the eye stays one by its roles.
export function table(caption, columns, rows, kind = null) {
  const cell = (content, i) => el(i === 0 ? "th" : "td", {
    scope: i === 0 ? "row" : null, role: i === 0 ? "rowheader" : "cell", "data-column": columns[i],
  }, content);
  return el("table", { role: "table", class: kind },
    el("caption", { class: "unseen" }, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, columns.map((c) =>
      el("th", { scope: "col", role: "columnheader" }, c)))),
    el("tbody", { role: "rowgroup" }, rows.map((cells) => el("tr", { role: "row" }, cells.map(cell)))));
}

// time shows when something was.
export function time(text) {
  return el("time", { datetime: text }, moment(text));
}

// facts makes a list of names and values; without the values that are null.
export function facts(...pairs) {
  return el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined).map(
    ([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
}

// badge shows a state in a word, with a colour that says how good it is: good, warn, bad or plain.
export function badge(kind, text) {
  return el("span", { class: `badge ${kind}` }, visible(text, 60));
}

// nothing says that there is none of something.
export function nothing(text) {
  return el("p", { class: "nothing" }, text);
}
