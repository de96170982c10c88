package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/plan"
)

// session is one take-over of the table: a connection, a term, and what kvData is known to hold. The first error that
// is not sure to have changed nothing ends it, and the next session finds out by reading everything again.
type session struct {
	*connection
	state    State  // as of this session's last commit
	cluster  uint64 // of the etcd that was asked which catalogue it holds
	adopt    *claim // what the table will be about with the first commit; nil: what it is about already
	table    *plan.Table
	stored   map[hash]plan.Quarantined // what css_mirror_quarantine held at the take-over; nil once it has been reconciled
	maxBytes int
	wrote    time.Time // when the revision was last moved on
}

// openSession takes the table over and reads it.
func openSession(ctx context.Context, cfg Config) (*session, error) {
	identity, err := cfg.Catalogue.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask etcd which catalogue it holds: %w", err)
	}
	c, err := connectOrCreate(ctx, cfg.Target)
	if err != nil {
		return nil, err
	}
	s := &session{connection: c, cluster: identity.Cluster}
	if err := s.prepare(ctx, claim{cfg.Name, cfg.Owner, identity, cfg.Adopt}); err != nil {
		c.Close()
		return nil, explain(cfg.Target, err)
	}
	return s, nil
}

func (s *session) prepare(ctx context.Context, by claim) (err error) {
	if err := s.ensureTables(ctx); err != nil {
		return err
	}
	if s.maxBytes, err = s.statementBytes(ctx); err != nil {
		return err
	}
	state, adopting, err := s.takeOver(ctx, by)
	if err != nil {
		return err
	}
	s.state = state
	if adopting {
		s.adopt = &by
	}
	if s.table, err = loadTable(ctx, s); err != nil {
		return err
	}
	s.stored, err = loadQuarantine(ctx, s)
	return err
}

// merge makes kvData show a snapshot, whatever it shows now, unless the brake refuses.
func (s *session) merge(ctx context.Context, to *cssetcd.Snapshot, allowMassDelete bool) (*plan.Plan, error) {
	s.table.Share(to)
	p, err := plan.Full(s.table, to)
	if err != nil {
		return nil, err
	}
	if err := brake(s.table, p, to, allowMassDelete); err != nil {
		return nil, err
	}
	if err := s.commit(ctx, p, to.Revision(), reconciled(s.stored, p.Records)); err != nil {
		return nil, err
	}
	s.stored = nil
	return p, nil
}

// brake refuses a merge that looks like the work of a wrong or emptied etcd.
func brake(table *plan.Table, p *plan.Plan, to *cssetcd.Snapshot, allowMassDelete bool) error {
	if !p.ChangesRows() {
		return nil
	}
	if err := plan.BrakeCatalogue(table, to); err != nil {
		return err
	}
	if err := plan.BrakeMerge(table, p); err != nil && !allowMassDelete {
		return err
	}
	return nil
}

// follow makes kvData show the snapshot after an update. It reports whether it wrote: when nothing but the revision
// changed it leaves that to the caller.
func (s *session) follow(ctx context.Context, u cssetcd.Update) (wrote bool, err error) {
	keys := make([]string, len(u.Keys))
	for i, change := range u.Keys {
		keys[i] = change.Key
	}
	p, err := plan.Changed(s.table, u.To, keys)
	if err != nil || p.Empty() {
		return false, err
	}
	if p.ChangesRows() {
		if err := plan.BrakeCatalogue(s.table, u.To); err != nil {
			return false, err
		}
	}
	return true, s.commit(ctx, p, u.To.Revision(), followed(p))
}

// advance moves the revision on.
func (s *session) advance(ctx context.Context, to cssetcd.Revision) error {
	return s.commit(ctx, &plan.Plan{Rows: s.table.Len()}, to, quarantineChange{})
}

// busyTries bounds how often a transaction is tried that the server rolls back for another one.
const busyTries = 10

// commit writes a plan and, when that is known to be done, brings the session up to date.
func (s *session) commit(ctx context.Context, p *plan.Plan, to cssetcd.Revision, q quarantineChange) error {
	held := s.table.QuarantineLen() + quarantineGrowth(s.table, p)
	next := step{term: s.state.Term, from: s.state.Applied, to: to, plan: p, quarantine: q, held: held, adopt: s.adopt}
	err := s.apply(ctx, next, s.maxBytes)
	for try := 1; try < busyTries && errors.Is(explain(s.target, err), errBusy); try++ {
		if err := wait.UpTo(ctx, time.Duration(try)*20*time.Millisecond); err != nil {
			return err
		}
		err = s.apply(ctx, next, s.maxBytes)
	}
	if err != nil {
		return explain(s.target, err)
	}
	s.table.Apply(p)
	if s.adopt != nil {
		s.state.Mirror, s.state.Identity, s.adopt = s.adopt.name, s.adopt.identity, nil
	}
	s.state.Applied, s.state.Rows, s.state.Quarantined = to, p.Rows, held
	s.wrote = time.Now()
	return nil
}

// quarantineGrowth returns by how many keys a plan changes the quarantine.
func quarantineGrowth(t *plan.Table, p *plan.Plan) int {
	n := -len(p.Releases)
	for _, q := range p.Records {
		if !t.IsQuarantined(q.Key) {
			n++
		}
	}
	return n
}
