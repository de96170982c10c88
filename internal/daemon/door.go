package daemon

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/page"
	"github.com/qserv/css-etcd/internal/unixsocket"
)

// HTTP says where and how the daemon answers over HTTP.
type HTTP struct {
	Listen string      // host:port or unix:///path; "": nowhere
	TLS    *tls.Config // nil: without
	Access api.Access
	Flag   string // what the address was given with, for messages
}

const (
	headersWithin = 10 * time.Second
	bodyWithin    = time.Minute
	idleFor       = 2 * time.Minute
	goodbye       = 2 * time.Second // for answers that are under way when the daemon ends
	maxHeader     = 64 << 10
)

// door is where requests over HTTP come in. It is open for as long as the process runs: while the daemon begins again,
// it says so.
type door struct {
	server   *http.Server
	listener net.Listener
	served   chan error
	tls      atomic.Pointer[tls.Config]
	inside   sync.RWMutex // held by each request while it is answered
	handler  http.Handler
	leave    context.Context // ends when those inside have to leave
}

// openDoor listens. It returns nil where there is nothing to listen at.
func openDoor(p *cli.Program, config HTTP) (*door, error) {
	if config.Listen == "" {
		return nil, nil
	}
	l, err := listen(config.Listen)
	if err != nil {
		return nil, cli.Hinted(fmt.Errorf("serve: HTTP: %w", err), "%s says where to listen; off is nowhere", config.Flag)
	}
	d := &door{listener: l, served: make(chan error, 1), handler: api.Starting(config.Access, page.Handler()),
		leave: context.Background()}
	d.tls.Store(config.TLS)
	d.server = &http.Server{
		Handler: d, ReadHeaderTimeout: headersWithin, ReadTimeout: bodyWithin, IdleTimeout: idleFor,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
	}
	if config.TLS != nil {
		d.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return d.tls.Load(), nil }}
	}
	go func() {
		if config.TLS != nil {
			d.served <- d.server.ServeTLS(l, "", "")
			return
		}
		d.served <- d.server.Serve(l)
	}()
	p.Log.Info("HTTP is answered", "address", l.Addr().String(), "tls", config.TLS != nil)
	return d, nil
}

// listen listens at host:port or at a socket.
func listen(address string) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix://")
	if !ok {
		return net.Listen("tcp", address)
	}
	l, err := unixsocket.Listen(path, 0o660)
	if err != nil {
		return nil, err // and not a listener that is nil
	}
	return l, nil
}

// ServeHTTP implements [http.Handler].
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.inside.RLock()
	defer d.inside.RUnlock()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(d.leave, func() {
		cancel()
		c := http.NewResponseController(w) // who sends or takes slowly is not waited for
		_ = c.SetReadDeadline(time.Now())
		_ = c.SetWriteDeadline(time.Now().Add(goodbye))
	})()
	d.handler.ServeHTTP(w, r.WithContext(ctx))
}

// lead leads requests to a handler until the function that it returns is called, which waits until all have been
// answered.
func (d *door) lead(config HTTP, handler http.Handler) (end func()) {
	d.tls.Store(config.TLS)
	leave, cancel := context.WithCancel(context.Background())
	d.change(handler, leave)
	return func() {
		cancel()
		d.change(api.Starting(config.Access, page.Handler()), context.Background())
	}
}

func (d *door) change(handler http.Handler, leave context.Context) {
	d.inside.Lock()
	defer d.inside.Unlock()
	d.handler, d.leave = handler, leave
}

// address is where it listens.
func (d *door) address() net.Addr { return d.listener.Addr() }

// close closes a door, if there is one, and waits for those inside.
func (d *door) close() {
	if d == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if err := d.server.Shutdown(ctx); err != nil {
		_ = d.server.Close()
	}
	<-d.served
}
