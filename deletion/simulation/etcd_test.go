package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// etcd is a store with leases. Its transactions are those of the real store in memory, so every guard is looked at.
type etcd struct {
	w         *world
	store     *kv.Memory
	now       *kv.Snapshot // all of the newest revision
	timeline  int          // counts the restores
	fullUntil time.Duration
	past      []*kv.Snapshot
	compacted kv.Revision // views behind it have to begin anew
	downUntil time.Duration

	log      []change // of the keys of names, on this timeline
	leases   map[int64]*lease
	leaseOf  map[kv.Path]int64
	lasted   map[kv.Path]time.Duration // of the lease that a key lived on last, also when it is gone
	granted  int64
	relevant int // counts what is more than a repeated confirmation

	facts   protocol.Facts
	factsOf int // relevant when facts were read
}

// change is what a revision did to the key of a name.
type change struct {
	at    kv.Revision
	name  int
	entry kv.Entry
}

type lease struct {
	id      int64
	ttl     time.Duration
	granted time.Duration
	expires time.Duration
}

var (
	errNoLease = errors.New("requested lease not found")
	errNoSpace = errors.New("database space exceeded")
)

func (e *etcd) begin(w *world, first *kv.Snapshot) {
	e.w, e.relevant = w, 1
	e.leases, e.leaseOf, e.lasted = map[int64]*lease{}, map[kv.Path]int64{}, map[kv.Path]time.Duration{}
	e.load(first)
}

func (e *etcd) load(first *kv.Snapshot) {
	e.now, e.log, e.past = first, nil, []*kv.Snapshot{first}
	e.store = kv.NewMemoryAt(first, func(next *kv.Snapshot) error {
		e.now = next
		e.past = append(e.past, next)
		return nil
	})
}

func (e *etcd) up() bool { return e.downUntil <= e.w.now }

func (e *etcd) fetch(at kv.Revision, spans ...kv.Span) (*kv.Snapshot, error) {
	return e.store.Fetch(context.Background(), at, spans...)
}

// read is fetch of what is now, which cannot fail.
func (e *etcd) read(spans ...kv.Span) *kv.Snapshot {
	s, err := e.fetch(0, spans...)
	if err != nil {
		panic(err)
	}
	return s
}

// commit makes a transaction. As in etcd, one that names a lease which is gone fails.
func (e *etcd) commit(what string, c kv.Change) (*kv.Snapshot, error) {
	for _, p := range c.Puts {
		if p.Lease != 0 && e.leases[p.Lease] == nil {
			e.w.tell("%s: %s", what, errNoLease)
			return nil, errNoLease
		}
	}
	if len(c.Puts) > 0 && e.fullUntil > e.w.now {
		e.w.tell("%s: %s", what, errNoSpace)
		return nil, errNoSpace
	}
	if !c.Writes() && len(c.Gets) == 0 {
		return e.ofAnyMember(what, c)
	}
	before := e.now
	got, err := e.store.Commit(context.Background(), c)
	if err != nil && !errors.Is(err, kv.ErrGuard) {
		panic(fmt.Sprintf("%s: %s", what, err))
	}
	if err != nil || e.now == before {
		e.w.tell("%s: %v", what, err)
		return got, err
	}
	e.w.counts.Commits++
	e.w.tell("%s: done", what)
	e.attach(c)
	e.note(before, c)
	return got, nil
}

// ofAnyMember is what etcd does with a transaction that only compares: a member answers from what it knows, however
// much it lags.
func (e *etcd) ofAnyMember(what string, c kv.Change) (*kv.Snapshot, error) {
	lagging := e.past[max(0, len(e.past)-1-e.w.rng.IntN(40)):][0]
	got, err := kv.NewMemoryAt(lagging, func(*kv.Snapshot) error { return nil }).Commit(context.Background(), c)
	e.w.tell("%s, by a member at revision %d: %v", what, lagging.Revision, err)
	return got, err
}

// attach follows the leases of what was written.
func (e *etcd) attach(c kv.Change) {
	for _, d := range c.Deletes {
		for p := range e.leaseOf {
			if d.Contains(p) {
				delete(e.leaseOf, p)
			}
		}
	}
	for _, p := range c.Puts {
		if p.Lease == 0 {
			delete(e.leaseOf, p.Path)
		} else {
			e.leaseOf[p.Path], e.lasted[p.Path] = p.Lease, e.leases[p.Lease].ttl
		}
	}
}

