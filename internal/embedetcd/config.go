package embedetcd

import (
	"context"
	"crypto/rand"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// membership is what the members of one cluster agree on.
type membership struct {
	peer    url.URL // the member's own address among its peers
	listen  bool    // whether anybody listens there; nobody does for a single member
	initial string  // all members as name=url,...
	token   string
}

// single returns the membership of a cluster of one. Cluster and member ids
// are hashes of the token and the address, which is the same every time; the
// token is random, lest two unrelated servers have the same ids.
func single(name string) membership {
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:2380"}
	return membership{peer: peer, initial: name + "=" + peer.String(), token: rand.Text()}
}

// config returns etcd's configuration for one run of the server. Ctx ends when
// that run is to end.
func (s *Server) config(ctx context.Context) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name = s.opts.Name
	cfg.Dir = s.dir
	cfg.ListenClientUrls = []url.URL{s.client}
	cfg.AdvertiseClientUrls = []url.URL{s.client}
	cfg.AdvertisePeerUrls = []url.URL{s.member.peer}
	cfg.ListenPeerUrls = nil
	if s.member.listen {
		cfg.ListenPeerUrls = cfg.AdvertisePeerUrls
	}
	cfg.InitialCluster = s.member.initial
	cfg.InitialClusterToken = s.member.token
	cfg.EnableGRPCGateway = false // JSON over HTTP; nobody here speaks it
	cfg.UnsafeNoFsync = s.opts.UnsafeNoFsync
	cfg.QuotaBackendBytes = s.opts.Quota
	if s.opts.MaxTxnOps != 0 {
		cfg.MaxTxnOps = s.opts.MaxTxnOps
	}
	if s.opts.AutoCompaction > 0 {
		cfg.AutoCompactionMode = embed.CompactorModePeriodic
		cfg.AutoCompactionRetention = s.opts.AutoCompaction.String()
	}
	if s.opts.Tick > 0 {
		cfg.TickMs = uint(s.opts.Tick / time.Millisecond)
		cfg.ElectionMs = 10 * cfg.TickMs
	}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newZap(s.opts.Logger, s.opts.Fatal, ctx))
	cfg.GRPCAdditionalServerOptions = []grpc.ServerOption{
		grpc.ChainStreamInterceptor(cutStreams(ctx)),
		grpc.ChainUnaryInterceptor(cutCalls(ctx)),
	}
	return cfg
}

var errStopping = status.Error(codes.Unavailable, "etcd is stopping")

// cutStreams ends watches and lease keep-alives when ctx does. Left alone they
// would hold up a stop for all of the seven seconds that etcd allows them.
func cutStreams(ctx context.Context) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		bound, cancel := bind(stream.Context(), ctx)
		defer cancel()
		err := next(srv, boundStream{stream, bound})
		if err != nil && ctx.Err() != nil {
			return errStopping
		}
		return err
	}
}

// cutCalls ends calls that wait, say for a leader, when ctx does.
func cutCalls(ctx context.Context) grpc.UnaryServerInterceptor {
	return func(call context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		bound, cancel := bind(call, ctx)
		defer cancel()
		answer, err := next(bound, req)
		if err != nil && ctx.Err() != nil {
			return nil, errStopping
		}
		return answer, err
	}
}

// bind returns a context with the values of the first that ends with either.
func bind(call, run context.Context) (context.Context, context.CancelFunc) {
	bound, cancel := context.WithCancel(call)
	release := context.AfterFunc(run, cancel)
	return bound, func() {
		release()
		cancel()
	}
}

// boundStream is a stream with another context.
type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s boundStream) Context() context.Context { return s.ctx }
