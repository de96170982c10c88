package page_test

import (
	"context"
	"crypto/sha256"
	"math"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/page"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/internal/status"
	"github.com/qserv/css-etcd/internal/testkit"
)

// secret is a token that the API of a world takes.
const secret = "a-secret-of-some-length"

// world is a catalogue with an API and the page. What MySQL would say of mirrors is set by the test.
type world struct {
	*testing.T
	etcd   *clientv3.Client
	css    *cssetcd.Client
	view   *cssetcd.View
	drops  *deletion.Client
	server *httptest.Server

	mu      sync.Mutex
	mirrors []status.Mirror
	records report.Records
}

func newWorld(t *testing.T, change ...func(*api.Config)) *world {
	t.Helper()
	w := catalogueOf(t)
	w.serve(change...)
	return w
}

// catalogueOf returns a world without an API yet.
func catalogueOf(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, etcd: testkit.SharedEtcdClient()}
	var err error
	w.css, err = cssetcd.New(t.Context(), w.etcd, cssetcd.WithPrefix("/"+t.Name()))
	require.NoError(t, err)
	w.drops, err = deletion.NewClient(w.css)
	require.NoError(t, err)
	return w
}

// serve begins to show the catalogue.
func (w *world) serve(change ...func(*api.Config)) {
	w.Helper()
	var err error
	w.view, err = cssetcd.OpenView(w.Context(), w.css)
	require.NoError(w, err)
	w.Cleanup(w.view.Close)
	config := api.Config{Catalogue: w.css, View: w.view, Status: w.status, Mirror: w.recordsOf, Page: page.Handler()}
	config.Access.Tokens = api.Tokens{{Name: "tester", Hash: sha256.Sum256([]byte(secret))}}
	for _, c := range change {
		c(&config)
	}
	a, err := api.New(config)
	require.NoError(w, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) }) // ends with its context
	w.server = httptest.NewServer(a)
	w.Cleanup(func() {
		w.server.CloseClientConnections()
		w.server.Close()
		cancel()
		running.Wait()
	})
}

// status is what the daemon tells, with the mirrors of the test.
func (w *world) status(ctx context.Context) (any, error) {
	p := &cli.Program{}
	p.Connection.Endpoints, p.Connection.Prefix = w.etcd.Endpoints(), w.css.Prefix()
	p.Connection.DialTimeout = 5 * time.Second
	s, _ := status.Of(ctx, p, &cli.Catalogue{Client: w.css, Conn: w.etcd}, w.view.Snapshot(), nil) // it says itself
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Mirrors = append(s.Mirrors, w.mirrors...)
	return s, nil
}

func (w *world) recordsOf(context.Context, string, int) (any, error) { return w.records, nil }

// wait waits until the view shows a revision.
func (w *world) wait(rev cssetcd.Revision, err error) {
	w.Helper()
	require.NoError(w, err)
	_, err = w.view.WaitRevision(w.Context(), rev)
	require.NoError(w, err)
}

// put writes keys as they are, past the library.
func (w *world) put(pairs ...string) {
	w.Helper()
	ops := make([]clientv3.Op, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		ops = append(ops, clientv3.OpPut(w.css.Prefix()+"/css"+pairs[i], pairs[i+1]))
	}
	got, err := w.etcd.Txn(w.Context()).Then(ops...).Commit()
	require.NoError(w, err)
	w.wait(cssetcd.Revision(got.Header.Revision), nil)
}

// sky is how the databases of the tests are cut.
var sky = cssetcd.Striping{Stripes: 36, SubStripes: 30, Overlap: 0.01667}

// fill makes a catalogue as an observatory may have it.
func (w *world) fill() {
	w.Helper()
	ctx := w.Context()
	for _, node := range []string{"worker-1", "worker-2", "worker-3"} {
		w.wait(w.css.AddNode(ctx, cssetcd.Node{Name: node, Type: "worker", Host: node + ".example.org", Port: 5012}))
	}
	for _, db := range []string{"dp02_dc2", "gaia_dr3", "LSST"} {
		w.wait(w.css.CreateDatabase(ctx, cssetcd.Database{Name: db, Striping: &sky, StorageClass: "L2",
			ReleaseStatus: "RELEASED"}))
		for _, table := range []string{"Object", "Source", "ForcedSource"} {
			w.wait(w.css.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: db, Table: table},
				Schema: "(objectId BIGINT NOT NULL, ra DOUBLE, decl DOUBLE, psfMag FLOAT, flags INT)",
				Partitioning: &cssetcd.Partitioning{DirDB: db, DirTable: "Object", DirColumn: "objectId", LatColumn: "decl",
					LonColumn: "ra", SubChunks: table == "Object"},
				SharedScan: &cssetcd.SharedScan{LockInMem: true, Rating: 1}}))
		}
		w.wait(w.css.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: db, Table: "Filter"}, Schema: "(id INT)"}))
	}
}

// czar starts a czar in this process that runs a query on a table.
func (w *world) czar(name string, query cssetcd.TableName) {
	w.Helper()
	gate, err := deletion.OpenGate(w.Context(), w.css, w.view, deletion.CzarName(name))
	require.NoError(w, err)
	table, err := w.view.Snapshot().Table(query)
	require.NoError(w, err)
	_, err = gate.Admit(table)
	require.NoError(w, err)
	w.Cleanup(func() {
		leaving, cancel := context.WithCancel(context.Background())
		cancel() // the query is not waited for
		_ = gate.Close(leaving)
	})
}

// drop begins to drop a table.
func (w *world) drop(name string, opts ...deletion.Option) {
	w.Helper()
	db, table, _ := strings.Cut(name, ".")
	d, err := w.drops.DropTable(w.Context(), cssetcd.TableName{DB: db, Table: table}, opts...)
	require.NoError(w, err)
	w.wait(d.Mark(), nil)
}

const mostAtOnce = 30 // chunks in one transaction

// survey is where a survey of the south has chunks: not where the Milky Way is bright, and more replicas where it
// looked more often.
func survey() (all []cssetcd.Chunk) {
	workers := []string{"worker-1", "worker-2", "worker-3"}
	for stripe, n := range chunksOf(sky.Stripes) {
		dec := (float64(stripe)+0.5)*math.Pi/float64(sky.Stripes) - math.Pi/2
		for c := range n {
			ra := (float64(c) + 0.5) * 2 * math.Pi / float64(n)
			latitude := math.Asin(math.Sin(dec)*math.Sin(0.4735) + math.Cos(dec)*math.Cos(0.4735)*math.Cos(ra-3.3660))
			if dec > 0.1 || math.Abs(latitude) < 0.17 {
				continue
			}
			replicas := 2
			switch {
			case math.Abs(dec+0.48) < 0.07:
				replicas = 3
			case dec < -1.2:
				replicas = 1
			}
			all = append(all, cssetcd.Chunk{ID: 2*sky.Stripes*stripe + c, Nodes: workers[:replicas]})
		}
	}
	return all
}
