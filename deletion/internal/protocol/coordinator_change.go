package protocol

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// The transactions of a coordinator. Each is guarded by the key that it was elected with and by all that it was decided
// on.

// Leadership is the key that a coordinator was elected with.
type Leadership struct {
	Key     kv.Path
	Created Revision
	Rules   Rules
}

func (l Leadership) change(guards ...kv.Guard) kv.Change {
	if l.Rules.keep(LeaderProves) {
		guards = append(guards, kv.Guard{Kind: kv.CreateIs, Path: l.Key, Revision: l.Created})
	}
	return kv.Change{Guards: append(guards, kv.Guard{Kind: kv.ValueIs, Path: csskey.Of(csskey.Version),
		Value: cssetcd.Version})}
}

func unchanged(p kv.Path, at Revision) kv.Guard {
	return kv.Guard{Kind: kv.ModIs, Path: p, Revision: at}
}

// NeedsLease reports whether the transaction of an action puts a hold, so that its lease, of Action.Delay seconds, has
// to be there before.
func (a Action) NeedsLease() bool {
	return (a.Kind == MarkNow || a.Kind == Adopt) && a.terms().Delay > 0
}

// Delay returns the agreed delay of the drop that the action begins, in seconds.
func (a Action) Delay() int { return a.terms().Delay }

func (a Action) terms() Terms {
	if a.Kind == MarkNow {
		return a.Request.Terms
	}
	return a.Intent.Terms
}

// Change returns the transaction of an action. Remove has none: it is followed by Removed or Failed. Lease is that of
// the hold.
func (l Leadership) Change(a Action, lease int64, tables []Table) kv.Change {
	switch a.Kind {
	case MarkNow:
		c := l.change(unchanged(a.Name.request(), a.Modified), kv.Guard{Kind: kv.Absent, Path: a.Name.later()})
		c.Deletes = []kv.Span{kv.Key(a.Name.request())}
		return l.mark(c, a.Found, a.Found.Status, a.Request.Terms, lease)
	case Withdraw:
		c := l.change(unchanged(a.Name.request(), a.Modified))
		c.Deletes = []kv.Span{kv.Key(a.Name.request()), kv.Key(a.Name.later())}
		return c
	case Adopt:
		return l.mark(l.change(), a.Found, cmp.Or(a.Intent.Was, string(cssetcd.StatusReady)), a.Intent.Terms, lease)
	case EndIntent:
		c := l.change(unchanged(a.Name.Intent(), a.Modified), unchanged(a.Name.Path(), a.seenAt()))
		c.Deletes = a.Name.traces(a.Mark)
		return c
	case Execute:
		return l.execute(l.change(), a, tables)
	case BeginEnding:
		return l.beginEnding(a)
	case Deregister:
		c := l.change(unchanged(czarPath(a.ID), a.Modified))
		c.Deletes = []kv.Span{kv.Key(czarPath(a.ID)), kv.Key(alivePath(a.ID))}
		return c
	}
	panic(fmt.Sprintf("protocol: %s has no transaction", a.Kind))
}

// seenAt is the ModRevision of the key as it was found: 0 for one that was not there.
func (a Action) seenAt() Revision {
	if a.Found.Entry.Standing == Gone {
		return 0
	}
	return a.Found.Entry.Modified
}

// traces is what is kept of a drop that can be undone: the intent, the hold and the acknowledgements.
func (n Name) traces(mark Revision) []kv.Span {
	return []kv.Span{kv.Key(n.Intent()), kv.Key(n.hold()), kv.Below(acksOf(mark))}
}

// mark adds a mark to a transaction: from its revision on, P, no query begins on what was found.
func (l Leadership) mark(c kv.Change, f Found, was string, t Terms, lease int64) kv.Change {
	c.Guards = append(c.Guards, marking(f, l.Rules)...)
	c.Puts = append(c.Puts, marks(f, was, t, lease)...)
	if lease == 0 {
		c.Deletes = append(c.Deletes, kv.Key(f.Name.hold()))
	}
	return c
}

// marking is what a mark needs: the key as it was found, no other drop of it, and the database of a table as it was,
// and not on its way out.
func marking(f Found, rules Rules) []kv.Guard {
	guards := []kv.Guard{unchanged(f.Name.Path(), f.Entry.Modified), {Kind: kv.Absent, Path: f.Name.Intent()}}
	if !f.Name.IsDatabase() && rules.keep(TableNeedsDatabase) {
		db := f.Name.Database()
		guards = append(guards, unchanged(db.Path(), f.Parent), kv.Guard{Kind: kv.Absent, Path: db.Intent()})
	}
	return guards
}

// marks are the writes of a mark. Was is the status that cancelling brings back.
func marks(f Found, was string, t Terms, lease int64) []kv.Put {
	status := t.status()
	if f.Entry.Standing == DropPending { // written by hand: it stays as it is, at another revision
		status = f.Status
	}
	puts := []kv.Put{
		{Path: f.Name.Path(), Value: status},
		{Path: f.Name.Intent(), Value: Intent{Incarnation: f.Entry.Incarnation, Phase: Marked, Was: was, Terms: t}.Encode()},
	}
	if lease != 0 {
		puts = append(puts, kv.Put{Path: f.Name.hold(), Lease: lease})
	}
	return puts
}

