package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// session is one take-over of the table: a connection, a term, and what kvData is known to hold. The first error that
// is not sure to have changed nothing ends it, and the next session finds out by reading everything again.
type session struct {
	db        *kvdata.Conn
	catalogue Catalogue     // that remembers what the table showed
	state     kvdata.State  // as of this session's last commit
	server    string        // which server it is
	cluster   uint64        // of the etcd that was asked which catalogue it holds
	adopt     *kvdata.Claim // what the table will be about with the first commit; nil: what it is about already
	table     *plan.Table
	stored    kvdata.Records // what css_mirror_quarantine held at the take-over; nil once it has been reconciled
	foreign   foreign        // what others wrote since and nobody undid: it is not in table
	both      *sharing       // where both sides write; nil: only etcd is written
	conflicts int            // changes of others that etcd did not take and that are on record
	wrote     time.Time      // when the revision was last moved on
	looked    time.Time      // when the server was last known to be as this session left it
	ids       reserved       // for new rows, where both sides write
	timeout   time.Duration
	tell      func(error) // of locks that it waits for; nil: nobody is told
}

// openSession takes the table over and reads it.
func openSession(ctx context.Context, cfg Config) (*session, error) {
	identity, err := cfg.Catalogue.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask etcd which catalogue it holds: %w", err)
	}
	db, err := kvdata.Open(ctx, cfg.Target, cfg.Timeout)
	if err != nil {
		return nil, err
	}
	if cfg.Inbox != nil { // before the table is taken over: an import has it
		if _, err := cfg.Inbox.Taken(ctx); err != nil {
			db.Close()
			return nil, err
		}
	}
	s := &session{db: db, catalogue: &remembering{Catalogue: cfg.Catalogue}, cluster: identity.Cluster,
		timeout: cfg.Timeout}
	by := kvdata.Claim{Name: cfg.Name, Owner: cfg.Owner, Identity: identity, Adopt: cfg.Adopt}
	if err := s.takeOver(ctx, by, cfg.Inbox); err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) takeOver(ctx context.Context, by kvdata.Claim, etcd Inbox) error {
	state, adopting, err := s.db.TakeOver(ctx, by)
	if err != nil {
		return err
	}
	s.state = state
	if adopting {
		s.adopt = &by
	}
	l, err := s.db.Look(ctx)
	if err != nil {
		return err
	}
	s.server, s.looked = l.Server, time.Now()
	if err := s.readShared(ctx, etcd); err != nil || s.both != nil {
		return err
	}
	if s.table, err = s.db.Table(ctx, state.Rows); err != nil {
		return err
	}
	s.stored, err = s.db.Quarantine(ctx)
	return err
}

func (s *session) close() { s.db.Close() }

func (s *session) found() kvdata.Found {
	return kvdata.Found{State: s.state, Table: s.table, Records: s.stored, Adopting: s.adopt != nil}
}

// merge executes a plan that makes kvData show a snapshot, and records what of others it undoes.
func (s *session) merge(ctx context.Context, p *plan.Plan, to *cssetcd.Snapshot, e plan.Evidence) error {
	err := s.commit(ctx, kvdata.Step{
		To: to.Revision(), Plan: p, Stored: s.stored, Foreign: e.Foreign, Undone: true, Guessed: e.Guessed,
	})
	if err == nil {
		s.stored = nil
	}
	return err
}

// follow makes kvData show the snapshot after an update. When nothing but the revision changed it leaves that to the
// caller.
func (s *session) follow(ctx context.Context, u cssetcd.Update) error {
	keys := make([]string, len(u.Keys))
	for i, change := range u.Keys {
		keys[i] = change.Key
	}
	p, err := plan.Changed(s.table, u.To, keys)
	if err != nil || p.Empty() {
		return err
	}
	if p.ChangesRows() {
		if err := plan.BrakeCatalogue(s.table, u.To); err != nil {
			return err
		}
	}
	return s.commit(ctx, kvdata.Step{To: u.To.Revision(), Plan: p})
}

// advance moves the revision on.
func (s *session) advance(ctx context.Context, to cssetcd.Revision) error {
	return s.commit(ctx, kvdata.Step{To: to, Plan: plan.Nothing(s.table)})
}

