package both_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"
)

// judge knows all that etcd ever held, what the writers say and what the mirror recorded, and nothing of how a mirror
// decides. It rests on that no two writers write the same text, but for the words of upstream.
type judge struct {
	*run
	revisions []revision
	conflicts []conflict
	events    map[string][]judged // of each key, in order
	edges     map[string][]known  // of each key: what SQL writers committed or may have committed
	did       map[string]int
	faults    []string
}

// judged is an event with what is known of it.
type judged struct {
	event
	taken bool
	was   value
}

// known is a change of an SQL writer's.
type known struct {
	edge
	conn int64
	outcome
}

// conflict is a row of css_mirror_conflicts.
type conflict struct {
	kind, reason string
	change
}

// change is what identifies a change of one row by others.
type change struct {
	conn        int64
	key         string
	was, became value
}

func (k known) change() change { return change{k.conn, k.key, k.was, k.became} }

// plain reports whether a value is a word that several write.
func (v value) plain() bool { return slices.Contains([]string{"", ready, "DO_NOT_USE"}, v.text) }

// telling reports whether the change can be told from all others of its key.
func (e edge) telling() bool {
	return e.became.there && !e.became.plain() || !e.became.there && !e.was.plain()
}

// judge fails the test for all that was lost.
//
//   - A write of a Go program that was told to have happened is in etcd's history, at the revision that it was told.
//   - What a mirror changed in etcd was written in kvData upon what etcd held: from one to the other lead changes of
//     SQL writers. So nothing is replaced that its writer had not seen; a table below whose name something changed is
//     the one that its writer meant.
//   - At no revision is there a key without what is above it, or a table that can be used without what belongs to it.
//   - A change of an SQL writer that was told to have happened is in etcd's history, or was replaced by one that is, or
//     is a conflict; and not two of these. One that was rolled back is nowhere.
func (r *run) judge() *judge {
	j := &judge{run: r, revisions: r.history.revisions(r.t, r.etcd), conflicts: r.conflicts.read(r.t, r.sql),
		events: map[string][]judged{}, edges: map[string][]known{}, did: map[string]int{}}
	for _, tx := range r.sqlTransactions {
		for _, e := range tx.edges {
			if tx.outcome != undone {
				j.edges[e.key] = append(j.edges[e.key], known{e, tx.conn, tx.outcome})
			}
		}
	}
	j.replay()
	j.judgeGo()
	j.judgeSQL()
	j.judgeConflicts()
	var foreign int
	assert.NoError(r.t, r.sql.QueryRow("SELECT COUNT(*) FROM css_mirror_foreign").Scan(&foreign))
	assert.Zero(r.t, foreign, "nobody wrote past the triggers")
	for _, fault := range j.faults[:min(len(j.faults), 10)] {
		r.t.Error(fault)
	}
	assert.Empty(r.t, len(j.faults), "faults with the seed %d", r.seed)
	return j
}

// fault notes what must not be, with all that is known of a key.
func (j *judge) fault(key string, parts ...string) {
	var story strings.Builder
	fmt.Fprintln(&story, strings.Join(parts, " "))
	for _, e := range j.events[key] {
		by := "Go"
		if e.taken {
			by = "a mirror"
		}
		fmt.Fprintf(&story, "  etcd: %s by %s, at revision %d\n", e.now, by, e.rev)
	}
	for _, k := range j.edges[key] {
		fmt.Fprintf(&story, "  MySQL: %s to %s by connection %d (%v)\n", k.was, k.became, k.conn, k.outcome)
	}
	for _, c := range j.conflicts {
		if c.key == key {
			fmt.Fprintf(&story, "  %s: %s to %s by connection %d, %s\n", c.kind, c.was, c.became, c.conn, c.reason)
		}
	}
	j.faults = append(j.faults, story.String())
}

// replay goes through all revisions.
func (j *judge) replay() {
	state := map[string]value{}
	for _, rev := range j.revisions {
		was := make([]value, len(rev.events))
		for i, e := range rev.events {
			if was[i] = state[e.key]; e.now.there {
				state[e.key] = e.now
			} else {
				delete(state, e.key)
			}
			j.events[e.key] = append(j.events[e.key], judged{e, rev.taken, was[i]})
		}
		for i, e := range rev.events {
			if rev.taken {
				j.did["changes that a mirror made in etcd"]++
				j.descends(e, was[i])
				j.sameTable(e, state)
			}
			j.whole(e, state)
		}
	}
}

