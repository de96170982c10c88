package daemon

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/qserv/css-etcd/internal/cli"
)

// heart tells systemd that the daemon lives, for as long as what runs answers when it is asked. An etcd or a MySQL that
// is away is no reason to be silent: the daemon waits for it, and to start it anew would not help.
type heart struct{ ask atomic.Pointer[func()] }

// asks has the heart ask something, until the function that it returns is called. A question that is not answered
// silences the heart, and waits.
func (h *heart) asks(ask func()) (end func()) {
	h.ask.Store(&ask)
	return func() { h.ask.Store(nil) }
}

// beat tells systemd twice in the time that it gives, until ctx ends.
func (h *heart) beat(ctx context.Context, p *cli.Program) {
	within := watchdogTime(p)
	if within == 0 {
		return
	}
	tick := time.NewTicker(within / 2)
	defer tick.Stop()
	for {
		if ask := h.ask.Load(); ask != nil {
			(*ask)()
		}
		notify(p, lives)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// answers returns when the parts of the daemon have answered: a view or a mirror that is stuck with its lock does not.
func (d *daemon) answers() {
	d.view.Stats()
	for _, t := range d.Targets {
		d.standing.of(t.Name)
	}
}
