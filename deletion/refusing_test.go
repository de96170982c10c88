package deletion_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// leaseless is an etcd that grants no lease.
type leaseless struct{ clientv3.Lease }

func (leaseless) Grant(context.Context, int64) (*clientv3.LeaseGrantResponse, error) {
	return nil, errors.New("no more leases")
}

// A czar does not register where etcd grants no lease, since nobody would notice that it is gone, nor where etcd
// refuses the registration. Who opens the gate is told why.
func TestEtcdThatLetsNobodyRegister(t *testing.T) {
	t.Parallel()
	for why, refuse := range map[string]func(*clientv3.Client){
		"no more leases":    func(etcd *clientv3.Client) { etcd.Lease = leaseless{etcd.Lease} },
		"permission denied": func(etcd *clientv3.Client) { etcd.KV = refusing{etcd.KV, "/czar/"} },
	} {
		f := newFleet(t)
		etcd := fleettest.Client(t, fleettest.Server)
		refuse(etcd)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := deletion.OpenGate(ctx, f.With(etcd).CSS, f.View(), deletion.GateTrace(func(s deletion.CzarStep) {
			assert.NotEqual(t, protocol.CzarEntered, s.Event.Kind)
		}))
		require.ErrorContains(t, err, why)
		assert.Empty(t, f.Keys("czar/"))
		assert.Empty(t, f.Keys("alive/"))
	}
}

// Settings that were changed since count for a czar from its next registration on.
func TestSettingsComeWithARegistration(t *testing.T) {
	f := newFleet(t)
	f.Coordinate()
	var mu sync.Mutex
	var entered []deletion.Timing
	c := f.Czar("one", deletion.GateTrace(func(s deletion.CzarStep) {
		if s.Event.Kind == protocol.CzarEntered {
			mu.Lock()
			defer mu.Unlock()
			entered = append(entered, *s.Event.Timing)
		}
	}))
	other := quick
	other.Fence, other.Wait = 2*quick.Fence, 3*quick.Fence
	ok(t)(f.SetTiming(t.Context(), other))
	require.NoError(t, f.Evict(t.Context(), f.Registration().ID))
	f.Await(func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(entered) == 2
	})
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []deletion.Timing{quick, other}, entered)
	f.Await(func() bool { return c.Healthy() == nil })
}

// awaitWhy waits until a drop of Object is held up by one czar, for a reason.
func (f *fleet) awaitWhy(want string) {
	f.T.Helper()
	why := ""
	require.Eventually(f.T, func() bool {
		s, err := f.Status(f.T.Context(), "LSST.Object")
		if err != nil || len(s.Waiting) != 1 {
			return false
		}
		why = s.Waiting[0].Why
		return strings.HasPrefix(why, want)
	}, within, 10*time.Millisecond, "it is %q and not %q", &why, want)
}

// A query that was told to end and does not is shown as that.
func TestQueryThatDoesNotEndIsShown(t *testing.T) {
	t.Parallel()
	f, c := newFleet(t).withCzar()
	running, also := c.Query(t, object), c.Query(t, object)
	d := f.Drop(object, deletion.Delay(0), deletion.WithPolicy(deletion.Cancel))
	<-running.Done()
	f.awaitWhy("2 queries on it were told to end and have not")
	also.Release()
	f.awaitWhy("1 query on it was told to end and has not")
	running.Release()
	require.NoError(t, d.Wait(f.Soon()))
}

// refusing is an etcd that lets nobody write keys whose names contain something.
type refusing struct {
	clientv3.KV
	part string
}

func (r refusing) Txn(ctx context.Context) clientv3.Txn {
	return &refusingTxn{r.KV.Txn(ctx), r.part, false}
}

type refusingTxn struct {
	clientv3.Txn
	part    string
	refused bool
}

func (t *refusingTxn) If(cs ...clientv3.Cmp) clientv3.Txn   { t.Txn = t.Txn.If(cs...); return t }
func (t *refusingTxn) Else(ops ...clientv3.Op) clientv3.Txn { t.Txn = t.Txn.Else(ops...); return t }
func (t *refusingTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	for _, op := range ops {
		t.refused = t.refused || op.IsPut() && strings.Contains(string(op.KeyBytes()), t.part)
	}
	t.Txn = t.Txn.Then(ops...)
	return t
}

func (t *refusingTxn) Commit() (*clientv3.TxnResponse, error) {
	if t.refused {
		return nil, rpctypes.ErrPermissionDenied
	}
	return t.Txn.Commit()
}

// A czar whose acknowledgements etcd refuses is shown as that, with the reason.
func TestRefusedAcknowledgementIsShown(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	etcd := fleettest.Client(t, fleettest.Server)
	etcd.KV = refusing{etcd.KV, "/drop/ack/"}
	f.With(etcd).Czar("one")
	f.Drop(object, deletion.Delay(0))
	f.awaitWhy("its acknowledgement does not reach etcd: ")
	assert.Contains(t, f.Shown("LSST.Object").Summary(), "permission denied")
}
