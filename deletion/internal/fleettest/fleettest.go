// Package fleettest has what tests of drops work on: a catalogue with quick settings, its czars and its coordinators.
package fleettest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// Server is the etcd of all tests of the package. Each test has a prefix of its own.
var Server *embedetcd.Server

var prefixes atomic.Int32

// Prefix returns one that no other test has.
func Prefix() string { return fmt.Sprintf("/test%d", prefixes.Add(1)) }

// Main runs the tests of a package with one etcd, and looks for goroutines that are left over.
func Main(m *testing.M) {
	Server = testkit.SharedEtcd()
	testkit.Main(m)
}

// Steady is quick where no czar goes silent. After what time one is taken for dead is long: on a machine that stalls it
// would register anew, be counted twice, and lose its queries.
var Steady = deletion.Timing{
	Confirm: 100 * time.Millisecond,
	Fence:   20 * time.Second,
	Wait:    25 * time.Second,
	Alive:   30 * time.Second,
	Delay:   2 * time.Second,
}

// Quick is the default timing, some 20 times as fast. It is for tests in which a czar is silent, cut off or evicted;
// others must not be taken for that on a machine that stalls for a second.
var Quick = deletion.Timing{
	Confirm: 100 * time.Millisecond,
	Fence:   3 * time.Second,
	Wait:    3700 * time.Millisecond,
	Alive:   4 * time.Second,
	Delay:   2 * time.Second,
}

// Within bounds what must happen without our doing.
const Within = time.Minute

// Object, Source and Other are the tables of every test's catalogue.
var (
	Object = cssetcd.TableName{DB: "LSST", Table: "Object"}
	Source = cssetcd.TableName{DB: "LSST", Table: "Source"}
	Other  = cssetcd.TableName{DB: "Gaia", Table: "Star"}
	// Director is one that a test may create: see CreateChildren.
	Director = cssetcd.TableName{DB: "Gaia", Table: "Director"}
)

// Fleet is a catalogue with quick settings, and what works on it.
type Fleet struct {
	T    testing.TB
	Etcd *clientv3.Client
	CSS  *cssetcd.Client
	*deletion.Client
}

// New returns a fleet below a prefix of its own.
func New(t testing.TB) *Fleet {
	t.Helper()
	return On(t, Server)
}

// On is New on another etcd.
func On(t testing.TB, server *embedetcd.Server) *Fleet {
	t.Helper()
	etcd := Client(t, server)
	css, err := cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix(Prefix()))
	require.NoError(t, err)
	f := &Fleet{T: t, Etcd: etcd, CSS: css}
	f.Client, err = deletion.NewClient(css)
	require.NoError(t, err)
	_, err = f.SetTiming(t.Context(), Quick)
	require.NoError(t, err)
	f.Create(Object)
	f.Create(Source)
	f.Create(Other)
	return f
}

// Client returns a client of an etcd, which is closed when the test ends.
func Client(t testing.TB, server *embedetcd.Server) *clientv3.Client {
	t.Helper()
	etcd, err := server.Client()
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	return etcd
}

// Create creates a table, and its database when that is missing.
func (f *Fleet) Create(n cssetcd.TableName) {
	f.T.Helper()
	testkit.OK(f.T)(f.CSS.CreateDatabase(f.T.Context(), cssetcd.Database{Name: n.DB}, cssetcd.IfNotExists()))
	testkit.OK(f.T)(f.CSS.CreateTable(f.T.Context(), cssetcd.Table{Name: n, Schema: "(id BIGINT)"}))
}

// CreateChildren creates tables that are partitioned by Gaia.Director, which may be one of them.
func (f *Fleet) CreateChildren(names ...cssetcd.TableName) {
	f.T.Helper()
	for _, n := range names {
		testkit.OK(f.T)(f.CSS.CreateDatabase(f.T.Context(), cssetcd.Database{Name: n.DB}, cssetcd.IfNotExists()))
		testkit.OK(f.T)(f.CSS.CreateTable(f.T.Context(), cssetcd.Table{Name: n, Schema: "(id BIGINT)",
			Partitioning: &cssetcd.Partitioning{DirDB: Director.DB, DirTable: Director.Table, DirColumn: "id"}},
			cssetcd.AllowUnqueryable()))
	}
}

