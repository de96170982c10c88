// Package proxy puts a TCP connection's worst days into a test's hands: it passes connections on to a server and on
// request cuts them, lets them fall silent in one or both directions, or loses them without a sign.
//
// Everything between two programs that really talk over sockets can be tried that way, with nothing replaced in either.
//
// # Concurrency
//
// All methods may be called from several goroutines.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Direction says which bytes are meant. Directions can be combined: [ToServer] | [ToClient].
type Direction int

// The two directions of a connection.
const (
	ToServer Direction = 1 << iota
	ToClient

	Both = ToServer | ToClient
)

const (
	dialTimeout = 5 * time.Second
	chunk       = 32 << 10
)

// Proxy passes the connections that it accepts on to one server. Close it.
type Proxy struct {
	listener net.Listener
	network  string // of the server
	server   string
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	work     sync.WaitGroup

	mu      sync.Mutex
	paused  Direction
	down    bool
	changed chan struct{} // closed and replaced when paused changes
	links   map[*link]bool
}

// link is one connection on its way through.
type link struct {
	client   net.Conn
	server   net.Conn // nil until it is reached
	stranded bool
	closed   chan struct{}
}

// Start listens on a free port of 127.0.0.1 for a server, whose network is "tcp" or "unix" as in [net.Dial].
func Start(network, server string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &Proxy{listener: l, network: network, server: server, changed: make(chan struct{}), links: map[*link]bool{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.work.Go(p.accept)
	return p, nil
}

// Addr returns where clients connect, as host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Pause makes the given directions fall silent, besides those that are already: no byte arrives and no end of a
// connection is seen. What is sent meanwhile arrives after Resume, as over a network that was down for a while. New
// connections are accepted, as a kernel does it, and are as silent.
func (p *Proxy) Pause(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setPaused(p.paused | d)
}

// Resume ends all pauses.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setPaused(0)
}

// Cut resets all connections there are, on both sides. New ones work.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// Down cuts all connections and resets new ones at once, until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for l := range p.links {
		l.reset()
	}
}

// Up ends Down.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// Strand loses the connections there are: nothing ever passes on them again and nothing is closed, as when a firewall
// has forgotten them. New ones work.
func (p *Proxy) Strand() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.stranded = true
	}
}

// Links returns how many connections there are, stranded ones included.
func (p *Proxy) Links() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Close cuts everything, ends the proxy and waits until nothing of it runs.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.cancel() // ends what is dialling
	p.Down()
	p.work.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

func (p *Proxy) setPaused(d Direction) {
	p.paused = d
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // only Close ends a listener on the loopback address
		}
		l := &link{client: conn, closed: make(chan struct{})}
		p.mu.Lock()
		p.links[l] = true
		if p.down {
			l.reset()
		}
		p.mu.Unlock()
		p.work.Go(func() { p.serve(l) })
	}
}

// serve connects a link and passes its bytes until both directions have ended.
func (p *Proxy) serve(l *link) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		l.reset()
		delete(p.links, l)
	}()
	if !p.mayPass(l, ToServer) {
		return
	}
	d := net.Dialer{Timeout: dialTimeout}
	server, err := d.DialContext(p.ctx, p.network, p.server)
	if err != nil {
		return
	}
	p.mu.Lock()
	l.server = server
	if l.isClosed() {
		l.reset()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(l, ToServer, server, l.client) })
	both.Go(func() { p.pass(l, ToClient, l.client, server) })
	both.Wait()
}

// pass copies one direction. An error in it ends the whole link; the end of the stream ends this direction only.
func (p *Proxy) pass(l *link, d Direction, to, from net.Conn) {
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		if !p.mayPass(l, d) {
			return
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				p.end(l)
				return
			}
		}
		if err != nil {
			half, ok := to.(interface{ CloseWrite() error })
			if !errors.Is(err, io.EOF) || !ok || half.CloseWrite() != nil {
				p.end(l)
			}
			return
		}
	}
}

// mayPass waits until bytes may pass on the link in that direction. It is false when they never will.
func (p *Proxy) mayPass(l *link, d Direction) bool {
	for {
		p.mu.Lock()
		silent, changed := p.paused&d != 0 || l.stranded, p.changed
		p.mu.Unlock()
		switch {
		case l.isClosed():
			return false
		case !silent:
			return true
		}
		select {
		case <-changed:
		case <-l.closed:
			return false
		}
	}
}

func (p *Proxy) end(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.reset()
}

func (l *link) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// reset closes both sides at once, what is under way included. The proxy's lock is held.
func (l *link) reset() {
	if !l.isClosed() {
		close(l.closed)
	}
	for _, conn := range []net.Conn{l.client, l.server} {
		if conn == nil {
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // close with a reset; a connection that is closed already needs none
		}
		_ = conn.Close()
	}
}
