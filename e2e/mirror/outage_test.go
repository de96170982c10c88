package mirror_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/testkit"
)

// patience is how long a test waits for what has to come. None of them asks how fast it does.
const patience = 90 * time.Second

// eventually waits until something is so.
func (w *world) eventually(so func() bool, what string, p ...*testkit.Process) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			var logs strings.Builder
			for _, q := range p {
				fmt.Fprintln(&logs, q.Log())
			}
			w.t.Fatalf("in vain: %s\n%s", what, logs.String())
		}
	}
}

// awaitLog waits until a daemon has said something so many times.
func (w *world) awaitLog(p *testkit.Process, text string, times int) {
	w.t.Helper()
	w.eventually(func() bool { return strings.Count(p.Log(), text) >= times }, text, p)
}

// awaitReport waits until the daemon's report in etcd has a text.
func (w *world) awaitReport(text string, p *testkit.Process) {
	w.t.Helper()
	w.eventually(func() bool {
		got, err := w.raw.Get(w.t.Context(), "/qserv/mirror/default")
		return err == nil && len(got.Kvs) == 1 && strings.Contains(string(got.Kvs[0].Value), text)
	}, text, p)
}

func (w *world) put(key, value string) {
	w.t.Helper()
	testkit.OK(w.t)(w.raw.Put(w.t.Context(), "/qserv/css"+key, value))
}

// putMany makes n keys below one, some hundred in a transaction.
func (w *world) putMany(below string, n int) {
	w.t.Helper()
	const most = 100
	for first := 0; first < n; first += most {
		var ops []clientv3.Op
		for i := first; i < min(first+most, n); i++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("/qserv/css%s/%06d", below, i), "some value"))
		}
		testkit.OK(w.t)(w.raw.Txn(w.t.Context()).Then(ops...).Commit())
	}
}

func (w *world) deleteBelow(key string) {
	w.t.Helper()
	testkit.OK(w.t)(w.raw.Delete(w.t.Context(), "/qserv/css"+key+"/", clientv3.WithPrefix()))
}

// atRest requires that kvData has come to be the image, that nobody was taken for a writer but the mirror, that its
// trouble is over, and that it needed no operator.
func (w *world) atRest(db *sql.DB, p *testkit.Process) {
	w.t.Helper()
	w.awaitLatest(db, patience, p)
	w.awaitReport(`"phase":"following"`, p)
	w.awaitReport(`"troubles":[]`, p)
	w.agree()
	w.equalRows(db)
	assert.Empty(w.t, w.foreign(db), "nobody else wrote, and nobody was said to have")
	assert.NotContains(w.t, p.Log(), "code=brake")
}

// runs reports whether the server executes a statement that begins so.
func runs(t *testing.T, db *sql.DB, statement string) bool {
	t.Helper()
	var n int
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE ?",
		statement+"%").Scan(&n))
	return n > 0
}

// holdRow locks a row of kvData until the transaction ends.
func holdRow(t *testing.T, db *sql.DB, key string) *sql.Tx {
	t.Helper()
	tx, err := db.Begin()
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	var id int
	require.NoError(t, tx.QueryRow("SELECT kvId FROM kvData WHERE kvKey = ? FOR UPDATE", key).Scan(&id))
	return tx
}

// TestLeaderIsPausedInATransaction: a leader that is stopped while it holds rows locked is replaced, although its
// connection is there; when it goes on it writes nothing and stands by (M3, M13).
func TestLeaderIsPausedInATransaction(t *testing.T) {
	w := newWorld(t)
	w.seed("still", 1)
	w.put("/HELD", "1")
	first := w.serve()
	db := w.db()
	w.awaitLatest(db, patience, first)
	second := w.serve()
	w.awaitLog(second, "standing by", 1)

	const update = "UPDATE kvData SET"
	lock := holdRow(t, db, "/HELD")
	w.put("/HELD", "2")
	for { // the mirror gives up after a while and tries again: it is stopped while it waits
		w.eventually(func() bool { return runs(t, db, update) }, update, first)
		first.Signal(syscall.SIGSTOP)
		if runs(t, db, update) {
			break
		}
		first.Signal(syscall.SIGCONT)
	}
	require.NoError(t, lock.Rollback())

	w.put("/HELD", "3")
	w.put("/AFTER", "1")
	w.atRest(db, second)
	owner := stateOf(t, db)
	first.Signal(syscall.SIGCONT)
	w.awaitLog(first, "standing by", 1)
	w.put("/HELD", "4")
	w.atRest(db, second)
	assert.Equal(t, owner, stateOf(t, db), "the second writes, and nobody took the table over since")
}

// stateOf returns who took the table over last, and when, by the count of take-overs.
func stateOf(t *testing.T, db *sql.DB) string {
	t.Helper()
	var text string
	require.NoError(t, db.QueryRow("SELECT CONCAT(owner, ' in term ', term) FROM css_mirror_state").Scan(&text))
	return text
}

