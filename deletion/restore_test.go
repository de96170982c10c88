package deletion_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// alarm has etcd take itself for full.
func (f *fleet) alarm() {
	f.T.Helper()
	members, err := f.Etcd.MemberList(f.T.Context())
	require.NoError(f.T, err)
	ok(f.T)(pb.NewMaintenanceClient(f.Etcd.ActiveConnection()).Alarm(f.T.Context(), &pb.AlarmRequest{
		Action: pb.AlarmRequest_ACTIVATE, MemberID: members.Members[0].ID, Alarm: pb.AlarmType_NOSPACE,
	}))
}

// A full etcd refuses what writes. Queries go on for as long as it answers; drops wait until it has room again.
func TestFullEtcdStopsNoQuery(t *testing.T) {
	t.Parallel()
	f := &fleet{fleettest.On(t, testkit.Etcd(t, embedetcd.Options{UnsafeNoFsync: true, Tick: 10 * time.Millisecond}))}
	f.Coordinate()
	c := f.Czar("one")
	running := c.Query(t, object, source)
	f.alarm()
	require.ErrorIs(t, errOf(f.DropTable(t.Context(), source)), cssetcd.ErrNoSpace)

	for began := time.Now(); time.Since(began) < 3*quick.Fence; time.Sleep(quick.Fence / 20) {
		require.NoError(t, running.MayDispatch())
		require.NoError(t, c.Healthy())
		c.Query(t, object).Release()
	}
	assert.Len(t, f.Keys("czar/"), 1, "the registration is the first one still")

	ok(t)(f.Etcd.AlarmDisarm(t.Context(), &clientv3.AlarmMember{}))
	d := f.Drop(object, deletion.Delay(0))
	running.Release()
	require.NoError(t, d.Wait(f.Soon()))
}

// backedUp is an etcd with a copy of its data.
type backedUp struct {
	*embedetcd.Server
	dir, copy string
}

func newBackedUp(t *testing.T) *backedUp {
	t.Helper()
	b := &backedUp{dir: filepath.Join(t.TempDir(), "data"), copy: filepath.Join(t.TempDir(), "copy")}
	b.Server = testkit.Etcd(t, embedetcd.Options{Dir: b.dir})
	return b
}

func (b *backedUp) backUp(t *testing.T) {
	t.Helper()
	require.NoError(t, b.Stop())
	require.NoError(t, os.CopyFS(b.copy, os.DirFS(b.dir)))
	require.NoError(t, b.Restart(t.Context()))
}

// restore brings the copy back, after every proof has run out. Before anybody else reaches it, prepare does, at another
// address.
func (b *backedUp) restore(t *testing.T, prepare func(*clientv3.Client)) {
	t.Helper()
	require.NoError(t, b.Stop())
	require.NoError(t, os.RemoveAll(b.dir))
	require.NoError(t, os.CopyFS(b.dir, os.DirFS(b.copy)))
	time.Sleep(quick.Fence * 5 / 4) // what the documents ask for: fence, and a tenth more for clocks that are slow
	if prepare != nil {
		apart, err := embedetcd.Start(t.Context(), embedetcd.Options{Dir: b.dir, UnsafeNoFsync: true,
			Tick: 10 * time.Millisecond})
		require.NoError(t, err)
		etcd, err := apart.Client()
		require.NoError(t, err)
		prepare(etcd)
		require.NoError(t, etcd.Close())
		require.NoError(t, apart.Close())
	}
	require.NoError(t, b.Restart(t.Context()))
}

// A drop that was cancelled since the backup is under way again after the restore, acknowledged by a czar that has let
// queries in since. It is not carried out under them: that czar was without a proof, registers anew, and ends what the
// restored catalogue does not have READY. That is so when history-reset is run before anybody else comes, as
// documented, and when nobody runs it.
func TestDropThatWasCancelledSinceTheBackup(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]bool{"history-reset first": true, "no history-reset": false} {
		t.Run(name, func(t *testing.T) {
			b := newBackedUp(t)
			f := &fleet{fleettest.On(t, b.Server)}
			stop := f.Coordinate()
			c := f.Czar("one")
			f.Drop(object, deletion.Delay(2*time.Second))
			f.Await(func() bool { return len(f.Keys("drop/ack/")) == 1 })
			stop()
			f.AwaitNone("drop/hold/")
			b.backUp(t)
			require.NoError(t, f.Undo(t.Context(), "LSST.Object"))
			f.Coordinate()
			running := c.AwaitAdmitted(t, object)
			require.NoError(t, running.MayDispatch())

			gone := f.removalOf(object)
			var prepare func(*clientv3.Client)
			if reset {
				prepare = f.resetHistory
			}
			b.restore(t, prepare)
			f.dispatchUntil(gone, running)
			running.Release()
			f.AwaitNone("drop/")
			f.Await(func() bool { return c.Healthy() == nil })
			c.Query(t, source).Release()
		})
	}
}

func (f *fleet) resetHistory(etcd *clientv3.Client) {
	ok(f.T)(f.With(etcd).ResetHistory(f.T.Context()))
}

// removalOf tells when etcd has no such table any more, by asking it, which goes on through its being down.
func (f *fleet) removalOf(n cssetcd.TableName) <-chan struct{} {
	gone := make(chan struct{})
	ctx, cancel := context.WithCancel(f.T.Context())
	done := make(chan struct{})
	f.T.Cleanup(func() {
		cancel()
		<-done
	})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			got, err := f.Etcd.Get(ctx, f.CSS.Prefix()+"/css/DBS/"+n.DB+"/TABLES/"+n.Table, clientv3.WithCountOnly())
			if err == nil && got.Count == 0 {
				close(gone)
				return
			}
		}
	}()
	return gone
}

// dispatchUntil goes on with a query for as long as it may, until the table is gone, and then it may not.
func (f *fleet) dispatchUntil(gone <-chan struct{}, running *deletion.Ref) {
	f.T.Helper()
	limit := time.After(within)
	for {
		select {
		case <-gone:
			require.Error(f.T, running.MayDispatch(), "a chunk query goes to a table that is gone")
			return
		case <-limit:
			require.FailNow(f.T, "the drop is not carried out")
		default:
			_ = running.MayDispatch()
		}
	}
}
