package protocol

import (
	"maps"
	"slices"
)

// duties are the names about which a czar has something to do, so that a step need not look at all that is pending to
// find them.
type duties struct {
	due    map[Name]struct{} // to be acknowledged and not asked for
	failed map[Name]struct{} // asked for without success
	held   map[Name]struct{} // marked, and used by queries that have not been told to end
	told   map[Name]struct{} // marked, and used by queries that have been
}

func newDuties() duties {
	return duties{map[Name]struct{}{}, map[Name]struct{}{}, map[Name]struct{}{}, map[Name]struct{}{}}
}

func (d duties) clone() duties {
	return duties{maps.Clone(d.due), maps.Clone(d.failed), maps.Clone(d.held), maps.Clone(d.told)}
}

func file(names map[Name]struct{}, n Name, in bool) {
	if in {
		names[n] = struct{}{}
	} else {
		delete(names, n)
	}
}

// note keeps what is known of something that is not ready, and what is to be done about it.
func (c *Czar) note(n Name, p pending) {
	c.pending[n] = p
	e := c.entries[n]
	marked := e.Standing == DropPending
	unsent := p.acked != e.Modified && p.asked != e.Modified
	file(c.duty.due, n, marked && unsent && (p.drained || !c.Rules.keep(AckOnlyDrained)))
	file(c.duty.failed, n, p.failed)
	file(c.duty.held, n, marked && !p.drained && !p.aborted)
	file(c.duty.told, n, marked && !p.drained && p.aborted)
}

// settle notes that a name is ready.
func (c *Czar) settle(n Name) {
	delete(c.pending, n)
	for _, names := range []map[Name]struct{}{c.duty.due, c.duty.failed, c.duty.held, c.duty.told} {
		delete(names, n)
	}
}

// drop notes that nothing is there under a name.
func (c *Czar) drop(n Name) {
	c.settle(n)
	delete(c.entries, n)
}

// ToldToEnd returns what is marked and used by queries that have been told to end and have not, for people.
func (c *Czar) ToldToEnd() []Name { return slices.Sorted(maps.Keys(c.duty.told)) }