// Table reads a table.
func (f *Fleet) Table(n cssetcd.TableName) *cssetcd.Table {
	f.T.Helper()
	table, err := f.CSS.Table(f.T.Context(), n)
	require.NoError(f.T, err)
	return table
}

// Drop begins to drop a table.
func (f *Fleet) Drop(n cssetcd.TableName, opts ...deletion.Option) *deletion.Drop {
	f.T.Helper()
	return f.Begin(n.String(), opts...)
}

// Dropped drops a table, to the end of it.
func (f *Fleet) Dropped(n cssetcd.TableName, opts ...deletion.Option) {
	f.T.Helper()
	require.NoError(f.T, f.Drop(n, opts...).Wait(f.Soon()))
}

// Shown returns how far a drop has come.
func (f *Fleet) Shown(name string) deletion.Status {
	f.T.Helper()
	s, err := f.Status(f.T.Context(), name)
	require.NoError(f.T, err)
	return s
}

// Await waits until something is so.
func (f *Fleet) Await(so func() bool) {
	f.T.Helper()
	require.Eventually(f.T, so, Within, 5*time.Millisecond)
}

// AwaitNone waits until nothing is below a path.
func (f *Fleet) AwaitNone(path string) {
	f.T.Helper()
	f.Await(func() bool { return len(f.Keys(path)) == 0 })
}

// Registration returns the only one that there is.
func (f *Fleet) Registration() deletion.Czar {
	f.T.Helper()
	all, err := f.Czars(f.T.Context())
	require.NoError(f.T, err)
	require.Len(f.T, all, 1)
	return all[0]
}

// AwaitAnother waits until another czar is registered, and returns it. Who was before may be there still.
func (f *Fleet) AwaitAnother(before deletion.Czar) (now deletion.Czar) {
	f.T.Helper()
	f.Await(func() bool {
		all, err := f.Czars(f.T.Context())
		require.NoError(f.T, err)
		i := slices.IndexFunc(all, func(c deletion.Czar) bool { return c.ID != before.ID && c.Alive && !c.Ending })
		if i >= 0 {
			now = all[i]
		}
		return i >= 0
	})
	return now
}

// View returns a view that is open until the test ends.
func (f *Fleet) View() *cssetcd.View {
	f.T.Helper()
	v, err := cssetcd.OpenView(f.T.Context(), f.CSS)
	require.NoError(f.T, err)
	f.T.Cleanup(v.Close)
	return v
}

// Czar is one czar with its eyes.
type Czar struct {
	*deletion.Gate
	View *cssetcd.View
}

// Czar returns a czar whose gate is closed when the test ends.
func (f *Fleet) Czar(name string, opts ...deletion.GateOption) *Czar {
	f.T.Helper()
	v := f.View()
	g, err := deletion.OpenGate(f.Soon(), f.CSS, v, append(opts, deletion.CzarName(name),
		deletion.GateLogger(Log(f.T)))...)
	require.NoError(f.T, err)
	f.T.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what a test left running is not waited for
		_ = g.Close(ctx)
	})
	return &Czar{g, v}
}

// CatchUp waits until the czar's view shows what etcd has now: a refusal says what the view shows.
func (c *Czar) CatchUp(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Within)
	defer cancel()
	_, err := c.View.WaitLatest(ctx)
	require.NoError(t, err)
}

// Plan returns a table as the czar sees it now.
func (c *Czar) Plan(t testing.TB, n cssetcd.TableName) *cssetcd.Table {
	t.Helper()
	table, err := c.View.Snapshot().Table(n)
	require.NoError(t, err)
	return table
}

