package mirror_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/plan"
)

func TestFillsAnEmptyServer(t *testing.T) {
	w := newWorld(t)
	rev := w.put("/DBS/lsst", "READY", "/DBS/lsst/TABLES/Object", "READY")
	assert.Equal(t, mirror.Result{Revision: rev, Inserted: 8, Rows: 8}, w.once())
	rows := w.rows()
	assert.Equal(t, "READY", rows["/DBS/lsst/TABLES/Object"].value)
	assert.Empty(t, rows["/DBS/lsst/TABLES"].value)
	assert.False(t, rows[""].parent.Valid)
	for key, r := range rows {
		if key != "" {
			assert.Equal(t, rows[key[:strings.LastIndex(key, "/")]].id, int(r.parent.Int64), key)
		}
	}
	w.agree()
	assert.Equal(t, mirror.Result{Revision: rev, Rows: 8}, w.once(), "the second time nothing is left to do")
}

// Rule M5: taking over a table that shows the catalogue already changes no row and no kvId.
func TestTakesOverQservsTable(t *testing.T) {
	dump, err := os.ReadFile(filepath.Join("..", "..", "shared", "data", "qserv-kvData.sql"))
	if err != nil {
		t.Skip("the dump of an integration test's kvData is not here:", err)
	}
	w := newWorld(t)
	createDatabase(w)
	w.exec(string(dump))
	before := w.rows()
	require.Greater(t, len(before), 200)
	var ops []clientv3.Op
	for key, r := range before {
		if key != "" {
			ops = append(ops, w.opPut(key, r.value))
		}
		if len(ops) == 100 {
			w.txn(ops...)
			ops = nil
		}
	}
	w.txn(ops...)
	result := w.once()
	assert.Equal(t, mirror.Result{Revision: result.Revision, Rows: len(before)}, result)
	assert.Equal(t, before, w.rows())
	w.agree()
}

func createDatabase(w *world) {
	server := testkit.SharedMariaDB(w.t).Config("")
	db := openSQL(w.t, server)
	_, err := db.Exec("CREATE DATABASE " + w.target.DBName)
	require.NoError(w.t, err)
}

// Rule M7: what the table cannot hold is in quarantine, and no neighbour is touched by it.
func TestQuarantineOnTheServer(t *testing.T) {
	long := "/" + strings.Repeat("k", 254)
	bad := map[string]struct{ value, reason string }{
		long + "k":       {"v", "key_too_long"},
		"/DBS/😀":         {"v", "key_encoding"},
		"/DBS/\xff":      {"v", "key_encoding"},
		"/DBS//x":        {"v", "key_malformed"},
		"/DBS/x/":        {"v", "key_malformed"},
		"/DBS/a ":        {"v", "key_trailing_space"},
		"/DBS/a /b":      {"v", "parent"},
		"/dbs":           {"v", "key_collision"},
		"/dbs/x":         {"v", "parent"},
		"/DBS/ánodes":    {"v", "key_collision"},
		"/DBS/long":      {strings.Repeat("v", 65_536), "value_too_long"},
		"/DBS/emoji":     {"😀", "value_encoding"},
		"/DBS/binary":    {"\xc3", "value_encoding"},
		"/DBS/binary/x":  {"v", "parent"},
		"/" + long[2:]:   {"'\"\\\x00\x1a\n%_é\uffff", ""},
		"/DBS/anodes/b":  {strings.Repeat("'", 65_535), ""},
		"/DBS/'\"\\%_\t": {"v", ""},
		"/DBS/ß":         {"v", ""},
		"/DBS/ss":        {"v", ""},
		"/DBS/x\x00":     {"v", ""},
		"/DBS/ x":        {"v", ""},
	}
	w := newWorld(t)
	w.put("/DBS/anodes", "older", "/DBS/x", "neighbour", long, "255 bytes")
	for key, b := range bad {
		w.put(key, b.value)
	}
	w.once()
	rows, quarantine := w.rows(), w.quarantine()
	for key, b := range bad {
		assert.Equal(t, b.reason, quarantine[key], key)
		r, ok := rows[key]
		assert.Equal(t, b.reason == "", ok, key)
		if ok {
			assert.Equal(t, b.value, r.value, key)
		}
	}
	assert.Equal(t, "older", rows["/DBS/anodes"].value)
	assert.Equal(t, "neighbour", rows["/DBS/x"].value)
	assert.Equal(t, "255 bytes", rows[long].value)
	assert.Len(t, w.agree().Quarantined, len(quarantine))
	for key := range quarantine { // they are let go when they are gone
		w.del(key)
	}
	w.once()
	assert.Empty(t, w.quarantine())
}

