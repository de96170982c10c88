// Package emptychunks decides what becomes of the empty chunks of a database, which etcd and a table <db>_EmptyChunks
// in MySQL both hold, and which both sides may change. It is pure: what it decides follows from what each side says and
// from what both said when they agreed last.
package emptychunks

import (
	"crypto/sha256"

	"github.com/qserv/css-etcd/chunkset"
)

// Side is what one side says of the empty chunks of a database. The zero Side says nothing: etcd has no set, or no such
// database; MySQL has no such table.
type Side struct {
	Known bool
	Set   chunkset.Set
}

// Said is the side that says a set.
func Said(s chunkset.Set) Side { return Side{Known: true, Set: s} }

// Equal reports whether two sides say the same.
func (s Side) Equal(o Side) bool { return s.Known == o.Known && s.Set.Equal(o.Set) }

// Digest stands for a set.
type Digest [sha256.Size]byte

// DigestOf returns the digest of a set.
func DigestOf(s chunkset.Set) Digest { return sha256.Sum256([]byte(s.String())) }

// Base is what both sides said when they agreed last. The zero Base: they never agreed on a set, or last on that
// nothing is known.
type Base struct {
	Known  bool
	Digest Digest
	// Earlier: it is of an earlier database of the name, which is gone. What is left of that one's table says nothing of
	// the database that there is now, if there is one.
	Earlier bool
}

// BaseOf returns the base after both said the same as a side.
func BaseOf(s Side) Base {
	if !s.Known {
		return Base{}
	}
	return Base{Known: true, Digest: DigestOf(s.Set)}
}

// OnRecord is what is kept of a database: what both sides said when they agreed last, and, from before etcd is made to
// say what the table says until both agree, what that is. Whoever finds it does not know whether etcd came to say so.
type OnRecord struct {
	Base
	Taking bool
	Next   Base // what etcd was about to be made to say
}

// RecordOf returns what goes on record after both said the same as a side.
func RecordOf(s Side) OnRecord { return OnRecord{Base: BaseOf(s)} }

// Now returns the base. Written is whether etcd's set was written since it was decided to take, and earlier whether the
// record is of an earlier database of the name. A take that nobody saw the end of has happened if etcd was written and
// says what was to be taken, as it does when somebody else wrote the same. Where etcd was written and says what it said
// before, that is newer than what the table said.
func (r OnRecord) Now(etcd Side, written, earlier bool) Base {
	b := r.Base
	b.Earlier = earlier && b.Known && !etcd.Known
	switch {
	case !r.Taking || !written:
		return b
	case r.Next.Is(etcd):
		return r.Next
	case b.Is(etcd):
		return Base{}
	}
	return b
}

// Take is what goes on record before etcd is made to say what the table says. Where an earlier take has an end that
// nobody saw, what etcd says now is what both agreed on: else it would not have been decided to take.
func (r OnRecord) Take(etcd, mysql Side) OnRecord {
	if r.Taking {
		r.Base = BaseOf(etcd)
	}
	r.Taking, r.Next = true, BaseOf(mysql)
	return r
}

// Decide says what is to be done, as [Decide] does. Once both sides agree, what was being taken is off the record: it
// would explain what somebody writes later.
func (r OnRecord) Decide(etcd, mysql Side, written, earlier, taking bool) Decision {
	d := Decide(r.Now(etcd, written, earlier), etcd, mysql, taking)
	if r.Taking && d.Action == Nothing && etcd.Equal(mysql) {
		d.Action = Record
	}
	return d
}

// Is reports whether a side says the same.
func (b Base) Is(s Side) bool {
	of := BaseOf(s)
	return b.Known == of.Known && b.Digest == of.Digest
}

// Action is what is to be done.
type Action int

// The actions. After each of them but Nothing, what both sides then say goes on record.
const (
	Nothing Action = iota // they agree, or it is left alone
	Record                // they agree, and the record says something else
	Write                 // make the table in MySQL what etcd says
	Remove                // remove the table
	Take                  // make etcd's set what the table says
	Forget                // make it unknown in etcd
)

// String names the action.
func (a Action) String() string {
	return [...]string{"nothing", "record", "write", "remove", "take", "forget"}[a]
}

// Decision is what is to be done.
type Decision struct {
	Action
	// Foreign: it follows from a change in MySQL, which may not be complete yet: wait until it has settled.
	Foreign bool
	// Overrules: what others changed in MySQL is undone and not taken.
	Overrules bool
}

// Decide says what is to be done. Taking is whether what others change in MySQL is taken into etcd: then each side may
// change what the other did not, and where both did, etcd wins, unless it says nothing. Otherwise etcd wins always; but
// a table that others made before etcd said anything is theirs and left alone.
func Decide(base Base, etcd, mysql Side, taking bool) Decision {
	hereChanged, thereChanged := !base.Is(etcd), !base.Is(mysql)
	switch {
	case etcd.Equal(mysql) && !hereChanged:
		return Decision{}
	case etcd.Equal(mysql):
		return Decision{Action: Record}
	case taking && thereChanged && mysql.Known && !etcd.Known && !base.Earlier:
		return Decision{Action: Take, Foreign: true} // no set of etcd's is lost
	case hereChanged:
		return Decision{Action: asEtcd(etcd), Foreign: thereChanged, Overrules: thereChanged}
	case !taking && !base.Known:
		return Decision{}
	case !taking:
		return Decision{Action: asEtcd(etcd), Foreign: true, Overrules: true}
	case mysql.Known:
		return Decision{Action: Take, Foreign: true}
	}
	return Decision{Action: Forget, Foreign: true}
}

func asEtcd(etcd Side) Action {
	if etcd.Known {
		return Write
	}
	return Remove
}