// Query admits a query.
func (c *Czar) Query(t testing.TB, names ...cssetcd.TableName) *deletion.Ref {
	t.Helper()
	var tables []*cssetcd.Table
	for _, n := range names {
		tables = append(tables, c.Plan(t, n))
	}
	ref, err := c.Admit(tables...)
	require.NoError(t, err)
	return &ref
}

// AwaitAdmitted returns a query that is admitted as soon as the czar sees that it may be.
func (c *Czar) AwaitAdmitted(t testing.TB, n cssetcd.TableName) *deletion.Ref {
	t.Helper()
	var ref deletion.Ref
	require.Eventually(t, func() bool {
		table, err := c.View.Snapshot().Table(n)
		if err == nil {
			ref, err = c.Admit(table)
		}
		return err == nil
	}, Within, time.Millisecond)
	return &ref
}

// Coordinate runs a coordinator until the test ends, or until what it returns is called.
func (f *Fleet) Coordinate(change ...func(*coordinator.Config)) (stop func()) {
	f.T.Helper()
	cfg := coordinator.Config{Catalogue: f.CSS, View: f.View(), TTL: 2 * time.Second, Logger: Log(f.T)}
	for _, c := range change {
		c(&cfg)
	}
	c, err := coordinator.New(cfg)
	require.NoError(f.T, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	f.T.Cleanup(stop)
	return stop
}

// Soon returns a context that ends when something takes too long.
func (f *Fleet) Soon() context.Context {
	ctx, cancel := context.WithTimeout(f.T.Context(), Within)
	f.T.Cleanup(cancel)
	return ctx
}

// Keys returns what is below a path.
func (f *Fleet) Keys(path string) (all []string) {
	f.T.Helper()
	got, err := f.Etcd.Get(f.T.Context(), f.CSS.Prefix()+"/"+path, clientv3.WithPrefix())
	require.NoError(f.T, err)
	for _, kv := range got.Kvs {
		all = append(all, string(kv.Key)[len(f.CSS.Prefix())+1:])
	}
	return all
}

// Written returns at which revision each key below the prefix was written last. Unlike the revision of etcd it tells
// nothing of other tests.
func (f *Fleet) Written() map[string]int64 {
	f.T.Helper()
	got, err := f.Etcd.Get(f.T.Context(), f.CSS.Prefix()+"/", clientv3.WithPrefix())
	require.NoError(f.T, err)
	all := map[string]int64{}
	for _, kv := range got.Kvs {
		all[string(kv.Key)] = kv.ModRevision
	}
	return all
}

// Log shows what is logged when a test fails.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(writer{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type writer struct{ t testing.TB }

func (w writer) Write(p []byte) (int, error) {
	w.t.Helper()
	defer func() { _ = recover() }() // the test has ended
	w.t.Log(string(p[:len(p)-1]))
	return len(p), nil
}

// With returns a fleet of the same catalogue whose czars work with another client of etcd.
func (f *Fleet) With(etcd *clientv3.Client) *Fleet {
	f.T.Helper()
	css, err := cssetcd.New(f.T.Context(), etcd, cssetcd.WithPrefix(f.CSS.Prefix()))
	require.NoError(f.T, err)
	drops, err := deletion.NewClient(css)
	require.NoError(f.T, err)
	return &Fleet{f.T, f.Etcd, css, drops}
}

// Begin begins to drop what a name says.
func (f *Fleet) Begin(name string, opts ...deletion.Option) (d *deletion.Drop) {
	f.T.Helper()
	n, err := cssetcd.ParseTableName(name)
	if err == nil {
		d, err = f.DropTable(f.T.Context(), n, opts...)
	} else {
		d, err = f.DropDatabase(f.T.Context(), name, opts...)
	}
	require.NoError(f.T, err)
	return d
}

// Put writes a key below the prefix past everybody.
func (f *Fleet) Put(path, value string) {
	f.T.Helper()
	_, err := f.Etcd.Put(f.T.Context(), f.CSS.Prefix()+"/"+path, value)
	require.NoError(f.T, err)
}
