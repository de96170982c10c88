package cssetcd_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/kv"
)

// reconcile reconciles with what is there now.
func reconcile(t testing.TB, c *cssetcd.Client) cssetcd.NamesResult {
	t.Helper()
	result := must(c.ReconcileNames(t.Context(), catalogue(t, c, 0)))(t)
	return result
}

// records returns the spellings on record.
func records(t testing.TB, c *cssetcd.Client) map[string]string {
	t.Helper()
	all := map[string]string{}
	for p, value := range beside(t, c) {
		if record, ok := strings.CutPrefix(string(p), "fold"); ok {
			all[record] = value
		}
	}
	return all
}

// TestNamesMadeByHandAreProtected: once they are reconciled, names that were made through etcdctl cannot be created in
// another case.
func TestNamesMadeByHandAreProtected(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	before := records(t, c)
	putKeys(t, c, map[string]string{
		"/DBS/ByHand": "READY", "/DBS/ByHand/TABLES": "", "/DBS/ByHand/TABLES/Object": "READY",
		"/DBS/lsst/TABLES/Source": "READY", "/NODES/Worker-9": "ACTIVE",
		"/DBS/NoKeyOfItsOwn/TABLES": "",
	})
	assert.Equal(t, cssetcd.NamesResult{Recorded: 4}, reconcile(t, c))
	before["/dbs/byhand"] = "/DBS/ByHand"
	before["/dbs/byhand/tables/object"] = "/DBS/ByHand/TABLES/Object"
	before["/dbs/lsst/tables/source"] = "/DBS/lsst/TABLES/Source"
	before["/nodes/worker-9"] = "/NODES/Worker-9"
	assert.Equal(t, before, records(t, c))
	assert.ErrorIs(t, errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "BYHAND"})), cssetcd.ErrDBExists)
	assert.ErrorIs(t, errOf(c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: "SOURCE"}})),
		cssetcd.ErrTableExists)
	assert.ErrorIs(t, errOf(c.AddNode(ctx, cssetcd.Node{Name: "worker-9"})), cssetcd.ErrNodeExists)
	unchanged(t, c, func() { assert.Zero(t, reconcile(t, c), "there is nothing more to do") })
}

// TestRecordsOfNamesThatAreGoneAreRemoved: those of names that were removed through etcdctl, those that name nothing,
// and no others.
func TestRecordsOfNamesThatAreGoneAreRemoved(t *testing.T) {
	c := newCatalogue(t)
	before := records(t, c)
	for record, value := range map[string]string{
		"/dbs/gone": "/DBS/Gone", "/dbs/lsst/tables/gone": "/DBS/lsst/TABLES/Gone", "/nodes/gone": "/NODES/gone",
		"/dbs/odd": "nonsense", "/dbs/other": "/DBS/lsst", "/x": "", "/dbs/dropped": "/DBS/Dropped",
		"/dbs/lsst/tables/dropped": "/DBS/lsst/TABLES/Dropped",
	} {
		byHand(t, c, "fold"+kv.Path(record), value)
	}
	byHand(t, c, "fold/nodes/worker-1", "/NODES/WORKER-1") // of a name that is gone, in the place of one that is there
	byHand(t, c, "drop/db/Dropped", "an intent keeps the spelling until the drop has ended")
	byHand(t, c, "drop/table/lsst/Dropped", "")
	assert.Equal(t, cssetcd.NamesResult{Recorded: 1, Removed: 6}, reconcile(t, c))
	before["/dbs/dropped"], before["/dbs/lsst/tables/dropped"] = "/DBS/Dropped", "/DBS/lsst/TABLES/Dropped"
	assert.Equal(t, before, records(t, c))
}

// TestOfTwoNamesThatClashTheOlderIsOnRecord, whichever was on record, and both are told.
func TestOfTwoNamesThatClashTheOlderIsOnRecord(t *testing.T) {
	c := newCatalogue(t)
	putKeys(t, c, map[string]string{"/DBS/Older": "READY", "/DBS/Older/TABLES": "", "/DBS/Older/TABLES/t": "READY"})
	ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "OLDER"}))
	putKeys(t, c, map[string]string{"/DBS/OLDER/TABLES": "", "/DBS/OLDER/TABLES/t": "READY", "/NODES/WORKER-1": "ACTIVE"})
	want := []cssetcd.NameClash{{Kept: "/DBS/Older", Other: "/DBS/OLDER"},
		{Kept: "/NODES/worker-1", Other: "/NODES/WORKER-1"}}
	assert.Equal(t, cssetcd.NamesResult{Recorded: 2, Clashes: want}, reconcile(t, c))
	have := records(t, c)
	assert.Equal(t, "/DBS/Older", have["/dbs/older"])
	assert.Equal(t, "/DBS/Older/TABLES/t", have["/dbs/older/tables/t"])
	assert.Equal(t, "/NODES/worker-1", have["/nodes/worker-1"])
	unchanged(t, c, func() { assert.Equal(t, cssetcd.NamesResult{Clashes: want}, reconcile(t, c)) })
}

