// Asking the daemon. A token, where there is one, is kept for as long as the tab is open.

const kept = "css-sync token";

// Problem is an answer that tells of a fault.
export class Problem extends Error {
  constructor(status, code, message, hint) {
    super(hint ? `${message} (${hint})` : message);
    this.status = status;
    this.code = code;
  }
}

export function token() {
  return sessionStorage.getItem(kept) ?? "";
}

export function keepToken(text) {
  if (text === "") sessionStorage.removeItem(kept);
  else sessionStorage.setItem(kept, text);
}

function headers(bearer, more = {}) {
  return bearer === "" ? more : { ...more, Authorization: `Bearer ${bearer}` };
}

// request asks for something and returns the response. It fails with a Problem.
async function request(method, path, { bearer = token(), more = {}, signal } = {}) {
  let response;
  try {
    response = await fetch(path, { method, headers: headers(bearer, more), signal, credentials: "same-origin" });
  } catch (err) {
    if (err.name === "AbortError") throw err;
    throw new Problem(0, "unreachable", "the daemon does not answer");
  }
  if (response.ok) return response;
  let told = {};
  try {
    told = await response.json();
  } catch { // it is of something between here and the daemon
  }
  throw new Problem(response.status, told.code ?? "", told.message ?? `the answer is ${response.status}`, told.hint);
}

// get reads JSON.
export async function get(path, options) {
  return (await request("GET", path, options)).json();
}

// act asks for a change.
export async function act(method, path) {
  return (await request(method, path)).json();
}

// part makes a text a part of a path.
export function part(text) {
  return encodeURIComponent(text);
}

// watch reads the events of the catalogue until signal ends it, and returns when they end. Each event is its name, its
// id and its data, as text. It begins after the event with the id last, if there is one.
export async function watch(last, signal, each) {
  const more = last === "" ? {} : { "Last-Event-ID": last };
  const response = await request("GET", "/v1/watch", { more, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = eventParser(each);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parse(value);
  }
}

// eventParser returns a function that takes pieces of a stream of events, and calls each for every event that is whole.
export function eventParser(each) {
  let event = { name: "message", id: null, data: [] };
  let parts = []; // of a line that has not ended
  const line = (text) => {
    if (text === "") {
      if (event.data.length > 0 || event.id !== null) each(event.name, event.id ?? "", event.data.join("\n"));
      event = { name: "message", id: null, data: [] };
      return;
    }
    const colon = text.indexOf(":");
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
    else if (field === "data") event.data.push(value);
  };
  return (piece) => {
    const lines = piece.split("\n");
    for (const [i, text] of lines.entries()) {
      parts.push(text);
      if (i === lines.length - 1) return;
      line(parts.join(""));
      parts = [];
    }
  };
}
