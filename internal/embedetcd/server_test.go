package embedetcd_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func start(t *testing.T, opts embedetcd.Options) *embedetcd.Server {
	t.Helper()
	opts.Tick = 10 * time.Millisecond // starts sooner
	s, err := embedetcd.Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func client(t *testing.T, s *embedetcd.Server) *clientv3.Client {
	t.Helper()
	c := testkit.ClientOf(t, s)
	return c
}

func put(t *testing.T, c *clientv3.Client, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := c.Put(ctx, key, value)
	require.NoError(t, err)
}

func value(t *testing.T, c *clientv3.Client, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	answer, err := c.Get(ctx, key)
	require.NoError(t, err)
	require.Len(t, answer.Kvs, 1)
	return string(answer.Kvs[0].Value)
}

func TestServerKeepsDataAndAddressOverRestart(t *testing.T) {
	began := time.Now()
	s := start(t, embedetcd.Options{})
	t.Logf("first start: %v", time.Since(began))
	c := client(t, s)
	put(t, c, "k", "v")
	endpoints := s.Endpoints()

	began = time.Now()
	require.NoError(t, s.Stop())
	t.Logf("stop: %v", time.Since(began))
	require.NoError(t, s.Stop(), "stopping twice is harmless")
	assert.Nil(t, s.Failed())
	began = time.Now()
	require.NoError(t, s.Restart(t.Context()))
	t.Logf("restart: %v", time.Since(began))
	require.NoError(t, s.Restart(t.Context()), "a running server stays as it is")
	assert.NotNil(t, s.Failed())
	assert.Equal(t, endpoints, s.Endpoints())
	assert.Equal(t, "v", value(t, c, "k"), "the same client reaches the restarted server")

	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	assert.NoDirExists(t, s.Dir())
	require.ErrorIs(t, s.Restart(t.Context()), embedetcd.ErrClosed)
}

func TestDirectoryOfTheCallerIsKeptAndUsedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "start")
	first := start(t, embedetcd.Options{Dir: dir, UnsafeNoFsync: true})
	c := client(t, first)
	put(t, c, "k", "v")
	before, err := c.MemberList(t.Context())
	require.NoError(t, err)
	require.NoError(t, first.Close())

	second := start(t, embedetcd.Options{Dir: dir, AutoCompaction: time.Hour, Quota: 1 << 28})
	c = client(t, second)
	assert.Equal(t, "v", value(t, c, "k"))
	after, err := c.MemberList(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before.Header.ClusterId, after.Header.ClusterId)
	require.Len(t, after.Members, 1)
	require.Eventually(t, func() bool {
		list, err := c.MemberList(t.Context())
		return err == nil && list.Members[0].ClientURLs[0] == second.Endpoints()[0]
	}, 10*time.Second, 20*time.Millisecond, "the member advertises its present address")
}

func TestUnrelatedServersHaveDifferentClusterIDs(t *testing.T) {
	seen := map[uint64]bool{}
	for range 2 {
		answer, err := client(t, start(t, embedetcd.Options{})).Get(t.Context(), "k")
		require.NoError(t, err)
		seen[answer.Header.ClusterId] = true
	}
	assert.Len(t, seen, 2)
}

func TestSecondServerOnADirectoryIsRefused(t *testing.T) {
	s := start(t, embedetcd.Options{})
	_, err := embedetcd.Start(t.Context(), embedetcd.Options{Dir: s.Dir()})
	require.ErrorIs(t, err, embedetcd.ErrInUse)
	put(t, client(t, s), "k", "v")
}

func TestAddressInUseIsNamed(t *testing.T) {
	s := start(t, embedetcd.Options{})
	dir := t.TempDir()
	_, err := embedetcd.Start(t.Context(), embedetcd.Options{Dir: dir, Listen: s.Endpoints()[0]})
	require.ErrorContains(t, err, s.Endpoints()[0])
	// The failed start has let go of the directory.
	start(t, embedetcd.Options{Dir: dir})
}

func TestUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "etcd-unix-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	s := start(t, embedetcd.Options{Listen: "unix://" + dir + "/s"})
	c := client(t, s)
	put(t, c, "k", "v")
	require.NoError(t, s.Stop())
	require.NoError(t, s.Restart(t.Context()))
	assert.Equal(t, "v", value(t, c, "k"))
}

func TestStopDoesNotWaitForWatches(t *testing.T) {
	s := start(t, embedetcd.Options{})
	c := client(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := c.Watch(ctx, "k", clientv3.WithCreatedNotify())
	require.True(t, (<-events).Created)
	lease, err := c.Grant(ctx, 60)
	require.NoError(t, err)
	_, err = c.KeepAlive(ctx, lease.ID)
	require.NoError(t, err)

	began := time.Now()
	require.NoError(t, s.Stop())
	assert.Less(t, time.Since(began), 3*time.Second)
	require.NoError(t, s.Restart(t.Context()))
	put(t, c, "k", "v")
	// Skips the notice that the watch was created again.
	for answer := range events {
		require.NoError(t, answer.Err(), "the watch goes on after a restart")
		if len(answer.Events) > 0 {
			assert.Equal(t, "v", string(answer.Events[0].Kv.Value))
			return
		}
	}
	t.Fatal("the watch ended")
}

func TestStartHonoursItsContext(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for _, limit := range []time.Duration{0, 5 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := embedetcd.Start(ctx, embedetcd.Options{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestOptionsAreChecked(t *testing.T) {
	for name, opts := range map[string]embedetcd.Options{
		"https":      {Listen: "https://127.0.0.1:0"},
		"name":       {Listen: "example.org:0"},
		"no port":    {Listen: "127.0.0.1"},
		"unix host":  {Listen: "unix://relative/path"},
		"not a URL":  {Listen: "http://%zz"},
		"compaction": {AutoCompaction: -1},
		"quota":      {Quota: -1},
		"tick":       {Tick: 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := embedetcd.Start(t.Context(), opts)
			require.ErrorContains(t, err, "embedetcd: ")
		})
	}
}

func TestLoggerReceivesEtcdsMessages(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelError} {
		t.Run(level.String(), func(t *testing.T) {
			var log testkit.Text
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))
			s := start(t, embedetcd.Options{Name: "talkative", Logger: logger})
			require.NoError(t, s.Close())
			if level == slog.LevelError {
				// A server that is stopped in its first moments may have an error to tell; all else is kept back.
				for line := range strings.Lines(log.String()) {
					assert.Contains(t, line, "level=ERROR")
				}
				return
			}
			assert.Contains(t, log.String(), "talkative")
			assert.Contains(t, log.String(), "level=DEBUG")
			assert.NotContains(t, log.String(), "level=INFO")
		})
	}
}

// TestServerPrintsNothing swaps the process's outputs, so it must not run in
// parallel with others.
func TestServerPrintsNothing(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()

	members, err := embedetcd.StartClusterWith(t.Context(), 3, embedetcd.Options{UnsafeNoFsync: true,
		Tick: 30 * time.Millisecond})
	require.NoError(t, err)
	c, err := embedetcd.ClusterClient(members)
	require.NoError(t, err)
	put(t, c, "k", strings.Repeat("v", 1000))
	require.NoError(t, members[0].Stop())
	put(t, c, "k", "w")
	require.NoError(t, c.Close())
	for _, m := range members {
		require.NoError(t, m.Close())
	}

	os.Stdout, os.Stderr = stdout, stderr
	require.NoError(t, w.Close())
	printed, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Empty(t, string(printed))
}

func ExampleStart() {
	ctx := context.Background()
	server, err := embedetcd.Start(ctx, embedetcd.Options{UnsafeNoFsync: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	c, err := server.Client()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	if _, err := c.Put(ctx, "greeting", "hello"); err != nil {
		fmt.Println(err)
		return
	}
	answer, err := c.Get(ctx, "greeting")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(answer.Kvs[0].Value))
	// Output: hello
}