// TestReconcilingGivesWay: to what comes between the look and the transaction.
func TestReconcilingGivesWay(t *testing.T) {
	create := func(name string) func(*cssetcd.Client) {
		return func(c *cssetcd.Client) { ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: name})) }
	}
	drop := func(c *cssetcd.Client) { ok(t)(c.DropDatabase(t.Context(), "New")) }
	const there = "/DBS/New"
	for name, tt := range map[string]struct {
		hand   string // a row that is there beforehand
		stale  string // a record of a name that is gone
		before func(*cssetcd.Client)
		want   cssetcd.NamesResult
		record string // what is on record for /DBS/new afterwards
	}{
		"the name of a stale record is created":         {stale: there, before: create("New"), record: "/DBS/New"},
		"another spelling of a stale record is created": {stale: there, before: create("NEW"), record: "/DBS/NEW"},
		"a name without a record is dropped":            {hand: there, before: drop},
		"a name without a record is dropped and created in another case": {hand: there,
			before: func(c *cssetcd.Client) { drop(c); create("NEW")(c) }, record: "/DBS/NEW"},
		"a name without a record gets a sibling": {hand: there, before: create("NEW"),
			want: cssetcd.NamesResult{Recorded: 1}, record: "/DBS/New"},
		"another process has reconciled": {hand: there,
			before: func(c *cssetcd.Client) { reconcile(t, c) }, record: "/DBS/New"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCatalogue(t)
			if tt.hand != "" {
				putKeys(t, c, map[string]string{tt.hand: "READY"})
			}
			if tt.stale != "" {
				byHand(t, c, cssetcd.FoldPath(tt.stale), tt.stale)
			}
			assert.Equal(t, tt.want, reconcile(t, racing(c, func() { tt.before(c) })))
			assert.Equal(t, tt.record, records(t, c)["/dbs/new"])
			assert.Zero(t, reconcile(t, c).Recorded)
		})
	}
}

// TestReconcilingMayLookAtThePast: what the snapshot does not show is left alone, and what it shows and is gone is not
// recorded.
func TestReconcilingMayLookAtThePast(t *testing.T) {
	c := newCatalogue(t)
	past := catalogue(t, c, 0)
	ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "Later"}))
	ok(t)(c.DropTable(t.Context(), object))
	unchanged(t, c, func() {
		result := must(c.ReconcileNames(t.Context(), past))(t)
		assert.Zero(t, result)
	})
}

// TestReconcilingManyNames takes several transactions.
func TestReconcilingManyNames(t *testing.T) {
	c := newCatalogue(t)
	rows := map[string]string{}
	for i := range 300 {
		rows[fmt.Sprintf("/DBS/Many%03d", i)] = "READY"
	}
	for i := range 40 {
		letters := []byte("manyspellings")
		for bit := range 6 {
			if i>>bit&1 == 1 {
				letters[bit] -= 'a' - 'A'
			}
		}
		rows["/NODES/"+string(letters)] = "ACTIVE"
	}
	putKeys(t, c, rows)
	result := reconcile(t, c)
	assert.Equal(t, 301, result.Recorded)
	assert.Len(t, result.Clashes, 39)
	unchanged(t, c, func() { reconcile(t, c) })
}

// TestReconcilingNeedsACatalogue of the version that is known.
func TestReconcilingNeedsACatalogue(t *testing.T) {
	c := csstest.New(t)
	assert.ErrorIs(t, errOf(c.ReconcileNames(t.Context(), catalogue(t, c, 0))), cssetcd.ErrVersionMissing)
	fill(t, c)
	putKeys(t, c, map[string]string{"/DBS/ByHand": "READY"})
	past := catalogue(t, c, 0)
	putKeys(t, c, map[string]string{"/css_meta/version": "2"})
	unchanged(t, c, func() { assert.ErrorIs(t, errOf(c.ReconcileNames(t.Context(), past)), cssetcd.ErrVersionMismatch) })
}

// TestDroppingOneOfTwoNamesKeepsTheOthersRecord: of names that differ in case only, dropping the one that is not on
// record leaves the other one protected, with the tables in it.
func TestDroppingOneOfTwoNamesKeepsTheOthersRecord(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	before := records(t, c)
	putKeys(t, c, map[string]string{
		"/DBS/LSST": "READY", "/DBS/LSST/TABLES": "", "/DBS/LSST/TABLES/OBJECT": "READY", "/DBS/lsst/TABLES/OBJECT": "READY",
		"/NODES/WORKER-1": "ACTIVE",
	})
	ok(t)(c.DropTable(ctx, cssetcd.TableName{DB: "lsst", Table: "OBJECT"}))
	ok(t)(c.DropDatabase(ctx, "LSST"))
	ok(t)(c.DeleteNode(ctx, "WORKER-1"))
	assert.Equal(t, before, records(t, c))
	putKeys(t, c, map[string]string{"/DBS/LSST": "READY", "/DBS/LSST/TABLES": "", "/DBS/LSST/TABLES/New": "READY"})
	ok(t)(c.Raw().Delete(ctx, "/DBS/LSST"))
	assert.Equal(t, before, records(t, c))
	ok(t)(c.DropDatabase(ctx, "lsst"))
	assert.Equal(t, map[string]string{"/nodes/worker-1": "/NODES/worker-1", "/nodes/worker-2": "/NODES/worker-2"},
		records(t, c))
}
