package kv_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// received is a stream whose messages pass through a function.
type received struct {
	grpc.ClientStream
	each func(next func() error) error
}

func (r received) RecvMsg(m any) error {
	return r.each(func() error { return r.ClientStream.RecvMsg(m) })
}

// onStream lets the messages of loads by stream pass through what each call of start returns.
func onStream(start func() func(next func() error) error) func(*clientv3.Config) {
	return onStreamOf("/RangeStream", start)
}

func onStreamOf(what string, start func() func(next func() error) error) func(*clientv3.Config) {
	return func(cfg *clientv3.Config) {
		cfg.DialOptions = append(cfg.DialOptions, grpc.WithChainStreamInterceptor(func(
			ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer,
			opts ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			stream, err := open(ctx, desc, cc, method, opts...)
			if err != nil || !strings.HasSuffix(method, what) {
				return stream, err
			}
			return received{stream, start()}, nil
		}))
	}
}

// olderServer makes the server one that cannot stream: it says so in the stream.
var olderServer = onStream(func() func(func() error) error {
	return func(func() error) error { return status.Error(codes.Unimplemented, "unknown method RangeStream") }
})

// overtakenStream lets compaction overtake each load by stream.
var overtakenStream = onStream(func() func(func() error) error {
	return func(func() error) error { return rpctypes.ErrGRPCCompacted }
})

// onGet calls a function before each read of a page.
func onGet(before func()) func(*clientv3.Config) {
	return aroundGet(func(read func() error) error {
		before()
		return read()
	})
}

// onCall lets each call of one request and one answer pass through a function.
func onCall(around func(method string, reply any, call func() error) error) func(*clientv3.Config) {
	return func(cfg *clientv3.Config) {
		cfg.DialOptions = append(cfg.DialOptions, grpc.WithChainUnaryInterceptor(func(
			ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker,
			opts ...grpc.CallOption,
		) error {
			return around(method, reply, func() error { return call(ctx, method, req, reply, cc, opts...) })
		}))
	}
}

// aroundGet lets each read of a page pass through a function.
func aroundGet(around func(read func() error) error) func(*clientv3.Config) {
	return onCall(func(method string, _ any, call func() error) error {
		if strings.HasSuffix(method, "/Range") {
			return around(call)
		}
		return call()
	})
}

// eachLoad runs a test with both ways of loading: direct is the store itself, over the one that loads.
func eachLoad(t *testing.T, test func(t *testing.T, direct, over *kv.Etcd)) {
	for name, way := range map[string]func(*clientv3.Config){"stream": func(*clientv3.Config) {}, "pages": olderServer} {
		t.Run(name, func(t *testing.T) {
			direct := newStore(t)
			test(t, direct, storeWithPrefix(t, newClient(t, direct.Client().Endpoints()[0], way), direct))
		})
	}
}

var dir = kv.Below("dir")

func TestLoad(t *testing.T) {
	eachLoad(t, func(t *testing.T, direct, over *kv.Etcd) {
		empty, cluster := mustLoad(t, over, 0, dir)
		assert.Zero(t, empty.Len())
		assert.NotZero(t, cluster)
		assert.Equal(t, kvtest.MustFetch(t, direct).Revision, empty.Revision)

		kvtest.MustPut(t, direct, "dir", "beside", "dir0", "beside", "dir2/x", "beside", "other", "beside")
		first := kvtest.MustPut(t, direct, "dir/a", "1", "dir/b/c", "\x00\xff")
		second := kvtest.MustPut(t, direct, "dir/a", "2", "dir/z", "")
		newest := kvtest.MustPut(t, direct, "other", "again")

		for _, c := range []struct {
			name string
			at   kv.Revision
			span kv.Span
			want map[kv.Path]kv.Entry
		}{
			{"newest", 0, dir, map[kv.Path]kv.Entry{
				"dir/a": {Value: "2", Create: first, Mod: second}, "dir/b/c": {Value: "\x00\xff", Create: first, Mod: first},
				"dir/z": {Create: second, Mod: second},
			}},
			{"older", first, dir, map[kv.Path]kv.Entry{
				"dir/a": {Value: "1", Create: first, Mod: first}, "dir/b/c": {Value: "\x00\xff", Create: first, Mod: first},
			}},
			{"before", empty.Revision, dir, map[kv.Path]kv.Entry{}},
			{"one key", 0, kv.Key("dir/a"), map[kv.Path]kv.Entry{"dir/a": {Value: "2", Create: first, Mod: second}}},
			{"one key, older", first, kv.Key("dir/a"), map[kv.Path]kv.Entry{"dir/a": {Value: "1", Create: first, Mod: first}}},
			{"one key that is not there", 0, kv.Key("dir/n"), map[kv.Path]kv.Entry{}},
		} {
			t.Run(c.name, func(t *testing.T) {
				s, id := mustLoad(t, over, c.at, c.span)
				assert.Equal(t, c.want, kvtest.Contents(s))
				assert.Equal(t, []kv.Span{c.span}, s.Spans())
				assert.Equal(t, cluster, id)
				want := c.at
				if want == 0 {
					want = newest
				}
				assert.Equal(t, want, s.Revision)
			})
		}
		_, _, err := over.Load(t.Context(), newest+1000, dir)
		require.ErrorIs(t, err, kv.ErrFutureRevision)
	})
}

