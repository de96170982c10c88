package daemon

import (
	"context"
	"time"
)

// tellReady tells systemd that the daemon is ready when each mirror has begun: it follows, or has met what keeps it
// from that, or another daemon keeps it. MySQL may be away for long, and the rest of the daemon works meanwhile.
func (d *daemon) tellReady(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for !d.begun() {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	notify(d.Program, ready)
	return nil
}

func (d *daemon) begun() bool {
	for _, t := range d.Targets {
		if !d.standing.begun(t.Name) {
			return false
		}
	}
	return true
}