// Rule M7: a server that would shorten values with a warning only is not allowed to.
func TestServerWithoutStrictMode(t *testing.T) {
	w := newWorld(t)
	createDatabase(w)
	w.setGlobal("sql_mode", "")
	key := "/" + strings.Repeat("k", 254)
	w.put(key, strings.Repeat("v", 65_535), key+"k", "v", "/v", strings.Repeat("v", 65_536))
	w.once()
	assert.Len(t, w.rows()[key].value, 65_535)
	assert.Equal(t, map[string]string{key + "k": "key_too_long", "/v": "value_too_long"}, w.quarantine())
	assert.Empty(t, w.keys("/v"))
}

// Rule M6: two keys that the collation cannot keep apart never overwrite each other, in either order, and the younger
// gets the row when the older goes.
func TestCollisionsWhileFollowing(t *testing.T) {
	for _, tt := range []struct{ name, older, younger string }{
		{"case", "/DBS/a", "/DBS/A"}, {"case, other way", "/DBS/A", "/DBS/a"},
		{"accent", "/DBS/á", "/DBS/a"}, {"accent, other way", "/DBS/a", "/DBS/á"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			m := w.mirror()
			w.run(m)
			w.await(w.put(tt.older, "1", tt.older+"/x", "2"))
			id := w.rows()[tt.older].id
			w.await(w.put(tt.younger, "3", tt.younger+"/y", "4"))
			assert.Equal(t, []string{tt.older, tt.older + "/x"}, w.keys("/DBS/"))
			assert.Equal(t, map[string]string{tt.younger: "key_collision", tt.younger + "/y": "parent"}, w.quarantine())
			assert.Equal(t, 2, awaitStatus(t, m, following).Quarantined)
			w.await(w.del(tt.older, tt.older+"/x"))
			assert.Equal(t, []string{tt.younger, tt.younger + "/y"}, w.keys("/DBS/"))
			assert.Equal(t, id, w.rows()[tt.younger].id)
			assert.Empty(t, w.quarantine())
			assert.Zero(t, awaitStatus(t, m, following).Quarantined)
			w.agree()
		})
	}
}

// Rule: a rename that changes case only is one update in place.
func TestRenameOfCaseInOneTransaction(t *testing.T) {
	w := newWorld(t)
	w.run(w.mirror())
	w.await(w.put("/DBS/a", "1", "/DBS/a/x", "2"))
	before := w.rows()
	w.await(w.txn(w.opDelete("/DBS/a"), w.opDelete("/DBS/a/x"), w.opPut("/DBS/A", "1"), w.opPut("/DBS/A/x", "3")))
	after := w.rows()
	assert.Equal(t, before["/DBS/a"], after["/DBS/A"])
	assert.Equal(t, row{before["/DBS/a/x"].id, "3", before["/DBS/a/x"].parent}, after["/DBS/A/x"])
	assert.Len(t, after, len(before))
	w.agree()
}

// Rule: changes of values use no kvId, and new rows none but their own.
func TestAutoIncrementDoesNotMove(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	w.run(m)
	w.await(w.put("/DBS/a", "0"))
	before := w.autoIncrement()
	for i := range 300 {
		w.put("/DBS/a", strings.Repeat("x", i))
	}
	w.await(w.put("/DBS/a", "end"))
	assert.Equal(t, before, w.autoIncrement())
	w.await(w.put("/DBS/b", "new"))
	assert.Equal(t, before+1, w.autoIncrement())
}

func (w *world) autoIncrement() (next int) {
	w.t.Helper()
	require.NoError(w.t, w.sql.QueryRowContext(w.t.Context(), `SELECT AUTO_INCREMENT FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData'`).Scan(&next))
	return next
}

