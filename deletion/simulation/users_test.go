package simulation

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

var errNotNow = errors.New("not as it would have to be")

// planUsers draws what users will want, and when. What they want of one name often comes close together.
func (w *world) planUsers() {
	for range 2 + w.rng.IntN(6) {
		n := w.names[2+w.rng.IntN(len(w.names)-2)]
		if n.IsDatabase() && w.chance(0.5) {
			continue
		}
		at := w.between(0, w.options.chaos)
		w.at(nil, at, func() { w.wish(n) })
		for range w.rng.IntN(4) {
			w.at(nil, at+w.between(0, 12*time.Second), func() { w.second(n) })
		}
		for range w.rng.IntN(3) {
			w.at(nil, at+w.between(0, 25*time.Second), func() { w.create(n) })
		}
	}
}

// wish begins a drop in one of its ways.
func (w *world) wish(n protocol.Name) {
	switch roll := w.rng.IntN(10); {
	case roll < 6 || w.options.delay != 0:
		w.mark(n, w.delay())
	case roll < 8:
		w.markLater(n)
	default:
		w.byHand(n, string(cssetcd.PendingDrop("by hand")))
	}
}

// second is what comes after a drop has begun.
func (w *world) second(n protocol.Name) {
	switch roll := w.rng.IntN(12); {
	case roll < 3:
		w.undo(n)
	case roll < 4:
		w.byHand(n, string(cssetcd.StatusReady))
	case roll < 5 && w.options.delay == 0:
		w.byHand(n, string(cssetcd.PendingDrop("by hand again")))
	case roll < 9:
		w.create(n)
	case roll < 10 && !n.IsDatabase():
		w.mark(n.Database(), w.delay())
	case roll < 11:
		w.operate(func() kv.Op { return protocol.TryAgain(n) }, nil)
	default:
		w.mark(n, w.delay())
	}
}

func (w *world) delay() time.Duration {
	if w.options.delay != 0 {
		return w.options.delay
	}
	return []time.Duration{0, 0, 2 * time.Second, 4 * time.Second, 12 * time.Second}[w.rng.IntN(5)]
}

func (w *world) terms(d time.Duration) protocol.Terms {
	t := protocol.Terms{Delay: int(d / time.Second), Policy: protocol.Wait}
	if w.chance(0.25) {
		t.Policy = protocol.Cancel
	}
	return t
}

func (w *world) mark(n protocol.Name, d time.Duration) {
	t := w.terms(d)
	w.operate(func() kv.Op { return protocol.Mark(n, t, w.etcd.grant(d)) }, nil)
}

func (w *world) markLater(n protocol.Name) {
	after := []time.Duration{2 * time.Second, 7 * time.Second}[w.rng.IntN(2)]
	t := w.terms(w.delay())
	w.operate(func() kv.Op { return protocol.MarkLater(n, after, t, w.etcd.grant(after)) }, nil)
}

func (w *world) undo(n protocol.Name) {
	w.operate(func() kv.Op { return protocol.Undo(n) }, func() { w.counts.Undos++ })
}

// byHand writes a status as somebody does who knows nothing of drops.
func (w *world) byHand(n protocol.Name, status string) {
	p := n.Path()
	w.operate(func() kv.Op {
		return kv.Op{Name: "write " + status + " to " + n.String(), Reads: []kv.Span{kv.Key(p)},
			Plan: func(have *kv.Snapshot) (kv.Change, error) {
				if !have.At(p).Exists() {
					return kv.Change{}, errNotNow
				}
				return kv.Change{Puts: []kv.Put{{Path: p, Value: status}}}, nil
			}}
	}, nil)
}

// create makes a table or a database of that name anew, as the catalogue's own operation does.
func (w *world) create(n protocol.Name) {
	p, spelling := n.Path(), csskey.Spelling(string(n))
	var needed []kv.Path // to be absent
	if w.without&protocol.CreateNeedsNoIntent == 0 {
		needed = append(needed, csskey.Intent(n.Parts()))
	}
	reads := []kv.Span{kv.Key(p), kv.Key(spelling), kv.Key(csskey.Of(csskey.Version))}
	if db := n.Database(); db != n && w.without&protocol.TableNeedsDatabase == 0 {
		needed = append(needed, csskey.Intent(db.Parts()))
		reads = append(reads, kv.Key(db.Path()))
	}
	for _, path := range needed {
		reads = append(reads, kv.Key(path))
	}
	w.operate(func() kv.Op {
		return kv.Op{Name: "create " + n.String(), Reads: reads, Plan: func(have *kv.Snapshot) (kv.Change, error) {
			there := func(path kv.Path) bool { return have.At(path).Exists() }
			if db := n.Database(); there(p) || slices.ContainsFunc(needed, there) ||
				db != n && w.without&protocol.TableNeedsDatabase == 0 && !there(db.Path()) {
				return kv.Change{}, errNotNow
			}
			return kv.Change{Puts: []kv.Put{{Path: p, Value: string(cssetcd.StatusReady)}, {Path: spelling, Value: string(n)}}},
				nil
		}}
	}, nil)
}

// evict ends the registration of a czar that does well.
func (w *world) evict() {
	if c := w.someCzar(); c != nil && c.state.ID != "" {
		id := c.state.ID
		w.operate(func() kv.Op { return protocol.Evict(id, "an operator") }, nil)
	}
}

// operate plans an operation on what is read and commits it under the derived guards, once. The answer to either may be
// lost.
func (w *world) operate(make func() kv.Op, committed func()) {
	var op kv.Op
	var have *kv.Snapshot
	w.user.send(func() {
		op = make()
		have = w.etcd.read(op.Reads...)
	}, func(heard bool) {
		if !heard {
			return
		}
		c, err := op.Plan(have)
		if err != nil || !c.Writes() {
			w.tell("%s: %v", op.Name, err)
			return
		}
		c = derive(c, have, op.Reads)
		think := time.Duration(0)
		if !w.healing && w.chance(0.2) {
			think = w.between(0, 6*time.Second)
		}
		w.after(nil, think, func() {
			w.user.send(func() {
				if _, err := w.etcd.commit(op.Name, c); err == nil && committed != nil {
					committed()
				}
			}, func(bool) {})
		})
	})
}

// derive adds what the runner of operations adds: what was read on its own, and what is written, is as it was.
func derive(c kv.Change, have *kv.Snapshot, reads []kv.Span) kv.Change {
	guards := slices.Clone(c.Guards)
	add := func(p kv.Path) {
		guards = append(guards, kv.Guard{Kind: kv.ModIs, Path: p, Revision: have.At(p).Mod})
	}
	for _, s := range reads {
		if s.Single() {
			add(s.From)
		}
	}
	for _, p := range c.Puts {
		if have.Shows(kv.Key(p.Path)) {
			add(p.Path)
		} else if !strings.HasPrefix(string(p.Path), string(csskey.Drops)+"/") {
			panic("not declared as read: " + string(p.Path))
		}
	}
	c.Guards = guards
	return c
}
