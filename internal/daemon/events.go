package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/event"
	"github.com/qserv/css-etcd/mirror"
)

// tellOfMirrors tells what happens to the mirrors that this process leads.
func (d *daemon) tellOfMirrors(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		var now []event.Mirror
		for _, t := range d.Targets {
			if s, leads := d.standing.of(t.Name); leads {
				now = append(now, mirrorForEvents(t.Name, s))
			}
		}
		for _, e := range d.lasting.mirrors.See(now) {
			d.events.Tell(e)
		}
	}
}

func mirrorForEvents(name string, s mirror.Status) event.Mirror {
	m := event.Mirror{Name: name, Refused: s.Phase == mirror.Refused, Follows: s.Phase == mirror.Following,
		Conflicts: s.Conflicts}
	if i := slices.IndexFunc(s.Troubles, func(t mirror.Trouble) bool { return t.Holds }); i >= 0 {
		t := s.Troubles[i]
		m.Code, m.Text, m.Do = string(t.Code), t.Text, t.Do
	}
	if i := slices.IndexFunc(s.Troubles, func(t mirror.Trouble) bool { return t.Code == mirror.Conflicts }); i >= 0 {
		m.ConflictsText, m.ConflictsDo = s.Troubles[i].Text, s.Troubles[i].Do
	}
	return m
}

// tellOfDrops has a coordinator tell what happens to drops while it leads.
func (d *daemon) tellOfDrops(config *coordinator.Config) {
	if d.events == nil {
		return
	}
	config.Done = func(name string, mark cssetcd.Revision) {
		d.events.Tell(event.Event{Event: event.DropDone, Name: name, Mark: int64(mark)})
	}
	config.Trace = func(s coordinator.Step) {
		var now []event.Drop
		if s.Leading {
			for _, drop := range s.Facts.Drops {
				now = append(now, event.Drop{Name: drop.Name.String(), Mark: int64(drop.Mark),
					Marked: string(drop.Intent.Phase) == deletion.PhaseMarked, Error: drop.Intent.Error})
			}
		}
		for _, e := range d.lasting.drops.See(time.Now(), now) {
			d.events.Tell(e)
		}
	}
}
