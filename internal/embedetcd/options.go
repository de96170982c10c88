package embedetcd

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/qserv/css-etcd/internal/freeport"
)

// Errors that callers tell apart with [errors.Is].
var (
	// ErrInUse says that another server, of this or another process, holds the directory.
	ErrInUse = errors.New("the etcd data directory is in use")
	// ErrClosed says that the server was closed and cannot be started again.
	ErrClosed = errors.New("the embedded etcd is closed")
)

const defaultName = "css-etcd"

// Options say how [Start] runs a server. The zero value is one member in a
// temporary directory on a free port of 127.0.0.1 that logs nothing. Limits
// that are not named here, such as the bytes in a request, are etcd's
// defaults.
type Options struct {
	// Dir is etcd's data directory. Empty means a temporary directory that
	// Close removes. A Dir given by the caller is created where it is
	// missing, used as it is where it holds data, and never removed.
	Dir string
	// Name is the member's name, "css-etcd" when empty.
	Name string
	// Listen is where clients connect: "host:port" with an IP address or
	// localhost and port 0 for a free one, "http://host:port", or
	// "unix:///path". Empty means a free port on 127.0.0.1.
	Listen string
	// Logger receives etcd's messages; nil discards them. Etcd's level info
	// arrives as debug: it is written for those who debug etcd.
	Logger *slog.Logger
	// Fatal is called where etcd cannot go on, for instance because its disk
	// is full, with the reason. The goroutine that calls it must not go on
	// either: when Fatal returns, or is nil, it panics.
	Fatal func(reason string)
	// UnsafeNoFsync makes writes return before they are on disk. For tests:
	// data survives the end of the server but not that of the machine.
	UnsafeNoFsync bool
	// AutoCompaction discards history older than this, checked now and then.
	// Zero keeps all of it.
	AutoCompaction time.Duration
	// Quota is the most bytes that the database file may have; beyond them
	// etcd refuses writes. Zero means etcd's default of 2 GiB.
	Quota int64
	// MaxTxnOps is how many operations, or comparisons, a transaction may have. Zero means etcd's default of 128.
	MaxTxnOps uint
	// Tick is the interval of heartbeats; an election takes ten of them and
	// no lease is shorter than fifteen. Zero means etcd's default of 100 ms.
	Tick time.Duration
}

func (o Options) validate() error {
	switch {
	case o.AutoCompaction < 0:
		return fmt.Errorf("embedetcd: the auto-compaction period %v is negative; use 0 to keep all history", o.AutoCompaction)
	case o.Quota < 0:
		return fmt.Errorf("embedetcd: the quota of %d bytes is negative; use 0 for etcd's default", o.Quota)
	case o.Tick != 0 && o.Tick < time.Millisecond:
		return fmt.Errorf("embedetcd: the tick %v is shorter than a millisecond; use 0 for etcd's default", o.Tick)
	}
	return nil
}

// clientURL turns Listen into a URL with a definite port.
func clientURL(listen string) (url.URL, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	if !strings.Contains(listen, "://") {
		listen = "http://" + listen
	}
	u, err := url.Parse(listen)
	if err != nil {
		return url.URL{}, fmt.Errorf("embedetcd: listen address %q: %w", listen, err)
	}
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" {
			return url.URL{}, fmt.Errorf("embedetcd: listen address %q: use unix:///absolute/path", listen)
		}
		return *u, nil
	case "http":
		return withPort(*u)
	default:
		return url.URL{}, fmt.Errorf("embedetcd: listen address %q: the embedded etcd knows http and unix, not %q", listen,
			u.Scheme)
	}
}

func withPort(u url.URL) (url.URL, error) {
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		return url.URL{}, fmt.Errorf("embedetcd: listen address %q: use host:port: %w", u.Host, err)
	}
	if host != "localhost" && net.ParseIP(host) == nil {
		return url.URL{}, fmt.Errorf("embedetcd: listen address %q: etcd listens on IP addresses and localhost, not on "+
			"names", u.Host)
	}
	if port == "0" {
		free, err := freeport.Pick()
		if err != nil {
			return url.URL{}, fmt.Errorf("embedetcd: choose a port: %w", err)
		}
		u.Host = net.JoinHostPort(host, strconv.Itoa(free))
	}
	return u, nil
}
