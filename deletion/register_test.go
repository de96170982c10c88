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

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// leaseless is an etcd that grants no lease.
type leaseless struct{ clientv3.Lease }

func (leaseless) Grant(context.Context, int64) (*clientv3.LeaseGrantResponse, error) {
	return nil, errors.New("no more leases")
}

// Without a lease nobody would notice that the czar is gone, so it does not register.
func TestNoRegistrationWithoutALease(t *testing.T) {
	f := newFleet(t)
	etcd, err := fleettest.Server.Client()
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	etcd.Lease = leaseless{etcd.Lease}
	css, err := cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix(f.CSS.Prefix()))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = deletion.OpenGate(ctx, css, f.View())
	require.ErrorContains(t, err, "no more leases")
	assert.Empty(t, f.Keys("czar/"))
	assert.Empty(t, f.Keys("alive/"))
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
	_, err := f.SetTiming(t.Context(), other)
	require.NoError(t, err)
	czars, err := f.Czars(t.Context())
	require.NoError(t, err)
	require.NoError(t, f.Evict(t.Context(), czars[0].ID))
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(entered) == 2
	}, within, time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []deletion.Timing{quick, other}, entered)
	require.Eventually(t, func() bool { return c.Healthy() == nil }, within, time.Millisecond)
}

// A registration that etcd refuses is none.
func TestRefusedRegistration(t *testing.T) {
	f := newFleet(t)
	etcd, err := fleettest.Server.Client()
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	etcd.KV = refusing{etcd.KV, "/czar/"}
	css, err := cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix(f.CSS.Prefix()))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = deletion.OpenGate(ctx, css, f.View(), deletion.GateTrace(func(s deletion.CzarStep) {
		assert.NotEqual(t, protocol.CzarEntered, s.Event.Kind)
	}))
	require.ErrorContains(t, err, "permission denied")
}
