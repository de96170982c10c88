package page_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// openMap opens the details of a database with its map.
func (o *tab) openMap(db string) {
	o.Helper()
	o.awaitText("#tree", db)
	o.click(db)
	o.awaitText(".map .sum", "of the sky are in the catalogue")
}

// click clicks a row of the tree as a mouse does.
func (o *tab) click(row string) {
	o.Helper()
	ask[bool](o, fmt.Sprintf(`(() => {
		const row = [...document.querySelectorAll("#tree .row")].find((r) => r.textContent.includes(%q));
		const at = row.getBoundingClientRect();
		row.dispatchEvent(new MouseEvent("click", {bubbles: true, clientX: at.x + 5, clientY: at.y + at.height / 2}));
		return true;
	})()`, row))
}

// contrasts finds texts that are not told well enough from what is behind them, by WCAG 2: 4.5, or 3 for large ones.
const contrasts = `(() => {
	const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
	const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 :
		((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (node) => {
		for (; node; node = node.parentElement) {
			const [r, g, b, a = 1] = parse(getComputedStyle(node).backgroundColor);
			if (a === 1) return [r, g, b];
		}
		return [255, 255, 255];
	};
	const faults = new Set();
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const node = walk.currentNode.parentElement;
		if (walk.currentNode.textContent.trim() === "" || !node.checkVisibility() || node.closest(".unseen, script")) continue;
		const style = getComputedStyle(node);
		const [a, b] = [light(parse(style.color)), light(behind(node))].sort((x, y) => y - x);
		const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.7 && style.fontWeight >= 700;
		const is = (a + 0.05) / (b + 0.05);
		if (is < (large ? 3 : 4.5)) faults.add(is.toFixed(2) + " " + walk.currentNode.textContent.trim().slice(0, 40));
	}
	return [...faults].join("\n");
})()`

// lacking finds what those miss who do not see the page.
const lacking = `(() => {
	const faults = [];
	const add = (node, what) => faults.push(what + ": " + node.outerHTML.slice(0, 120));
	for (const n of document.querySelectorAll("img:not([alt]), canvas:not([aria-label])")) add(n, "no text");
	for (const n of document.querySelectorAll("input, select")) if (n.labels.length === 0) add(n, "no label");
	for (const n of document.querySelectorAll("button")) if (n.textContent.trim() === "" && n.checkVisibility()) add(n, "no name");
	for (const n of document.querySelectorAll("table")) {
		if (n.caption === null || n.querySelectorAll("thead th[scope=col]").length === 0) add(n, "no headers");
	}
	for (const n of document.querySelectorAll("section")) {
		if (!n.hasAttribute("aria-label") && !document.getElementById(n.getAttribute("aria-labelledby"))) add(n, "no name");
	}
	let level = 1;
	for (const n of document.querySelectorAll("main :is(h1, h2, h3, h4)")) {
		const is = Number(n.tagName[1]);
		if (is > level + 1) add(n, "a level is left out");
		level = is;
	}
	const ids = [...document.querySelectorAll("[id]")].map((n) => n.id);
	for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push("twice: " + id);
	if (document.querySelectorAll("header, nav, main, footer").length !== 4) faults.push("no landmarks");
	if (document.querySelectorAll("[aria-live=assertive] ").length !== 1) faults.push("alarms are not told");
	return faults.join("\n");
})()`

// TestPageCanBeLookedAt at any width, light and dark: nothing is beside the screen, and all texts can be read.
func TestPageCanBeLookedAt(t *testing.T) {
	w := watched(t)
	placed, err := w.css.Chunks(t.Context(), object)
	require.NoError(t, err)
	var ids []int
	for c := range placed {
		ids = append(ids, c.ID)
	}
	with, err := chunkset.Of(ids...)
	require.NoError(t, err)
	north := chunkset.MustParse(fmt.Sprintf("%d-%d", 2*sky.Stripes*20, 2*sky.Stripes*sky.Stripes-1))
	w.wait(w.css.SetEmptyChunks(t.Context(), "LSST", north.Difference(with)))
	o := open(t, w.server, desktop)
	o.awaitText("#record-list", "/DBS/lsst")
	o.awaitText("#drop-list", "czar-1: ")
	o.openMap("LSST")
	ask[bool](o, `(() => { for (const d of document.querySelectorAll("details")) d.open = true; return true; })()`)
	assert.Empty(t, ask[string](o, lacking))
	for name, s := range map[string]screen{"desktop-light": desktop, "desktop-dark": night, "phone-light": phone,
		"phone-dark": {390, 844, true}, "narrow": {320, 700, false}, "tablet": {800, 1000, false}} {
		o.on(s)
		assert.LessOrEqual(t, ask[int](o, "document.documentElement.scrollWidth"), int(s.width), name)
		assert.Empty(t, ask[string](o, contrasts), name)
		o.shoot(name)
	}
	o.on(desktop)
	ask[bool](o, `(() => { for (const d of document.querySelectorAll(".map details")) d.open = false; return true; })()`)
	o.on(screen{1280, 1870, false})
	o.pictureForReadme()
	o.on(phone)
	for _, part := range []string{"mirrors", "drops", "catalogue", "changes", "records"} {
		o.shootPart("phone-"+part, "#"+part)
	}
}

