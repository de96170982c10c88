package cssetcd_test

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/freeport"
	"github.com/qserv/css-etcd/internal/testkit"
)

const tokenTTL = time.Second

// guarded is an etcd with access control, whose tokens live for a second, and clients of its two users.
type guarded struct {
	root, czar *clientv3.Client
	prefix     string
	restart    func() // which makes it forget all tokens
}

func newGuarded(t *testing.T) guarded {
	t.Helper()
	port := must(freeport.Pick())(t)
	at := url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	cfg := embed.NewConfig()
	cfg.Dir = t.TempDir()
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls, cfg.ListenPeerUrls = []url.URL{at}, []url.URL{at}, nil
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.UnsafeNoFsync, cfg.TickMs, cfg.ElectionMs = true, 10, 100
	cfg.BcryptCost, cfg.AuthTokenTTL = 4, uint(tokenTTL/time.Second)
	server := must(embed.StartEtcd(cfg))(t)
	t.Cleanup(func() { server.Close() })
	<-server.Server.ReadyNotify()
	client := func(user, password string) *clientv3.Client {
		c, err := clientv3.New(clientv3.Config{
			Endpoints: []string{at.String()}, Logger: zap.NewNop(), Username: user, Password: password, DialTimeout: time.Minute,
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	open := client("", "")
	g := guarded{prefix: cssetcd.DefaultPrefix + "/", restart: func() {
		server.Close()
		server = must(embed.StartEtcd(cfg))(t)
		<-server.Server.ReadyNotify()
	}}
	ctx := t.Context()
	must(open.UserAdd(ctx, "root", "secret"))(t)
	must(open.UserGrantRole(ctx, "root", "root"))(t)
	must(open.RoleAdd(ctx, "reader"))(t)
	must(open.UserAdd(ctx, "czar", "word"))(t)
	must(open.UserGrantRole(ctx, "czar", "reader"))(t)
	must(open.AuthEnable(ctx))(t)
	g.root, g.czar = client("root", "secret"), client("czar", "word")
	g.grant(t)
	return g
}

func (g guarded) grant(t *testing.T) {
	t.Helper()
	must(g.root.RoleGrantPermission(t.Context(), "reader", g.prefix, clientv3.GetPrefixRangeEnd(g.prefix),
		clientv3.PermissionType(clientv3.PermRead)))(t)
}

// TestViewWithAccessControl (V7): tokens end and are renewed; a permission or password that is taken away leaves the
// view readable, is the reason of its condition within seconds, and mends itself when it is given back.
func TestViewWithAccessControl(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	writer := must(cssetcd.New(t.Context(), g.root))(t)
	fill(t, writer)
	c := must(cssetcd.New(t.Context(), g.czar))(t)
	v := openView(t, c)
	n := 0
	followed := func() {
		t.Helper()
		n++
		rev := ok(t)(writer.SetTableStatus(t.Context(), object, cssetcd.Status(strconv.Itoa(n))))
		s := waitRevision(t, v, rev)
		tab := must(s.Table(object))(t)
		assert.Equal(t, cssetcd.Status(strconv.Itoa(n)), tab.Status)
	}
	for began := time.Now(); time.Since(began) < 5*tokenTTL; time.Sleep(tokenTTL / 5) { // over the ends of many tokens
		followed()
	}
	assert.Zero(t, v.Stats().Counts.Troubles)
	g.restart()
	put := func() bool { return errOf(writer.SetTableStatus(t.Context(), object, "X")) == nil }
	require.Eventually(t, put, time.Minute, time.Millisecond)
	followed()
	awaitPhase(t, v, cssetcd.Live)
	err := errOf(c.SetTableStatus(t.Context(), object, "X"))
	require.ErrorIs(t, err, cssetcd.ErrUnauthorized, "a reader may not write")
	require.NotErrorIs(t, err, cssetcd.ErrOutcomeUnknown)

	for name, c := range map[string]struct{ take, give func() }{
		"a permission": {
			func() {
				_, err := g.root.RoleRevokePermission(t.Context(), "reader", g.prefix, clientv3.GetPrefixRangeEnd(g.prefix))
				require.NoError(t, err)
			},
			func() { g.grant(t) },
		},
		"a password": {
			func() { must(g.root.UserChangePassword(t.Context(), "czar", "another"))(t) },
			func() { must(g.root.UserChangePassword(t.Context(), "czar", "word"))(t) },
		},
	} {
		began := time.Now()
		c.take()
		// A watch that is there goes on to be served, so the view hears of it when it asks.
		require.Eventually(t, func() bool { return v.Condition().Reason != nil }, time.Minute, time.Millisecond, name)
		t.Logf("%s was taken: told after %v: %v", name, time.Since(began), v.Condition().Reason)
		require.ErrorIs(t, v.Condition().Reason, cssetcd.ErrUnauthorized, name)
		assert.Equal(t, cssetcd.Stale, v.Condition().Phase)
		_, err := v.Snapshot().Table(object)
		require.NoError(t, err, "it stays readable")
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err = v.WaitLatest(ctx)
		cancel()
		require.ErrorIs(t, err, cssetcd.ErrUnauthorized, name)
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.ErrorIs(t, v.Healthy(0), cssetcd.ErrUnauthorized, name)
		ok(t)(writer.SetTableStatus(t.Context(), object, "MEANWHILE"))
		c.give()
		followed()
		awaitPhase(t, v, cssetcd.Live)
		require.NoError(t, v.Condition().Reason, name)
	}
	assert.Zero(t, v.Stats().Counts.Loads, "it went on where it stood")
}

// TestViewOnAFullEtcd (V7): etcd refuses writes for want of space, which a writer is told; the view stays live.
func TestViewOnAFullEtcd(t *testing.T) {
	t.Parallel()
	server := testkit.Etcd(t, embedetcd.Options{Quota: 4 << 20})
	c, etcd := clientOf(t, server.Endpoints()[0])
	fill(t, c)
	v := openView(t, c)
	var last cssetcd.Revision
	var err error
	for i := 0; err == nil; i++ {
		require.Less(t, i, 1000, "etcd has no quota")
		var rev cssetcd.Revision
		if rev, err = c.Raw().Put(t.Context(), "/big", strings.Repeat("x", 60_000)); err == nil {
			last = rev
		}
	}
	require.ErrorContains(t, err, "database space exceeded")
	require.NotErrorIs(t, err, cssetcd.ErrOutcomeUnknown)
	_, err = c.SetTableStatus(t.Context(), object, "X")
	require.ErrorContains(t, err, "database space exceeded")

	s := must(v.WaitLatest(soon(t)))(t)
	assert.GreaterOrEqual(t, s.Revision(), last)
	assert.Equal(t, cssetcd.Live, v.Condition().Phase)
	assert.Zero(t, v.Stats().Counts.Troubles)
	second := openView(t, c)
	assert.Equal(t, contents(s), contents(second.Snapshot()))

	must(etcd.Compact(t.Context(), int64(last), clientv3.WithCompactPhysical()))(t)
	must(etcd.Defragment(t.Context(), server.Endpoints()[0]))(t)
	must(etcd.AlarmDisarm(t.Context(), &clientv3.AlarmMember{}))(t)
	waitRevision(t, v, ok(t)(c.SetTableStatus(t.Context(), object, "X")))
	assert.Zero(t, v.Stats().Counts.Loads)
}

// TestViewThroughALostMajority (V6): the member that a view is connected to loses its leader; that is told, and mends
// itself. With another leader it goes on as if nothing were.
func TestViewThroughALostMajority(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	writer := cl.open(t, cssetcd.DefaultPrefix)
	fill(t, writer)
	var follower *embedetcd.Server
	var others []*embedetcd.Server
	leader := cl.leader(t.Context())
	for leader == nil {
		leader = cl.leader(t.Context())
	}
	for _, m := range cl.members {
		if m != leader && follower == nil {
			follower = m
		} else {
			others = append(others, m)
		}
	}
	near, _ := clientOf(t, follower.Endpoints()[0])
	v := openView(t, near)
	put := func(status string) (rev cssetcd.Revision) {
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			var err error
			rev, err = writer.SetTableStatus(ctx, object, cssetcd.Status(status))
			return err == nil
		}, time.Minute, 10*time.Millisecond)
		return rev
	}
	waitRevision(t, v, put("FIRST"))

	require.NoError(t, leader.Stop())
	rev := put("ANOTHER LEADER")
	s := waitRevision(t, v, rev)
	tab := must(s.Table(object))(t)
	assert.Equal(t, cssetcd.Status("ANOTHER LEADER"), tab.Status)
	require.NoError(t, leader.Restart(t.Context()))

	for _, m := range others {
		require.NoError(t, m.Stop())
	}
	stale := awaitPhase(t, v, cssetcd.Stale)
	t.Logf("without a majority: %v", stale.Reason)
	require.Error(t, v.Healthy(time.Since(stale.Since)))
	must(v.Snapshot().Table(object))(t)
	require.NoError(t, embedetcd.RestartAll(t.Context(), others))
	waitRevision(t, v, put("AGAIN"))
	awaitPhase(t, v, cssetcd.Live)
	counts := v.Stats().Counts
	assert.Zero(t, counts.Loads+counts.Regressions+counts.Inconsistencies)
}