// TestServerIsKilledInALargeDelete: when the server dies in the transaction that deletes a large subtree, the daemon
// tells that, and does it again by itself once the server is back (M2, M4).
func TestServerIsKilledInALargeDelete(t *testing.T) {
	runKilledInALargeDelete(t, 20_000)
}

func TestSoakServerIsKilledInALargeDelete(t *testing.T) {
	testkit.Soak(t)
	runKilledInALargeDelete(t, 200_000)
}

func runKilledInALargeDelete(t *testing.T, rows int) {
	w := newWorld(t)
	w.seed("still", 1)
	server := w.serve()
	db := w.db()
	deleted := func() bool {
		// The server makes this list anew only where it has not been read for a tenth of a second.
		time.Sleep(120 * time.Millisecond)
		var n int
		require.NoError(t, db.QueryRow("SELECT COALESCE(MAX(trx_rows_modified), 0) FROM information_schema.INNODB_TRX").
			Scan(&n))
		return n > rows/10
	}
	for caught := false; !caught; { // the daemon is stopped in the transaction, so that it does not end before the server
		server.Signal(syscall.SIGCONT)
		w.putMany("/LARGE", rows)
		w.awaitLatest(db, patience, server)
		w.deleteBelow("/LARGE")
		w.eventually(func() bool { return runs(t, db, "DELETE kvData FROM kvData") }, "rows are deleted", server)
		for !deleted() && runs(t, db, "DELETE kvData FROM kvData") {
		}
		server.Signal(syscall.SIGSTOP)
		w.eventually(func() bool { return !runs(t, db, "DELETE kvData FROM kvData") }, "the statement ends", server)
		caught = deleted()
	}
	require.NoError(t, w.maria.Kill())
	server.Signal(syscall.SIGCONT)
	w.awaitReport(`"code":"mysql_unavailable"`, server)
	require.NoError(t, w.maria.Restart(t.Context()))
	w.atRest(db, server)
}

// TestServerIsAwayForLong: etcd goes on meanwhile, deletes most of what there was and forgets the revision that kvData
// shows. The daemon tells that MySQL is away, and catches up by itself; so does one that began meanwhile (M8, M10).
func TestServerIsAwayForLong(t *testing.T) {
	runServerIsAway(t, 5, 0)
}

func TestSoakServerIsAwayForLong(t *testing.T) {
	testkit.Soak(t)
	runServerIsAway(t, int(testkit.SoakTime(t, 10*time.Minute)/time.Second), time.Second)
}

// runServerIsAway changes the catalogue so many times in each outage, with pauses between.
func runServerIsAway(t *testing.T, changes int, pause time.Duration) {
	const rows = 3000
	w := newWorld(t)
	w.seed("still", 1)
	server := w.serve()
	db := w.db()
	for _, anew := range []bool{false, true} {
		w.putMany("/MANY", rows)
		w.atRest(db, server)
		var applied int64
		require.NoError(t, db.QueryRow("SELECT applied FROM css_mirror_state").Scan(&applied))
		require.NoError(t, w.maria.Kill())
		w.deleteBelow("/MANY")
		for i := range changes {
			time.Sleep(pause)
			w.putMany(fmt.Sprintf("/LATER/%d", i%10), 10)
			got, err := w.raw.Put(t.Context(), "/qserv/css/LAST", fmt.Sprint(i))
			require.NoError(t, err)
			testkit.OK(t)(w.raw.Compact(t.Context(), got.Header.Revision, clientv3.WithCompactPhysical()))
		}
		_, err := w.raw.Get(t.Context(), "none", clientv3.WithRev(applied))
		require.ErrorContains(t, err, "compacted", "the revision that kvData shows")
		if anew {
			server.Kill()
			server = w.serve()
		}
		w.awaitReport(`"code":"mysql_unavailable"`, server)
		require.NoError(t, w.maria.Restart(t.Context()))
		w.atRest(db, server)
	}
}

// TestOlderDataArePutBack: an older copy of the server's files is noticed, told and brought up to date although nothing
// changes in etcd (M10, M12, M14).
func TestOlderDataArePutBack(t *testing.T) {
	w := newWorld(t)
	w.seed("still", 1)
	w.put("/OLD", "1")
	w.putMany("/GOES", 2000)
	server := w.serve()
	db := w.db()
	w.awaitLatest(db, patience, server)
	data, older := filepath.Join(w.maria.Dir(), "data"), filepath.Join(t.TempDir(), "older")
	require.NoError(t, w.maria.Kill())
	require.NoError(t, os.CopyFS(older, os.DirFS(data)))
	require.NoError(t, w.maria.Restart(t.Context()))

	w.put("/OLD", "2")
	w.put("/NEW", "1")
	w.deleteBelow("/GOES")
	w.atRest(db, server)
	require.NoError(t, w.maria.Kill())
	require.NoError(t, os.RemoveAll(data))
	require.NoError(t, os.CopyFS(data, os.DirFS(older)))
	require.NoError(t, w.maria.Restart(t.Context()))
	w.awaitLog(server, "code=table_changed", 1)
	w.atRest(db, server)
}