// note keeps what views will show, and looks at what happened to names.
func (e *etcd) note(before *kv.Snapshot, c kv.Change) {
	if e.repeated(before, c) {
		return
	}
	e.relevant++
	seen := false
	for i, p := range e.w.paths {
		was, is := before.At(p), e.now.At(p)
		if was == is {
			continue
		}
		seen = true
		e.log = append(e.log, change{e.now.Revision, i, is})
		e.w.oracle.changed(e.w, e.w.names[i], was, is)
	}
	for _, p := range c.Puts {
		if strings.HasPrefix(string(p.Path), "drop/") && before.At(p.Path).Create == 0 {
			e.w.oracle.marked(e.w, c, p.Path, e.now.Revision)
		}
	}
	if seen {
		for _, z := range e.w.czars {
			z.lookSoon()
		}
	}
}

// repeated reports whether a change only wrote again what a czar writes all the time.
func (e *etcd) repeated(before *kv.Snapshot, c kv.Change) bool {
	return len(c.Deletes) == 0 && !slices.ContainsFunc(c.Puts, func(p kv.Put) bool {
		return !strings.HasPrefix(string(p.Path), string(csskey.Alive)+"/") || !before.At(p.Path).Exists()
	})
}

// grant makes a lease: it lasts no less than asked, and often longer.
func (e *etcd) grant(ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	e.granted++
	l := &lease{id: e.granted, ttl: ttl, granted: e.w.now}
	e.leases[l.id] = l
	e.renew(l.id)
	e.expireAt(l)
	return l.id
}

// renew makes a lease last its whole time from now on; false when there is none.
func (e *etcd) renew(id int64) bool {
	l := e.leases[id]
	if l == nil {
		return false
	}
	more := time.Duration(0)
	if !e.w.healing && e.w.chance(0.2) {
		more = e.w.between(0, l.ttl/2)
	}
	l.expires = max(l.expires, e.w.now+l.ttl+more)
	return true
}

func (e *etcd) expireAt(l *lease) {
	e.w.at(nil, max(l.expires, e.downUntil), func() {
		switch {
		case e.leases[l.id] != l:
		case l.expires > e.w.now || !e.up():
			e.expireAt(l)
		default:
			e.revoke(l.id)
		}
	})
}

// revoke ends a lease and deletes what lives on it.
func (e *etcd) revoke(id int64) {
	if e.leases[id] == nil {
		return
	}
	delete(e.leases, id)
	var gone []kv.Path
	for p, of := range e.leaseOf {
		if of == id {
			gone = append(gone, p)
		}
	}
	slices.Sort(gone)
	if len(gone) == 0 {
		return
	}
	c := kv.Change{}
	for _, p := range gone {
		c.Deletes = append(c.Deletes, kv.Key(p))
	}
	_, _ = e.commit(fmt.Sprintf("the lease of %v is gone", gone), c) // has no guard
}

// leaseAt returns the lease that a key lives on.
func (e *etcd) leaseAt(p kv.Path) *lease { return e.leases[e.leaseOf[p]] }

// compact forgets what was before now, so that views that lag have to begin anew.
func (e *etcd) compact(at kv.Revision) {
	e.w.tell("compacted to %d", at)
	e.store.Compact(at)
	e.compacted = max(e.compacted, min(at, e.now.Revision))
	e.relevant++
}

func (e *etcd) configure(t protocol.Timing) {
	_, _ = e.commit("settings", kv.Change{Puts: []kv.Put{{Path: csskey.Config, Value: encodeTiming(t)}}}) // has no guard
}

func encodeTiming(t protocol.Timing) string {
	text, err := t.MarshalJSON()
	if err != nil {
		panic(err) // plain data always have a JSON form
	}
	return string(text)
}

// fact returns what a coordinator reads now. Confirmations change nothing of it but the revision.
func (e *etcd) fact() protocol.Facts {
	if e.factsOf != e.relevant {
		e.facts, e.factsOf = e.readFacts(), e.relevant
	}
	f := e.facts
	f.At, f.RegistrationsAt = e.now.Revision, e.now.Revision
	return f
}

func (e *etcd) readFacts() protocol.Facts {
	have := e.read(protocol.FactReads()...)
	var marked []protocol.Name
	for i, p := range e.w.paths {
		if protocol.EntryOf(e.now.At(p), 0).Standing == protocol.DropPending {
			marked = append(marked, e.w.names[i])
		}
	}
	entries := map[protocol.Name]kv.Entry{}
	for _, n := range protocol.NamesIn(have, marked) {
		entries[n] = e.now.At(n.Path())
	}
	f, faults := protocol.ReadFacts(have, entries)
	for _, err := range faults {
		e.w.fail("faults", "%s", err)
	}
	return f
}
