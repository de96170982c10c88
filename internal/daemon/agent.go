package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/agent"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/unixsocket"
)

// Agent says how to be the agent of a czar.
type Agent struct {
	Version  string
	Socket   string        // where it answers
	Name     string        // of the czar; "": host and process
	QueryTTL time.Duration // for how long a query lives of which nobody says a word
	Grace    time.Duration // for how long queries are waited for at the end
}

// RunAgent is the agent of a czar until ctx ends. Queries that run then are waited for: they may dispatch, and none
// begins.
func RunAgent(ctx context.Context, p *cli.Program, config Agent) error {
	l, err := unixsocket.Listen(config.Socket, 0o660)
	if err != nil {
		return cli.Hinted(err, "--socket says where the agent answers; each czar has its own")
	}
	css, err := p.Connect(ctx)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer css.Close()
	a, gate, end, err := openAgent(ctx, p, css, config)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	server := agent.NewServer(a)
	server.ErrorLog = slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	p.Log.Info("agent started", "version", config.Version, "socket", config.Socket, "prefix", p.Connection.Prefix)
	notify(p, ready)
	var beating sync.WaitGroup
	defer beating.Wait()
	alive, dies := context.WithCancel(context.WithoutCancel(ctx)) // it lives on while queries are waited for
	defer dies()
	beating.Go(func() { new(heart).beat(alive, p) })
	select {
	case <-ctx.Done():
	case err = <-served:
		served <- err
	}
	notify(p, stopping)
	p.Log.Info("the agent admits no query any more, and waits for those that run", "for_up_to", config.Grace)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), config.Grace)
	defer cancel()
	if cerr := gate.Close(closing); cerr != nil {
		p.Log.Warn("the agent left without a word", "err", cli.Sentence(cerr))
	}
	end()
	closing, cancel = context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if server.Shutdown(closing) != nil {
		_ = server.Close()
	}
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		return serr
	}
	p.Log.Info("css-sync stops")
	return nil
}

// openAgent opens what an agent answers from. After the gate was closed, end ends the rest.
func openAgent(ctx context.Context, p *cli.Program, css *cli.Catalogue, config Agent) (
	a *agent.Agent, gate *deletion.Gate, end func(), err error) {
	view, err := cssetcd.OpenView(ctx, css.Client)
	if err != nil {
		return nil, nil, nil, err
	}
	drops, err := deletion.NewClient(css.Client)
	var timing deletion.Timing
	if err == nil {
		timing, err = drops.Timing(ctx)
	}
	if err == nil {
		opening, cancel := p.Limit(ctx)
		defer cancel()
		opts := []deletion.GateOption{deletion.GateLogger(p.Log)}
		if config.Name != "" {
			opts = append(opts, deletion.CzarName(config.Name))
		}
		gate, err = deletion.OpenGate(opening, css.Client, view, opts...)
	}
	if err != nil {
		view.Close()
		return nil, nil, nil, err
	}
	a, err = agent.New(agent.Config{Catalogue: css.Client, View: view, Gate: gate, TTL: config.QueryTTL,
		Hold: timing.Alive + timing.Wait, Log: p.Log})
	if err != nil {
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		err = errors.Join(err, gate.Close(leaving))
		view.Close()
		return nil, nil, nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { a.Run(run) })
	return a, gate, func() {
		cancel()
		running.Wait()
		view.Close()
	}, nil
}