// Rule: a table in any state is repaired, hand-made tangles of parents included.
func TestRepairsATangledTable(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1", "/DBS/b/c", "2")
	w.once()
	id := w.rows()["/DBS/a"].id
	w.exec(`SET SESSION foreign_key_checks = 0;
		UPDATE kvData SET kvKey = '/dbs' WHERE kvKey = '/DBS';
		UPDATE kvData SET kvVal = 'other' WHERE kvKey = '/DBS/a';
		DELETE FROM kvData WHERE kvKey = '/NODES';
		INSERT INTO kvData VALUES (901, '/self', '', 901), (902, '/cycle', '', 903), (903, '/cycle/on', '', 902),
			(904, '/orphan', '', 999), (905, 'no slash', '', NULL), (906, '/áááá', '', 1), (907, '/aaaa/x', '', 906);
		UPDATE kvData SET parentKvId = 901 WHERE kvKey = '/DBS/a';
		UPDATE kvData SET parentKvId = NULL WHERE kvKey = '/DBS/b';
		SET SESSION foreign_key_checks = 1;`)
	report, err := mirror.Check(t.Context(), w.target, w.client)
	require.NoError(t, err)
	kinds := map[plan.Kind]int{}
	for _, d := range report.Differences {
		kinds[d.Kind]++
	}
	assert.Equal(t, map[plan.Kind]int{plan.WrongKey: 1, plan.WrongValue: 1, plan.WrongParent: 2, plan.Missing: 1,
		plan.Extra: 7}, kinds)
	result := w.once()
	assert.Equal(t, [3]int{1, 3, 7}, [3]int{result.Inserted, result.Updated, result.Deleted})
	assert.Equal(t, id, w.rows()["/DBS/a"].id)
	w.agree()
}

// Rule: a statement never exceeds what the server takes.
func TestSmallPackets(t *testing.T) {
	w := newWorld(t)
	createDatabase(w)
	w.setGlobal("max_allowed_packet", "262144")
	for i := range 40 {
		w.put("/DBS/"+strings.Repeat("x", i+1), strings.Repeat("\\'", 32_767))
	}
	prepared := w.serverCount("Com_stmt_prepare")
	assert.Equal(t, 40+4+1, w.once().Rows)
	assert.Equal(t, prepared, w.serverCount("Com_stmt_prepare"), "the driver prepares what does not fit into a packet")
	w.agree()
	var rows []string
	for i := range 50 {
		rows = append(rows, fmt.Sprintf("/many/%d", i), strings.Repeat("'", 80))
	}
	for part := range 20 {
		w.put("/many"+fmt.Sprint(part), "")
		for i := 0; i < len(rows); i += 2 {
			rows[i] = fmt.Sprintf("/many%d/%d", part, i)
		}
		w.put(rows...)
	}
	assert.Equal(t, 20*51, w.once().Inserted)
	assert.Equal(t, prepared, w.serverCount("Com_stmt_prepare"))
	w.agree()
}

// Rule: a server that cannot take every row is refused before anything is written, with what to set to how much.
func TestTooSmallPackets(t *testing.T) {
	w := newWorld(t)
	createDatabase(w)
	w.setGlobal("max_allowed_packet", "261120")
	w.put("/DBS/a", "READY")
	err := w.refused(mirror.ErrPacket)
	assert.ErrorContains(t, err, "max_allowed_packet at ")
	assert.ErrorContains(t, err, "must be at least 262144; say `SET GLOBAL max_allowed_packet = 262144`")
	assert.ErrorContains(t, err, "it is 261120")
	m := w.mirror()
	w.run(m)
	awaitStatus(t, m, func(s mirror.Status) bool { return s.Phase == mirror.Refused })
	w.setGlobal("max_allowed_packet", "262144")
	awaitStatus(t, m, following)
	w.agree()
	w.setGlobal("max_allowed_packet", "1024")
	_, err = mirror.Check(t.Context(), w.target, w.client)
	assert.ErrorIs(t, err, mirror.ErrPacket)
}
