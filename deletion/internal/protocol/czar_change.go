package protocol

import (
	"slices"
	"time"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/paths"
)

// The transactions of a czar. Each is a value; whoever has a store commits it as it is, its guards included.

// Ground is what a registration stands on: the settings and the history of etcd as they were when the czar began to register.
type Ground struct {
	Timing  Timing
	Config  Revision // the ModRevision of the settings; 0: there are none
	History kv.Entry
	Rules   Rules
}

// GroundReads is what [ReadGround] needs to see.
func GroundReads() []kv.Span { return []kv.Span{kv.Key(paths.Config), kv.Key(paths.History)} }

// ReadGround reads the settings. It fails with ErrTiming when they do not fit together.
func ReadGround(have *kv.Snapshot) (Ground, error) {
	e := have.At(paths.Config)
	t, err := ParseTiming(e.Value)
	return Ground{Timing: t, Config: e.Mod, History: have.At(paths.History)}, err
}

// sameHistory guards that etcd has not been set back or replaced since.
func (g Ground) sameHistory() kv.Guard {
	if !g.History.Exists() {
		return kv.Guard{Kind: kv.Absent, Path: paths.History}
	}
	return kv.Guard{Kind: kv.ValueIs, Path: paths.History, Value: g.History.Value}
}

// Register registers a czar under a new id. The lease is that of its life.
func (g Ground) Register(id, name string, now time.Time, lease int64) kv.Change {
	r := Registration{Name: name, Fence: g.Timing.Fence.String(), Since: Stamp(now)}
	return kv.Change{
		Guards: []kv.Guard{
			{Kind: kv.Absent, Path: czarPath(id)},
			{Kind: kv.ModIs, Path: paths.Config, Revision: g.Config},
			g.sameHistory(),
		},
		Puts: []kv.Put{{Path: czarPath(id), Value: r.Encode()}, {Path: alivePath(id), Value: Life{}.Encode(), Lease: lease}},
	}
}

// Confirm proves that a czar is registered, and looks at the drops that its queries hold up.
func (g Ground) Confirm(id string, registered Revision, life Life, lease int64, look []Name) kv.Change {
	c := g.proof(id, registered, look)
	c.Puts = []kv.Put{{Path: alivePath(id), Value: life.Encode(), Lease: lease}}
	return c
}

// ConfirmByReading proves the same where etcd refuses writes because it is full. It is as good a proof: to end a registration is a write, which comes
// after the read in etcd's order, and whoever makes it waits from then on. It has to be a linearizable read for that. Etcd takes a transaction that
// reads nothing for one that any member may answer from what it happens to know, so this one reads the registration.
func (g Ground) ConfirmByReading(id string, registered Revision, look []Name) kv.Change {
	c := g.proof(id, registered, look)
	if g.Rules.keep(ProofReadsLatest) {
		c.Gets = append(c.Gets, kv.Key(czarPath(id)))
	}
	return c
}

func (g Ground) proof(id string, registered Revision, look []Name) kv.Change {
	c := kv.Change{Guards: []kv.Guard{g.sameHistory()}}
	if g.Rules.keep(ProofNeedsRegistration) {
		c.Guards = append(c.Guards, kv.Guard{Kind: kv.ModIs, Path: czarPath(id), Revision: registered})
	}
	for _, n := range look {
		c.Gets = append(c.Gets, kv.Key(n.intent()), kv.Key(n.hold()))
	}
	return c
}

// MostLooked is how many drops one confirmation can look at: each is two reads, and etcd bounds those of a transaction.
const MostLooked = 50

// ToCancel returns those of the drops that were looked at whose queries are to be aborted now: that is their policy, and the agreed delay is over.
func (g Ground) ToCancel(got *kv.Snapshot, look []Name) (all []Cancelling) {
	for _, n := range look {
		e := got.At(n.intent())
		i, err := decode[Intent](n.intent(), e)
		cancels := e.Exists() && err == nil && i.Phase == Marked && i.Policy == Cancel
		if cancels && (!got.At(n.hold()).Exists() || !g.Rules.keep(CancelNeedsDelay)) {
			all = append(all, Cancelling{n, e.Create})
		}
	}
	return all
}

// Acknowledge says that a czar has no query on what is marked and admits none. Several acknowledgements are of one registration; they land together or not at all.
func (g Ground) Acknowledge(all ...Acknowledgement) kv.Change {
	c := kv.Change{Guards: []kv.Guard{{Kind: kv.ModIs, Path: czarPath(all[0].ID), Revision: all[0].Registered}, g.sameHistory()}}
	for _, a := range all {
		if put := (kv.Put{Path: ackPath(a.Mark, a.ID)}); !slices.Contains(c.Puts, put) { // some may have been marked by one transaction
			c.Puts = append(c.Puts, put)
		}
		if g.Rules.keep(AckNamesMark) {
			c.Guards = append(c.Guards, kv.Guard{Kind: kv.CreateIs, Path: a.Name.intent(), Revision: a.Mark})
		}
	}
	return c
}

// AcknowledgeReads is what [Ground.Acknowledgeable] needs to see.
func (g Ground) AcknowledgeReads(all ...Acknowledgement) (spans []kv.Span) {
	for _, guard := range g.Acknowledge(all...).Guards {
		spans = append(spans, kv.Key(guard.Path))
	}
	return spans
}

// Acknowledgeable returns those of the acknowledgements that would land as things stand.
func (g Ground) Acknowledgeable(have *kv.Snapshot, all []Acknowledgement) (still []Acknowledgement) {
	for _, a := range all {
		refused := slices.ContainsFunc(g.Acknowledge(a).Guards, func(guard kv.Guard) bool { return !guard.Holds(have) })
		if !refused {
			still = append(still, a)
		}
	}
	return still
}

// Leave ends the registration of a czar without queries.
func (g Ground) Leave(id string, registered Revision) kv.Change {
	return kv.Change{
		Guards:  []kv.Guard{{Kind: kv.ModIs, Path: czarPath(id), Revision: registered}, g.sameHistory()},
		Deletes: []kv.Span{kv.Key(czarPath(id)), kv.Key(alivePath(id))},
	}
}
