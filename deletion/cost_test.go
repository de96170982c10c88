package deletion_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
)

// asked is what a client asked of etcd, and which keys it got.
type asked struct {
	calls map[string]int // by method
	keys  []string
}

func (a *asked) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	a.calls[method[strings.LastIndexByte(method, '/')+1:]]++
	switch r := reply.(type) {
	case *etcdserverpb.RangeResponse:
		a.take(r)
	case *etcdserverpb.TxnResponse:
		for _, each := range r.Responses {
			a.take(each.GetResponseRange())
		}
	}
	return err
}

func (a *asked) take(r *etcdserverpb.RangeResponse) {
	for _, kv := range r.GetKvs() {
		a.keys = append(a.keys, string(kv.Key))
	}
}

// watched returns a client of the fleet's catalogue that notes what it asks.
func (f *fleet) watched() (*cssetcd.Client, *asked) {
	f.T.Helper()
	a := &asked{calls: map[string]int{}}
	etcd, err := clientv3.New(clientv3.Config{Endpoints: fleettest.Server.Endpoints(),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(a.intercept)}})
	require.NoError(f.T, err)
	f.T.Cleanup(func() { _ = etcd.Close() })
	css, err := cssetcd.New(f.T.Context(), etcd, cssetcd.WithPrefix(f.CSS.Prefix()))
	require.NoError(f.T, err)
	*a = asked{calls: map[string]int{}}
	return css, a
}

// The status of one drop costs what that drop is, however many others there are.
func TestStatusOfOneDropReadsNoOther(t *testing.T) {
	f := newFleet(t)
	for i := range 5 {
		n := cssetcd.TableName{DB: "LSST", Table: fmt.Sprintf("T%d", i)}
		f.Create(n)
		_, err := f.DropTable(t.Context(), n)
		require.NoError(t, err)
	}
	css, asked := f.watched()
	client, err := deletion.NewClient(css)
	require.NoError(t, err)
	s, err := client.Status(t.Context(), "LSST.T3")
	require.NoError(t, err)
	all, err := f.Drops(t.Context())
	require.NoError(t, err)
	s.Left, all[3].Left = 0, 0
	assert.Equal(t, all[3], s, "what the list says")
	assert.Equal(t, 1, asked.calls["LeaseTimeToLive"])
	for _, key := range asked.keys {
		assert.NotRegexp(t, "T[0124]$", key)
	}
	begun := func(name string) bool {
		yes, err := client.Begun(t.Context(), name)
		require.NoError(t, err)
		return yes
	}
	assert.Equal(t, []bool{true, true, false, false}, []bool{begun("LSST"), begun("LSST.T3"), begun("LSST.Object"),
		begun("Gaia")})
}

// The check of children reads neither schemas nor chunks, of which there are millions, and not what a table that is no
// director is related to.
func TestCheckOfChildrenReadsWhatItLooksAt(t *testing.T) {
	f := newFleet(t)
	director := cssetcd.TableName{DB: "Gaia", Table: "Director"}
	_, err := f.CSS.AddNode(t.Context(), cssetcd.Node{Name: "worker1", Type: "worker", Host: "worker1"})
	require.NoError(t, err)
	for _, name := range []string{"Director", "Child"} {
		n := cssetcd.TableName{DB: "Gaia", Table: name}
		_, err := f.CSS.CreateTable(t.Context(), cssetcd.Table{Name: n, Schema: "(id BIGINT)",
			Partitioning: &cssetcd.Partitioning{DirDB: "Gaia", DirTable: "Director", DirColumn: "id"}},
			cssetcd.AllowUnqueryable())
		require.NoError(t, err)
		for chunk := range 3 {
			_, err := f.CSS.AddChunk(t.Context(), n, chunk, "worker1")
			require.NoError(t, err)
		}
	}
	css, asked := f.watched()
	children, err := deletion.Children(t.Context(), css, director.String())
	require.NoError(t, err)
	assert.Equal(t, []cssetcd.TableName{{DB: "Gaia", Table: "Child"}}, children)
	for _, key := range asked.keys {
		if !strings.Contains(key, "Director/") { // that is read whole
			assert.NotRegexp(t, "/CHUNKS|/schema", key)
		}
	}
	_, err = f.DropTable(t.Context(), director)
	require.ErrorIs(t, err, deletion.ErrHasChildren)
	_, err = f.DropTable(t.Context(), cssetcd.TableName{DB: "Gaia", Table: "Child"}, deletion.Delay(time.Hour))
	require.NoError(t, err)
	_, err = f.DropTable(t.Context(), director, deletion.Delay(time.Hour))
	require.NoError(t, err, "a child that is on its way out does not stay")
	asked.keys = nil
	children, err = deletion.Children(t.Context(), css, "Gaia.Child")
	require.NoError(t, err)
	assert.Empty(t, children)
	for _, key := range asked.keys {
		assert.NotContains(t, key, "LSST")
	}
}

// A database holds its directors for the tables of others, and goes without a question only when it is forced, or when
// those go, too.
func TestChildrenInAnotherDatabase(t *testing.T) {
	f := newFleet(t)
	other := cssetcd.TableName{DB: "Other", Table: "Child"}
	for _, db := range []string{"Gaia", "Other"} {
		_, err := f.CSS.CreateDatabase(t.Context(), cssetcd.Database{Name: db}, cssetcd.IfNotExists())
		require.NoError(t, err)
	}
	for _, n := range []cssetcd.TableName{{DB: "Gaia", Table: "Director"}, {DB: "Gaia", Table: "Own"}, other} {
		_, err := f.CSS.CreateTable(t.Context(), cssetcd.Table{Name: n, Schema: "(id BIGINT)",
			Partitioning: &cssetcd.Partitioning{DirDB: "Gaia", DirTable: "Director", DirColumn: "id"}},
			cssetcd.AllowUnqueryable())
		require.NoError(t, err)
	}
	children, err := deletion.Children(t.Context(), f.CSS, "Gaia")
	require.NoError(t, err)
	assert.Equal(t, []cssetcd.TableName{other}, children)
	_, err = f.DropDatabase(t.Context(), "Gaia", deletion.Delay(time.Hour))
	require.ErrorIs(t, err, deletion.ErrHasChildren)
	require.ErrorContains(t, err, "Other.Child")
	_, err = f.DropDatabase(t.Context(), "Gaia", deletion.Delay(time.Hour), deletion.Force())
	require.NoError(t, err)
	require.NoError(t, f.Undo(t.Context(), "Gaia"))
	_, err = f.DropTable(t.Context(), other, deletion.Delay(time.Hour))
	require.NoError(t, err)
	_, err = f.DropDatabase(t.Context(), "Gaia", deletion.Delay(time.Hour))
	require.NoError(t, err)
}
