package protocol

import (
	"slices"
	"time"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// The transactions of a czar. Each is a value; whoever has a store commits it as it is, its guards included.

// RegistrationContext is what a registration stands on: the settings and the history of etcd as they were when the czar
// began to register.
type RegistrationContext struct {
	Timing  Timing
	Config  Revision // the ModRevision of the settings; 0: there are none
	History kv.Entry
	Rules   Rules
}

// RegistrationContextReads is what [ReadRegistrationContext] needs to see.
func RegistrationContextReads() []kv.Span {
	return []kv.Span{kv.Key(csskey.Config), kv.Key(csskey.History)}
}

// ReadRegistrationContext reads the settings. It fails with ErrTiming when they do not fit together.
func ReadRegistrationContext(have *kv.Snapshot) (RegistrationContext, error) {
	e := have.At(csskey.Config)
	t, err := ParseTiming(e.Value)
	return RegistrationContext{Timing: t, Config: e.Mod, History: have.At(csskey.History)}, err
}

// sameHistory guards that etcd has not been set back or replaced since.
func (rc RegistrationContext) sameHistory() kv.Guard {
	if !rc.History.Exists() {
		return kv.Guard{Kind: kv.Absent, Path: csskey.History}
	}
	return kv.Guard{Kind: kv.ValueIs, Path: csskey.History, Value: rc.History.Value}
}

// Register registers a czar under a new id. The lease is that of its life.
func (rc RegistrationContext) Register(id, name string, now time.Time, lease int64) kv.Change {
	r := Registration{Name: name, Fence: rc.Timing.Fence.String(), Since: Stamp(now)}
	return kv.Change{
		Guards: []kv.Guard{
			{Kind: kv.Absent, Path: czarPath(id)},
			{Kind: kv.ModIs, Path: csskey.Config, Revision: rc.Config},
			rc.sameHistory(),
		},
		Puts: []kv.Put{{Path: czarPath(id), Value: r.Encode()}, {Path: alivePath(id), Value: Heartbeat{}.Encode(),
			Lease: lease}},
	}
}

// Confirm proves that a czar is registered, and looks at the drops that its queries hold up.
func (rc RegistrationContext) Confirm(id string, registered Revision, heartbeat Heartbeat, lease int64,
	look []Name) kv.Change {
	c := rc.proof(id, registered, look)
	c.Puts = []kv.Put{{Path: alivePath(id), Value: heartbeat.Encode(), Lease: lease}}
	return c
}

// ConfirmByReading proves the same where etcd refuses writes because it is full. It is as good a proof: to end a
// registration is a write, which comes after the read in etcd's order, and whoever makes it waits from then on. It has
// to be a linearizable read for that. Etcd takes a transaction that reads nothing for one that any member may answer
// from what it happens to know, so this one reads the registration.
func (rc RegistrationContext) ConfirmByReading(id string, registered Revision, look []Name) kv.Change {
	c := rc.proof(id, registered, look)
	if rc.Rules.keep(ProofReadsLatest) {
		c.Gets = append(c.Gets, kv.Key(czarPath(id)))
	}
	return c
}

func (rc RegistrationContext) proof(id string, registered Revision, look []Name) kv.Change {
	c := kv.Change{Guards: []kv.Guard{rc.sameHistory()}}
	if rc.Rules.keep(ProofNeedsRegistration) {
		c.Guards = append(c.Guards, kv.Guard{Kind: kv.ModIs, Path: czarPath(id), Revision: registered})
	}
	for _, n := range look {
		c.Gets = append(c.Gets, kv.Key(n.Intent()), kv.Key(n.hold()))
	}
	return c
}

// MaxLooked is how many drops one confirmation can look at: each is two reads, and etcd bounds those of a transaction.
const MaxLooked = 50

// ToCancel returns those of the drops that were looked at whose queries are to be aborted now: that is their policy,
// and the agreed delay is over.
func (rc RegistrationContext) ToCancel(got *kv.Snapshot, look []Name) (all []Cancelling) {
	for _, n := range look {
		e := got.At(n.Intent())
		i, err := decode[Intent](n.Intent(), e)
		cancels := e.Exists() && err == nil && i.Phase == Marked && i.Policy == Cancel
		if cancels && (!got.At(n.hold()).Exists() || !rc.Rules.keep(CancelNeedsDelay)) {
			all = append(all, Cancelling{n, e.Create})
		}
	}
	return all
}

// Acknowledge says that a czar has no query on what is marked and admits none. Several acknowledgements are of one
// registration; they land together or not at all.
func (rc RegistrationContext) Acknowledge(all ...Acknowledgement) kv.Change {
	c := kv.Change{Guards: []kv.Guard{{Kind: kv.ModIs, Path: czarPath(all[0].ID), Revision: all[0].Registered},
		rc.sameHistory()}}
	for _, a := range all {
		// some may have been marked by one transaction
		if put := (kv.Put{Path: ackPath(a.Mark, a.ID)}); !slices.Contains(c.Puts, put) {
			c.Puts = append(c.Puts, put)
		}
		if rc.Rules.keep(AckNamesMark) {
			c.Guards = append(c.Guards, kv.Guard{Kind: kv.CreateIs, Path: a.Name.Intent(), Revision: a.Mark})
		}
	}
	return c
}

// AcknowledgeReads is what [RegistrationContext.Acknowledgeable] needs to see.
func (rc RegistrationContext) AcknowledgeReads(all ...Acknowledgement) (spans []kv.Span) {
	for _, guard := range rc.Acknowledge(all...).Guards {
		spans = append(spans, kv.Key(guard.Path))
	}
	return spans
}

// Acknowledgeable returns those of the acknowledgements that would land as things stand.
func (rc RegistrationContext) Acknowledgeable(have *kv.Snapshot, all []Acknowledgement) (still []Acknowledgement) {
	for _, a := range all {
		refused := slices.ContainsFunc(rc.Acknowledge(a).Guards, func(guard kv.Guard) bool { return !guard.Holds(have) })
		if !refused {
			still = append(still, a)
		}
	}
	return still
}

// Leave ends the registration of a czar without queries.
func (rc RegistrationContext) Leave(id string, registered Revision) kv.Change {
	return kv.Change{
		Guards:  []kv.Guard{{Kind: kv.ModIs, Path: czarPath(id), Revision: registered}, rc.sameHistory()},
		Deletes: []kv.Span{kv.Key(czarPath(id)), kv.Key(alivePath(id))},
	}
}
