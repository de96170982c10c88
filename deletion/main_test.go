package deletion_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/embedetcd/embedetcdtest"
)

// The etcd of all tests of the package. Each test has a prefix of its own.
var (
	server   *embedetcd.Server
	prefixes atomic.Int32
)

func TestMain(m *testing.M) {
	var err error
	server, err = embedetcd.Start(context.Background(), embedetcd.Options{UnsafeNoFsync: true, Tick: 10 * time.Millisecond})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	embedetcdtest.Main(closing{m})
}

// closing ends the etcd of the tests before anyone looks for goroutines that are left over.
type closing struct{ *testing.M }

func (c closing) Run() int {
	code := c.M.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// quick is the default timing, some 50 times as fast; leases cannot be shorter.
var quick = deletion.Timing{
	Confirm: 100 * time.Millisecond,
	Fence:   time.Second,
	Wait:    1300 * time.Millisecond,
	Alive:   2 * time.Second,
	Delay:   2 * time.Second,
}

// within bounds what must happen without our doing.
const within = 30 * time.Second

// object and source are the tables of every test's catalogue.
var (
	object = cssetcd.TableName{DB: "LSST", Table: "Object"}
	source = cssetcd.TableName{DB: "LSST", Table: "Source"}
	other  = cssetcd.TableName{DB: "Gaia", Table: "Star"}
)

// fleet is a catalogue with quick settings, and what works on it.
type fleet struct {
	t    testing.TB
	etcd *clientv3.Client
	css  *cssetcd.Client
	*deletion.Client
}

func newFleet(t testing.TB) *fleet {
	t.Helper()
	etcd, err := server.Client()
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	return fleetOf(t, etcd)
}

func fleetOf(t testing.TB, etcd *clientv3.Client) *fleet {
	t.Helper()
	css, err := cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix(fmt.Sprintf("/test%d", prefixes.Add(1))))
	require.NoError(t, err)
	f := &fleet{t: t, etcd: etcd, css: css}
	f.Client, err = deletion.NewClient(css)
	require.NoError(t, err)
	_, err = f.SetTiming(t.Context(), quick)
	require.NoError(t, err)
	f.create(object)
	f.create(source)
	f.create(other)
	return f
}

// create creates a table, and its database when that is missing.
func (f *fleet) create(n cssetcd.TableName) {
	f.t.Helper()
	_, err := f.css.CreateDatabase(f.t.Context(), cssetcd.Database{Name: n.DB}, cssetcd.IfNotExists())
	require.NoError(f.t, err)
	_, err = f.css.CreateTable(f.t.Context(), cssetcd.Table{Name: n, Schema: "(id BIGINT)"})
	require.NoError(f.t, err)
}

func (f *fleet) view() *cssetcd.View {
	f.t.Helper()
	v, err := cssetcd.OpenView(f.t.Context(), f.css)
	require.NoError(f.t, err)
	f.t.Cleanup(v.Close)
	return v
}

// czar is one czar with its eyes.
type czar struct {
	*deletion.Gate
	view *cssetcd.View
}

func (f *fleet) czar(name string, opts ...deletion.GateOption) *czar {
	f.t.Helper()
	v := f.view()
	g, err := deletion.OpenGate(f.soon(), f.css, v, append(opts, deletion.CzarName(name), deletion.GateLogger(testLog(f.t)))...)
	require.NoError(f.t, err)
	f.t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what a test left running is not waited for
		_ = g.Close(ctx)
	})
	return &czar{g, v}
}

// catchUp waits until the czar's view shows what etcd has now: a refusal says what the view shows.
func (c *czar) catchUp(t testing.TB, f *fleet) {
	t.Helper()
	_, err := c.view.WaitLatest(f.soon())
	require.NoError(t, err)
}

// plan returns a table as the czar sees it now.
func (c *czar) plan(t testing.TB, n cssetcd.TableName) *cssetcd.Table {
	t.Helper()
	table, err := c.view.Snapshot().Table(n)
	require.NoError(t, err)
	return table
}

// query admits a query.
func (c *czar) query(t testing.TB, names ...cssetcd.TableName) *deletion.Ref {
	t.Helper()
	var tables []*cssetcd.Table
	for _, n := range names {
		tables = append(tables, c.plan(t, n))
	}
	ref, err := c.Admit(tables...)
	require.NoError(t, err)
	return &ref
}

// coordinate runs a coordinator until the test ends, or until what it returns is called.
func (f *fleet) coordinate(change ...func(*deletion.CoordinatorConfig)) (stop func()) {
	f.t.Helper()
	cfg := deletion.CoordinatorConfig{Catalogue: f.css, View: f.view(), TTL: 2 * time.Second, Logger: testLog(f.t)}
	for _, c := range change {
		c(&cfg)
	}
	c, err := deletion.NewCoordinator(cfg)
	require.NoError(f.t, err)
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
	f.t.Cleanup(stop)
	return stop
}

func (f *fleet) soon() context.Context {
	ctx, cancel := context.WithTimeout(f.t.Context(), within)
	f.t.Cleanup(cancel)
	return ctx
}

// keys returns what is below a path.
func (f *fleet) keys(path string) (all []string) {
	f.t.Helper()
	got, err := f.etcd.Get(f.t.Context(), f.css.Prefix()+"/"+path, clientv3.WithPrefix())
	require.NoError(f.t, err)
	for _, kv := range got.Kvs {
		all = append(all, string(kv.Key)[len(f.css.Prefix())+1:])
	}
	return all
}

// testLog shows what is logged when a test fails.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(writer{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type writer struct{ t testing.TB }

func (w writer) Write(p []byte) (int, error) {
	w.t.Helper()
	defer func() { _ = recover() }() // the test has ended
	w.t.Log(string(p[:len(p)-1]))
	return len(p), nil
}

func contextThatIsOver(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}
