package mirror

import (
	"context"
	"errors"
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
	fenced  time.Duration // after another mirror took over: it may be meant to have the table for a while
	catchUp time.Duration // for a feed that is behind what kvData shows
}

var usualPace = pace{
	idle: time.Second, first: 100 * time.Millisecond, most: 10 * time.Second, refused: 10 * time.Second,
	fenced:  2 * time.Second,
	catchUp: 5 * time.Second,
}

// Run keeps kvData equal to the catalogue until ctx ends, whose error it then returns, or until the feed does. Trouble
// with MySQL, a brake that is on, another mirror that took the table: all of that shows in Status, is logged when it
// begins and when it ends, and is tried again. So is what an operator has to correct, because correcting it is then
// enough.
func (m *Mirror) Run(ctx context.Context) error {
	defer func() { m.status.enter(Stopped, nil) }()
	delay := m.pace.first
	for {
		lasted, err := m.session(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, cssetcd.ErrClosed):
			return err
		}
		if lasted {
			delay = m.pace.first
		}
		m.report(err)
		if err := wait.UpTo(ctx, m.waitAfter(err, delay)); err != nil {
			return err
		}
		delay = min(2*delay, m.pace.most)
	}
}

// needsSomeone reports whether an error stays until someone does something.
func needsSomeone(err error) bool {
	for _, known := range []error{ErrBrake, ErrIdentity, ErrNotKvData, ErrNewerFormat, ErrPacket, ErrUnauthorized,
		plan.ErrNoIDs} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
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

// report notes a failure and logs the first of its kind.
func (m *Mirror) report(err error) {
	phase := Waiting
	if needsSomeone(err) {
		phase = Refused
	}
	was := m.status.Status().Err
	if m.status.enter(phase, err) || was == nil || was.Error() != err.Error() {
		m.cfg.Logger.Warn("the mirror has stopped writing and will start over", "phase", phase, "err", err)
	}
}

// session takes the table over, merges and follows until something fails. Lasted says that it got as far as following.
func (m *Mirror) session(ctx context.Context) (lasted bool, err error) {
	s, err := openSession(ctx, m.cfg)
	if err != nil {
		return false, err
	}
	defer s.Close()
	to, p, err := m.merge(ctx, s)
	if err != nil {
		return false, err
	}
	m.status.shows(s.state, to.Revision())
	m.status.enter(Following, nil)
	m.cfg.Logger.Info("kvData shows the catalogue", "revision", to.Revision(), "rows", s.state.Rows, "term", s.state.Term,
		"inserted", len(p.Inserts), "updated", len(p.Updates), "deleted", len(p.Deletes), "quarantined", s.state.Quarantined)
	return true, m.follow(ctx, s)
}

// follow brings update after update to kvData. A revision at which nothing changed is written late: together with the
// next change, or when it has been long enough.
func (m *Mirror) follow(ctx context.Context, s *session) error {
	unwritten := s.state.Applied
	for {
		u, err := m.next(ctx, s, unwritten)
		switch {
		case errors.Is(err, errIdle):
			if err := s.advance(ctx, unwritten); err != nil {
				return err
			}
		case err != nil:
			return err
		case u.Regressed:
			m.regressed = true
			return errRegressed
		default:
			if len(u.Keys) > 0 {
				m.status.saw(u.To.Revision())
			}
			if _, err := s.follow(ctx, u); err != nil {
				return err
			}
			unwritten = u.To.Revision()
		}
		m.status.shows(s.state, unwritten)
	}
}

// errIdle says that it is time to write the revision.
var errIdle = errors.New("no change came")

// next waits for an update, and while a revision is unwritten no longer than until it has to be.
func (m *Mirror) next(ctx context.Context, s *session, unwritten cssetcd.Revision) (cssetcd.Update, error) {
	if unwritten == s.state.Applied {
		return m.cfg.Feed.Next(ctx)
	}
	due := s.wrote.Add(m.pace.idle)
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
