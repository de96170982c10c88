package inbox

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/mirror/plan"
)

// catalogueAt is the catalogue at a revision.
type catalogueAt struct{ *kv.Snapshot }

// Key implements [plan.Image].
func (c catalogueAt) Key(key string) (cssetcd.Entry, bool) {
	e := c.At(csskey.Of(key))
	return e, e.Exists()
}

// Below implements [plan.Image].
func (c catalogueAt) Below(key string) iter.Seq2[string, cssetcd.Entry] {
	return func(yield func(string, cssetcd.Entry) bool) {
		for p, e := range c.Range(kv.Below(csskey.Of(key))) {
			if !yield(csskey.At(p), e) {
				return
			}
		}
	}
}

// mirrorSession is a session of a mirror in the simulator, as the one of package mirror goes.
type mirrorSession struct {
	*simulation
	term   int
	table  *plan.Table
	whole  bool // the next step compares everything
	taken  Taken
	shot   Snapshot
	read   bool        // the snapshot was made use of, and the next one is to come
	shows  kv.Revision // the revision of what the session last left, or began with
	failed bool

	working bool // it is in the midst of something while others come between
}

// begin starts a session: what was decided on is read before MySQL is.
func (s *simulation) begin() {
	s.sql.term++
	m := &mirrorSession{simulation: s, term: s.sql.term, whole: true, taken: s.takenNow(), working: true}
	s.mirrors = append(s.mirrors, m)
	s.between()
	m.working = false
	if s.sql.term != m.term {
		s.ends(m)
		return
	}
	m.table = plan.NewTable(columns)
	for _, r := range s.sql.rows {
		s.must(m.table.Add(r))
	}
	m.shot = Snapshot{Applied: s.sql.applied, Rows: slices.Clone(s.sql.inbox)}
	m.shows = s.sql.applied
}

func (s *simulation) takenNow() Taken {
	t, err := Parse(s.etcd().At(Path(mirrorName)))
	s.must(err)
	return t
}

// once decides on all rows of the inbox and takes a step. It reports whether the session goes on, and whether it did
// anything. It fails where the last step met what no row explains.
func (m *mirrorSession) once() (goesOn, moved bool) {
	if m.read {
		if m.sql.term != m.term || m.sql.applied != m.shows {
			return false, true
		}
		m.readInbox()
	}
	m.read = true
	m.between()
	if m.failed && len(m.shot.Undecided(m.taken)) == 0 {
		return false, true
	}
	m.failed = false
	switch err := m.takeAll(); {
	case errors.Is(err, ErrDecided):
		m.taken = m.takenNow() // and the inbox is read again
		return true, true
	case errors.Is(err, errDied):
		return false, true
	case err != nil:
		m.must(err)
	}
	return m.step()
}

// readInbox reads the inbox and lays over the table what is new in it.
func (m *mirrorSession) readInbox() {
	fresh := Fresh(m.sql.inbox, m.shot.Rows)
	m.shot = Snapshot{Applied: m.sql.applied, Rows: slices.Clone(m.sql.inbox)}
	for _, r := range fresh {
		is := plan.Row{ID: r.KvID, Parent: r.Parent, Key: r.Key, Value: r.After.Text}
		m.must(m.table.Lay(is, !r.After.There))
	}
}

// takeAll decides on all rows of the snapshot. Those of a MySQL that was set back are recorded.
func (m *mirrorSession) takeAll() error {
	if m.shot.WentBack(m.taken) {
		return m.take(m.shot.Discard(mirrorName, historyText, m.taken))
	}
	for d := m.shot.Decide(mirrorName, historyText, m.taken, m.rules); !d.Empty(); d = d.Next(m.taken) {
		if err := m.take(d); err != nil {
			return err
		}
		m.between()
	}
	return nil
}

// errDied is of a mirror that died between etcd and MySQL.
var errDied = errors.New("the mirror died")

func (m *mirrorSession) take(d Decision) error {
	next, err := m.commitDecision(d)
	if err == nil && !m.calm && m.rnd.IntN(8) == 0 {
		m.seen["a mirror dies between etcd and MySQL"]++
		return errDied
	}
	if err == nil {
		m.taken = next
	}
	return err
}

func (m *mirrorSession) commitDecision(d Decision) (next Taken, err error) {
	next.At, err = kv.Run(context.Background(), m, kv.Op{Name: "decide", Reads: d.Reads(),
		Plan: func(have *kv.Snapshot) (c kv.Change, err error) {
			c, next, err = d.Change(have)
			return c, err
		}})
	if err == nil {
		m.decided(d, next)
	}
	return next, err
}

func (m *mirrorSession) step() (goesOn, moved bool) {
	step := m.shot.Step(m.taken, m.rules)
	to := catalogueAt{m.someImage(step.AtLeast)}
	changed := m.changed(m.shows, to)
	if len(step.Done) == 0 && len(changed) == 0 && !m.whole {
		return true, false
	}
	for _, r := range m.shot.Rows {
		changed = append(changed, r.Key)
	}
	p, err := m.plan(step, to, changed)
	m.must(err)
	m.between()
	conflicts := step.Conflicts(to)
	switch err := m.sql.step(m.term, m.shot.Applied, to.Revision, p, step.Done, conflicts); {
	case errors.Is(err, errOvertaken):
		return true, true
	case errors.Is(err, errUnexpected):
		m.failed = true
		return true, true
	case err != nil:
		return false, true
	}
	m.table.Apply(p)
	m.left(step.Done, conflicts)
	m.whole, m.failed, m.shows = false, false, to.Revision
	return true, true
}

func (m *mirrorSession) plan(step Step, to catalogueAt, changed []string) (*plan.Plan, error) {
	id := func(key string) int32 {
		r, _ := m.table.Row(key)
		return r.ID
	}
	if !m.whole {
		return plan.Changed(m.table, to, changed, step.Anew(NamesIn(changed), to, id)...)
	}
	for key := range to.Below("") {
		changed = append(changed, key)
	}
	return plan.Full(m.table, to, step.Anew(NamesIn(changed), to, id)...)
}

// someImage returns the catalogue at some revision that a step may go to, mostly the newest.
func (m *mirrorSession) someImage(least kv.Revision) *kv.Snapshot {
	at := m.etcd().Revision
	if lag := m.rnd.IntN(4) == 0; lag && !m.calm {
		at -= kv.Revision(m.rnd.Int64N(int64(at-max(least, 1)) + 1))
	}
	return m.at(at)
}

// changed returns the keys that changed in etcd between two revisions.
func (m *mirrorSession) changed(since kv.Revision, to catalogueAt) (keys []string) {
	was := m.at(since)
	all := map[kv.Path]bool{}
	for _, s := range []*kv.Snapshot{was, to.Snapshot} {
		for p := range s.Range(kv.Below(csskey.CSS)) {
			all[p] = true
		}
	}
	for p := range all {
		if was.At(p) != to.At(p) {
			keys = append(keys, csskey.At(p))
		}
	}
	return keys
}