// TestMapShowsReplicas: what is painted is what the catalogue has, and a chunk is told of in words.
func TestMapShowsReplicas(t *testing.T) {
	w := watched(t)
	o := open(t, w.server, desktop)
	o.openMap("LSST")
	sum := ask[string](o, `document.querySelector(".map .sum").textContent`)
	assert.Regexp(t, `^\d+ of 1\x{202f}\d+ chunks of the sky are in the catalogue: \d+ with 1 replica, `, sum)
	assert.Contains(t, ask[string](o, `document.querySelector(".map canvas").getAttribute("aria-label")`), sum)
	seen := ask[map[string]int](o, `(async () => {
		const canvas = document.querySelector(".map canvas");
		const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
		const seen = {};
		for (let i = 0; i < pixels.length; i += 4) {
			const colour = "#" + [0, 1, 2].map((k) => pixels[i + k].toString(16).padStart(2, "0")).join("");
			seen[colour] = (seen[colour] ?? 0) + 1;
		}
		const style = getComputedStyle(canvas);
		return Object.fromEntries([0, 1, 2, 3, 4, 5].map((n) =>
			[n, seen[style.getPropertyValue("--level" + n).trim()] ?? 0]));
	})()`)
	for _, level := range []string{"0", "2", "3", "4"} {
		assert.Greater(t, seen[level], 500, "level %s of %v", level, seen)
	}
	assert.Zero(t, seen["1"]+seen["5"], seen)
	assert.Contains(t, ask[string](o, `document.querySelector(".map .note").textContent`),
		"Nobody has said which chunks are empty.")
	w.wait(w.css.SetEmptyChunks(t.Context(), "LSST", chunkset.MustParse(fmt.Sprintf("%d-%d", 2*sky.Stripes*30,
		2*sky.Stripes*30+4))))
	o.awaitText(".map .sum", "5 chunks hold no rows.")
	o.awaitText(".map .legend", "empty (5)")
	for chunk, text := range map[int]string{
		0:                    "declination -90° to -85°; on worker-1",
		2 * sky.Stripes * 18: "right ascension 0° to 5.07°, declination 0° to 5°; on worker-1, worker-2",
		2 * sky.Stripes * 30: "it holds no rows",
		2 * sky.Stripes * 31: "not in the catalogue",
		1234567890:           "no part of the sky",
	} {
		ask[bool](o, fmt.Sprintf(`(() => {
			const input = document.querySelector(".map input");
			input.value = %d;
			return input.dispatchEvent(new Event("input"));
		})()`, chunk))
		o.awaitText(".map .chunk", text)
	}
	assert.Equal(t, 13, ask[int](o, `document.querySelectorAll(".map table tr").length`), "a head, and twelve bands")
	w.wait(w.css.DeleteChunk(t.Context(), object, 0))
	o.await(fmt.Sprintf(`document.querySelector(".map .sum").textContent !== %q`, sum))
}

// TestHostileNamesStayTexts, wherever they are shown.
func TestHostileNamesStayTexts(t *testing.T) {
	w := newWorld(t)
	w.fill()
	const evil = `<img src=x onerror="window.pwned=1"><script>window.pwned=1<\script>`
	long := strings.Repeat("x", 10_000)
	turned := "evil\u202egnp.elbat"
	for _, name := range []string{evil, long, turned, "\u2066\u202e", "'\"&lt;<svg onload=pwned=1>", "%2e%2e", "a?b#c"} {
		w.put("/DBS/"+name, "READY", "/DBS/"+name+"/TABLES", "", "/DBS/"+name+"/TABLES/"+name, evil+"\u202e")
	}
	w.put("/NODES/"+evil, evil)
	o := open(t, w.server, phone)
	o.awaitText("#tree", "<img src=x")
	o.awaitText("#tree", "evil⟨U+202E⟩gnp.elbat")
	o.awaitText("#change-list", "<img src=x")
	o.expects("status of 4") // there are names that no request can have in its path, and a database that cannot be read
	o.expects("status of 5")
	rows := ask[int](o, `document.querySelectorAll("#tree .row").length`)
	for i := range rows {
		ask[bool](o, fmt.Sprintf(`(() => {
			const row = document.querySelectorAll("#tree .row")[%d];
			const at = row.getBoundingClientRect();
			row.dispatchEvent(new MouseEvent("click", {bubbles: true, clientX: at.x + 5, clientY: at.y + 9}));
			return true;
		})()`, i))
	}
	o.await(`!document.querySelector("#tree").textContent.includes("reading")`)
	o.await(`document.querySelector("#details h3")`)
	assert.False(t, ask[bool](o, `"pwned" in window`))
	assert.Equal(t, 1, ask[int](o, `document.querySelectorAll("img").length`), "the one of the page")
	assert.Equal(t, 1, ask[int](o, `document.querySelectorAll("script").length`), "the one of the page")
	assert.NotRegexp(t, "[\u202a-\u202e\u2066-\u2069]", ask[string](o, `document.body.textContent`))
	assert.LessOrEqual(t, ask[int](o, "document.documentElement.scrollWidth"), int(phone.width))
	assert.Less(t, ask[int](o, `Math.max(...[...document.querySelectorAll("bdi")].map((n) => n.textContent.length))`), 1000)
	o.shoot("hostile")
}

// pictureForReadme shoots the page as it is when it was open for a while.
func (o *tab) pictureForReadme() {
	o.Helper()
	ask[bool](o, `Promise.all([import("/page/standing.js"), fetch("/v1/status").then((r) => r.json())]).then(([s, status]) => {
		document.querySelector("#where").textContent = "/qserv";
		const now = Date.now() + 300000; // after all that the page has seen itself
		for (const m of status.mirrors) m.updated = new Date(now - 4000).toISOString();
		for (let i = 140; i > 0; i--) {
			status.mirrors[0].lag_seconds = i > 60 && i < 66 ? 4 : i % 37 < 2 ? 1 : 0;
			status.mirrors[1].lag_seconds = i > 20 ? [1, 0, 2, 1, 3, 0, 0][i % 7] : Math.min(12, 21 - i);
			s.showMirrors(status, now - 2000 * i);
		}
		return true;
	})`)
	o.shootPart("readme", "")
}
