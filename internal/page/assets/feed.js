// What keeps the page up to date: it asks how all stands every other second while somebody looks, and listens to the
// changes of the catalogue.

import { get, watch } from "./api.js";

const pause = 2000;
const longestPause = 30000;
const large = 1 << 20; // characters of an event that is not looked into

export class Feed extends EventTarget {
  #last = "";
  #listening = null;
  #timer = 0;
  #failures = 0;

  // start begins to ask and to listen, also anew with another token.
  start() {
    this.stop();
    this.#listening = new AbortController();
    this.#poll();
    this.#listen(this.#listening.signal);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#listening?.abort();
    this.#listening = null;
  }

  get running() {
    return this.#listening !== null;
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  async #poll() {
    const mine = this.#listening;
    if (mine === null) return;
    try {
      const status = await get("/v1/status", { signal: mine.signal });
      if (mine !== this.#listening) return;
      this.#failures = 0;
      this.tell("status", status);
    } catch (problem) {
      if (mine !== this.#listening) return;
      this.#failures++;
      this.tell("problem", problem);
    }
    if (mine !== this.#listening) return; // who was told has stopped it
    this.#timer = setTimeout(() => this.#poll(), Math.min(longestPause, pause * 2 ** Math.min(this.#failures, 4)));
  }

  async #listen(signal) {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await watch(this.#last, signal, (name, id, data) => {
          failures = 0;
          this.#take(name, id, data);
        });
      } catch (problem) {
        if (signal.aborted) return;
        if (problem.status === 400) this.#last = ""; // it is of another time
      }
      if (!signal.aborted) await wait(Math.min(longestPause, 1000 * 2 ** Math.min(failures, 5)), signal);
    }
  }

  #take(name, id, data) {
    this.#last = id || this.#last;
    if (name === "reset" || data.length > large) this.tell("changed", null);
    else if (name === "change") {
      const step = JSON.parse(data);
      this.tell("changed", step.regressed ? null : step.changes.map((c) => c.key)); // else all may be another
    }
  }
}

function wait(milliseconds, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    }, { once: true });
  });
}

// gently returns a function that calls f soon after it was called, and once for many calls. While f runs it is not
// called again.
export function gently(milliseconds, f) {
  let timer = 0;
  let running = false;
  let again = false;
  const run = async () => {
    timer = 0;
    running = true;
    try {
      await f();
    } finally {
      running = false;
      if (again) ask();
    }
  };
  const ask = () => {
    again = running;
    if (!running && timer === 0) timer = setTimeout(run, milliseconds);
  };
  return ask;
}
