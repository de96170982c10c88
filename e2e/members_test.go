package e2e_test

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

	"github.com/qserv/css-etcd/internal/freeport"
)

// memberVariable makes the program of the tests a member of an etcd instead, with the value as its settings: a process of its
// own can be killed and paused, and its memory is not that of the test.
const memberVariable = "CSS_E2E_MEMBER"

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

// members are the processes of one etcd.
type members struct {
	t        *testing.T
	settings []memberSettings
	running  []*exec.Cmd
}

func startMembers(t *testing.T, n int, quota int64) *members {
	t.Helper()
	m := &members{t: t, running: make([]*exec.Cmd, n)}
	address := func() string {
		port, err := freeport.Pick()
		require.NoError(t, err)
		return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	var initial []string
	for i := range n {
		s := memberSettings{Name: fmt.Sprintf("member-%d", i+1), Dir: t.TempDir(), Client: address(), Peer: address(), Quota: quota}
		initial = append(initial, s.Name+"="+s.Peer)
		m.settings = append(m.settings, s)
	}
	t.Cleanup(func() {
		for i := range m.running {
			m.kill(i)
		}
	})
	for i := range m.settings {
		m.settings[i].Initial = strings.Join(initial, ",")
		m.start(i)
	}
	for i := range m.settings {
		m.awaitServing(i)
	}
	return m
}

func (m *members) start(i int) {
	m.t.Helper()
	text, err := json.Marshal(m.settings[i])
	require.NoError(m.t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), memberVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	require.NoError(m.t, cmd.Start())
	m.running[i] = cmd
}

// kill ends a member as a loss of power does, but for the disk.
func (m *members) kill(i int) {
	if cmd := m.running[i]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		m.running[i] = nil
	}
}

func (m *members) signal(i int, s syscall.Signal) {
	m.t.Helper()
	require.NoError(m.t, m.running[i].Process.Signal(s))
}

func (m *members) endpoint(i int) string { return m.settings[i].Client }

// awaitServing waits until a member answers a linearizable read, for which it must have caught up.
func (m *members) awaitServing(i int) {
	m.t.Helper()
	c := m.client(i)
	defer c.Close()
	require.Eventually(m.t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := c.Get(ctx, "none")
		return err == nil
	}, 2*time.Minute, 20*time.Millisecond, "member %d does not serve", i)
}

// client returns a client of some members, or of all. The caller closes it.
func (m *members) client(which ...int) *clientv3.Client {
	m.t.Helper()
	var endpoints []string
	for i := range m.settings {
		endpoints = append(endpoints, m.endpoint(i))
	}
	if len(which) > 0 {
		endpoints = nil
		for _, i := range which {
			endpoints = append(endpoints, m.endpoint(i))
		}
	}
	return clientOf(m.t, endpoints...)
}

// leader returns the member that leads, or -1 when none says so.
func (m *members) leader() int {
	c := m.client()
	defer c.Close()
	for i := range m.settings {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		s, err := c.Status(ctx, m.endpoint(i))
		cancel()
		if err == nil && s.Leader == s.Header.MemberId {
			return i
		}
	}
	return -1
}
