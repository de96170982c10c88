// The plot of a lag. No function here touches the document.

const span = 300; // seconds that a plot shows

// remember adds a sample to those of a plot. A value that is null is not known.
export function remember(samples, time, value) {
  const kept = samples.filter((s) => s.time > time - span * 1000);
  kept.push({ time, value });
  return kept;
}

// top returns what the upper end of a plot stands for.
export function top(samples) {
  const highest = Math.max(0, ...samples.map((s) => s.value ?? 0));
  return [5, 10, 30, 60, 300, 600, 1800, 3600, 21600, 86400].find((n) => n >= highest) ?? highest;
}

// path returns the outline of a plot as an SVG path, in a box of a width and height. Where nothing is known it has a
// gap.
export function path(samples, now, width, height) {
  const scale = top(samples);
  const x = (time) => Math.max(0, width * (1 - (now - time) / (span * 1000))).toFixed(1);
  const y = (value) => (height * (1 - value / scale)).toFixed(1);
  let pen = "M";
  let all = "";
  for (const { time, value } of samples) {
    if (value === null) {
      pen = "M";
      continue;
    }
    all += `${pen}${x(time)} ${y(value)}`;
    pen = "L";
  }
  return all;
}

// summary tells what a plot shows.
export function summary(samples, words) {
  const known = samples.filter((s) => s.value !== null).map((s) => s.value);
  if (known.length === 0) return "The lag of the last 5 minutes is not known.";
  return `Lag of the last 5 minutes: at most ${words(Math.max(...known))}, now ${words(known.at(-1))}.`;
}
