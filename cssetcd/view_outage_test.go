package cssetcd_test

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
)

// clientOf returns a CSS client, and the etcd client below it, of some endpoint.
func clientOf(t *testing.T, endpoint string) (*cssetcd.Client, *clientv3.Client) {
	t.Helper()
	etcd := must(clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()}))(t)
	t.Cleanup(func() { _ = etcd.Close() })
	c := must(cssetcd.New(t.Context(), etcd))(t)
	return c, etcd
}

// behindProxy returns an etcd, a client that reaches it directly, and a view that reaches it through a proxy.
func behindProxy(t *testing.T) (*proxy.Proxy, *cssetcd.Client, *clientv3.Client, *cssetcd.View) {
	t.Helper()
	server := testkit.Etcd(t, embedetcd.Options{})
	u := must(url.Parse(server.Endpoints()[0]))(t)
	p := must(proxy.Start("tcp", u.Host))(t)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	c, etcd := clientOf(t, server.Endpoints()[0])
	fill(t, c)
	far, _ := clientOf(t, "http://"+p.Addr())
	v := must(cssetcd.OpenView(t.Context(), far))(t)
	t.Cleanup(v.Close)
	return p, c, etcd, v
}

// TestViewAfterCompactionDuringAnOutage (V2): what is needed to resume is gone, so the view loads anew, and subscribers
// still get the exact difference, deletions included.
func TestViewAfterCompactionDuringAnOutage(t *testing.T) {
	p, c, etcd, v := behindProxy(t)
	ctx := t.Context()
	waitRevision(t, v, ok(t)(c.AddChunk(ctx, object, 1, "worker-1")))
	sub := v.Subscribe()
	before := contents(sub.Snapshot())
	p.Down()

	ok(t)(c.DeleteChunk(ctx, object, 1))
	ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: absent}))
	ok(t)(c.DropTable(ctx, absent))
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "new"}))
	rev := ok(t)(c.SetTableStatus(ctx, object, "CHANGED"))
	must(etcd.Compact(ctx, int64(rev)))(t)

	assert.Equal(t, before, contents(v.Snapshot()), "the last snapshot stays while etcd cannot be reached")
	p.Up()
	s := waitRevision(t, v, rev)
	assert.Equal(t, contents(loaded(t, c, s.Revision())), contents(s))
	u := next(t, sub)
	const chunk = "/DBS/lsst/TABLES/Object/CHUNKS/1"
	assert.Equal(t, []string{
		"/DBS/lsst/TABLES/Object READY>CHANGED",
		chunk + " >-", chunk + "/REPLICAS >-", chunk + "/REPLICAS/0000000001 >-",
		chunk + `/REPLICAS/0000000001/.packed.json {"nodeName":"worker-1"} >-`,
		"/DBS/new ->READY", `/DBS/new/.packed.json ->{"releaseStatus":"RELEASED","storageClass":"L2"} `,
	}, changes(u))
	assert.False(t, u.Regressed)
	assert.Equal(t, cssetcd.Revision(rev), u.To.Revision())

	t.Run("and goes on following", func(t *testing.T) {
		waitRevision(t, v, ok(t)(c.SetTableStatus(ctx, object, "AGAIN")))
		assert.Equal(t, []string{"/DBS/lsst/TABLES/Object CHANGED>AGAIN"}, changes(next(t, sub)))
	})
	t.Run("an outage without compaction is resumed", func(t *testing.T) {
		p.Down()
		rev := ok(t)(c.SetTableStatus(ctx, object, "DURING"))
		p.Up()
		waitRevision(t, v, rev)
		assert.Equal(t, []string{"/DBS/lsst/TABLES/Object AGAIN>DURING"}, changes(next(t, sub)))
	})
}

// TestViewAfterEtcdIsSetBack (V4): etcd was restored from a backup, so its revision went back. The view shows what etcd
// has, says so, and who waits for a revision of the lost future does not wait for ever.
func TestViewAfterEtcdIsSetBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	server := testkit.Etcd(t, embedetcd.Options{Dir: dir})
	c, _ := clientOf(t, server.Endpoints()[0])
	fill(t, c)
	ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "kept"}))
	require.NoError(t, server.Stop())
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, os.CopyFS(backup, os.DirFS(dir)))
	require.NoError(t, server.Restart(t.Context()))
	ok(t)(c.DropDatabase(t.Context(), "lsst"))
	rev := ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "lost"}))
	v := openView(t, c)
	sub := v.Subscribe()
	require.Equal(t, rev, sub.Snapshot().Revision())

	waiting := make(chan error)
	go func() {
		_, err := v.WaitRevision(soon(t), rev+1_000_000)
		waiting <- err
	}()
	require.NoError(t, server.Stop())
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.CopyFS(dir, os.DirFS(backup)))
	require.NoError(t, server.Restart(t.Context()))

	require.ErrorIs(t, <-waiting, cssetcd.ErrRegressed)
	u, err := sub.Next(soon(t))
	for err == nil && !u.Regressed {
		u, err = sub.Next(soon(t))
	}
	require.NoError(t, err)
	assert.Less(t, u.To.Revision(), rev)
	assert.Contains(t, changes(u), "/DBS/lost READY>-")
	assert.Contains(t, changes(u), "/DBS/lsst/TABLES/Object ->READY")
	assert.NotContains(t, changes(u), "/DBS/kept READY>READY")
	assert.Equal(t, contents(loaded(t, c, u.To.Revision())), contents(u.To))
	t.Run("and follows the new history", func(t *testing.T) {
		rev := ok(t)(c.SetTableStatus(t.Context(), object, "NEW HISTORY"))
		waitRevision(t, v, rev)
		u := next(t, sub)
		assert.False(t, u.Regressed)
		assert.Equal(t, []string{"/DBS/lsst/TABLES/Object READY>NEW HISTORY"}, changes(u))
	})
}

func TestCompactedRevision(t *testing.T) {
	server := testkit.Etcd(t, embedetcd.Options{})
	c, etcd := clientOf(t, server.Endpoints()[0])
	fill(t, c)
	rev := ok(t)(c.SetTableStatus(t.Context(), object, "ONE"))
	ok(t)(c.SetTableStatus(t.Context(), object, "TWO"))
	must(etcd.Compact(t.Context(), int64(rev)))(t)
	require.ErrorIs(t, errOf(c.Snapshot(t.Context(), rev-1)), cssetcd.ErrCompacted)
	assert.Equal(t, rev, loaded(t, c, rev).Revision())
}
