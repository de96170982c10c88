package testkit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/embedetcd"
)

// quickTick makes a single member serve within a few hundredths of a second.
const quickTick = 10 * time.Millisecond

// Etcd returns a running single-member etcd that is closed when the test ends. It does not wait for the disk, and it
// ticks every 10 ms unless opts say otherwise.
func Etcd(t testing.TB, opts embedetcd.Options) *embedetcd.Server {
	t.Helper()
	opts.UnsafeNoFsync = true
	if opts.Tick == 0 {
		opts.Tick = quickTick
	}
	server, err := embedetcd.Start(t.Context(), opts)
	if err != nil {
		t.Fatalf("start an etcd for the test: %v", err)
	}
	t.Cleanup(func() { closeServer(t, server) })
	return server
}

// EtcdClient returns a client of an etcd of the test's own.
func EtcdClient(t testing.TB) *clientv3.Client {
	t.Helper()
	return ClientOf(t, Etcd(t, embedetcd.Options{}))
}

// ClientOf returns a client that is closed when the test ends.
func ClientOf(t testing.TB, server *embedetcd.Server) *clientv3.Client {
	t.Helper()
	client, err := server.Client()
	if err != nil {
		t.Fatalf("a client of the test's etcd: %v", err)
	}
	t.Cleanup(func() { _ = client.Close() }) // a test may have closed it
	return client
}

// Cluster returns n running members of one etcd that are closed when the test ends.
func Cluster(t testing.TB, n int) []*embedetcd.Server {
	t.Helper()
	members, err := embedetcd.StartCluster(t.Context(), n)
	if err != nil {
		t.Fatalf("start an etcd of %d members for the test: %v", n, err)
	}
	for _, member := range members {
		t.Cleanup(func() { closeServer(t, member) })
	}
	return members
}

func closeServer(t testing.TB, server *embedetcd.Server) {
	if err := server.Close(); err != nil {
		t.Errorf("close the test's etcd: %v", err)
	}
}

// SharedEtcd returns the single-member etcd of all tests in this process, which is started when it is needed first and
// closed by [Main]. Each test has a prefix of its own; one that stops it, compacts it or looks at all keys needs
// [Etcd]. It panics when etcd does not start: examples have no test to fail.
func SharedEtcd() *embedetcd.Server {
	server, err := sharedEtcd()
	if err != nil {
		panic(fmt.Sprintf("testkit: start the tests' etcd: %v", err))
	}
	return server
}

var sharedEtcd = sync.OnceValues(func() (*embedetcd.Server, error) {
	server, err := embedetcd.Start(context.Background(), embedetcd.Options{UnsafeNoFsync: true, Tick: quickTick})
	if err == nil {
		closeAtEnd(server.Close)
	}
	return server, err
})

// SharedEtcdClient returns a client of [SharedEtcd] for all tests in this process. Only [Main] may close it.
func SharedEtcdClient() *clientv3.Client {
	client, err := sharedClient()
	if err != nil {
		panic(fmt.Sprintf("testkit: a client of the tests' etcd: %v", err))
	}
	return client
}

var sharedClient = sync.OnceValues(func() (*clientv3.Client, error) {
	client, err := SharedEtcd().Client()
	if err == nil {
		closeAtEnd(client.Close)
		client.KV = keepsHistory{client.KV}
	}
	return client, err
})

// keepsHistory refuses to compact: other tests in this process read the history at the same time.
type keepsHistory struct{ clientv3.KV }

func (keepsHistory) Compact(context.Context, int64, ...clientv3.CompactOption) (*clientv3.CompactResponse, error) {
	return nil, errors.New("testkit: other tests share this etcd; compact one of the test's own, from testkit.Etcd")
}
