package inbox

import (
	"errors"
	"fmt"
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Reason says why a unit was overruled. The texts are a stable contract.
type Reason string

// The reasons.
const (
	Changed     Reason = "changed"      // etcd holds another value than kvData showed
	Follows     Reason = "follows"      // it is built on a change that was overruled
	NoParent    Reason = "no_parent"    // what is above the key is gone
	OtherLife   Reason = "incarnation"  // the table, database or node was dropped and made again
	KeysBelow   Reason = "keys_below"   // what is removed holds what others made
	Spelling    Reason = "spelling"     // the name differs in upper and lower case only from one that is there
	DropPending Reason = "drop_pending" // the name is still being dropped
	Invalid     Reason = "invalid"      // no CSS holds such a key or value
	Protected   Reason = "protected"    // the key is not changed by hand
	SetBack     Reason = "set_back"     // MySQL or etcd was set back, and nobody knows what it was written on
	Queried     Reason = "queried"      // queries may be running: the removal became a drop
)

// verdict is what becomes of a unit. Puts and removals are of CSS keys.
type verdict struct {
	reason  Reason // "": it is taken
	detail  string
	puts    []change
	removes []change // with all that is below
	// what becomes a drop: names that are put as about to be dropped, and the rows that are not carried out for it
	drops    []change
	deferred []int64
	halves   []Half // of a unit that is overruled: names that lack what it would have put there
}

// overruled is the error of a rule that a unit breaks.
type overruled struct {
	reason Reason
	detail string
}

func (o overruled) Error() string { return o.detail }

func overrule(reason Reason, format string, args ...any) error {
	return overruled{reason, fmt.Sprintf(format, args...)}
}

// judge is what units are judged by: etcd as it is, and what was decided before.
type judge struct {
	Rules
	have    *kv.Snapshot
	applied kv.Revision // that kvData showed with the rows
	taken   Taken       // what matters of it
	refused map[string]bool
	spoiled map[string]bool // claimed names below which something was overruled
}

// spoils returns the names that were claimed for what did not all come.
func (j judge) spoils() map[string]bool {
	names := map[string]bool{}
	for key := range j.refused {
		for above := range ancestors(key) {
			if slices.Contains(j.taken.Claims, above) {
				names[above] = true
			}
		}
	}
	return names
}

// decide judges a unit. The error is a [kv.Need].
func (j judge) decide(u unit) (verdict, error) {
	err := u.never
	if err == nil {
		err = j.objection(u)
	}
	var o overruled
	switch {
	case errors.As(err, &o):
		return verdict{reason: o.reason, detail: o.detail, halves: j.halves(u)}, nil
	case err != nil:
		return verdict{}, err
	}
	return j.effect(u), nil
}

// objection returns the first rule that a unit breaks.
func (j judge) objection(u unit) error {
	for _, c := range u.changes {
		if err := j.objectionTo(u, c); err != nil {
			return err
		}
	}
	return nil
}

func (j judge) objectionTo(u unit, c change) error {
	if j.keep(Succession) {
		if key := c.key; j.refused[key] {
			return overrule(Follows, "an earlier change of %s was overruled", key)
		}
		for above := range ancestors(c.key) {
			if j.refused[above] {
				return overrule(Follows, "a change of %s above it was overruled", above)
			}
		}
	}
	if err := j.incomplete(c.key); err != nil || c.nothing() {
		return err
	}
	for _, check := range []func(unit, change) error{j.mayBe, j.base, j.whole, j.above, j.belowIt, j.spelling} {
		if err := check(u, c); err != nil {
			return err
		}
	}
	return nil
}

// incomplete says why a name that goes piece by piece, or a key below it, goes no further.
func (j judge) incomplete(key string) error {
	if len(j.spoiled) == 0 {
		return nil
	}
	if j.spoiled[key] {
		return overrule(Follows, "a change below %s was overruled", key)
	}
	for above := range ancestors(key) {
		if j.spoiled[above] {
			return overrule(Follows, "another change below %s was overruled", above)
		}
	}
	return nil
}

// pinned are the keys that kvData always has.
func pinned(key string) bool { return key == csskey.Databases || key == csskey.Nodes }

// mayBe looks at the change alone.
func (judge) mayBe(_ unit, c change) error { return mayBe(c) }

func mayBe(c change) error {
	switch {
	case c.key == "" || pinned(c.key) && c.removes():
		return overrule(Protected, "the row %q always stays as it is", c.key)
	case c.key == csskey.Meta || below(c.key, csskey.Meta):
		return overrule(Protected, "%s is not changed by hand", c.key)
	case !c.last.There:
		return nil
	}
	if err := cssetcd.CheckEntry(c.key, c.last.Text); err != nil {
		return overrule(Invalid, "%v", err)
	}
	return nil
}

// base wants etcd to hold what kvData held before.
func (j judge) base(_ unit, c change) error {
	e := j.have.At(csskey.Of(c.key))
	now := valueOf(e)
	if !now.There && pinned(c.key) {
		now = Value{There: true}
	}
	if c.isName() && c.first.There && e.Exists() && !j.shown(e) {
		return overrule(OtherLife, "%s was dropped and made again in etcd", c.key)
	}
	claimed := c.creates() && slices.Contains(j.taken.Claims, c.key)
	switch {
	case claimed && !now.There:
		return overrule(OtherLife, "%s was dropped in etcd before all that is below it was there", c.key)
	case now == c.first, !j.keep(NeedsBase):
		return nil
	case now == c.last && (!c.isName() || !now.There || !j.keep(NamesNeedBase)):
		return nil // both sides did the same
	case claimed && j.isClaim(e):
		return nil
	}
	return overrule(Changed, "etcd holds %s there, and kvData showed %s", now, c.first)
}

// String prints a value for messages.
func (v Value) String() string {
	if !v.There {
		return "nothing"
	}
	return fmt.Sprintf("%.80q", v.Text)
}

func valueOf(e kv.Entry) Value { return Value{e.Exists(), e.Value} }

// shown reports whether kvData showed this incarnation where the rows were written: it is no younger, or came from
// kvData.
func (j judge) shown(e kv.Entry) bool {
	return e.Create <= j.applied || j.keep(KnowsIncarnations) && slices.Contains(j.taken.Revisions, e.Create) ||
		!j.keep(NeedsIncarnation)
}

// isClaim reports whether etcd holds a name as the first piece of its unit put it there.
func (j judge) isClaim(e kv.Entry) bool {
	return e.Value == string(cssetcd.StatusIgnore) && slices.Contains(j.taken.Revisions, e.Create)
}

// above wants what lies above the key to be there, in the incarnation that kvData showed.
func (j judge) above(u unit, c change) error {
	if !j.keep(NeedsAncestors) {
		return nil
	}
	for key := range ancestors(c.key) {
		if made, ok := u.find(key); ok && made.creates() {
			continue
		}
		e := j.have.At(csskey.Of(key))
		switch {
		case !e.Exists() && c.last.There && !pinned(key):
			return overrule(NoParent, "%s is gone in etcd", key)
		case e.Exists() && csskey.Parse(key).IsName() && !j.shown(e):
			return overrule(OtherLife, "%s was dropped and made again in etcd", key)
		}
	}
	return nil
}

// belowIt wants a removal to leave nothing below the key.
func (j judge) belowIt(u unit, c change) error {
	if !c.removes() || !j.keep(TakesAllBelow) {
		return nil
	}
	for p := range j.have.Range(kv.Below(csskey.Of(c.key))) {
		key := csskey.At(p)
		if d, ok := u.find(key); !ok || !d.removes() {
			return overrule(KeysBelow, "etcd holds %s, which kvData did not show", key)
		}
	}
	for _, d := range u.changes {
		if d.last.There && below(d.key, c.key) {
			return overrule(NoParent, "it would leave %s without what is above it", d.key)
		}
	}
	return nil
}

// spelling wants a name that comes into being to be free, in all spellings.
func (j judge) spelling(_ unit, c change) error {
	if !c.creates() || !c.isName() {
		return nil
	}
	for _, intent := range csskey.Parse(c.key).Intents() {
		if j.have.At(intent).Exists() {
			return overrule(DropPending, "%s is still being dropped", c.key)
		}
	}
	e := j.have.At(csskey.Spelling(c.key))
	if !e.Exists() || e.Value == c.key {
		return nil
	}
	other := []kv.Span{kv.Key(csskey.Of(e.Value))}
	for _, intent := range csskey.Parse(e.Value).Intents() {
		other = append(other, kv.Key(intent))
	}
	for i, span := range other {
		switch {
		case !j.have.Shows(span):
			return kv.Need(other)
		case i == 0 && j.have.At(span.From).Exists():
			return overrule(Spelling, "etcd has the name as %s", e.Value)
		case j.have.At(span.From).Exists():
			return overrule(DropPending, "%s is still being dropped", e.Value)
		}
	}
	return nil
}

// effect returns what a unit that nothing is to be said against does. A removal of a database or table while czars are
// registered becomes a drop.
func (j judge) effect(u unit) (v verdict) {
	dropped := map[string]bool{}
	queried := !j.have.Empty(kv.Below(csskey.Czars))
	for _, top := range u.tops() {
		e := j.have.At(csskey.Of(top.key))
		switch _, _, isTable := csskey.Split(top.key); {
		case queried && isTable && e.Exists():
			dropped[top.key] = true
			v.drops = append(v.drops, top)
		default:
			v.removes = append(v.removes, top)
		}
	}
	for _, c := range u.changes {
		top, under := u.removedAbove(c.key)
		switch {
		case c.nothing():
		case dropped[c.key] || under && dropped[top]:
			v.deferred = append(v.deferred, c.rows...)
		case c.last.There && valueOf(j.have.At(csskey.Of(c.key))) != c.last:
			v.puts = append(v.puts, c)
		}
	}
	return v
}
