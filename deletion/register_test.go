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

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// leaseless is an etcd that grants no lease.
type leaseless struct{ clientv3.Lease }

func (leaseless) Grant(context.Context, int64) (*clientv3.LeaseGrantResponse, error) {
	return nil, errors.New("no more leases")
}

// A czar does not register where etcd grants no lease, since nobody would notice that it is gone, nor where etcd refuses
// the registration. Who opens the gate is told why.
func TestEtcdThatLetsNobodyRegister(t *testing.T) {
	for why, refuse := range map[string]func(*clientv3.Client){
		"no more leases":    func(etcd *clientv3.Client) { etcd.Lease = leaseless{etcd.Lease} },
		"permission denied": func(etcd *clientv3.Client) { etcd.KV = refusing{etcd.KV, "/czar/"} },
	} {
		f := newFleet(t)
		etcd := fleettest.Client(t, fleettest.Server)
		refuse(etcd)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
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
