package simulation

import (
	"slices"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// view is what a czar sees of the catalogue: late, in bits, with jumps, and now and then what it showed before.
type view struct {
	loaded   bool
	seen     kv.Revision
	timeline int
	silent   bool // it follows an etcd that was restored, and has not noticed
	next     int  // in the log
	shown    []kv.Entry
	coming   bool
	blind    time.Duration // nothing is shown until then
}

// lookSoon lets the view show what is new.
func (c *czar) lookSoon() {
	if c.view.coming || c.dead {
		return
	}
	c.view.coming = true
	c.w.at(&c.process, max(c.w.now+c.w.latency(), c.view.blind), c.look)
}

func (c *czar) look() {
	w, v := c.w, &c.view
	v.coming = false
	if c.cutUntil > w.now || !w.etcd.up() {
		v.blind = max(v.blind, c.cutUntil, w.etcd.downUntil)
		c.lookSoon()
		return
	}
	switch {
	case !v.loaded:
		c.show(protocol.CzarSaw)
	case v.timeline != w.etcd.timeline:
		c.lookAtRestored()
	case v.seen < w.etcd.compacted:
		w.counts.Jumps++
		c.show(protocol.CzarSaw)
	default:
		c.follow()
	}
	if v.seen < w.etcd.now.Revision {
		c.lookSoon()
	}
}

// lookAtRestored is how a view meets an etcd that was restored: it notices, or has to load anew and finds differences,
// or follows as if nothing had been, until it compares itself.
func (c *czar) lookAtRestored() {
	w, v := c.w, &c.view
	switch {
	case w.options.renames || v.seen > w.etcd.now.Revision:
		c.show(protocol.CzarSawAnother)
	case w.options.bumps && w.chance(0.5):
		c.showWhole()
	default:
		w.counts.Silent++
		v.silent, v.timeline = true, w.etcd.timeline
		v.next = 0
		for v.next < len(w.etcd.log) && w.etcd.log[v.next].at <= v.seen {
			v.next++
		}
		w.after(&c.process, w.between(0, 6*timing.Wait), c.compare)
		c.follow()
	}
}

// compare has a view compare itself with etcd.
func (c *czar) compare() {
	switch {
	case !c.view.silent || c.view.timeline != c.w.etcd.timeline:
	case c.cutUntil > c.w.now || !c.w.etcd.up():
		c.w.after(&c.process, timing.Confirm, c.compare)
	default:
		c.showWhole()
	}
}

// showWhole shows all that there is now, as a comparison or a load that found something amiss does.
func (c *czar) showWhole() {
	w, v := c.w, &c.view
	e := w.etcd.whole(v.seen)
	v.shown = nil
	for _, p := range w.paths {
		v.shown = append(v.shown, w.etcd.now.At(p))
	}
	v.loaded, v.silent, v.timeline, v.seen, v.next = true, false, w.etcd.timeline, e.At, len(w.etcd.log)
	c.feed(e)
}

func (e *etcd) whole(since kv.Revision) protocol.CzarEvent {
	return protocol.CzarEvent{
		Kind: protocol.CzarSaw, At: e.now.Revision, Observations: protocol.ObservationsIn(e.now), Whole: true, Since: since,
	}
}

// readNames reads all that there is, past the view.
func (c *czar) readNames() {
	var e protocol.CzarEvent
	id, since := c.state.ID, max(c.state.Seen, c.view.seen)
	c.send(func() {
		e = c.w.etcd.whole(since)
		e.ID = id
	}, func(heard bool) {
		if heard {
			c.feed(e)
		}
	})
}

// show shows all that differs from what was shown, as of now.
func (c *czar) show(kind protocol.CzarEventKind) {
	w, v := c.w, &c.view
	e := protocol.CzarEvent{Kind: kind, At: w.etcd.now.Revision}
	if v.shown == nil {
		v.shown = make([]kv.Entry, len(w.names))
	}
	for i, p := range w.paths {
		is := w.etcd.now.At(p)
		if is != v.shown[i] || kind == protocol.CzarSawAnother && is.Exists() {
			e.Observations = append(e.Observations, c.observation(i, is, e.At))
		}
		v.shown[i] = is
	}
	v.loaded, v.silent, v.timeline, v.seen, v.next = true, false, w.etcd.timeline, e.At, len(w.etcd.log)
	c.feed(e)
}

// follow shows the revisions since one after the other, most often all, and may show old ones once more.
func (c *czar) follow() {
	w, v := c.w, &c.view
	log := w.etcd.log
	until := len(log)
	if n := until - v.next; n > 1 && w.chance(0.3) {
		until = v.next + 1 + w.rng.IntN(n-1)
	}
	for v.next < until {
		v.next = c.showRevision(v.next)
	}
	if v.next == len(log) && v.seen < w.etcd.now.Revision {
		v.seen = w.etcd.now.Revision // what is written elsewhere
		c.feed(protocol.CzarEvent{Kind: protocol.CzarSaw, At: v.seen})
	}
	if v.next > 0 && !w.healing && w.chance(0.05) {
		c.repeat()
	}
}

// showRevision shows all that one revision changed, as a view does, and returns where the next one begins in the log.
func (c *czar) showRevision(from int) int {
	log := c.w.etcd.log
	e := protocol.CzarEvent{Kind: protocol.CzarSaw, At: log[from].at}
	for ; from < len(log) && log[from].at == e.At; from++ {
		n := log[from]
		e.Observations = append(e.Observations, c.observation(n.name, n.entry, n.at))
		c.view.shown[n.name] = n.entry
	}
	c.view.seen = max(c.view.seen, e.At)
	c.feed(e)
	return from
}

// repeat shows old changes once more, as a watch on a member that lags behind may.
func (c *czar) repeat() {
	c.w.counts.Repeats++
	shown := slices.Clone(c.view.shown)
	from := c.w.rng.IntN(c.view.next)
	for until := from + 1 + c.w.rng.IntN(c.view.next-from); from < min(until, c.view.next); {
		from = c.showRevision(from)
	}
	c.view.shown = shown
}

func (c *czar) observation(i int, e kv.Entry, at kv.Revision) protocol.Observation {
	return protocol.Observation{Name: c.w.names[i], Entry: protocol.EntryOf(e, at)}
}
