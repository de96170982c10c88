// Package fleettest has what tests of drops work on: a catalogue with quick settings, its czars and its coordinators.
package fleettest

import (
	"context"
	"fmt"
	"log/slog"
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

// Quick is the default timing, some 50 times as fast; leases cannot be shorter.
var Quick = deletion.Timing{
	Confirm: 100 * time.Millisecond,
	Fence:   time.Second,
	Wait:    1300 * time.Millisecond,
	Alive:   2 * time.Second,
	Delay:   2 * time.Second,
}

// Within bounds what must happen without our doing.
const Within = 30 * time.Second

// Object, Source and Other are the tables of every test's catalogue.
var (
	Object = cssetcd.TableName{DB: "LSST", Table: "Object"}
	Source = cssetcd.TableName{DB: "LSST", Table: "Source"}
	Other  = cssetcd.TableName{DB: "Gaia", Table: "Star"}
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
	etcd, err := Server.Client()
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	return Of(t, etcd)
}

// Of returns a fleet that works with a client of etcd.
func Of(t testing.TB, etcd *clientv3.Client) *Fleet {
	t.Helper()
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

// Create creates a table, and its database when that is missing.
func (f *Fleet) Create(n cssetcd.TableName) {
	f.T.Helper()
	_, err := f.CSS.CreateDatabase(f.T.Context(), cssetcd.Database{Name: n.DB}, cssetcd.IfNotExists())
	require.NoError(f.T, err)
	_, err = f.CSS.CreateTable(f.T.Context(), cssetcd.Table{Name: n, Schema: "(id BIGINT)"})
	require.NoError(f.T, err)
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

// With returns a fleet of the same catalogue whose czars work with another client.
func (f *Fleet) With(css *cssetcd.Client) *Fleet { return &Fleet{f.T, f.Etcd, css, f.Client} }

// Begin begins to drop what a name says.
func (f *Fleet) Begin(name string, opts ...deletion.Option) (*deletion.Drop, error) {
	if n, err := cssetcd.ParseTableName(name); err == nil {
		return f.DropTable(f.T.Context(), n, opts...)
	}
	return f.DropDatabase(f.T.Context(), name, opts...)
}

// Put writes a key below the prefix past everybody.
func (f *Fleet) Put(path, value string) {
	f.T.Helper()
	_, err := f.Etcd.Put(f.T.Context(), f.CSS.Prefix()+"/"+path, value)
	require.NoError(f.T, err)
}
