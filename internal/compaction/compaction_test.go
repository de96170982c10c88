package compaction_test

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/qserv/css-etcd/internal/compaction"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const within = 20 * time.Second

func start(t *testing.T) *clientv3.Client {
	t.Helper()
	server, err := embedetcd.Start(t.Context(), embedetcd.Options{UnsafeNoFsync: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	etcd := testkit.ClientOf(t, server)
	return etcd
}

func put(t *testing.T, etcd *clientv3.Client, n int) int64 {
	t.Helper()
	var at int64
	for i := range n {
		r, err := etcd.Put(t.Context(), "key", strconv.Itoa(i))
		require.NoError(t, err)
		at = r.Header.Revision
	}
	return at
}

// compacted reports whether etcd has forgotten a revision.
func compacted(t *testing.T, etcd *clientv3.Client, revision int64) bool {
	t.Helper()
	_, err := etcd.Get(t.Context(), "key", clientv3.WithRev(revision))
	if err != nil {
		require.ErrorIs(t, err, rpctypes.ErrCompacted)
	}
	return err != nil
}

// run compacts in the background until the test ends.
func run(t *testing.T, cfg compaction.Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- compaction.Run(ctx, cfg) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.ErrorIs(t, <-done, context.Canceled)
	})
	t.Cleanup(stop)
	return stop
}

// TestWhatIsOldIsForgotten, and what is current stays, however old.
func TestWhatIsOldIsForgotten(t *testing.T) {
	etcd := start(t)
	old := put(t, etcd, 10)
	run(t, compaction.Config{Etcd: etcd, Key: "any", Keep: 300 * time.Millisecond, Every: 50 * time.Millisecond})
	require.Eventually(t, func() bool { return compacted(t, etcd, old-1) }, within, 20*time.Millisecond)
	assert.False(t, compacted(t, etcd, old), "the newest revision of then is what is compacted to")
	r, err := etcd.Get(t.Context(), "key")
	require.NoError(t, err)
	assert.Equal(t, "9", string(r.Kvs[0].Value))
	next := put(t, etcd, 3)
	require.Eventually(t, func() bool { return compacted(t, etcd, next-1) }, within, 20*time.Millisecond)
}

func TestWhatIsYoungStays(t *testing.T) {
	etcd := start(t)
	put(t, etcd, 10)
	run(t, compaction.Config{Etcd: etcd, Key: "any", Keep: time.Hour, Every: 10 * time.Millisecond})
	time.Sleep(300 * time.Millisecond)
	assert.False(t, compacted(t, etcd, 2))
}

// TestSeveralDoNotDisturbEachOther: what another one compacted already is no trouble.
func TestSeveralDoNotDisturbEachOther(t *testing.T) {
	etcd := start(t)
	log := &testkit.Text{}
	cfg := compaction.Config{
		Etcd: etcd, Key: "any", Keep: 100 * time.Millisecond, Every: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	for range 3 {
		run(t, cfg)
	}
	var last int64
	for range 20 {
		last = put(t, etcd, 2)
		time.Sleep(20 * time.Millisecond)
	}
	require.Eventually(t, func() bool { return compacted(t, etcd, last-1) }, within, 20*time.Millisecond)
	assert.Empty(t, log.String())
}

// TestTroubleIsSaidOnce and not with each turn; when etcd answers again, it goes on.
func TestTroubleIsSaidOnce(t *testing.T) {
	etcd := start(t)
	broken, err := clientv3.New(clientv3.Config{Endpoints: etcd.Endpoints()})
	require.NoError(t, err)
	require.NoError(t, broken.Close())
	log := &testkit.Text{}
	stop := run(t, compaction.Config{
		Etcd: broken, Key: "any", Keep: time.Second, Every: 10 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.Eventually(t, func() bool { return log.String() != "" }, within, 10*time.Millisecond)
	time.Sleep(200 * time.Millisecond)
	stop()
	assert.Equal(t, 1, bytes.Count([]byte(log.String()), []byte("could not be compacted")), log.String())
}

func TestNothingCanBeKept(t *testing.T) {
	assert.ErrorContains(t, compaction.Run(t.Context(), compaction.Config{}), "a history of 0s cannot be kept")
}
