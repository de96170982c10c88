package protocol

import (
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// What stands in the way of what somebody wants of a drop.
var (
	ErrNoDrop      = errors.New("no drop of this name is under way")
	ErrTooLate     = errors.New("the drop is past the point of no return: the catalogue has forgotten it")
	ErrTooEarly    = errors.New("the drop has not reached the point of no return; it can be cancelled")
	ErrNotReady    = errors.New("not READY")
	ErrNoSuchCzar  = errors.New("no such czar is registered")
	ErrRequestMade = errors.New("a drop of it is requested already")
)

// Mark begins a drop now. The lease is that of the hold, of as many seconds as the terms say; 0 for a delay of 0.
func Mark(n Name, t Terms, lease int64) kv.Op {
	return kv.Op{Name: "mark " + n.String() + " to be dropped", Reads: wishReads(n),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			f, err := find(n, have)
			if err != nil {
				return kv.Change{}, err
			}
			was := f.Status
			if f.Entry.Standing == DropPending { // by hand, and what it was before is not known here
				was = string(cssetcd.StatusIgnore)
			}
			c := kv.Change{Guards: marking(f, Rules{}), Puts: marks(f, was, t, lease)}
			c.Deletes = []kv.Span{kv.Key(n.request()), kv.Key(n.later())}
			if lease == 0 {
				c.Deletes = append(c.Deletes, kv.Key(n.hold()))
			}
			return c, nil
		}}
}

// MarkLater asks for a mark when the lease is gone, of as many seconds as after says. Until then nothing changes for
// anybody.
func MarkLater(n Name, after time.Duration, t Terms, lease int64) kv.Op {
	return kv.Op{Name: "request the drop of " + n.String(), Reads: wishReads(n), Plan: func(have *kv.Snapshot) (kv.Change,
		error) {
		f, err := find(n, have)
		switch {
		case err != nil:
			return kv.Change{}, err
		case f.Entry.Standing != Ready:
			return kv.Change{}, fmt.Errorf("%w but %q: only what is in use is dropped later", ErrNotReady, f.Status)
		case have.At(n.request()).Exists():
			return kv.Change{}, ErrRequestMade
		}
		r := Request{Incarnation: f.Entry.Incarnation, Modified: f.Entry.Modified, After: int(after / time.Second), Terms: t}
		return kv.Change{
			Guards: marking(f, Rules{}),
			Puts:   []kv.Put{{Path: n.request(), Value: r.Encode()}, {Path: n.later(), Lease: lease}},
		}, nil
	}}
}

// wishReads is what an operation on a drop looks at. Each is guarded, so that it is decided on what is.
func wishReads(n Name) []kv.Span {
	all := []kv.Span{
		kv.Key(n.Path()), kv.Key(n.Intent()), kv.Key(n.hold()), kv.Key(n.request()), kv.Key(n.later()),
		kv.Key(csskey.Of(csskey.Version)),
	}
	if db := n.Database(); db != n {
		all = append(all, kv.Key(db.Path()), kv.Key(db.Intent()))
	}
	return all
}

// find returns what is to be dropped, unless it is not there or is being dropped already.
func find(n Name, have *kv.Snapshot) (Found, error) {
	e, db := have.At(n.Path()), n.Database()
	f := Found{Name: n, Entry: EntryOf(e, have.Revision), Status: e.Value, Parent: have.At(db.Path()).Mod}
	switch {
	case have.At(csskey.Of(csskey.Version)).Value != cssetcd.Version:
		return f, cssetcd.ErrVersionMismatch
	case have.At(n.Intent()).Exists():
		return f, cssetcd.ErrDropPending
	case have.At(db.Intent()).Exists():
		return f, fmt.Errorf("%w: its database is being dropped", cssetcd.ErrDropPending)
	case e.Exists():
		return f, nil
	case n.IsDatabase():
		return f, cssetcd.ErrNoSuchDB
	case f.Parent == 0:
		return f, fmt.Errorf("%w: %w", cssetcd.ErrNoSuchTable, cssetcd.ErrNoSuchDB)
	}
	return f, cssetcd.ErrNoSuchTable
}

