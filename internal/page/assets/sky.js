// How Qserv cuts the sky, and how a map shows it. No function here touches the document.
//
// The sphere is cut into stripes of equal height from the south pole on, and each stripe into chunks of equal width
// from right ascension 0 on: as many as there can be so that two points on opposite sides of a chunk are nowhere closer
// than a stripe is high. The id of a chunk is 2 * stripes * stripe + its number in the stripe.

const radians = Math.PI / 180;

export const mostStripes = 2000; // that a map is drawn of

// chunksIn returns how many chunks a stripe has.
export function chunksIn(stripe, stripes) {
  const height = 180 / stripes;
  const farthest = Math.max(Math.abs(stripe * height - 90), Math.abs((stripe + 1) * height - 90));
  if (farthest > 90 - 1 / 3600) return 1; // it reaches the pole
  const up = Math.sin(farthest * radians) ** 2;
  const along = Math.cos(farthest * radians) ** 2;
  const cosine = Math.max(-1, Math.min(1, (Math.cos(height * radians) - up) / along));
  return Math.max(1, Math.floor((2 * Math.PI) / Math.acos(cosine)));
}

// partition returns what there is to know of how stripes cut the sky.
export function partition(stripes) {
  const chunks = Array.from({ length: stripes }, (_, stripe) => chunksIn(stripe, stripes));
  return { stripes, chunks, total: chunks.reduce((sum, n) => sum + n, 0), ids: 2 * stripes * stripes };
}

// box returns where a chunk is, in degrees; null for an id that no chunk has.
export function box(id, sky) {
  const stripe = Math.floor(id / (2 * sky.stripes));
  const chunk = id % (2 * sky.stripes);
  if (!Number.isInteger(id) || id < 0 || stripe >= sky.stripes || chunk >= sky.chunks[stripe]) return null;
  const height = 180 / sky.stripes;
  const width = 360 / sky.chunks[stripe];
  return {
    stripe, chunk, south: stripe * height - 90, north: (stripe + 1) * height - 90, west: chunk * width,
    east: (chunk + 1) * width,
  };
}

// chunkAt returns the id of the chunk at a place, in degrees.
export function chunkAt(ra, dec, sky) {
  const stripe = Math.min(sky.stripes - 1, Math.max(0, Math.floor(((dec + 90) / 180) * sky.stripes)));
  const turn = (((ra % 360) + 360) % 360) / 360;
  const n = sky.chunks[stripe];
  return 2 * sky.stripes * stripe + Math.min(n - 1, Math.floor(turn * n));
}

// project returns where a place is on the map, by Hammer and Aitoff: x and y from -1 to 1. Right ascension 0 is in the
// middle and rises to the left, as one sees it from inside; north is up.
export function project(ra, dec) {
  const turn = ((((ra + 180) % 360) + 360) % 360) - 180;
  const half = (turn * radians) / 2;
  const lat = dec * radians;
  const z = Math.sqrt(1 + Math.cos(lat) * Math.cos(half));
  return { x: -(Math.cos(lat) * Math.sin(half)) / z, y: Math.sin(lat) / z };
}

// unproject is the inverse of project; null beside the sky.
export function unproject(x, y) {
  if (x * x + y * y > 1 + 1e-12) return null;
  const across = -x * 2 * Math.SQRT2;
  const up = y * Math.SQRT2;
  const z = Math.sqrt(Math.max(0, 1 - (across / 4) ** 2 - (up / 2) ** 2));
  const half = Math.atan2(z * across, 2 * (2 * z * z - 1));
  return { ra: ((2 * half) / radians + 360) % 360, dec: Math.asin(Math.max(-1, Math.min(1, z * up))) / radians };
}

// What a chunk is on a map.
export const absent = 0; // the catalogue does not have it
export const bare = 1; // it has no replica; one more for each, up to five
const fullest = 5;
export const empty = 6; // the catalogue does not have it, and says that it holds no rows

// runs reads a set of chunks such as "0-311,313": the first and the last id of each run.
export function runs(text) {
  if (text === "") return [];
  return text.split(",").map((part) => {
    const [first, last] = part.split("-").map(Number);
    return [first, last ?? first];
  });
}

// levels returns what each chunk is, by its id, and what there is beside the sky. Those in the runs hold no rows; those
// that are placed all the same are counted.
export function levels(chunks, sky, emptyRuns = []) {
  const level = new Uint8Array(sky.ids);
  const counts = [sky.total, 0, 0, 0, 0, 0, 0];
  const outside = [];
  let placed = 0;
  for (const [first, last] of emptyRuns) {
    for (let id = first; id <= Math.min(last, sky.ids - 1); id++) {
      if (box(id, sky) === null) continue;
      level[id] = empty;
      counts[absent]--;
      counts[empty]++;
    }
  }
  for (const { id, nodes } of chunks) {
    if (box(id, sky) === null) {
      outside.push(id);
      continue;
    }
    if (level[id] === empty) placed++;
    counts[level[id]]--;
    level[id] = Math.min(fullest, bare + nodes.length);
    counts[level[id]]++;
  }
  return { level, counts, outside, placed };
}

// lattice returns the id of the chunk at each pixel of a map, -1 beside the sky.
export function lattice(width, height, sky) {
  const ids = new Int32Array(width * height).fill(-1);
  for (let row = 0; row < height; row++) {
    const y = 1 - (2 * (row + 0.5)) / height;
    for (let column = 0; column < width; column++) {
      const at = unproject((2 * (column + 0.5)) / width - 1, y);
      if (at !== null) ids[row * width + column] = chunkAt(at.ra, at.dec, sky);
    }
  }
  return ids;
}

// paint fills the pixels of a map. Colours are [red, green, blue] for each level, and for what lies between chunks
// where they are large enough to be told apart.
export function paint(pixels, ids, width, level, colours, line) {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (id < 0) continue;
    const edge = line !== null && ((i % width > 0 && ids[i - 1] !== id && ids[i - 1] >= 0) ||
      (i >= width && ids[i - width] !== id && ids[i - width] >= 0));
    const [red, green, blue] = edge ? line : colours[level[id]];
    pixels[4 * i] = red;
    pixels[4 * i + 1] = green;
    pixels[4 * i + 2] = blue;
    pixels[4 * i + 3] = 255;
  }
}

// bands sums up what a map shows, in bands of declination.
export function bands(sky, level, degrees = 15) {
  const all = [];
  for (let south = -90; south < 90; south += degrees) {
    all.push({ south, north: south + degrees, counts: [0, 0, 0, 0, 0, 0, 0] });
  }
  for (let stripe = 0; stripe < sky.stripes; stripe++) {
    const middle = ((stripe + 0.5) * 180) / sky.stripes;
    const band = all[Math.min(all.length - 1, Math.floor(middle / degrees))];
    const first = 2 * sky.stripes * stripe;
    for (let chunk = 0; chunk < sky.chunks[stripe]; chunk++) band.counts[level[first + chunk]]++;
  }
  return all.reverse(); // north first, as on the map
}
