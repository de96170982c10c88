package testkit

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/qserv/css-etcd/internal/freeport"
)

// memberVariable makes the program of the tests a member of an etcd instead, with the value as its settings: a process
// of its own can be killed and paused, and its memory is not that of the test.
const memberVariable = "CSS_TESTKIT_MEMBER"

type memberSettings struct {
	Name, Dir, Client, Peer, Initial string
	Quota                            int64
}

func init() {
	text := os.Getenv(memberVariable)
	if text == "" {
		return
	}
	var s memberSettings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, runMember(s))
	os.Exit(1)
}

// runMember serves until the process ends, by a signal or with that which started it.
func runMember(s memberSettings) error {
	client, err := url.Parse(s.Client)
	if err != nil {
		return err
	}
	peer, err := url.Parse(s.Peer)
	if err != nil {
		return err
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir, cfg.InitialCluster, cfg.QuotaBackendBytes = s.Name, s.Dir, s.Initial, s.Quota
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.UnsafeNoFsync = true
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	return <-etcd.Err()
}

// Members are the processes of one etcd.
type Members struct {
	t        testing.TB
	settings []memberSettings
	running  []*Process
}

// StartMembers starts an etcd of n processes, which end with the test. Quota 0 is that of etcd.
func StartMembers(t testing.TB, n int, quota int64) *Members {
	t.Helper()
	m := &Members{t: t, running: make([]*Process, n)}
	address := func() string {
		port, err := freeport.Pick()
		require.NoError(t, err)
		return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	var initial []string
	for i := range n {
		s := memberSettings{Name: fmt.Sprintf("member-%d", i+1), Dir: t.TempDir(), Client: address(), Peer: address(),
			Quota: quota}
		initial = append(initial, s.Name+"="+s.Peer)
		m.settings = append(m.settings, s)
	}
	t.Cleanup(func() {
		for i := range m.running {
			m.Kill(i)
		}
	})
	for i := range m.settings {
		m.settings[i].Initial = strings.Join(initial, ",")
		m.Start(i)
	}
	for i := range m.settings {
		m.AwaitServing(i)
	}
	return m
}

// Start starts a member that was killed.
func (m *Members) Start(i int) {
	m.t.Helper()
	text, err := json.Marshal(m.settings[i])
	require.NoError(m.t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), memberVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	m.running[i], err = Start(cmd)
	require.NoError(m.t, err)
}

// Kill ends a member as a loss of power does, but for the disk.
func (m *Members) Kill(i int) {
	if p := m.running[i]; p != nil {
		p.Kill()
		m.running[i] = nil
	}
}

// Signal sends a signal to a member.
func (m *Members) Signal(i int, s syscall.Signal) { m.running[i].Signal(s) }

// Endpoint is where a member serves clients.
func (m *Members) Endpoint(i int) string { return m.settings[i].Client }

// Endpoints are those of all members.
func (m *Members) Endpoints() (all []string) {
	for i := range m.settings {
		all = append(all, m.Endpoint(i))
	}
	return all
}

// AwaitServing waits until a member answers a linearizable read, for which it must have caught up.
func (m *Members) AwaitServing(i int) {
	m.t.Helper()
	c := m.Client(i)
	defer c.Close()
	require.Eventually(m.t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := c.Get(ctx, "none")
		return err == nil
	}, 2*time.Minute, 20*time.Millisecond, "member %d does not serve", i)
}

// Client returns a client of some members, or of all. The caller closes it.
func (m *Members) Client(which ...int) *clientv3.Client {
	m.t.Helper()
	endpoints := m.Endpoints()
	if len(which) > 0 {
		endpoints = nil
		for _, i := range which {
			endpoints = append(endpoints, m.Endpoint(i))
		}
	}
	c, err := Dial(endpoints...)
	require.NoError(m.t, err)
	return c
}

// Leader returns the member that leads, or -1 when none says so.
func (m *Members) Leader() int {
	c := m.Client()
	defer c.Close()
	for i := range m.settings {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		s, err := c.Status(ctx, m.Endpoint(i))
		cancel()
		if err == nil && s.Leader == s.Header.MemberId {
			return i
		}
	}
	return -1
}

// Dial returns a client that looks for lost servers often. The caller closes it.
func Dial(endpoints ...string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints: endpoints, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2,
				MaxDelay: time.Second},
			MinConnectTimeout: time.Second,
		})},
	})
}
