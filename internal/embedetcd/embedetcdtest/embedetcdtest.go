// Package embedetcdtest gives tests an embedded etcd. It is apart from
// embedetcd so that programs which run such a server do not import testing.
package embedetcdtest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qserv/css-etcd/internal/embedetcd"
)

// quickTick makes a single member serve within a few hundredths of a second.
const quickTick = 10 * time.Millisecond

// ForTest returns a running single-member etcd that is closed when the test
// ends. It does not wait for the disk, and it ticks every 10 ms unless opts say
// otherwise.
func ForTest(t testing.TB, opts embedetcd.Options) *embedetcd.Server {
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

// ClusterForTest returns n running members of one etcd that are closed when
// the test ends.
func ClusterForTest(t testing.TB, n int) []*embedetcd.Server {
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

// Main runs the tests of a package and then fails it if goroutines are left
// over. To be called by TestMain; it does not return. Unlike goleak's own main
// it waits for connections between the members of a cluster, which etcd leaves
// to their timeout of five seconds.
func Main(m interface{ Run() int }, opts ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		if err := awaitNoLeak(15*time.Second, opts); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left over after the tests:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// awaitNoLeak looks for left-over goroutines until there are none. Each look
// takes about a second when there are some.
func awaitNoLeak(most time.Duration, opts []goleak.Option) error {
	deadline := time.Now().Add(most)
	for {
		err := goleak.Find(opts...)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
