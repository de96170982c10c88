package inventory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/inventory"
)

var object = cssetcd.TableName{DB: "LSST", Table: "Object"}

// placing makes nodes and databases of which chunks 1 to 4 of one table are placed.
func (w *world) placing() *cssetcd.Snapshot {
	w.t.Helper()
	ctx := w.t.Context()
	must := func(_ cssetcd.Revision, err error) { w.t.Helper(); require.NoError(w.t, err) }
	for _, node := range []string{"w1", "w2", "w3"} {
		must(w.css.AddNode(ctx, cssetcd.Node{Name: node, Host: node, Port: 5012}))
	}
	for _, db := range []string{"LSST", "unplaced"} {
		must(w.css.CreateDatabase(ctx, cssetcd.Database{Name: db,
			Striping: &cssetcd.Striping{Stripes: 340, SubStripes: 3, Overlap: 0.01667}}))
	}
	must(w.css.CreateTable(ctx, cssetcd.Table{Name: object, Schema: "(objectId BIGINT, ra DOUBLE, decl DOUBLE)",
		Partitioning: &cssetcd.Partitioning{DirDB: "LSST", DirTable: "Object", DirColumn: "objectId", LatColumn: "decl",
			LonColumn: "ra", Overlap: 0.02, SubChunks: true}}))
	for chunk, nodes := range map[int][]string{1: {"w1", "w2"}, 2: {"w2", "w1"}, 3: {"w2"}, 4: {"w1"},
		inventory.DummyChunk: {"w2"}} {
		for _, node := range nodes {
			must(w.css.AddChunk(ctx, object, chunk, node))
		}
	}
	s, err := w.css.Snapshot(ctx, 0)
	require.NoError(w.t, err)
	return s
}

func TestHoldersAndGaps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.placing()
	serving := func(worker string, what map[string]string) {
		p, _ := w.publisher(w.css, worker, "p")
		for db, text := range what {
			require.NoError(t, p.Set(db, set(text)))
		}
		w.waited(p)
	}
	serving("w1", map[string]string{"LSST": fmt.Sprintf("1-2,9,%d", inventory.DummyChunk), "unplaced": "1-7", "gone": "5"})
	serving("w3", map[string]string{"LSST": "1"})
	now := w.view.State()
	holders := func(chunk int) []string {
		all, err := inventory.Holders(s, now, object, chunk)
		require.NoError(t, err)
		return all
	}
	assert.Equal(t, []string{"w1"}, holders(1))
	assert.Equal(t, []string{"w1"}, holders(2))
	assert.Empty(t, holders(3), "w2 is not alive")
	_, err := alive(s, w.view, object, 3)
	assert.ErrorContains(t, err, "no worker that has chunk 3 of LSST.Object is alive")
	assert.Empty(t, holders(4), "w1 does not serve it")
	_, err = inventory.Holders(s, now, object, 5)
	assert.ErrorIs(t, err, cssetcd.ErrNoSuchChunk)
	_, err = inventory.Holders(s, now, cssetcd.TableName{DB: "LSST", Table: "x"}, 1)
	assert.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
	assert.Equal(t, []string{"w1", "w3"}, now.Serving("LSST", 1), "wherever it is placed")
	assert.Equal(t, []string{"w1"}, now.Serving("gone", 5))

	gaps, err := inventory.Gaps(s, now)
	require.NoError(t, err)
	assert.Equal(t, []inventory.Gap{
		{Worker: "w1", DB: "LSST", Alive: true, Missing: set("4"), Extra: set("9")},
		{Worker: "w1", DB: "gone", Alive: true, Extra: set("5")},
		{Worker: "w2", DB: "LSST", Missing: set("1-3")},
		{Worker: "w3", DB: "LSST", Alive: true, Extra: set("1")},
	}, gaps)

	serving("w2", map[string]string{"LSST": "1-3"})
	now = w.view.State()
	assert.Equal(t, []string{"w2", "w1"}, holders(2), "in the order of the catalogue")
}
