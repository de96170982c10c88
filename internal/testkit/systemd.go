package testkit

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Systemd is the socket at which systemd hears of its services.
type Systemd struct {
	Path  string
	Heard []string // message by message
	t     testing.TB
	conn  *net.UnixConn
}

// NewSystemd listens for as long as the test runs.
func NewSystemd(t testing.TB) *Systemd {
	t.Helper()
	dir, err := os.MkdirTemp("", "systemd-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Systemd{Path: filepath.Join(dir, "notify"), t: t}
	if s.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.Path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	return s
}

// Hear returns the next message that arrives within a time, and whether there was one.
func (s *Systemd) Hear(within time.Duration) (string, bool) {
	s.t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		s.t.Fatal(err)
	}
	buffer := make([]byte, 1000)
	n, err := s.conn.Read(buffer)
	if err != nil {
		return "", false
	}
	s.Heard = append(s.Heard, string(buffer[:n]))
	return s.Heard[len(s.Heard)-1], true
}

// Await waits for a message that begins with a text.
func (s *Systemd) Await(begins string) {
	s.t.Helper()
	for {
		message, ok := s.Hear(time.Minute)
		if !ok {
			s.t.Fatalf("systemd was not told %q; it was told %q", begins, slices.Clone(s.Heard))
		}
		if strings.HasPrefix(message, begins) {
			return
		}
	}
}
