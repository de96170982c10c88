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
	w := newWorld(t)
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