// TestLoadIsOneRevision: while a writer changes the first and the last key in one transaction, a load of many keys
// shows both as they were at its revision.
func TestLoadIsOneRevision(t *testing.T) {
	t.Parallel()
	const keys = kv.PageKeys + 10
	eachLoad(t, func(t *testing.T, direct, over *kv.Etcd) {
		kvtest.Fill(t, direct, "dir/m/", keys)
		kvtest.MustPut(t, direct, "dir/a", "0", "dir/z", "0")
		ctx, stop := context.WithCancel(t.Context())
		var written atomic.Int64
		var writer sync.WaitGroup
		writer.Go(func() {
			for ; ctx.Err() == nil; written.Add(1) {
				value := fmt.Sprint(written.Load())
				kvtest.MustPut(t, direct, "dir/a", value, "dir/z", value, "elsewhere", "")
				kvtest.MustPut(t, direct, "elsewhere", "again") // which moves the revisions of headers on
			}
		})
		for range 3 {
			enough := written.Load() + 5
			require.Eventually(t, func() bool { return written.Load() > enough }, soon, time.Millisecond)
			s, _ := mustLoad(t, over, 0, dir)
			require.Equal(t, keys+2, s.Len())
			at := must(direct.Fetch(t.Context(), s.Revision, dir))(t)
			for _, p := range []kv.Path{"dir/a", "dir/z"} {
				require.Equal(t, at.At(p), s.At(p))
			}
		}
		stop()
		writer.Wait()
	})
}

// TestLoadDuringCompaction: a load that compaction overtakes begins anew, a few times.
func TestLoadDuringCompaction(t *testing.T) {
	t.Parallel()
	server := newServer(t, embedetcd.Options{})
	direct := storeOn(t, newClient(t, server.Endpoints()[0]))
	const keys = kv.PageKeys + 10
	kvtest.Fill(t, direct, "dir/", keys)
	overtake := func() {
		kvtest.MustPut(t, direct, "dir/first", fmt.Sprint(kvtest.MustFetch(t, direct).Revision))
		compact(t, direct.Client(), kvtest.MustFetch(t, direct).Revision)
	}
	for _, c := range []struct {
		name     string
		overtake int // how many pages or streams
	}{{"never", 0}, {"once", 1}, {"twice", 2}, {"always", 1000}} {
		t.Run("pages, "+c.name, func(t *testing.T) {
			calls, left := 0, c.overtake
			over := storeWithPrefix(t, newClient(t, server.Endpoints()[0], olderServer, onGet(func() {
				if calls++; calls%2 == 0 && left > 0 {
					left--
					overtake()
				}
			})), direct)
			s, _ := mustLoad(t, over, 0, dir)
			assert.Empty(t, kv.Diff(kvtest.MustFetch(t, direct, dir), s), "nothing was written after the last page")
		})
		t.Run("stream, "+c.name, func(t *testing.T) {
			left, streams := c.overtake, 0
			over := storeWithPrefix(t, newClient(t, server.Endpoints()[0], onStream(func() func(func() error) error {
				streams++
				overtaken := left > 0
				left--
				return func(next func() error) error {
					if overtaken {
						return rpctypes.ErrGRPCCompacted
					}
					return next()
				}
			})), direct)
			s, _ := mustLoad(t, over, 0, dir)
			assert.GreaterOrEqual(t, s.Len(), keys)
			assert.Equal(t, 1, streams)
		})
	}
	t.Run("a given revision", func(t *testing.T) {
		at := kvtest.MustFetch(t, direct).Revision
		overtake()
		for name, way := range map[string]func(*clientv3.Config){"stream": func(*clientv3.Config) {}, "pages": olderServer} {
			over := storeWithPrefix(t, newClient(t, server.Endpoints()[0], way), direct)
			_, _, err := over.Load(t.Context(), at, dir)
			require.ErrorIs(t, err, kv.ErrCompacted, name)
		}
	})
}

// TestLoadIsNeverPartial: a stream that breaks is an error, however it breaks.
func TestLoadIsNeverPartial(t *testing.T) {
	direct := newStore(t)
	kvtest.Fill(t, direct, "dir/", 500) // a stream begins with small parts
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"ended early":  {io.EOF, nil},
		"unavailable":  {status.Error(codes.Unavailable, "cut"), kv.ErrUnavailable},
		"unauthorized": {rpctypes.ErrGRPCPermissionDenied, kv.ErrUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			parts := 0
			over := storeWithPrefix(t, newClient(t, direct.Client().Endpoints()[0], onStream(func() func(func() error) error {
				return func(next func() error) error {
					if parts++; parts == 2 {
						return c.err
					}
					return next()
				}
			})), direct)
			s, _, err := over.Load(t.Context(), 0, dir)
			require.Error(t, err)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			assert.Nil(t, s)
			assert.Equal(t, 2, parts)
		})
	}
	t.Run("context ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		over := storeWithPrefix(t, newClient(t, direct.Client().Endpoints()[0], onStream(func() func(func() error) error {
			return func(next func() error) error {
				defer cancel()
				return next()
			}
		})), direct)
		if s, _, err := over.Load(ctx, 0, dir); err == nil { // all of it had arrived already
			assert.Equal(t, 500, s.Len())
		} else {
			require.ErrorIs(t, err, context.Canceled)
		}
	})
}
