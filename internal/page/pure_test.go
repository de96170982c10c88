package page_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// chunksOf is how many chunks each stripe has, as Qserv counts them; written another way than the page's.
func chunksOf(stripes int) []int {
	all := make([]int, stripes)
	height := math.Pi / float64(stripes)
	for stripe := range stripes {
		south := float64(stripe)*height - math.Pi/2
		lat := max(math.Abs(south), math.Abs(south+height))
		if stripe == 0 || stripe == stripes-1 {
			all[stripe] = 1
			continue
		}
		x := math.Cos(height) - math.Pow(math.Sin(lat), 2)
		y := math.Sqrt(math.Abs(math.Pow(math.Cos(lat), 4) - x*x))
		all[stripe] = max(1, int(2*math.Pi/math.Abs(math.Atan2(y, x))))
	}
	return all
}

// TestModules of the page that touch no document, in one tab.
func TestModules(t *testing.T) {
	o := modules(t)
	for name, test := range map[string]func(*testing.T, *tab){
		"SkyIsCutAsQservCutsIt": testSkyIsCutAsQservCutsIt,
		"LevelsOfTheMap":        testLevelsOfTheMap,
		"Words":                 testWords,
		"Plot":                  testPlot,
		"EventsComeInPieces":    testEventsComeInPieces,
	} {
		t.Run(name, func(t *testing.T) { test(t, o) })
	}
}

// testSkyIsCutAsQservCutsIt, and the map leads from a place to its chunk and back.
func testSkyIsCutAsQservCutsIt(t *testing.T, o *tab) {
	for _, stripes := range []int{1, 2, 3, 5, 18, 60, 85, 340} {
		assert.Equal(t, chunksOf(stripes), ask[[]int](o, fmt.Sprintf(
			`import("/page/sky.js").then((s) => s.partition(%d).chunks)`, stripes)), stripes)
	}
	// Chunks of Qserv's own test data, which lies around right ascension 0 and declination 0, cut into 85 stripes.
	assert.Equal(t, []int{0, 6630, 6631, 7141}, ask[[]int](o, `import("/page/sky.js").then((s) => {
		const sky = s.partition(85);
		return [[200, -90], [0.5, -6.4], [2.5, -6.4], [2.5, 0.1]].map(([ra, dec]) => s.chunkAt(ra, dec, sky));
	})`))
	assert.Equal(t, "", ask[string](o, `import("/page/sky.js").then((s) => {
		const sky = s.partition(85);
		let n = 0;
		for (let id = 0; id < sky.ids; id++) {
			const b = s.box(id, sky);
			if (b === null) continue;
			n++;
			const ra = (b.west + b.east) / 2, dec = (b.south + b.north) / 2;
			if (s.chunkAt(ra, dec, sky) !== id) return "chunk " + id + " is elsewhere";
			const on = s.project(ra, dec);
			const back = s.unproject(on.x, on.y);
			if (Math.abs(back.dec - dec) > 1e-6 || Math.cos(dec * Math.PI / 180) * Math.abs(
				((back.ra - ra + 540) % 360) - 180) > 1e-6) return "the map leads from chunk " + id + " elsewhere";
		}
		if (n !== sky.total) return n + " chunks, and not " + sky.total;
		if ([-1, 1.5, 1, sky.ids, 1234567890].some((id) => s.box(id, sky) !== null)) return "a chunk that there is not";
		return s.unproject(0.9, 0.9) === null ? "" : "a place beside the sky";
	})`))
}

// testLevelsOfTheMap count replicas, and what is beside the sky.
func testLevelsOfTheMap(t *testing.T, o *tab) {
	assert.Equal(t, "[17,1,1,0,0,1,1] [9,1234567890] 21 1:0:5:6 1", ask[string](o, `import("/page/sky.js").then((s) => {
		const sky = s.partition(5);
		const chunks = [{id: 0, nodes: []}, {id: 20, nodes: ["a"]}, {id: 21, nodes: [..."abcdefg"]}, {id: 9, nodes: []},
			{id: 1234567890, nodes: []}];
		const {level, counts, outside, placed} = s.levels(chunks, sky, s.runs("1-2,9,20,22,1000-1234567890"));
		const bands = s.bands(sky, level, 90);
		const sum = bands.flatMap((b) => b.counts).reduce((a, b) => a + b);
		return [JSON.stringify(counts), JSON.stringify(outside), sum, [level[0], level[1], level[21], level[22]].join(":"),
			placed].join(" ");
	})`))
	assert.Equal(t, "0,0,0,0 1,2,3,255 9,9,9,255", ask[string](o, `import("/page/sky.js").then((s) => {
		const pixels = new Uint8ClampedArray(12);
		s.paint(pixels, new Int32Array([-1, 0, 1]), 3, new Uint8Array([0, 1]), [[1, 2, 3], [4, 5, 6]], [9, 9, 9]);
		return [0, 4, 8].map((i) => [...pixels.slice(i, i + 4)].join()).join(" ");
	})`))
}

