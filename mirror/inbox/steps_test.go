package inbox

import (
	"slices"

	"github.com/qserv/css-etcd/mirror/plan"
)

// toStep asks what a step does.
type toStep struct {
	rows    [allKeys]kvRow // as the mirror knows them
	whole   bool           // it compares everything
	keys    rowSet         // that may differ otherwise
	image   image
	seen    seenRows
	inbox   rowSet
	applied uint8
	taken   takenKey
}

// stepAnswer is what it does.
type stepAnswer struct {
	atLeast    uint8
	statements []statement
	leave      rowSet // rows of the inbox
	conflicts  rowSet // that are recorded
	requests   rowSet
}

// statement is one of a step.
type statement struct{ verb, key uint8 }

const (
	deletes = iota
	inserts
	updates
)

func (q toStep) answer(v variant) *stepAnswer {
	step := q.step(v.Rules)
	a := &stepAnswer{atLeast: uint8(step.AtLeast), leave: rowsIn(step.Done)}
	for _, c := range step.Conflicts(&q.image) {
		if c.Kind == KindRequest {
			a.requests |= setOf(int(c.ID) - 1)
		} else {
			a.conflicts |= setOf(int(c.ID) - 1)
		}
	}
	t := tableOf(q.rows)
	var p *plan.Plan
	var err error
	if q.whole {
		p, err = plan.Full(t, &q.image, q.anew(step, t, keyOf[:])...)
	} else {
		keys := q.changed()
		p, err = plan.Changed(t, &q.image, keys, q.anew(step, t, keys)...)
	}
	if err != nil {
		panic(err)
	}
	a.statements = statementsOf(p, v)
	return a
}

func (q toStep) step(r Rules) Step {
	return q.seen.snapshot(q.inbox, q.applied).Step(q.taken.taken(), r)
}

func (q toStep) anew(s Step, t *plan.Table, keys []string) []string {
	return s.Anew(NamesIn(keys), &q.image, func(key string) int32 {
		r, _ := t.Row(key)
		return r.ID
	})
}

// changed returns the keys that may differ: those that changed in etcd, and those of the rows.
func (q toStep) changed() (keys []string) {
	for k, key := range keyOf {
		if q.keys.has(k) {
			keys = append(keys, key)
		}
	}
	for i, r := range q.seen {
		if q.inbox.has(i) && !slices.Contains(keys, keyOf[r.key]) {
			keys = append(keys, keyOf[r.key])
		}
	}
	return keys
}

// statementsOf lists the statements of a plan in its order. All rows but those of the keys are as they should be.
func statementsOf(p *plan.Plan, v variant) (all []statement) {
	add := func(verb uint8, key string) {
		k := slices.Index(keyOf[:], key)
		if k < 0 {
			panic("a step writes the row " + key)
		}
		all = append(all, statement{verb, uint8(k)})
	}
	insert := func() {
		for _, r := range p.Inserts {
			add(inserts, r.Key)
		}
	}
	if len(p.Unhook) > 0 {
		panic("a row hangs in the wrong place")
	}
	if v.insertsFirst {
		insert()
	}
	for _, r := range p.Clear {
		add(deletes, r.Key)
	}
	if !v.insertsFirst {
		insert()
	}
	for _, u := range p.Updates {
		add(updates, u.New.Key)
	}
	for _, r := range p.Deletes {
		add(deletes, r.Key)
	}
	return all
}

// atLeast returns to which revision a step goes at least.
func (q toStep) atLeast(r Rules) uint8 { return uint8(q.step(r).AtLeast) }

// image is what a step shows of etcd.
func (e *etcd) image() (im image) {
	for k, c := range e.keys {
		im[k] = cell{c.value, c.create, 0}
	}
	return im
}
