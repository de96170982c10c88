// The status page of css-sync: what happens when.

import { act, get, keepToken, part, token } from "./api.js";
import * as details from "./details.js";
import { el, setText, show } from "./dom.js";
import * as drops from "./drops.js";
import { Feed, gently } from "./feed.js";
import * as records from "./records.js";
import { showAlarms, showCzars, showMirrors, showSums } from "./standing.js";
import { Tree } from "./tree.js";
import { visible } from "./words.js";

const $ = (id) => document.getElementById(id);

const feed = new Feed();
const tree = new Tree((db, table) => details.choose(db, table));
let access = { reads: false, writes: false, bearer: null };
let status = null; // the newest

// begin finds out what may be done, and does what may.
async function begin() {
  try {
    access = await get("/v1/access");
  } catch (problem) {
    offline(problem);
    setTimeout(begin, 3000);
    return;
  }
  if (access.token === "wrong") {
    keepToken("");
    return begin();
  }
  setText($("token-open"), access.writes ? `Token of ${visible(access.bearer ?? "nobody by name", 30)}` : "Token");
  if (!access.reads) {
    setText($("connection"), "a token is needed");
    openToken();
    return;
  }
  feed.start();
  readTree();
  readChanges();
}

// guarded tells of a fault in the page, and goes on.
function guarded(f) {
  return async () => {
    if (!access.reads) return;
    try {
      await f();
    } catch (problem) {
      if (problem.name !== "AbortError") say(problem.message);
    }
  };
}

const readTree = gently(200, guarded(() => tree.read()));
const readChanges = gently(500, guarded(() => records.readChanges()));
const readDetails = gently(300, guarded(() => details.refresh()));

feed.addEventListener("status", ({ detail }) => {
  status = detail;
  $("connection").className = "live";
  setText($("connection"), "live");
  showAll();
});

function showAll() {
  const now = Date.now();
  showAlarms(status);
  showSums(status);
  showMirrors(status, now);
  showCzars(status, now, access.writes ? evict : null);
  records.showRecords(status);
  readDrops();
}

const readDrops = gently(0, guarded(async () => {
  const any = Object.values(status.drops?.phases ?? {}).some((n) => n > 0);
  drops.showDrops(any ? await get("/v1/drops") : [], Date.now(), access.writes ? { cancel, retry } : null);
}));

function offline(problem) {
  $("connection").className = "lost";
  setText($("connection"), problem.message);
}

feed.addEventListener("problem", ({ detail: problem }) => {
  offline(problem);
  if (problem.status === 401 || problem.status === 403) {
    feed.stop();
    begin();
    return;
  }
  if (status === null) return;
  showAlarms(status, [{ grave: true, where: "css-sync", text: problem.message, do: "", since: "" }]);
});

// Keys that changed are null where they are not known.
feed.addEventListener("changed", ({ detail: keys }) => {
  if (keys === null) records.forget();
  readChanges();
  const touched = new Set();
  let names = keys === null;
  for (const key of keys ?? []) {
    if (key.startsWith("css_empty/")) touched.add(key.slice("css_empty/".length));
    const [, root, db, , table, ...rest] = key.split("/");
    if (root !== "DBS") continue;
    touched.add(db);
    if (rest.length === 0 && (table !== undefined || key === `/DBS/${db}`)) names = true;
  }
  if (names) readTree();
  if (keys === null || touched.has(details.chosenDatabase())) readDetails();
});

setInterval(() => drops.tick(Date.now()), 1000);

document.addEventListener("visibilitychange", () => {
  if (!access.reads) return;
  if (document.hidden) feed.stop();
  else if (!feed.running) feed.start();
});

const find = gently(150, guarded(() => tree.find($("search").value.trim())));
$("search").addEventListener("input", find);

// What a token allows.

function evict(czar) {
  const name = visible(czar.name || czar.id, 60);
  confirm(`Evict the czar ${name}?`,
    "Its registration ends, and its queries are told to end. Drops no longer wait for it.", "Evict",
    () => act("DELETE", `/v1/czars/${part(czar.id)}`), `The registration of ${name} is ending.`);
}

function cancel(drop) {
  const name = visible(drop.name, 80);
  confirm(`Cancel the drop of ${name}?`, "It stays, and queries may use it again.", "Cancel the drop",
    () => act("POST", `/v1/drops/${part(drop.name)}/cancel`), `The drop of ${name} is cancelled.`);
}

function retry(drop) {
  const name = visible(drop.name, 80);
  confirm(`Try again to remove the data of ${name}?`, "It is tried at once.", "Try again",
    () => act("POST", `/v1/drops/${part(drop.name)}/retry`), `The data of ${name} is being removed.`);
}

function confirm(title, text, label, f, done) {
  setText($("ask-title"), title);
  setText($("ask-text"), text);
  setText($("ask-yes"), label);
  $("ask-yes").onclick = async () => {
    $("ask-dialog").close();
    try {
      await f();
      say(done);
    } catch (problem) {
      say(problem.message);
    }
    if (status !== null) readDrops();
  };
  $("ask-dialog").showModal();
  $("ask-no").focus();
}

$("ask-no").addEventListener("click", () => $("ask-dialog").close());

let hiding = 0;

// say tells what became of something, for a while.
function say(text) {
  clearTimeout(hiding);
  $("said").hidden = false;
  show($("said"), el("p", {}, text));
  hiding = setTimeout(() => { $("said").hidden = true; }, 8000);
}

// The token.

function openToken() {
  setText($("token-problem"), access.reads ? "" : "This daemon lets nobody read without a token.");
  $("token-forget").hidden = token() === "";
  if (!$("token-dialog").open) $("token-dialog").showModal();
}

$("token-open").addEventListener("click", openToken);
$("token-close").addEventListener("click", () => $("token-dialog").close());
$("token-forget").addEventListener("click", () => useToken(""));
$("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("token-text").value.trim();
  if (text === "") return;
  try {
    const is = await get("/v1/access", { bearer: text });
    if (is.token !== "accepted") return setText($("token-problem"), "This daemon does not take that token.");
  } catch (problem) {
    return setText($("token-problem"), problem.message);
  }
  useToken(text);
});

function useToken(text) {
  feed.stop();
  keepToken(text);
  $("token-text").value = "";
  $("token-dialog").close();
  begin();
}

begin();
