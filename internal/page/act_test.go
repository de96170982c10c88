package page_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/testkit"
)

var object = cssetcd.TableName{DB: "LSST", Table: "Object"}

// until presses a key until something has the focus, which it returns.
func (o *tab) until(key, focused string) {
	o.Helper()
	for range 60 {
		if o.focused() == focused {
			return
		}
		o.keys(key)
	}
	require.FailNow(o, "the focus never came there", "%s; it is at %s", focused, o.focused())
}

// TestKeysAreEnough: without a mouse one finds a table, sees its details, gives a token, and cancels a drop.
func TestKeysAreEnough(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.czar("czar-0", object)
	w.drop("LSST.Filter", deletion.Delay(time.Hour))
	o := open(t, w.server, desktop)
	o.awaitText("#tree", "LSST")
	o.awaitText("#drop-list", "LSST.Filter")

	o.keys(kb.Tab)
	assert.Equal(t, "Skip to the content", o.focused())
	o.keys(kb.Enter)
	assert.Equal(t, "main", o.focused())
	o.until(kb.Tab, "search")
	assert.NotEqual(t, "none", ask[string](o, `getComputedStyle(document.activeElement).outlineStyle`), "it can be seen")
	o.until(kb.Tab, "tree")
	active := func() string {
		return ask[string](o, `document.getElementById(document.querySelector("#tree").getAttribute(
			"aria-activedescendant")).textContent`)
	}
	o.keys(kb.Home, kb.ArrowRight) // opens the first database
	o.awaitText("#tree", "ForcedSource")
	first := active()
	o.keys(kb.ArrowDown, kb.ArrowDown, kb.Enter)
	o.awaitText("#details", "Columns: 5")
	assert.Contains(t, active(), "ForcedSource")
	o.keys(kb.ArrowLeft)
	assert.Equal(t, first, active(), "back to the database")
	o.keys(kb.ArrowLeft)
	o.await(`!document.querySelector("#tree").textContent.includes("ForcedSource")`)
	o.keys(kb.End, kb.Enter)
	o.awaitText("#details h3", "gaia_dr3")

	o.until(kb.Shift+kb.Tab, "tree")
	ask[bool](o, `(document.querySelector("#token-open").focus(), true)`)
	o.keys(kb.Enter)
	assert.Equal(t, "token-text", o.focused())
	o.keys([]string{"w", "r", "o", "n", "g", kb.Enter}...)
	o.awaitText("#token-problem", "does not take that token")
	ask[bool](o, `((document.querySelector("#token-text").value = ""), true)`)
	for _, letter := range secret {
		o.keys(string(letter))
	}
	o.keys(kb.Enter)
	o.awaitText("#token-open", "Token of tester")
	o.awaitText("#drop-list", "Cancel")
	o.until(kb.Tab, "Cancel")
	o.keys(kb.Enter)
	assert.Equal(t, "ask-no", o.focused(), "what does no harm comes first")
	o.keys(kb.Escape)
	o.await(`!document.querySelector("#ask-dialog").open`)
	o.until(kb.Tab, "Cancel")
	o.keys(kb.Enter)
	o.until(kb.Tab, "ask-yes")
	o.keys(kb.Enter)
	o.awaitText("#said", "The drop of LSST.Filter is cancelled.")
	o.awaitText("#drop-list", "Nothing is being dropped.")
}

// TestTokenLetsOneAct and see, and is forgotten.
func TestTokenLetsOneAct(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Access.TokenReads = true })
	w.fill()
	w.czar("czar-0", object)
	o := open(t, w.server, desktop)
	o.await(`document.querySelector("#token-dialog").open`)
	o.awaitText("#token-problem", "lets nobody read without a token")
	assert.NotContains(t, ask[string](o, `document.body.textContent`), "LSST")
	o.do(chromedp.SendKeys(chromedp.CSS("#token-text"), secret+kb.Enter))
	o.awaitText("#tree", "LSST")
	assert.Zero(t, ask[int](o, `localStorage.length`))
	o.awaitText("#czar-list", "Evict")
	o.do(chromedp.Click(chromedp.CSS("#czar-list button")))
	o.awaitText("#ask-title", "Evict the czar czar-0?")
	o.do(chromedp.Click(chromedp.CSS("#ask-yes")))
	o.awaitText("#said", "The registration of czar-0 is ending.")
	czars, err := w.drops.Czars(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, czars)
	o.do(chromedp.Reload())
	o.awaitText("#tree", "LSST")
	o.do(chromedp.Click(chromedp.CSS("#token-open")), chromedp.Click(chromedp.CSS("#token-forget")))
	o.await(`document.querySelector("#token-dialog").open`)
	assert.Zero(t, ask[int](o, `sessionStorage.length`))
}

// TestLargeCatalogueStaysFluent: of 50,000 tables those are loaded whose database is opened, and few have elements.
func TestLargeCatalogueStaysFluent(t *testing.T) {
	const databases, tables = 500, 100
	w := catalogueOf(t)
	testkit.OK(t)(w.css.CreateDatabase(t.Context(), cssetcd.Database{Name: "zz", Striping: &sky}))
	var writers errgroup.Group
	writers.SetLimit(8)
	for d := range databases {
		writers.Go(func() error {
			db := fmt.Sprintf("%s/css/DBS/survey_%03d", w.css.Prefix(), d)
			ops := []clientv3.Op{clientv3.OpPut(db, "READY"), clientv3.OpPut(db+"/TABLES", "")}
			for n := range tables {
				ops = append(ops, clientv3.OpPut(fmt.Sprintf("%s/TABLES/Table_%02d", db, n), "READY"))
			}
			_, err := w.etcd.Txn(t.Context()).Then(ops...).Commit()
			return err
		})
	}
	require.NoError(t, writers.Wait())
	w.serve()

	o := open(t, w.server, desktop)
	o.awaitText("#tree-note", "501 databases")
	o.awaitText("#sum-list", "50\u202f000")
	nodes := func() int { return ask[int](o, `document.querySelectorAll("*").length`) }
	asked := func() []string {
		return ask[[]string](o, `performance.getEntriesByType("resource").map((e) => e.name).filter(
			(n) => n.includes("/v1/names"))`)
	}
	assert.Less(t, nodes(), 2000)
	assert.Empty(t, asked(), "nothing was opened")
	o.click("survey_003")
	o.awaitText("#tree", "Table_07")
	require.NotEmpty(t, asked())
	for _, url := range asked() {
		assert.Contains(t, url, "database=survey_003")
	}
	o.keys() // the focus stays where it is
	ask[bool](o, `(document.querySelector("#tree").focus(), true)`)
	o.keys(kb.End)
	o.await(`document.querySelector("#tree").textContent.includes("zz")`)
	assert.Less(t, nodes(), 2000)

	o.do(chromedp.SendKeys(chromedp.CSS("#search"), "survey_499.table_9"))
	o.awaitText("#tree-note", "10 found")
	o.awaitText("#tree", "survey_499.Table_99")
	assert.Less(t, nodes(), 2000)
	ask[bool](o, `((document.querySelector("#search").value = "TABLE"),
		document.querySelector("#search").dispatchEvent(new Event("input")))`)
	o.awaitText("#tree-note", "The first 500 found")
	assert.Less(t, nodes(), 2000)
	o.shoot("large")
}
