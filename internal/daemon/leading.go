package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/leader"
	"github.com/qserv/css-etcd/mirror"
)

// mirrorTo mirrors to a server while this process is the one of all with the same mirror name that was elected to. The
// election only keeps them from disturbing each other; that one writes at a time is seen to in MySQL.
func (d *daemon) mirrorTo(t Target) func(context.Context) error {
	key := MirrorKeys(d.css.Prefix()) + t.Name
	log := d.Log
	if len(d.Targets) > 1 {
		log = log.With("mirror", t.Name)
	}
	adopt := d.Mirror.Adopt // until this process has mirrored once
	return func(ctx context.Context) error {
		return leader.Run(ctx, leader.Config{
			Etcd: d.css.Conn, Key: key, Name: cli.Owner(), TTL: d.SessionTTL, Log: log,
			StandsBy: func() {
				d.standing.standsBy(t.Name)
				notify(d.Program, "STATUS=standing by for the mirror "+t.Name)
			},
		}, func(ctx context.Context, term leader.Term) error {
			err := d.mirrorAsLeader(ctx, t, term, log, &adopt)
			if errors.Is(err, mirror.ErrUnavailable) {
				return fmt.Errorf("%w: %w", leader.ErrStepBack, err)
			}
			return err
		})
	}
}

// someoneStandsBy reports whether another daemon would take a mirror over.
func (d *daemon) someoneStandsBy(ctx context.Context, t Target) bool {
	ctx, cancel := context.WithTimeout(ctx, d.SessionTTL)
	defer cancel()
	others, err := leader.StandsBy(ctx, d.css.Conn, MirrorKeys(d.css.Prefix())+t.Name)
	return err == nil && others
}

func (d *daemon) mirrorAsLeader(ctx context.Context, t Target, term leader.Term, log *slog.Logger, adopt *bool) error {
	config, err := d.Mirror.config(t, d.css, log)
	if err != nil {
		return err
	}
	config.Adopt = *adopt
	config.Feed, config.Timeout, config.StepBack = d.view.Subscribe(), d.SessionTTL, 3*d.SessionTTL
	if config.Empty, err = mirror.NewEmptyChunks(d.view.Subscribe(), d.css.Client, t.Name); err != nil {
		return err
	}
	config.StandsBy = func(ctx context.Context) bool { return d.someoneStandsBy(ctx, t) }
	m, err := mirror.New(config)
	if err != nil {
		return err
	}
	defer d.standing.leads(t.Name, m.Status)()
	var announcing sync.WaitGroup
	defer announcing.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	announcing.Go(func() { d.announce(ctx, term, m.Status, log) })
	announcing.Go(func() { d.report(ctx, t.Name, term.Lease, m.Status) })
	err = m.Run(ctx)
	*adopt = *adopt && m.Status().Term == 0
	return err
}

// look is how often the daemon looks at how its mirror stands.
const look = 200 * time.Millisecond

// announce says when the mirror has caught up, at first and after each trouble. Where another one took the table over,
// that one may lead now.
func (d *daemon) announce(ctx context.Context, term leader.Term, status func() mirror.Status, log *slog.Logger) {
	var since time.Time // of the phase that was announced: it may have ended and begun again between two looks
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if s := status(); s.Since != since {
			since = s.Since
			if errors.Is(s.Err, mirror.ErrFenced) {
				term.Look()
			}
			if s.Phase == mirror.Following {
				log.Info("mirror follows etcd", "revision", s.Applied, "rows", s.Rows)
			}
			notify(d.Program, fmt.Sprintf("STATUS=mirror %s at revision %d", s.Phase, s.Applied))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
