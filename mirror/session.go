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
	server   string // which server it is
	cluster  uint64 // of the etcd that was asked which catalogue it holds
	adopt    *claim // what the table will be about with the first commit; nil: what it is about already
	table    *plan.Table
	stored   map[hash]plan.Quarantined // what css_mirror_quarantine held at the take-over; nil once it has been reconciled
	maxBytes int
	wrote    time.Time // when the revision was last moved on
	looked   time.Time // when the server was last known to be as this session left it
}

// openSession takes the table over and reads it.
func openSession(ctx context.Context, cfg Config) (*session, error) {
	identity, err := cfg.Catalogue.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask etcd which catalogue it holds: %w", err)
	}
	c, err := connectOrCreate(ctx, cfg.Target, cfg.Timeout)
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
	if err := s.checkPrivileges(ctx); err != nil {
		return err
	}
	packet, err := maxPacket(ctx, s)
	if err != nil {
		return err
	}
	if packet < leastPacket {
		return smallPacket(s.target, fmt.Errorf("it is %d", packet))
	}
	s.maxBytes = statementBytes(packet)
	columns, err := readColumns(ctx, s, s.target.DBName)
	if err != nil {
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
	l, err := glance(ctx, s)
	if err != nil {
		return err
	}
	s.server, s.looked = l.server, time.Now()
	if s.table, err = loadTable(ctx, s, columns); err != nil {
		return err
	}
	s.stored, err = loadQuarantine(ctx, s)
	return err
}

func (s *session) finding() finding { return finding{s.state, s.table, s.adopt != nil} }

// merge executes a plan that makes kvData show a snapshot, and records what of others it undoes.
func (s *session) merge(ctx context.Context, p *plan.Plan, to *cssetcd.Snapshot, foreign []plan.Difference) error {
	q := followed(p)
	if s.stored != nil {
		q = reconciled(s.stored, p.Records)
	}
	err := s.commit(ctx, step{
		to: to.Revision(), plan: p, quarantine: q, foreign: foreignChange{foreign, s.state.Applied, true},
	})
	if err == nil {
		s.stored = nil
	}
	return err
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
	return true, s.commit(ctx, step{to: u.To.Revision(), plan: p, quarantine: followed(p)})
}

// advance moves the revision on.
func (s *session) advance(ctx context.Context, to cssetcd.Revision) error {
	return s.commit(ctx, step{to: to, plan: plan.Nothing(s.table)})
}

// accept goes on with what others made of kvData, and records it: found is what it holds.
func (s *session) accept(ctx context.Context, found *plan.Table, changes []plan.Difference) error {
	found.KeepQuarantine(s.table)
	s.table = found
	return s.commit(ctx, step{to: s.state.Applied, plan: plan.Nothing(found), foreign: foreignChange{changes,
		s.state.Applied, false}})
}

// Bounds on how often a transaction is tried that the server rolls back for another one, or whose new rows somebody
// else numbered first.
const (
	busyTries   = 10
	numberTries = 20
)

// commit executes a step and, when that is known to be done, brings the session up to date.
func (s *session) commit(ctx context.Context, next step) error {
	next.term, next.from, next.adopt = s.state.Term, s.state.Applied, s.adopt
	next.held = s.table.QuarantineLen() + quarantineGrowth(s.table, next.plan)
	if err := s.applyPatiently(ctx, next); err != nil {
		return explain(s.target, err)
	}
	s.table.Apply(next.plan)
	if s.adopt != nil {
		s.state.Mirror, s.state.Identity, s.adopt = s.adopt.name, s.adopt.identity, nil
	}
	digest := s.table.Digest()
	s.state.Applied, s.state.Rows, s.state.Digest, s.state.Quarantined = next.to, next.plan.Rows, &digest, next.held
	s.wrote = time.Now()
	s.looked = s.wrote
	return nil
}

// applyPatiently applies a step again while what kept it from being applied has changed nothing and passes.
func (s *session) applyPatiently(ctx context.Context, next step) error {
	for busy, numbered := 1, 1; ; {
		err := explain(s.target, s.apply(ctx, next, s.table.Columns(), s.maxBytes))
		switch {
		case errors.Is(err, ErrBusy) && busy < busyTries:
			if err := wait.UpTo(ctx, time.Duration(busy)*20*time.Millisecond); err != nil {
				return err
			}
			busy++
		case errors.Is(err, errNumbers) && numbered < numberTries:
			if err := s.renumber(ctx, next.plan, numbered); err != nil {
				return err
			}
			numbered++
		case errors.Is(err, errNumbers):
			return fmt.Errorf("%w: %w", errDrift, err)
		default:
			return err
		}
	}
}

// renumber gives the new rows of a plan ids that nobody has. Transactions under way may have taken some that cannot be
// seen yet, so it leaves them more room each time.
func (s *session) renumber(ctx context.Context, p *plan.Plan, try int) error {
	var last int64
	if err := s.QueryRowContext(ctx, `SELECT GREATEST(COALESCE((SELECT MAX(kvId) FROM kvData), 0), COALESCE((SELECT
		AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kvData'), 0))`,
	).Scan(&last); err != nil {
		return fmt.Errorf("look for free ids: %w", err)
	}
	return p.Renumber(last + int64((try-1)*(try-1)) + 1)
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