// Undo takes a drop back: what was marked is as it was before. It fails with ErrTooLate after the point of no return.
func Undo(n Name) kv.Op {
	return kv.Op{Name: "cancel the drop of " + n.String(), Reads: wishReads(n), Plan: func(have *kv.Snapshot) (kv.Change,
		error) {
		var c kv.Change
		if have.At(n.request()).Exists() {
			c.Deletes = []kv.Span{kv.Key(n.request()), kv.Key(n.later())}
		}
		e := have.At(n.Intent())
		if !e.Exists() {
			if c.Deletes == nil {
				return c, ErrNoDrop
			}
			return c, nil
		}
		i, err := decode[Intent](n.Intent(), e)
		switch {
		case err != nil:
			return kv.Change{}, err
		case i.Phase != Marked:
			return kv.Change{}, ErrTooLate
		}
		c.Deletes = append(c.Deletes, n.traces(e.Create)...)
		if have.At(n.Path()).Mod == e.Create { // otherwise something newer is there, which stays
			c.Puts = []kv.Put{{Path: n.Path(), Value: i.Was}}
		}
		return c, nil
	}}
}

// TryAgain asks for another attempt to remove the data at once.
func TryAgain(n Name) kv.Op {
	return afterExecution("retry the drop of ", n, nil, false, func(_ *kv.Snapshot, i Intent, _ kv.Entry) kv.Change {
		i.Retry++
		return kv.Change{Puts: []kv.Put{{Path: n.Intent(), Value: i.Encode()}}}
	})
}

// Abandon frees the name although its data may not all be removed.
func Abandon(n Name) kv.Op {
	return afterExecution("abandon the drop of ", n, SpellingReads(n), true, func(have *kv.Snapshot, _ Intent,
		e kv.Entry) kv.Change {
		return kv.Change{Deletes: append(n.traces(e.Create), csskey.Forget(have, string(n))...)}
	})
}

// afterExecution is an operation on a drop past the point of no return; or on one that cannot be read, which nobody
// else can end.
func afterExecution(what string, n Name, more []kv.Span, unreadable bool, change func(*kv.Snapshot, Intent,
	kv.Entry) kv.Change) kv.Op {
	reads := append([]kv.Span{kv.Key(n.Intent())}, more...)
	return kv.Op{Name: what + n.String(), Reads: reads, Plan: func(have *kv.Snapshot) (kv.Change, error) {
		e := have.At(n.Intent())
		if !e.Exists() {
			return kv.Change{}, ErrNoDrop
		}
		i, err := decode[Intent](n.Intent(), e)
		switch {
		case err != nil && unreadable:
		case err != nil:
			return kv.Change{}, err
		case i.Phase != Dropping:
			return kv.Change{}, ErrTooEarly
		}
		return change(have, i, e), nil
	}}
}

// Evict begins to end the registration of a czar.
func Evict(id, by string) kv.Op {
	p := czarPath(id)
	return kv.Op{Name: "evict czar " + id, Reads: []kv.Span{kv.Key(p)}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
		e := have.At(p)
		if !e.Exists() {
			return kv.Change{}, ErrNoSuchCzar
		}
		r, err := decode[Registration](p, e)
		if err != nil || r.Ending {
			return kv.Change{}, err
		}
		return endRegistration(id, e.Mod, r, by), nil
	}}
}

// Progress is how far the drop of an incarnation has come, for who waits for it.
type Progress int

// How far a drop has come.
const (
	UnderWay Progress = iota
	Undone            // the incarnation is there and nothing is to drop it
	Done              // it is gone, and its name free
)

// ProgressReads is what [ProgressOf] needs to see.
func ProgressReads(n Name) []kv.Span {
	return []kv.Span{kv.Key(n.Path()), kv.Key(n.Intent()), kv.Key(n.request()), kv.Key(n.Database().Path()),
		kv.Key(n.Database().Intent())}
}

// ProgressOf returns how far the drop of an incarnation has come.
func ProgressOf(n Name, incarnation Revision, have *kv.Snapshot) Progress {
	if e := have.At(n.Intent()); e.Exists() {
		if i, err := decode[Intent](n.Intent(), e); err != nil || i.Incarnation == incarnation {
			return UnderWay
		}
	}
	db := n.Database()
	along := db != n && have.At(db.Intent()).Exists() // its database is being dropped, and takes it along
	if have.At(n.Path()).Create != incarnation {
		if along && !have.At(db.Path()).Exists() {
			return UnderWay
		}
		return Done
	}
	if along {
		return UnderWay
	}
	if have.At(n.request()).Exists() || EntryOf(have.At(n.Path()), have.Revision).Standing == DropPending {
		return UnderWay
	}
	return Undone
}

// SetTiming writes the settings.
func SetTiming(t Timing) kv.Op {
	return kv.Op{Name: "change the settings", Reads: []kv.Span{kv.Key(csskey.Config)}, Plan: func(*kv.Snapshot) (kv.Change,
		error) {
		return kv.Change{Puts: []kv.Put{{Path: csskey.Config, Value: encode(t)}}}, nil
	}}
}
