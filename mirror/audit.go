package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// audit surveys kvData from time to time, over a connection made for each survey: so it finds what others wrote, and
// that the address of MySQL has come to lead to another server. It disturbs nobody and stops with its session.
type audit struct {
	found  chan result // the newest survey, until it is looked at
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// result is how a survey ended.
type result struct {
	kvdata.Survey
	err error
}

// audit begins.
func (m *Mirror) audit(ctx context.Context) *audit {
	ctx, cancel := context.WithCancel(ctx)
	a := &audit{found: make(chan result, 1), cancel: cancel}
	if m.cfg.CompareEvery > 0 {
		a.done.Go(func() { a.run(ctx, m.cfg) })
	}
	return a
}

func (a *audit) close() {
	a.cancel()
	a.done.Wait()
}

func (a *audit) run(ctx context.Context, cfg Config) {
	for wait.UpTo(ctx, cfg.CompareEvery) == nil {
		survey, err := kvdata.ReadSurvey(ctx, cfg.Target, cfg.Timeout)
		select {
		case <-a.found: // nobody has looked at the one before
		default:
		}
		a.found <- result{survey, err}
	}
}

// lookAt looks at the server over the connection that the mirror writes with, which keeps it alive.
func (m *Mirror) lookAt(ctx context.Context, s *session) error {
	l, err := s.db.Look(ctx)
	if err != nil {
		return err
	}
	s.looked = time.Now()
	return s.recognise(l)
}

// owns returns nil when it is the session's server, and nobody has taken the table over there.
func (s *session) owns(l kvdata.Look) error {
	switch {
	case l.Server != s.server:
		return fmt.Errorf("%w: it was %s, and is %s", errMoved, s.server, l.Server)
	case l.Term != s.state.Term:
		return fmt.Errorf("%w: css_mirror_state is at term %d, and this mirror's is %d", ErrFenced, l.Term, s.state.Term)
	}
	return nil
}

// recognise returns nil when the server is as the session left it.
func (s *session) recognise(l kvdata.Look) error {
	if err := s.owns(l); err != nil {
		return err
	}
	if l.Applied != s.state.Applied || s.state.Digest != nil && (l.Digest == nil || *l.Digest != *s.state.Digest) {
		return fmt.Errorf("%w: css_mirror_state is at revision %d, and this mirror left it at %d", kvdata.ErrDrift,
			l.Applied, s.state.Applied)
	}
	return nil
}

// older returns an error when a session found less than this mirror has left there, and its connection had been lost
// meanwhile. That keeps it from nothing: it compares everything anyway.
func (m *Mirror) older(s *session) error {
	left := m.Status()
	if s.adopt != nil || s.state.Applied >= left.Applied && s.state.Term > left.Term {
		return nil
	}
	return fmt.Errorf("%w: it shows revision %d, and this mirror had brought it to revision %d; an older copy of MySQL's "+
		"data was put back, or the tables were made anew", kvdata.ErrDrift, s.state.Applied, left.Applied)
}

// heed acts upon the newest survey, if there is one that nobody has looked at.
func (m *Mirror) heed(ctx context.Context, s *session, a *audit) error {
	select {
	case r := <-a.found:
		return m.weigh(ctx, s, r)
	default:
		return nil
	}
}

// weigh acts upon a survey.
func (m *Mirror) weigh(ctx context.Context, s *session, r result) error {
	if errors.Is(r.err, kvdata.ErrDrift) {
		return r.err
	}
	if r.err != nil {
		m.log(m.status.notCompared(r.err))
		return nil
	}
	m.log(m.status.compared())
	if err := s.owns(r.Look); err != nil {
		return err
	}
	if err := s.lookAtCapture(ctx); err != nil {
		return err
	}
	m.log(m.status.conflicts(s.conflicts))
	switch {
	case s.db.Altered(r.Survey):
		return fmt.Errorf("%w: its columns were changed", kvdata.ErrDrift)
	case r.Digest == nil || *r.Digest^r.RowDigest == s.foreign.digest:
		return nil // as the mirror left it, but for what is known
	}
	return m.foundForeign(ctx, s)
}

// foreign is what others wrote and nobody undid.
type foreign struct {
	changes map[plan.Difference]bool
	digest  uint64 // by which the table's differs for it
}

// among returns those of the changes that are new.
func (f foreign) among(changes []plan.Difference) (fresh []plan.Difference) {
	for _, d := range changes {
		if !f.changes[d] {
			fresh = append(fresh, d)
		}
	}
	return fresh
}

// foundForeign finds out what others wrote, and tells, records and undoes it, or lets it stay.
func (m *Mirror) foundForeign(ctx context.Context, s *session) error {
	if s.both != nil {
		return s.foundDrift(ctx)
	}
	found, err := s.db.Table(ctx, s.table.Len())
	if err != nil {
		return err
	}
	changes := plan.Foreign(found, s.table)
	if m.cfg.Policy == Repair && len(changes) > 0 {
		return m.repair(ctx, s, found, changes)
	}
	fresh := s.foreign.among(changes)
	m.tellForeign(fresh)
	s.foreign = foreign{map[plan.Difference]bool{}, found.Digest() ^ s.table.Digest()}
	for _, d := range changes {
		s.foreign.changes[d] = true
	}
	m.log(m.status.foreign(changes))
	if len(fresh) == 0 {
		return nil
	}
	return s.note(ctx, fresh)
}

// repair undoes what others wrote.
func (m *Mirror) repair(ctx context.Context, s *session, found *plan.Table, changes []plan.Difference) error {
	to := m.cfg.Feed.Snapshot()
	found.KeepQuarantine(s.table)
	s.table = found
	p, err := plan.FullSharing(found, to)
	if err != nil {
		return err
	}
	return m.make(ctx, s, p, to, plan.Evidence{Known: true, Proven: true, Foreign: changes})
}

// errReread says that what a session has read is out of date, which is no trouble of its own.
var errReread = errors.New("others wrote while the brake was on")

// holdUntilChanged waits, while the brake is on, until the catalogue, the table or the claim to it has changed: before
// that, the brake would be on again. An error says that all has to be read anew.
func (m *Mirror) holdUntilChanged(ctx context.Context, s *session, a *audit) error {
	for changed := false; ; {
		u, err := m.nextUntil(ctx, s.looked.Add(m.cfg.LookEvery))
		switch {
		case errors.Is(err, errIdle):
			if err := m.lookAt(ctx, s); err != nil || changed {
				return err
			}
		case err != nil:
			return err
		default:
			m.regressed = m.regressed || u.Regressed
			changed = changed || len(u.Keys) > 0 || u.Regressed
		}
		select {
		case r := <-a.found:
			if r.err == nil && (r.Rows != s.table.Len() || r.RowDigest != s.table.Digest()) {
				return errReread
			}
		default:
		}
	}
}
