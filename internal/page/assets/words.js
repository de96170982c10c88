// How things are told in words. No function here touches the document.

// Characters that would not be seen, or would turn around what stands beside them: controls, marks of direction, and
// what has no width.
const unseen = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]/gu;

const most = 200; // characters of a text that are shown

// visible returns a text as it may be shown: all of it can be seen, and it ends.
export function visible(text, limit = most) {
  const all = [...String(text).slice(0, 2 * limit + 2)];
  const seen = all.slice(0, limit).join("").replace(unseen, (c) => `⟨U+${hex(c)}⟩`).replace(
    /[\ud800-\udfff]/gu, "\ufffd");
  return all.length > limit ? `${seen}… (${count(String(text).length, "character")})` : seen;
}

function hex(c) {
  return c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
}

// number writes a number with a thin space between thousands, as is usual in astronomy.
export function number(n) {
  return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

// count says how many there are of something.
export function count(n, one, many = `${one}s`) {
  return `${number(n)} ${n === 1 ? one : many}`;
}

// duration says how long something takes, in its two largest units.
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => whole >= size);
  const [name, size] = units[first];
  const [lesser, smaller] = units[first + 1];
  const rest = Math.floor((whole % size) / smaller);
  return `${Math.floor(whole / size)} ${name}` + (rest > 0 ? ` ${rest} ${lesser}` : "");
}

// countdown says how long something is still to wait.
export function countdown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const clock = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return whole >= 3600 ? `${Math.floor(whole / 3600)}:${clock}` : clock;
}

// lag says how far a mirror is behind etcd. Seconds or revisions that are null are not known.
export function lag(seconds, revisions) {
  if (seconds === null && revisions === null) return "not known";
  if (!seconds && !revisions) return "up to date";
  const parts = [];
  if (seconds !== null) parts.push(seconds === 0 ? "less than 1 s" : duration(seconds));
  if (revisions) parts.push(count(revisions, "revision"));
  return `${parts.join(", ")} behind`;
}

// bytes says how much data something is.
export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let size = n;
  while (size >= 1000 && at < units.length - 1) {
    size /= 1000;
    at++;
  }
  return `${at === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[at]}`;
}

// ago says how long ago something was.
export function ago(then, now) {
  const seconds = (now - then) / 1000;
  return Number.isFinite(seconds) ? `${duration(seconds)} ago` : "";
}

// moment writes a time so that it can be read and compared: in UTC, as the logs have it.
export function moment(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

// freshness says what a czar has seen of the catalogue.
export function freshness(seen, revision) {
  if (!seen) return "nothing seen yet";
  const behind = Math.max(0, revision - seen);
  return behind === 0 ? "up to date" : `${count(behind, "revision")} ago`;
}