// note records what others wrote. It stays: where the mirror has to write such a row it does not find what it expects,
// and the next session undoes everything.
func (s *session) note(ctx context.Context, changes []plan.Difference) error {
	return s.commit(ctx, kvdata.Step{To: s.state.Applied, Plan: plan.Nothing(s.table), Foreign: changes})
}

// numberTries bounds how often a transaction is tried whose new rows somebody else numbered first.
const numberTries = 20

// commit executes a step and, when that is known to be done, brings the session up to date.
func (s *session) commit(ctx context.Context, next kvdata.Step) error {
	next.Term, next.From, next.Adopt = s.state.Term, s.state.Applied, s.adopt
	if err := s.numberByServer(ctx, next); err != nil {
		return err
	}
	next.Held = s.table.QuarantineLen() + quarantineGrowth(s.table, next.Plan)
	if err := s.applyPatiently(ctx, next); err != nil {
		return err
	}
	s.table.Apply(next.Plan)
	if next.Inbox != nil {
		s.ids.next += int64(len(next.Plan.Inserts))
	}
	if s.adopt != nil {
		s.state.Mirror, s.state.Identity, s.adopt = s.adopt.Name, s.adopt.Identity, nil
	}
	digest := s.table.Digest()
	s.state.Applied, s.state.Rows, s.state.Digest, s.state.Quarantined = next.To, next.Plan.Rows, &digest, next.Held
	s.wrote = time.Now()
	s.looked = s.wrote
	return nil
}

// applyPatiently applies a step again while what kept it from being applied has changed nothing and passes. Locks of
// others are waited for without reading anything anew: for ever if somebody is told, and else no longer than a
// time-out.
func (s *session) applyPatiently(ctx context.Context, next kvdata.Step) error {
	began := time.Now()
	for busy, numbered := 1, 1; ; {
		err := s.db.Apply(ctx, next)
		switch {
		case errors.Is(err, ErrBusy) && next.Inbox != nil:
			return err // others may have written what is to be taken first
		case errors.Is(err, ErrBusy) && (s.tell != nil || time.Since(began) < s.timeout):
			if busy++; s.tell != nil && (busy > 10 || time.Since(began) > s.timeout/4) {
				s.tell(err)
			}
			if err := wait.UpTo(ctx, min(time.Duration(busy)*20*time.Millisecond, time.Second)); err != nil {
				return err
			}
		case errors.Is(err, kvdata.ErrIDsTaken) && numbered < numberTries:
			if err := s.renumber(ctx, next, numbered); err != nil {
				return err
			}
			numbered++
		case errors.Is(err, kvdata.ErrIDsTaken):
			return fmt.Errorf("%w: %w", kvdata.ErrDrift, err)
		default:
			return err
		}
	}
}

// reserved are ids that the server gave to this session and nobody else.
type reserved struct{ next, end int64 }

// spareIDs are reserved beyond those that are needed now: a reservation costs a statement.
const spareIDs = 100

// numberByServer gives new rows ids of the server's own count where both sides write: others count by it. They are used
// up only by a step that is taken, since one that others are in the way of is tried every few milliseconds.
func (s *session) numberByServer(ctx context.Context, next kvdata.Step) error {
	need := int64(len(next.Plan.Inserts))
	if next.Inbox == nil || need == 0 {
		return nil
	}
	if s.ids.end-s.ids.next < need {
		first, err := s.db.ReserveIDs(ctx, int(need)+spareIDs)
		if err != nil {
			return err
		}
		s.ids = reserved{first, first + need + spareIDs}
	}
	return next.Plan.Renumber(s.ids.next)
}

// renumber gives the new rows of a plan ids that nobody has. Transactions under way may have taken some that cannot be
// seen yet, so it leaves them more room each time.
func (s *session) renumber(ctx context.Context, next kvdata.Step, try int) error {
	if next.Inbox != nil { // somebody counts ids of their own
		s.ids = reserved{}
		return s.numberByServer(ctx, next)
	}
	last, err := s.db.LastID(ctx)
	if err != nil {
		return err
	}
	return next.Plan.Renumber(last + int64((try-1)*(try-1)) + 1)
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
