package mirror_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// world is a catalogue in etcd and a database in MySQL.
type world struct {
	t      testing.TB
	prefix string
	etcd   *clientv3.Client
	client *cssetcd.Client
	target *mysql.Config
	sql    *sql.DB // by another user of the database than the mirror
}

var worlds atomic.Int32

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, testkit.SharedEtcdClient())
}

// compactable is newWorld on an etcd of its own, whose history may be compacted.
func compactable(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, testkit.EtcdClient(t))
}

func newWorldOn(t testing.TB, etcd *clientv3.Client) *world {
	t.Helper()
	n := worlds.Add(1)
	w := &world{t: t, prefix: fmt.Sprintf("/test%d", n), etcd: etcd,
		target: testkit.SharedMariaDB(t).Config(fmt.Sprintf("css_%d", n))}
	w.put("/css_meta/version", "1")
	var err error
	w.client, err = cssetcd.New(t.Context(), w.etcd, cssetcd.WithPrefix(w.prefix))
	require.NoError(t, err)
	other := w.target.Clone()
	other.MultiStatements = true
	connector, err := mysql.NewConnector(other)
	require.NoError(t, err)
	w.sql = sql.OpenDB(connector)
	t.Cleanup(func() { assert.NoError(t, w.sql.Close()) })
	return w
}

// put writes keys and values in one transaction and returns its revision.
func (w *world) put(keysAndValues ...string) cssetcd.Revision {
	var ops []clientv3.Op
	for i := 0; i < len(keysAndValues); i += 2 {
		ops = append(ops, clientv3.OpPut(w.prefix+"/css"+keysAndValues[i], keysAndValues[i+1]))
	}
	return w.txn(ops...)
}

// del deletes keys in one transaction.
func (w *world) del(keys ...string) cssetcd.Revision {
	var ops []clientv3.Op
	for _, key := range keys {
		ops = append(ops, w.opDelete(key))
	}
	return w.txn(ops...)
}

func (w *world) opDelete(key string) clientv3.Op { return clientv3.OpDelete(w.prefix + "/css" + key) }

func (w *world) opPut(key, value string) clientv3.Op {
	return clientv3.OpPut(w.prefix+"/css"+key, value)
}

func (w *world) txn(ops ...clientv3.Op) cssetcd.Revision {
	w.t.Helper()
	resp, err := w.etcd.Txn(w.t.Context()).Then(ops...).Commit()
	require.NoError(w.t, err)
	return cssetcd.Revision(resp.Header.Revision)
}

// view follows the catalogue for the length of the test.
func (w *world) view() *cssetcd.View {
	w.t.Helper()
	v, err := cssetcd.OpenView(w.t.Context(), w.client)
	require.NoError(w.t, err)
	w.t.Cleanup(v.Close)
	return v
}

// mirror returns a mirror on a view of its own, that does not wait long for anything.
func (w *world) mirror(change ...func(*mirror.Config)) *mirror.Mirror {
	w.t.Helper()
	cfg := mirror.Config{Feed: w.view().Subscribe(), Catalogue: w.client, Target: w.target}
	for _, f := range change {
		f(&cfg)
	}
	m, err := mirror.New(cfg)
	require.NoError(w.t, err)
	m.Hurry(10 * time.Millisecond)
	return m
}

// single returns a mirror that follows nothing.
func (w *world) single(change ...func(*mirror.Config)) *mirror.Mirror {
	w.t.Helper()
	cfg := mirror.Config{Catalogue: w.client, Target: w.target}
	for _, f := range change {
		f(&cfg)
	}
	m, err := mirror.New(cfg)
	require.NoError(w.t, err)
	m.Hurry(10 * time.Millisecond)
	return m
}

// once brings MySQL up to date.
func (w *world) once(change ...func(*mirror.Config)) mirror.Result {
	w.t.Helper()
	result, err := w.single(change...).Once(w.t.Context())
	require.NoError(w.t, err)
	return result
}

// run runs a mirror until the test ends, or until stop is called.
func (w *world) run(m *mirror.Mirror) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.ErrorIs(w.t, <-done, context.Canceled)
		assert.Equal(w.t, mirror.Stopped, m.Status().Phase)
	})
	w.t.Cleanup(stop)
	return stop
}

const patience = time.Minute

// await waits until MySQL shows at least a revision.
func (w *world) await(rev cssetcd.Revision) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		s, err := kvdata.ReadState(w.t.Context(), w.target)
		return err == nil && s.Applied >= rev
	}, patience, 5*time.Millisecond, "MySQL does not show revision %d", rev)
}

// awaitStatus waits until a mirror's status is as wanted, and returns it.
func awaitStatus(t testing.TB, m *mirror.Mirror, want func(mirror.Status) bool) mirror.Status {
	t.Helper()
	require.Eventually(t, func() bool { return want(m.Status()) }, patience, 2*time.Millisecond, "status: %+v", m.Status())
	return m.Status()
}

// agree checks that MySQL and etcd agree, and returns what was found.
func (w *world) agree() mirror.Report {
	w.t.Helper()
	report, err := mirror.Check(w.t.Context(), w.target, w.client)
	require.NoError(w.t, err)
	require.Empty(w.t, report.Differences)
	return report
}

// row is one row of kvData.
type row struct {
	id     int
	value  string
	parent sql.NullInt64
}

func (w *world) rows() map[string]row {
	w.t.Helper()
	rows, err := w.sql.QueryContext(w.t.Context(), "SELECT kvId, kvKey, kvVal, parentKvId FROM kvData")
	require.NoError(w.t, err)
	defer rows.Close()
	out := map[string]row{}
	for rows.Next() {
		var key string
		var r row
		require.NoError(w.t, rows.Scan(&r.id, &key, &r.value, &r.parent))
		out[key] = r
	}
	require.NoError(w.t, rows.Err())
	return out
}

// keys returns the keys of kvData that begin with a text.
func (w *world) keys(start string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(w.rows())) {
		if strings.HasPrefix(key, start) {
			out = append(out, key)
		}
	}
	return out
}

// quarantine returns the reasons by key.
func (w *world) quarantine() map[string]string {
	w.t.Helper()
	list, err := kvdata.ReadQuarantine(w.t.Context(), w.target, 0)
	require.NoError(w.t, err)
	out := map[string]string{}
	for _, q := range list {
		out[q.Key] = string(q.Reason)
	}
	return out
}

// exec executes a statement as someone else than the mirror.
func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	_, err := w.sql.ExecContext(w.t.Context(), query, args...)
	require.NoError(w.t, err)
}

// setGlobal sets a variable of the server for the length of the test.
func (w *world) setGlobal(name, value string) {
	w.t.Helper()
	var old string
	require.NoError(w.t, w.sql.QueryRowContext(w.t.Context(), "SELECT @@GLOBAL."+name).Scan(&old))
	quote := func(v string) string {
		if name == "sql_mode" {
			return "'" + v + "'"
		}
		return v
	}
	w.exec("SET GLOBAL " + name + " = " + quote(value))
	w.t.Cleanup(func() {
		_, err := w.sql.Exec("SET GLOBAL " + name + " = " + quote(old))
		assert.NoError(w.t, err)
	})
}

func openSQL(t testing.TB, cfg *mysql.Config) *sql.DB {
	t.Helper()
	connector, err := mysql.NewConnector(cfg)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

// serverCount returns one of the server's counters.
func (w *world) serverCount(name string) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.sql.QueryRowContext(w.t.Context(), "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &n))
	return n
}