// Execution is an action to execute, with what it removes.
type Execution struct {
	Action
	Tables []Table
}

// MaxExecutions is how many tables one transaction executes, as etcd bounds what a transaction looks at and does.
const MaxExecutions = 30

// ExecuteAll is the point of no return of several tables at once, of all or of none.
func (l Leadership) ExecuteAll(all []Execution) kv.Change {
	c := l.change()
	for _, e := range all {
		c = l.execute(c, e.Action, e.Tables)
	}
	return c
}

// execute adds a point of no return to a transaction: the catalogue forgets what was marked.
func (l Leadership) execute(c kv.Change, a Action, tables []Table) kv.Change {
	if l.Rules.keep(ExecuteNeedsIntent) {
		c.Guards = append(c.Guards, unchanged(a.Name.Intent(), a.Modified))
	}
	if l.Rules.keep(ExecuteNeedsDelay) {
		c.Guards = append(c.Guards, kv.Guard{Kind: kv.Absent, Path: a.Name.hold()})
	}
	if l.Rules.keep(ExecuteNeedsMark) {
		c.Guards = append(c.Guards, unchanged(a.Name.Path(), a.Mark))
	}
	if db, table := a.Name.Parts(); table == "" && l.Rules.keep(DatabaseNeedsEmpty) {
		c.Guards = append(c.Guards, kv.Guard{Kind: kv.NothingBelow, Path: csskey.TableIntents(db)},
			kv.Guard{Kind: kv.NothingBelow, Path: csskey.TableRequests(db)})
	}
	i := a.Intent
	i.Phase, i.Tables = Dropping, tables
	c.Puts = append(c.Puts, kv.Put{Path: a.Name.Intent(), Value: i.Encode()})
	c.Deletes = append(append(c.Deletes, kv.Tree(a.Name.Path())...), kv.Below(acksOf(a.Mark)))
	return c
}

// Removed frees the name: all data are removed. have shows SpellingReads of the name.
func (l Leadership) Removed(a Action, have *kv.Snapshot) kv.Change {
	c := l.change(unchanged(a.Name.Intent(), a.Modified))
	spelling := csskey.Spelling(string(a.Name))
	c.Guards = append(c.Guards, unchanged(spelling, have.At(spelling).Mod))
	c.Deletes = append(a.Name.traces(a.Mark), csskey.Forget(have, string(a.Name))...)
	return c
}

// SpellingReads is what [Leadership.Removed] needs to see.
func SpellingReads(n Name) []kv.Span { return kv.Tree(csskey.Spelling(string(n))) }

// Failed notes that an attempt to remove the data failed.
func (l Leadership) Failed(a Action, why error) kv.Change {
	i := a.Intent
	i.Error, i.Attempts, i.Trouble = Shortened(why.Error()), i.Attempts+1, ""
	c := l.change(unchanged(a.Name.Intent(), a.Modified))
	c.Puts = []kv.Put{{Path: a.Name.Intent(), Value: i.Encode()}}
	return c
}

// Troubled notes what an attempt to remove the data that goes on has trouble with; "" when it is over.
func (l Leadership) Troubled(a Action, trouble string) kv.Change {
	i := a.Intent
	i.Trouble = trouble
	c := l.change(unchanged(a.Name.Intent(), a.Modified))
	c.Puts = []kv.Put{{Path: a.Name.Intent(), Value: i.Encode()}}
	return c
}

// Renewed returns the removal of data with the intent as it is now; false when the drop has ended. have shows the
// intent.
func Renewed(a Action, have *kv.Snapshot) (Action, bool) {
	e := have.At(a.Name.Intent())
	i, err := decode[Intent](a.Name.Intent(), e)
	if !e.Exists() || err != nil || e.Create != a.Mark || i.Phase != Dropping {
		return a, false
	}
	a.Intent, a.Modified = i, e.Mod
	return a, true
}

// Shortened keeps of a text what an operator reads, and what etcd can hold.
func Shortened(text string) string {
	const most = 4000
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, "?")
}

func (l Leadership) beginEnding(a Action) kv.Change {
	c := l.change(kv.Guard{Kind: kv.Absent, Path: alivePath(a.ID)})
	end := endRegistration(a.ID, a.Modified, a.Registration, "its lease was gone")
	c.Guards, c.Puts = append(c.Guards, end.Guards...), end.Puts
	return c
}

// endRegistration keeps a registration from being confirmed from now on.
func endRegistration(id string, modified Revision, r Registration, by string) kv.Change {
	r.Ending, r.EndBy = true, by
	return kv.Change{
		Guards: []kv.Guard{unchanged(czarPath(id), modified)},
		Puts:   []kv.Put{{Path: czarPath(id), Value: r.Encode()}},
	}
}
