package mirror_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/mirror"
)

// fill puts n keys with the value v.
func (w *world) fill(start string, n int) {
	w.t.Helper()
	for i := 0; i < n; i += 100 {
		var ops []clientv3.Op
		for j := i; j < min(i+100, n); j++ {
			ops = append(ops, w.opPut(fmt.Sprintf("%s%05d", start, j), "v"))
		}
		w.txn(ops...)
	}
}

// Rule: when etcd no longer has the revision that kvData shows, and the digest says that others wrote, all that is
// overwritten is recorded.
func TestRecordWhenCompacted(t *testing.T) {
	w := compactable(t)
	w.put("/DBS/a", "1", "/DBS/b", "2")
	w.once()
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
	w.exec("INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/new', 'theirs')")
	w.compact(w.put("/other", ""))
	if _, err := w.single().Once(t.Context()); err == nil { // a refusal would do, too
		assert.Empty(t, w.keys("/DBS/new"))
		text := strings.Join(w.foreign(), "\n")
		assert.Contains(t, text, "value /DBS/a")
		assert.Contains(t, text, "extra /DBS/new")
	}
}

// Rule: what others wrote beyond what is on record is not undone.
func TestNothingIsLostBeyondTheRecord(t *testing.T) {
	const n = 10_500
	w := newWorld(t)
	w.put("/DBS/a", "1")
	w.fill("/many/", n)
	w.once()
	stop := w.run(w.mirror(quickly(mirror.Alert)))
	w.await(w.put("/DBS/a", "2"))
	w.exec("UPDATE kvData SET kvVal = CONCAT('theirs', kvId) WHERE kvKey LIKE '/many/%'")
	require.Eventually(t, func() bool { return len(w.foreign()) > 0 }, patience, 50*time.Millisecond)
	stop()
	_, err := w.single().Once(t.Context())
	t.Log(err)
	var left int
	require.NoError(t, w.sql.QueryRow("SELECT COUNT(*) FROM kvData WHERE kvVal LIKE 'theirs%'").Scan(&left))
	assert.GreaterOrEqual(t, left+len(w.foreign()), n, "what is undone is on record")
}

// Rule: what would be lost for good is on record, however much can be had from etcd again.
func TestLostRowsAreRecordedFirst(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1", "/zzz", "1")
	w.fill("/many/", 10_100)
	w.once()
	w.exec("DELETE FROM kvData WHERE kvKey LIKE '/many/%'")
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/zzz'")
	w.once(allow)
	list := w.foreign()
	assert.Len(t, list, 10_000)
	assert.Contains(t, list, `value /zzz: "theirs", not "1", undone`)
}

// Rule: css_mirror_foreign does not grow beyond so many bytes, and keeps what is newest.
func TestRecordsAreCutByBytes(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	w.once()
	w.exec(`INSERT INTO css_mirror_foreign (seen, css_key, kind, row_id, found, revision, undone)
		SELECT NOW(), CONCAT('/old', seq), 'extra', 1, REPEAT('x', 11000000), 1, 1 FROM seq_1_to_6`)
	recorded := func() (keys string) {
		w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
		w.once()
		require.NoError(t, w.sql.QueryRow("SELECT GROUP_CONCAT(css_key ORDER BY id) FROM css_mirror_foreign").Scan(&keys))
		return keys
	}
	assert.Equal(t, "/old1,/old2,/old3,/old4,/old5,/old6,/DBS/a", recorded(), "there is room for 67,108,864 bytes")
	w.exec("UPDATE css_mirror_foreign SET found = REPEAT('x', 13000000) WHERE css_key = '/old6'")
	assert.Equal(t, "/old2,/old3,/old4,/old5,/old6,/DBS/a,/DBS/a", recorded())
}

// Rule: css_mirror_foreign is cut by rows, though ids have gaps, as with Galera.
func TestRecordsAreCutByRows(t *testing.T) {
	w := newWorld(t)
	createDatabase(w)
	w.setGlobal("auto_increment_increment", "3")
	w.put("/DBS/a", "1")
	w.fill("/many/", 6000)
	w.once()
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey LIKE '/many/%'")
	w.once()
	assert.Equal(t, 6000, len(w.foreign()))
}

// Rule: after etcd went back, what others wrote is recorded, too.
func TestRecordWhenEtcdWentBack(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1", "/DBS/b", "1")
	w.once()
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
	w.exec("UPDATE css_mirror_state SET applied = applied + 1000000") // as if etcd had been set back since
	if _, err := w.single().Once(t.Context()); err == nil {
		assert.Contains(t, strings.Join(w.foreign(), "\n"), "theirs")
	}
}
