package kv_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
	"github.com/qserv/css-etcd/internal/testkit"
)

// soon is how long a test waits for what must happen.
const soon = time.Minute

func TestMain(m *testing.M) {
	testkit.Parallel(4) // the parallel tests mostly wait for delays to pass
	testkit.Main(m)
}

var prefixes atomic.Int64

// newStore returns a store below a prefix of its own on the shared etcd.
func newStore(t testing.TB) *kv.Etcd {
	t.Helper()
	return storeOn(t, testkit.SharedEtcdClient())
}

// newStoreAlone returns a store on an etcd whose revision only its test raises.
func newStoreAlone(t testing.TB) *kv.Etcd {
	t.Helper()
	return storeOn(t, newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0]))
}

func storeOn(t testing.TB, client *clientv3.Client) *kv.Etcd {
	t.Helper()
	st := must(kv.NewEtcd(client, fmt.Sprintf("/test-%d", prefixes.Add(1))))(t)
	return st
}

// newServer starts an etcd for one test.
func newServer(t testing.TB, opts embedetcd.Options) *embedetcd.Server {
	t.Helper()
	opts.UnsafeNoFsync = true
	server := must(embedetcd.Start(t.Context(), opts))(t)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	return server
}

// newClient returns a client of a server, or of what stands before it, that is quick to connect again.
func newClient(t testing.TB, endpoint string, more ...func(*clientv3.Config)) *clientv3.Client {
	t.Helper()
	cfg := clientv3.Config{
		Endpoints: []string{endpoint},
		Logger:    zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2,
				MaxDelay: 200 * time.Millisecond},
			MinConnectTimeout: time.Second,
		})},
	}
	for _, change := range more {
		change(&cfg)
	}
	client := must(clientv3.New(cfg))(t)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// must fails the test unless a call succeeded, and returns its result.
func must[T any](result T, err error) func(require.TestingT) T {
	return func(t require.TestingT) T {
		if h, ok := t.(interface{ Helper() }); ok {
			h.Helper()
		}
		require.NoError(t, err)
		return result
	}
}

// errOf returns the error of a call alone.
func errOf[T any](_ T, err error) error { return err }

// mustLoad loads a span, and returns the cluster besides.
func mustLoad(t testing.TB, st *kv.Etcd, at kv.Revision, span kv.Span) (*kv.Snapshot, uint64) {
	t.Helper()
	s, cluster, err := st.Load(t.Context(), at, span)
	require.NoError(t, err)
	return s, cluster
}

func compact(t testing.TB, client *clientv3.Client, at kv.Revision) {
	t.Helper()
	must(client.Compact(t.Context(), int64(at)))(t)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// eachStore runs a test on every kind of store.
func eachStore(t *testing.T, test func(*testing.T, kv.Store)) {
	t.Run("memory", func(t *testing.T) { test(t, kv.NewMemory()) })
	t.Run("etcd", func(t *testing.T) { test(t, newStore(t)) })
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		kvtest.TestStore(t, kvtest.Harness{
			Many:    testkit.Steps(10_000, 100_000),
			Open:    func(*testing.T) kv.Store { return kv.NewMemory() },
			Compact: func(_ *testing.T, st kv.Store, at kv.Revision) { st.(*kv.Memory).Compact(at) },
		})
	})
	t.Run("etcd", func(t *testing.T) {
		client := must(newServer(t, embedetcd.Options{}).Client())(t)
		t.Cleanup(func() { assert.NoError(t, client.Close()) })
		kvtest.TestStore(t, kvtest.Harness{
			Limited: true,
			Many:    testkit.Steps(10_000, 100_000),
			Open:    func(t *testing.T) kv.Store { return storeOn(t, client) },
			Compact: func(t *testing.T, _ kv.Store, at kv.Revision) { compact(t, client, at) },
			Grant: func(t *testing.T, _ kv.Store) (int64, func()) {
				lease := must(client.Grant(t.Context(), 60))(t)
				return int64(lease.ID), func() { must(client.Revoke(t.Context(), lease.ID))(t) }
			},
		})
	})
}

func hostPort(t testing.TB, endpoint string) string {
	t.Helper()
	address, ok := strings.CutPrefix(endpoint, "http://")
	require.True(t, ok, endpoint)
	return address
}

// storeWithPrefix returns a store with the prefix of another, through another client.
func storeWithPrefix(t testing.TB, client *clientv3.Client, other *kv.Etcd) *kv.Etcd {
	t.Helper()
	st := must(kv.NewEtcd(client, strings.TrimSuffix(other.EtcdKey(""), "/")))(t)
	return st
}
