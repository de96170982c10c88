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

// watched returns the same fleet with clients that note what they ask.
func (f *fleet) watched() (*fleettest.Fleet, *asked) {
	f.T.Helper()
	a := &asked{calls: map[string]int{}}
	etcd, err := clientv3.New(clientv3.Config{Endpoints: fleettest.Server.Endpoints(),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(a.intercept)}})
	require.NoError(f.T, err)
	f.T.Cleanup(func() { _ = etcd.Close() })
	w := f.With(etcd)
	*a = asked{calls: map[string]int{}}
	return w, a
}

// The status of one drop costs what that drop is, however many others there are.
func TestStatusOfOneDropReadsNoOther(t *testing.T) {
	f := newFleet(t)
	for i := range 5 {
		n := cssetcd.TableName{DB: "LSST", Table: fmt.Sprintf("T%d", i)}
		f.Create(n)
		f.Drop(n)
	}
	client, asked := f.watched()
	s := client.Shown("LSST.T3")
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
	f.CreateChildren(director, child)
	ok(t)(f.CSS.AddNode(t.Context(), cssetcd.Node{Name: "worker1", Type: "worker", Host: "worker1"}))
	for _, n := range []cssetcd.TableName{director, child} {
		for chunk := range 3 {
			ok(t)(f.CSS.AddChunk(t.Context(), n, chunk, "worker1"))
		}
	}
	watched, asked := f.watched()
	children, err := deletion.Children(t.Context(), watched.CSS, director.String())
	require.NoError(t, err)
	assert.Equal(t, []cssetcd.TableName{child}, children)
	for _, key := range asked.keys {
		if !strings.Contains(key, "Director/") { // that is read whole
			assert.NotRegexp(t, "/CHUNKS|/schema", key)
		}
	}
	require.ErrorIs(t, errOf(f.DropTable(t.Context(), director)), deletion.ErrHasChildren)
	f.Drop(child, deletion.Delay(time.Hour))
	f.Drop(director, deletion.Delay(time.Hour)) // a child that is on its way out does not stay
	asked.keys = nil
	children, err = deletion.Children(t.Context(), watched.CSS, "Gaia.Child")
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
	f.CreateChildren(director, child, other)
	children, err := deletion.Children(t.Context(), f.CSS, "Gaia")
	require.NoError(t, err)
	assert.Equal(t, []cssetcd.TableName{other}, children)
	_, err = f.DropDatabase(t.Context(), "Gaia", deletion.Delay(time.Hour))
	require.ErrorIs(t, err, deletion.ErrHasChildren)
	require.ErrorContains(t, err, "Other.Child")
	f.Begin("Gaia", deletion.Delay(time.Hour), deletion.Force())
	require.NoError(t, f.Undo(t.Context(), "Gaia"))
	f.Drop(other, deletion.Delay(time.Hour))
	f.Begin("Gaia", deletion.Delay(time.Hour))
}

// Admitting a query allocates nothing.
func TestAdmitAllocatesNothing(t *testing.T) {
	f := newFleet(t)
	c := f.Czar("one")
	tables := []*cssetcd.Table{c.Plan(t, object), c.Plan(t, source), c.Plan(t, other)}
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		ref, err := c.Admit(tables...)
		if err != nil {
			panic(err)
		}
		ref.Release()
	}))
}
