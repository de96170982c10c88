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
	Unsaid bool   // nobody said where: the address is the default
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
	dismiss  context.CancelFunc
}

// openDoor listens. It returns nil where there is nothing to listen at. An address that nobody asked for keeps no
// daemon from its work: a second one on the machine finds it taken.
func openDoor(p *cli.Program, config HTTP) (*door, error) {
	if config.Listen == "" {
		return nil, nil
	}
	l, err := listen(config.Listen)
	if err != nil && config.Unsaid {
		p.Log.Warn("HTTP is not answered: css-sync cannot listen where it does by default", "err", err,
			"hint", config.Flag+" says where to listen, or off")
		return nil, nil
	}
	if err != nil {
		return nil, cli.Hinted(fmt.Errorf("serve: HTTP: %w", err), "%s says where to listen; off is nowhere", config.Flag)
	}
	d := &door{listener: l, served: make(chan error, 1)}
	d.change(api.Starting(config.Access, page.Handler()))
	d.tls.Store(config.TLS)
	d.server = &http.Server{
		Handler: d, ReadHeaderTimeout: headersWithin, ReadTimeout: bodyWithin, IdleTimeout: idleFor,
		MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true,
		ErrorLog: slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
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
	leaving, left := &leavingWriter{ResponseWriter: w, c: http.NewResponseController(w)}, make(chan struct{})
	stop := context.AfterFunc(d.leave, func() {
		defer close(left)
		cancel()
		leaving.leave()
	})
	defer func() {
		if !stop() { // what writes to w must not outlive the request
			<-left
		}
	}()
	d.handler.ServeHTTP(leaving, r.WithContext(ctx))
}

// leavingWriter is how a client is answered that may have to leave: from then on nobody gives it more time.
type leavingWriter struct {
	http.ResponseWriter
	c  *http.ResponseController
	mu sync.Mutex
	by time.Time // by when it has to have left; the zero time: it need not
}

// leave has who sends or takes slowly not waited for.
func (w *leavingWriter) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.by = time.Now().Add(goodbye)
	_ = w.c.SetReadDeadline(time.Now())
	_ = w.c.SetWriteDeadline(w.by)
}

// SetReadDeadline is for [http.ResponseController].
func (w *leavingWriter) SetReadDeadline(at time.Time) error { return w.set(w.c.SetReadDeadline, at) }

// SetWriteDeadline likewise.
func (w *leavingWriter) SetWriteDeadline(at time.Time) error { return w.set(w.c.SetWriteDeadline, at) }

func (w *leavingWriter) set(deadline func(time.Time) error, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.by.IsZero() {
		return nil
	}
	return deadline(at)
}

// Unwrap likewise.
func (w *leavingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// lead leads requests to a handler until the function that it returns is called, which waits until all have been
// answered.
func (d *door) lead(config HTTP, handler http.Handler) (end func()) {
	d.tls.Store(config.TLS)
	d.change(handler)
	return func() { d.change(api.Starting(config.Access, page.Handler())) }
}

// change has those inside leave, and others come in to another handler when all have.
func (d *door) change(handler http.Handler) {
	if d.dismiss != nil {
		d.dismiss()
	}
	d.inside.Lock()
	defer d.inside.Unlock()
	d.handler = handler
	d.leave, d.dismiss = context.WithCancel(context.Background())
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
