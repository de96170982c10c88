package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/leader"
	"github.com/qserv/css-etcd/mirror"
)

// mirror mirrors while this process is the one of all with the same mirror name that was elected to. The election only keeps
// them from disturbing each other; that one writes at a time is seen to in MySQL.
func (d *daemon) mirror(ctx context.Context) error {
	return leader.Run(ctx, leader.Config{
		Etcd: d.css.etcd, Key: mirrorKeys(d.css.Prefix()) + d.flags.mirror.name, Name: owner(), TTL: d.flags.sessionTTL, Log: d.log,
	}, d.mirrorAsLeader)
}

func (d *daemon) mirrorAsLeader(ctx context.Context, lease clientv3.LeaseID) error {
	m, err := d.flags.mirror.new(d.target, d.css, d.view.Subscribe(), d.program)
	if err != nil {
		return err
	}
	var announcing sync.WaitGroup
	defer announcing.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	announcing.Go(func() { d.announce(ctx, m.Status) })
	announcing.Go(func() { d.tellRefusals(ctx, lease, m.Status) })
	return m.Run(ctx)
}

// look is how often the daemon looks at how its mirror stands.
const look = 200 * time.Millisecond

// announce says when the mirror has caught up, at first and after each trouble.
func (d *daemon) announce(ctx context.Context, status func() mirror.Status) {
	var since time.Time // of the phase that was announced: it may have ended and begun again between two looks
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if s := status(); s.Since != since {
			since = s.Since
			if s.Phase == mirror.Following {
				d.log.Info("mirror follows etcd", "revision", s.Applied, "rows", s.Rows)
			}
			d.notify(fmt.Sprintf("STATUS=mirror %s at revision %d", s.Phase, s.Applied))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