// descends requires that changes of SQL writers lead from what etcd held to what it holds.
func (j *judge) descends(e event, was value) {
	if j.path(e.key, was, e.now) {
		return
	}
	// What does not fit into one transaction begins with its new names, which cannot be used yet.
	if claim := held("DO_NOT_USE"); isName(e.key) {
		if !was.there && e.now == claim && j.path(e.key, was, held(ready)) {
			return
		}
		if was == claim && j.path(e.key, value{}, e.now) {
			return
		}
	}
	j.fault(e.key, "a mirror made", e.key, "of", was.String(), "to", e.now.String(), "and no SQL writer did")
}

// path reports whether changes lead from one value of a key to another one.
func (j *judge) path(key string, from, to value) bool {
	reached := map[value]bool{}
	for next := []value{from}; len(next) > 0; next = next[1:] {
		for _, e := range j.edges[key] {
			if e.was == next[0] && !reached[e.became] {
				if e.became == to {
					return true
				}
				reached[e.became] = true
				next = append(next, e.became)
			}
		}
	}
	return false
}

// sameTable requires that what a mirror changed below the name of a table was meant for the table of that name.
func (j *judge) sameTable(e event, state map[string]value) {
	table, ok := tableAbove(e.key)
	if !ok || !e.now.there || e.now.plain() {
		return
	}
	for _, k := range j.edges[e.key] {
		if k.became == e.now && k.born.there {
			j.did["changes that a mirror made in a table"]++
			if now := state[table+partitioned]; now != k.born {
				j.fault(e.key, e.now.String(), "was written at", e.key, "for the table of", k.born.String(), "and is in that of",
					now.String())
			}
		}
	}
}

// whole requires that a key has all above it and, when it goes, nothing below it; and that a table that can be used is
// whole.
func (j *judge) whole(e event, state map[string]value) {
	if e.now.there {
		for key := above(e.key); key != ""; key = above(key) {
			if !state[key].there && key != dbs && key != "/NODES" {
				j.fault(e.key, "without", key, "there is", e.key)
			}
		}
	} else if !state[e.key].there {
		for key := range state {
			if strings.HasPrefix(key, e.key+"/") {
				j.fault(e.key, e.key, "went, and", key, "stayed")
			}
		}
	}
	if table, ok := tableAbove(e.key); ok && state[table] == held(ready) {
		if !state[table+"/schema"].there || !state[table+partitioned].there {
			j.fault(table, "half of", table, "can be used")
		}
		j.did["tables seen whole"]++
	}
}

// tableAbove returns the table of a key.
func tableAbove(key string) (table string, ok bool) {
	parts := strings.SplitN(key, "/", 6)
	if len(parts) < 5 || parts[1] != "DBS" || parts[3] != "TABLES" {
		return "", false
	}
	return strings.Join(parts[:5], "/"), true
}

// isName reports whether a key is that of a table or a database.
func isName(key string) bool {
	table, ok := tableAbove(key)
	return ok && key == table || above(key) == dbs
}

// judgeGo looks for what Go writers were told.
func (j *judge) judgeGo() {
	events := map[int64][]event{}
	byGo := map[int64]bool{}
	for _, rev := range j.revisions {
		events[rev.number] = rev.events
		if !rev.taken && len(rev.events) > 0 && rev.number > j.seeded {
			byGo[rev.number] = true
		}
	}
	lost := 0
	for _, w := range j.goWrites {
		if w.at == 0 {
			lost++
			continue
		}
		at := int64(w.at)
		if !byGo[at] || !slices.ContainsFunc(events[at], func(e event) bool { return e.key == w.key && e.now == w.becomes }) {
			j.fault(w.key, "the", w.what, w.key, "became", w.becomes.String(), "as a Go program was told, and did not")
		}
		delete(byGo, at)
	}
	if len(byGo) > lost {
		numbers := slices.Sorted(maps.Keys(byGo))
		j.fault(events[numbers[0]][0].key, "nobody says to have written at revision", fmt.Sprint(numbers))
	}
}
