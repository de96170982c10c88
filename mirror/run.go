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

// pace says how long a mirror waits for what.
type pace struct {
	idle    time.Duration // between two writes that only move the revision on
	first   time.Duration // after a first failure, doubled with each one that follows
	most    time.Duration // after many
	refused time.Duration // after a failure that someone has to do something about
	poll    time.Duration // between two reads of an inbox that was empty for long
	lively  time.Duration // for so long after it was not, it is read at the next pace
	often   time.Duration
	crowded time.Duration // of steps that others are in the way of, until they are kept away for one
	fenced  time.Duration // after another mirror took over: it may be meant to have the table for a while
	catchUp time.Duration // for a feed that is behind what kvData shows
}

var usualPace = pace{
	idle: time.Second, first: 100 * time.Millisecond, most: 10 * time.Second, refused: 10 * time.Second,
	fenced: 2 * time.Second, poll: 20 * time.Millisecond, lively: time.Second, often: 2 * time.Millisecond,
	catchUp: 5 * time.Second, crowded: time.Second,
}

// Run keeps kvData equal to the catalogue until ctx ends, whose error it then returns, or until the feed does. Trouble
// with MySQL, a brake that is on, another mirror that took the table: all of that shows in Status, is logged when it
// begins and when it ends, and is tried again. So is what an operator has to correct, because correcting it is then
// enough. Run returns ErrUnavailable when MySQL could not be reached for as long as [Config.StepBack].
func (m *Mirror) Run(ctx context.Context) error {
	if m.cfg.Feed == nil {
		return errors.New("mirror: Run needs a Feed")
	}
	defer func() { m.status.stop() }()
	delay, trying := m.pace.first, time.Now()
	for {
		lasted, err := m.session(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, cssetcd.ErrClosed):
			return err
		}
		if lasted || !errors.Is(err, ErrUnavailable) {
			trying = time.Now()
		}
		if lasted || errors.Is(err, ErrFenced) {
			m.cfg.Adopt = false
		}
		if lasted {
			delay = m.pace.first
		}
		if errors.Is(err, errReread) {
			continue
		}
		m.report(err)
		if m.stepsBack(ctx, time.Since(trying)) {
			return fmt.Errorf("mirror: for %s: %w", m.cfg.StepBack, err)
		}
		if err := wait.UpTo(ctx, m.waitAfter(err, delay)); err != nil {
			return err
		}
		delay = min(2*delay, m.pace.most)
	}
}

// stepsBack reports whether another mirror is to try, after MySQL could not be reached for a while.
func (m *Mirror) stepsBack(ctx context.Context, tried time.Duration) bool {
	return m.cfg.StepBack > 0 && tried > m.cfg.StepBack && (m.cfg.StandsBy == nil || m.cfg.StandsBy(ctx))
}

func (m *Mirror) waitAfter(err error, delay time.Duration) time.Duration {
	switch {
	case needsSomeone(err):
		return m.pace.refused
	case errors.Is(err, ErrFenced):
		return max(m.pace.fenced, delay)
	}
	return delay
}

// report notes a failure, and logs it when it is a new one.
func (m *Mirror) report(err error) {
	phase := Waiting
	if needsSomeone(err) {
		phase = Refused
	}
	m.log(m.status.fail(phase, err))
}

// session takes the table over, merges and follows until something fails. Lasted says that it got as far as following.
func (m *Mirror) session(ctx context.Context) (lasted bool, err error) {
	s, err := openSession(ctx, m.cfg)
	if err != nil {
		return false, err
	}
	defer s.close()
	s.tell = m.report
	m.log(m.status.conflicts(s.conflicts))
	if err := m.older(s); err != nil {
		m.report(err)
	}
	a := m.audit(ctx)
	defer a.close()
	to, p, err := m.mergeNewest(ctx, s)
	for errors.Is(err, ErrBrake) {
		m.report(err)
		if err := m.holdUntilChanged(ctx, s, a); err != nil {
			return false, err
		}
		to, p, err = m.mergeNewest(ctx, s)
	}
	if err != nil {
		return false, err
	}
	m.log(m.status.follows(s.state, to.Revision()))
	m.cfg.Logger.Info("kvData shows the catalogue", "revision", to.Revision(), "rows", s.state.Rows, "term", s.state.Term,
		"inserted", len(p.Inserts), "updated", len(p.Updates), "deleted", len(p.Deletes), "quarantined", s.state.Quarantined)
	defer m.keepEmpty(ctx, s)()
	if s.both != nil {
		return true, m.share(ctx, s, a)
	}
	return true, m.follow(ctx, s, a)
}

// mergeNewest makes kvData show the newest snapshot of the feed.
func (m *Mirror) mergeNewest(ctx context.Context, s *session) (*cssetcd.Snapshot, *plan.Plan, error) {
	if err := m.drain(ctx); err != nil {
		return nil, nil, err
	}
	if err := m.catchUp(ctx, s); err != nil {
		return nil, nil, err
	}
	if s.both != nil {
		return m.mergeShared(ctx, s, m.feedNewest(s))
	}
	to := m.cfg.Feed.Snapshot()
	p, err := m.merge(ctx, s, to)
	return to, p, err
}

// follow brings update after update to kvData. A revision at which nothing changed is written late: together with the
// next change, or when it has been long enough.
func (m *Mirror) follow(ctx context.Context, s *session, a *audit) error {
	unwritten := s.state.Applied
	for {
		u, err := m.next(ctx, s, unwritten)
		switch {
		case errors.Is(err, errIdle):
			err = m.idle(ctx, s, unwritten)
		case err != nil:
		case u.Regressed:
			m.regressed = true
			err = errRegressed
		default:
			if len(u.Keys) > 0 {
				m.status.saw(u.To.Revision())
			}
			err = s.follow(ctx, u)
			unwritten = u.To.Revision()
		}
		if err == nil {
			err = m.heed(ctx, s, a)
		}
		if err != nil {
			return err
		}
		m.log(m.status.follows(s.state, unwritten))
	}
}

// idle does what is due while no change comes: it writes the revision, and looks at the server.
func (m *Mirror) idle(ctx context.Context, s *session, unwritten cssetcd.Revision) error {
	if unwritten != s.state.Applied && !time.Now().Before(s.wrote.Add(m.pace.idle)) {
		return s.advance(ctx, unwritten)
	}
	return m.lookAt(ctx, s)
}

// errIdle says that something is due though no change came.
var errIdle = errors.New("no change came")

// next waits for an update, until something else is due.
func (m *Mirror) next(ctx context.Context, s *session, unwritten cssetcd.Revision) (cssetcd.Update, error) {
	due := s.looked.Add(m.cfg.LookEvery)
	if unwritten != s.state.Applied {
		if write := s.wrote.Add(m.pace.idle); write.Before(due) {
			due = write
		}
	}
	return m.nextUntil(ctx, due)
}

// nextUntil waits for an update, and returns errIdle at a time.
func (m *Mirror) nextUntil(ctx context.Context, due time.Time) (cssetcd.Update, error) {
	if !time.Now().Before(due) {
		return cssetcd.Update{}, errIdle
	}
	short, cancel := context.WithDeadline(ctx, due)
	defer cancel()
	u, err := m.cfg.Feed.Next(short)
	if err != nil && ctx.Err() == nil && short.Err() != nil {
		return u, errIdle
	}
	return u, err
}
