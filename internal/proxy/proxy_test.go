package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qserv/css-etcd/internal/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	soon  = 10 * time.Second
	quiet = 50 * time.Millisecond // a byte that must not come would have come by then
)

// echo starts a server that returns every line in capitals, and returns the proxy in front of it.
func echo(t *testing.T, network string) *proxy.Proxy {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "proxy-")
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
		address = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if _, err := io.WriteString(conn, strings.ToUpper(lines.Text())+"\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	t.Cleanup(func() {
		assert.NoError(t, l.Close())
		<-ended
	})
	p, err := proxy.Start(network, l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

type conn struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, p *proxy.Proxy) conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return conn{t, c, bufio.NewReader(c)}
}

func (c conn) send(line string) {
	c.t.Helper()
	_, err := io.WriteString(c, line+"\n")
	require.NoError(c.t, err)
}

func (c conn) receive(want string) {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(soon)))
	line, err := c.lines.ReadString('\n')
	require.NoError(c.t, err)
	assert.Equal(c.t, want+"\n", line)
}

func (c conn) silent() {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(quiet)))
	_, err := c.lines.ReadByte()
	require.ErrorIs(c.t, err, os.ErrDeadlineExceeded)
}

func (c conn) ends() error {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(soon)))
	_, err := c.lines.ReadByte()
	require.Error(c.t, err)
	require.NotErrorIs(c.t, err, os.ErrDeadlineExceeded)
	return err
}

// refused checks that a new connection is reset, be it while it is made or after.
func refused(t *testing.T, p *proxy.Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		require.ErrorIs(t, err, syscall.ECONNRESET)
		return
	}
	defer c.Close()
	require.ErrorIs(t, conn{t, c, bufio.NewReader(c)}.ends(), syscall.ECONNRESET)
}

func TestPassesBothWays(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			p := echo(t, network)
			a, b := dial(t, p), dial(t, p)
			a.send("one")
			b.send("two")
			a.receive("ONE")
			b.receive("TWO")
			assert.Equal(t, 2, p.Links())

			long := strings.Repeat("x", 60_000)
			a.send(long)
			a.receive(strings.ToUpper(long))

			// The end of one direction passes on its own: the answer still arrives.
			a.send("last")
			require.NoError(t, a.Conn.(*net.TCPConn).CloseWrite())
			a.receive("LAST")
			require.ErrorIs(t, a.ends(), io.EOF)
			require.Eventually(t, func() bool { return p.Links() == 1 }, soon, time.Millisecond)
		})
	}
}

func TestPausedBytesArriveAfterResume(t *testing.T) {
	for name, d := range map[string]proxy.Direction{"both": proxy.Both, "to server": proxy.ToServer,
		"to client": proxy.ToClient} {
		t.Run(name, func(t *testing.T) {
			p := echo(t, "tcp")
			c := dial(t, p)
			c.send("before")
			c.receive("BEFORE")
			p.Pause(d)
			c.send("during")
			c.silent()
			fresh := dial(t, p)
			fresh.send("new")
			fresh.silent()
			p.Resume()
			c.receive("DURING")
			fresh.receive("NEW")
		})
	}
}

func TestPausedLinkCanBeCut(t *testing.T) {
	p := echo(t, "tcp")
	c := dial(t, p)
	c.send("a")
	c.receive("A")
	p.Pause(proxy.Both)
	c.send("b")
	c.silent()
	p.Cut()
	require.ErrorIs(t, c.ends(), syscall.ECONNRESET)
	require.Eventually(t, func() bool { return p.Links() == 0 }, soon, time.Millisecond)
}

func TestPauseHidesTheEndOfAConnection(t *testing.T) {
	p := echo(t, "tcp")
	c := dial(t, p)
	c.send("a")
	c.receive("A")
	p.Pause(proxy.Both)
	require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
	c.silent()
	p.Resume()
	require.ErrorIs(t, c.ends(), io.EOF)
}

func TestCutResetsAndDownStays(t *testing.T) {
	p := echo(t, "tcp")
	c := dial(t, p)
	c.send("a")
	c.receive("A")
	p.Cut()
	require.ErrorIs(t, c.ends(), syscall.ECONNRESET)

	c = dial(t, p)
	c.send("b")
	c.receive("B")
	p.Down()
	require.Error(t, c.ends())
	refused(t, p)
	p.Up()
	c = dial(t, p)
	c.send("c")
	c.receive("C")
}

func TestStrandedLinkStaysSilentForEver(t *testing.T) {
	p := echo(t, "tcp")
	c := dial(t, p)
	c.send("a")
	c.receive("A")
	p.Strand()
	c.send("b")
	c.silent()
	p.Pause(proxy.Both)
	p.Resume()
	c.silent()
	fresh := dial(t, p)
	fresh.send("new")
	fresh.receive("NEW")
	c.silent()
}

func TestServerThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	p, err := proxy.Start("tcp", l.Addr().String())
	require.NoError(t, err)
	refused(t, p)
	require.NoError(t, p.Close())
	_, err = net.Dial("tcp", p.Addr())
	assert.True(t, errors.Is(err, syscall.ECONNREFUSED), err)
}
