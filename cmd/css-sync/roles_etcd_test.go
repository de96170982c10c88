package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/freeport"
)

// guardedEtcd is an etcd with users, which notes what each of them reads and writes, and what it refused.
type guardedEtcd struct {
	t        *testing.T
	endpoint string
	root     *clientv3.Client

	mu      sync.Mutex
	users   map[string]string // of tokens
	used    map[string][]keyRange
	refused map[string][]string
}

// keyRange is a key, or a range of keys, that a request was about.
type keyRange struct {
	key, end string
	write    bool
}

// password is that of all users of a guardedEtcd.
const password = "mArKeD-secret"

func startGuarded(t *testing.T) *guardedEtcd {
	t.Helper()
	g := &guardedEtcd{t: t, users: map[string]string{}, used: map[string][]keyRange{}, refused: map[string][]string{}}
	port, err := freeport.Pick()
	require.NoError(t, err)
	at := url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	cfg := embed.NewConfig()
	cfg.Dir = t.TempDir()
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls, cfg.ListenPeerUrls = []url.URL{at}, []url.URL{at}, nil
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.UnsafeNoFsync, cfg.TickMs, cfg.ElectionMs, cfg.BcryptCost = true, 10, 100, 4
	cfg.GRPCAdditionalServerOptions = []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(g.call), grpc.ChainStreamInterceptor(g.stream),
	}
	server, err := embed.StartEtcd(cfg)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	<-server.Server.ReadyNotify()
	g.endpoint = at.Host
	return g
}

// client returns a client of a user, past css-sync; "" is nobody.
func (g *guardedEtcd) client(user string) *clientv3.Client {
	g.t.Helper()
	config := clientv3.Config{Endpoints: []string{g.endpoint}, Logger: zap.NewNop(), DialTimeout: clitest.Patience}
	if user != "" {
		config.Username, config.Password = user, password
	}
	etcd, err := clientv3.New(config)
	require.NoError(g.t, err)
	g.t.Cleanup(func() { _ = etcd.Close() })
	return etcd
}

// as returns a command line of a user; "" is nobody.
func (g *guardedEtcd) as(user string) *clitest.CommandLine {
	c := tested.In(g.t, map[string]string{"CSS_SYNC_ENDPOINTS": g.endpoint, "CSS_SYNC_DIAL_TIMEOUT": "20s",
		"CSS_SYNC_COMMAND_TIMEOUT": "60s"})
	if user != "" {
		c.Env["CSS_SYNC_USER"], c.Env["CSS_SYNC_PASSWORD"] = user, password
	}
	return c
}

// guard adds users with their roles, and turns access control on.
func (g *guardedEtcd) guard(users map[string][]string) {
	g.t.Helper()
	open, ctx := g.client(""), g.t.Context()
	for user, roles := range users {
		_, err := open.UserAdd(ctx, user, password)
		require.NoError(g.t, err)
		for _, role := range roles {
			_, err = open.UserGrantRole(ctx, user, role)
			require.NoError(g.t, err)
		}
	}
	_, err := open.UserAdd(ctx, "root", password)
	require.NoError(g.t, err)
	_, err = open.UserGrantRole(ctx, "root", "root")
	require.NoError(g.t, err)
	_, err = open.AuthEnable(ctx)
	require.NoError(g.t, err)
	g.root = g.client("root")
}

func (g *guardedEtcd) userOf(ctx context.Context) string {
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		if tokens := md.Get(rpctypes.TokenFieldNameGRPC); len(tokens) > 0 {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.users[tokens[0]]
		}
	}
	return ""
}

// note notes what a user asked for, and that it was refused.
func (g *guardedEtcd) note(user, what string, refused bool, ranges ...keyRange) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.used[user] = append(g.used[user], ranges...)
	if refused {
		g.refused[user] = append(g.refused[user], fmt.Sprintf("%s %v", what, ranges))
	}
}

func (g *guardedEtcd) call(ctx context.Context, req any, info *grpc.UnaryServerInfo,
	next grpc.UnaryHandler) (any, error) {
	answer, err := next(ctx, req)
	if a, ok := answer.(*etcdserverpb.AuthenticateResponse); ok && err == nil {
		g.mu.Lock()
		g.users[a.Token] = req.(*etcdserverpb.AuthenticateRequest).Name
		g.mu.Unlock()
	}
	compacts := strings.HasSuffix(info.FullMethod, "/Compact") // which no part may, and which serve says
	denied := err != nil && strings.Contains(err.Error(), "permission denied") && !compacts
	g.note(g.userOf(ctx), info.FullMethod, denied, rangesOf(req)...)
	return answer, err
}

func rangesOf(req any) (all []keyRange) {
	switch r := req.(type) {
	case *etcdserverpb.RangeRequest:
		return []keyRange{{string(r.Key), string(r.RangeEnd), false}}
	case *etcdserverpb.PutRequest:
		return []keyRange{{string(r.Key), "", true}}
	case *etcdserverpb.DeleteRangeRequest:
		return []keyRange{{string(r.Key), string(r.RangeEnd), true}}
	case *etcdserverpb.TxnRequest:
		for _, c := range r.Compare {
			all = append(all, keyRange{string(c.Key), string(c.RangeEnd), false})
		}
		for _, op := range slices.Concat(r.Success, r.Failure) {
			for _, inner := range []any{op.GetRequestRange(), op.GetRequestPut(), op.GetRequestDeleteRange()} {
				all = append(all, rangesOfOp(inner)...)
			}
		}
	}
	return all
}

// rangesOfOp leaves out what an operation is not: pointers that are nil.
func rangesOfOp(inner any) []keyRange {
	switch r := inner.(type) {
	case *etcdserverpb.RangeRequest:
		if r == nil {
			return nil
		}
	case *etcdserverpb.PutRequest:
		if r == nil {
			return nil
		}
	case *etcdserverpb.DeleteRangeRequest:
		if r == nil {
			return nil
		}
	}
	return rangesOf(inner)
}

func (g *guardedEtcd) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo,
	next grpc.StreamHandler) error {
	err := next(srv, &heardStream{ServerStream: s, g: g})
	g.note(g.userOf(s.Context()), info.FullMethod, err != nil && strings.Contains(err.Error(), "permission denied"))
	return err
}

// heardStream notes what watches and loads are of, and that a watch was refused.
type heardStream struct {
	grpc.ServerStream
	g *guardedEtcd
}

func (s *heardStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if r, ok := m.(*etcdserverpb.WatchRequest); ok && err == nil {
		if c := r.GetCreateRequest(); c != nil {
			s.g.note(s.g.userOf(s.Context()), "", false, keyRange{string(c.Key), string(c.RangeEnd), false})
		}
	}
	if r, ok := m.(*etcdserverpb.RangeRequest); ok && err == nil {
		s.g.note(s.g.userOf(s.Context()), "", false, rangesOf(r)...)
	}
	return err
}

func (s *heardStream) SendMsg(m any) error {
	if r, ok := m.(*etcdserverpb.WatchResponse); ok && strings.Contains(r.CancelReason, "permission denied") {
		s.g.note(s.g.userOf(s.Context()), "watch: "+r.CancelReason, true)
	}
	return s.ServerStream.SendMsg(m)
}

// heard returns what a user has asked for, and what was refused.
func (g *guardedEtcd) heard(user string) (used []keyRange, refused []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.used[user]), slices.Clone(g.refused[user])
}