// testWords tell times, amounts and names.
func testWords(t *testing.T, o *tab) {
	for expression, want := range map[string]string{
		`lag(null, null)`: "not known", `lag(0, 0)`: "up to date", `lag(3, 1)`: "3 s, 1 revision behind",
		`lag(0, 2)`: "less than 1 s, 2 revisions behind", `lag(null, 12345)`: "12\u202f345 revisions behind",
		`duration(59.9)`: "59 s", `duration(60)`: "1 min", `duration(3725)`: "1 h 2 min", `duration(90061)`: "1 d 1 h",
		`duration(-5)`: "0 s", `countdown(0)`: "00:00", `countdown(61.2)`: "01:02", `countdown(3600)`: "1:00:00",
		`countdown(-3)`: "00:00", `number(1234567)`: "1\u202f234\u202f567", `count(1, "key")`: "1 key",
		`count(0, "key")`: "0 keys", `bytes(999)`: "999 B", `bytes(34567)`: "34.6 kB", `bytes(2147483648)`: "2.1 GB",
		`moment("2026-07-14T09:05:03.25Z")`: "2026-07-14 09:05:03 UTC", `moment("never")`: "",
		`freshness(0, 7)`: "nothing seen yet", `freshness(7, 7)`: "up to date", `freshness(5, 7)`: "2 revisions ago",
		`freshness(9, 7)`:           "up to date",
		`visible("a\u202eb\u0000")`: "a⟨U+202E⟩b⟨U+0000⟩", `visible("\ud800")`: "\ufffd",
		`visible("x".repeat(10000), 3)`: "xxx… (10\u202f000 characters)", `visible("🔭🔭", 2)`: "🔭🔭",
	} {
		got := ask[string](o, `import("/page/words.js").then((w) => w.`+expression+`)`)
		assert.Equal(t, want, got, expression)
	}
}

// testPlot has a gap where nothing is known, and keeps five minutes.
func testPlot(t *testing.T, o *tab) {
	assert.Equal(t, "M0.0 50.0L60.0 0.0M180.0 100.0|10|3|Lag of the last 5 minutes: at most 10 s, now 0 s.",
		ask[string](o, `import("/page/plot.js").then((p) => {
			let all = [];
			for (const [time, value] of [[0, 99], [400e3, 5], [460e3, 10], [520e3, null], [580e3, 0], [700e3, 0]]) {
				if (time === 700e3) break;
				all = p.remember(all, time, value);
			}
			const known = all.filter((s) => s.value !== null).length;
			return [p.path(all, 700e3, 300, 100), p.top(all), known, p.summary(all, (n) => n + " s")].join("|");
		})`))
}

// testEventsComeInPieces: wherever the stream is cut, the events are the same.
func testEventsComeInPieces(t *testing.T, o *tab) {
	assert.Equal(t, `[["change","7-a","{\"x\":1}"],["message","8-a",""],["reset","9-a","one\ntwo"]]`,
		ask[string](o, `import("/page/api.js").then((a) => {
			const stream = ': css-etcd\n\nid: 7-a\nevent: change\ndata: {"x":1}\n\n: 15s\nid: 8-a\n\n' +
				'id: 9-a\nevent: reset\ndata: one\ndata: two\n\nid: 10-a\nevent: change\ndata: not whole';
			let whole = "";
			for (let at = 1; at < stream.length; at++) {
				const events = [];
				const parse = a.eventParser((...event) => events.push(event));
				parse(stream.slice(0, at));
				parse(stream.slice(at));
				const now = JSON.stringify(events);
				if (whole !== "" && whole !== now) return at + ": " + now;
				whole = now;
			}
			return whole;
		})`))
}
