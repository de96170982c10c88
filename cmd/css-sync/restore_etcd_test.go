package main

import (
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// snapshotOf saves what an etcd holds, as etcdctl snapshot save does.
func snapshotOf(t *testing.T, etcd *clientv3.Client) string {
	t.Helper()
	from, err := etcd.Snapshot(t.Context())
	require.NoError(t, err)
	defer from.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "snapshot"))
	require.NoError(t, err)
	_, err = io.Copy(file, from)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return file.Name()
}

const bump = 1_000_000_000

// restored makes a data directory of a snapshot, by the code of etcdutl snapshot restore: with --bump-revision and
// --mark-compacted where the revisions are to be bumped.
func restored(t *testing.T, file, token string, by uint64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "etcd")
	require.NoError(t, snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: file, OutputDataDir: dir, Name: "m", PeerURLs: []string{"http://127.0.0.1:2380"},
		InitialCluster: "m=http://127.0.0.1:2380", InitialClusterToken: token, RevisionBump: by, MarkCompacted: by > 0,
	}))
	return dir
}

// lostWorld is a catalogue with a mirror and a view, of which a backup was made, and whose etcd was lost later.
type lostWorld struct {
	*clitest.CommandLine
	maria    *mariadbd.Server
	address  string
	view     *cssetcd.View
	serve    *clitest.Process
	snapshot string
	newest   cssetcd.Revision // that the lost etcd had
}

func (w *lostWorld) start(dir, address string) *embedetcd.Server {
	w.T.Helper()
	return testkit.Etcd(w.T, embedetcd.Options{Name: "m", Dir: dir, Listen: address})
}

// lose makes one. Its etcd has the token "first".
func lose(t *testing.T) *lostWorld {
	t.Helper()
	c, maria := onBoth(t)
	first := restored(t, snapshotOf(t, c.Etcd()), "first", 0)
	w := &lostWorld{CommandLine: c, maria: maria, address: "unix://" + filepath.Join(t.TempDir(), "e")}
	c.Env["CSS_SYNC_ENDPOINTS"] = w.address
	server := w.start(first, w.address)
	clitest.Fill(c.OK)
	w.serve = c.Process("serve")
	w.serve.Await(`msg="mirror follows etcd"`)
	c.OK("table drop LSST.Source --delay 1h")

	etcd := c.Etcd()
	css, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	w.view, err = cssetcd.OpenView(t.Context(), css)
	require.NoError(t, err)
	t.Cleanup(w.view.Close)

	w.snapshot = snapshotOf(t, etcd)
	c.OK("drops cancel LSST.Source")
	c.OK("db create After")
	awaitAgreement(c)
	_, err = w.view.WaitLatest(t.Context())
	require.NoError(t, err)
	w.newest = w.view.Snapshot().Revision()
	require.NoError(t, server.Close())
	return w
}

// shows reports whether the view shows a database.
func (w *lostWorld) shows(name string) bool {
	_, err := w.view.Snapshot().Database(name)
	return err == nil
}

// TestEtcdIsRestoredByTheManual: each step of "Restoring etcd from a backup", and what the parts do meanwhile.
func TestEtcdIsRestoredByTheManual(t *testing.T) {
	t.Parallel()
	w := lose(t)
	require.True(t, w.shows("After"), "a view keeps what it has while etcd is away")
	dir := restored(t, w.snapshot, "second", bump)

	there := "unix://" + filepath.Join(t.TempDir(), "t")
	server := w.start(dir, there)
	w.OK("history-reset", "--endpoints", there)
	assert.Contains(t, w.OK("drops", "list", "--endpoints", there), "LSST.Source", "which was cancelled after the backup")
	w.OK("drops", "cancel", "LSST.Source", "--endpoints", there)
	require.NoError(t, server.Close())

	w.start(dir, w.address)
	clitest.Await(t, func() bool { return w.view.Snapshot().Revision() > bump })
	assert.False(t, w.shows("After"))
	assert.Positive(t, w.view.Stats().Counts.Regressions)
	w.serve.Await("code=table_of_another_catalogue")
	assert.True(t, w.mirrored("After"), "nothing is written before somebody says so")
	w.OK("mirror --once --adopt")
	awaitAgreement(w.CommandLine)
	assert.False(t, w.mirrored("After"))

	// all goes on, with revisions that were never there
	w.OK("db create Afterwards")
	require.Equal(t, cli.ExitOK, w.Run("table drop LSST.Source --delay 2s --wait").Code)
	awaitAgreement(w.CommandLine)
	rev, err := w.view.WaitLatest(t.Context())
	require.NoError(t, err)
	assert.Greater(t, rev.Revision(), w.newest+bump/2)
	assert.True(t, w.shows("Afterwards"))
	w.serve.Stop()
}

// mirrored reports whether kvData holds a database.
func (w *lostWorld) mirrored(name string) bool {
	w.T.Helper()
	db, err := sql.Open("mysql", w.maria.DSN("qservCssData"))
	require.NoError(w.T, err)
	defer db.Close()
	var n int
	require.NoError(w.T, db.QueryRowContext(w.T.Context(), "SELECT COUNT(*) FROM kvData WHERE kvKey = ?",
		"/DBS/"+name).Scan(&n))
	return n > 0
}

// TestEtcdIsRestoredUnderItsOldToken: it is the same cluster then, and the bump has all watches load anew. View and
// mirror show what was restored, and nobody is asked.
func TestEtcdIsRestoredUnderItsOldToken(t *testing.T) {
	t.Parallel()
	w := lose(t)
	w.start(restored(t, w.snapshot, "first", bump), w.address)
	clitest.Await(t, func() bool { return w.view.Snapshot().Revision() > bump })
	assert.False(t, w.shows("After"))
	w.OK("db create Afterwards")
	clitest.Await(t, func() bool { return w.mirrored("Afterwards") })
	assert.False(t, w.mirrored("After"))
	w.OK("check")
	assert.NotContains(t, w.serve.String(), "code=table_of_another_catalogue")
	assert.Contains(t, w.OK("drops list"), "LSST.Source", "which was cancelled after the backup")
	w.serve.Stop()
}
