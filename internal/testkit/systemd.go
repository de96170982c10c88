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
	open  []string // those heard that nobody has waited for
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
	message := string(buffer[:n])
	s.Heard, s.open = append(s.Heard, message), append(s.open, message)
	return message, true
}

// Forget has what was heard so far not count any more.
func (s *Systemd) Forget() { s.Heard, s.open = nil, nil }

// Await waits for a message that begins with a text. Those of different parts come in any order: one that came before
// another that was waited for counts, too, but once.
func (s *Systemd) Await(begins string) {
	s.t.Helper()
	for until := time.Now().Add(time.Minute); ; {
		if i := slices.IndexFunc(s.open, func(m string) bool { return strings.HasPrefix(m, begins) }); i >= 0 {
			s.open = slices.Delete(s.open, i, i+1)
			return
		}
		if _, ok := s.Hear(time.Until(until)); !ok {
			s.t.Fatalf("systemd was not told %q; it was told %q", begins, s.Heard)
		}
	}
}
