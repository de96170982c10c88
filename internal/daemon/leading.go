package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/leader"
	"github.com/qserv/css-etcd/mirror"
)

// mirrorToMySQL mirrors while this process is the one of all with the same mirror name that was elected to. The
// election only keeps them from disturbing each other; that one writes at a time is seen to in MySQL.
func (d *daemon) mirrorToMySQL(ctx context.Context) error {
	return leader.Run(ctx, leader.Config{
		Etcd: d.css.Conn, Key: MirrorKeys(d.css.Prefix()) + d.Mirror.Name, Name: cli.Owner(), TTL: d.SessionTTL,
		Log: d.Log,
	}, d.mirrorAsLeader)
}

func (d *daemon) mirrorAsLeader(ctx context.Context, term leader.Term) error {
	m, err := d.Mirror.new(d.Target, d.css, d.view.Subscribe(), d.Log)
	if err != nil {
		return err
	}
	var announcing sync.WaitGroup
	defer announcing.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	announcing.Go(func() { d.announce(ctx, term, m.Status) })
	announcing.Go(func() { d.tellRefusals(ctx, term.Lease, m.Status) })
	return m.Run(ctx)
}

// look is how often the daemon looks at how its mirror stands.
const look = 200 * time.Millisecond

// announce says when the mirror has caught up, at first and after each trouble. Where another one took the table over,
// that one may lead now.
func (d *daemon) announce(ctx context.Context, term leader.Term, status func() mirror.Status) {
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
				d.Log.Info("mirror follows etcd", "revision", s.Applied, "rows", s.Rows)
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
