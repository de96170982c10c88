package cssetcd_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
)

// tapped is an etcd with a proxy before it, and views behind that whose loads can be watched, held and spoilt.
type tapped struct {
	proxy  *proxy.Proxy
	client *cssetcd.Client // past the proxy
	etcd   *clientv3.Client

	mu    sync.Mutex
	begun []time.Time // when loads began
	load  func()      // called as each load begins
	part  func(*etcdserverpb.RangeStreamResponse)
}

func newTapped(t testing.TB) *tapped {
	t.Helper()
	server := testkit.Etcd(t, embedetcd.Options{})
	u := must(url.Parse(server.Endpoints()[0]))(t)
	p := must(proxy.Start("tcp", u.Host))(t)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	w := &tapped{proxy: p, load: func() {}, part: func(*etcdserverpb.RangeStreamResponse) {}}
	w.etcd = testkit.ClientOf(t, server)
	w.client = must(cssetcd.New(t.Context(), w.etcd))(t)
	fill(t, w.client)
	return w
}

// open opens a view with a connection of its own.
func (w *tapped) open(t testing.TB, opts ...cssetcd.ViewOption) *cssetcd.View {
	t.Helper()
	etcd := must(clientv3.New(clientv3.Config{
		Endpoints: []string{w.proxy.Addr()}, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithChainStreamInterceptor(w.tap),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2,
					MaxDelay: 200 * time.Millisecond},
				MinConnectTimeout: time.Second,
			}),
		},
	}))(t)
	t.Cleanup(func() { _ = etcd.Close() })
	c := must(cssetcd.New(t.Context(), etcd))(t)
	v := must(cssetcd.OpenView(t.Context(), c, opts...))(t)
	t.Cleanup(v.Close)
	return v
}

func (w *tapped) tap(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	open grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if !strings.HasSuffix(method, "/RangeStream") {
		return open(ctx, desc, cc, method, opts...)
	}
	w.mu.Lock()
	w.begun = append(w.begun, time.Now())
	load := w.load
	w.mu.Unlock()
	load()
	stream, err := open(ctx, desc, cc, method, opts...)
	return tappedStream{stream, w}, err
}

type tappedStream struct {
	grpc.ClientStream
	w *tapped
}

func (s tappedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if part, ok := m.(*etcdserverpb.RangeStreamResponse); ok && err == nil {
		s.w.mu.Lock()
		defer s.w.mu.Unlock()
		s.w.part(part)
	}
	return err
}

func (w *tapped) onLoad(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.load = f
}

func (w *tapped) onPart(f func(*etcdserverpb.RangeStreamResponse)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.part = f
}

// loads returns when the loads so far began.
func (w *tapped) loads() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Time(nil), w.begun...)
}

// compacted changes the status of a table and discards the history of that, and returns the revision.
func (w *tapped) compacted(t testing.TB) cssetcd.Revision {
	t.Helper()
	ok(t)(w.client.SetTableStatus(t.Context(), object, "PASSING"))
	rev := ok(t)(w.client.SetTableStatus(t.Context(), object, cssetcd.Status(time.Now().String())))
	must(w.etcd.Compact(t.Context(), int64(rev)))(t)
	return rev
}
