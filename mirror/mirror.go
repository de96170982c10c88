package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Mirror keeps kvData equal to a catalogue.
type Mirror struct {
	cfg    Config
	pace   pace
	status *statusKeeper
}

// New returns a mirror. It does not connect to anything. All faults of the configuration are reported together.
func New(cfg Config) (*Mirror, error) {
	cfg, err := cfg.validated()
	if err != nil {
		return nil, err
	}
	return &Mirror{cfg: cfg, pace: usualPace, status: newStatusKeeper()}, nil
}

// Status returns how the mirror stands, without I/O.
func (m *Mirror) Status() Status { return m.status.Status() }

// Result says what [Mirror.Once] did.
type Result struct {
	Revision                   cssetcd.Revision // that kvData shows now
	Inserted, Updated, Deleted int              // rows of kvData
	Rows, Quarantined          int              // as they are now
}

// onceTries bounds how often Once takes the table over: whoever it took it from may take it back.
const onceTries = 5

// Once makes kvData show the newest snapshot of the feed, in one transaction, and says what that took. A mirror that runs
// elsewhere is overtaken by it and goes on by itself afterwards. Every error of the package can be returned; what was refused
// or failed has changed nothing but the term, save for a commit whose answer was lost, which Once reports as [ErrUnavailable].
func (m *Mirror) Once(ctx context.Context) (Result, error) {
	for try := 1; ; try++ {
		result, err := m.once(ctx)
		if err == nil || try == onceTries || !(errors.Is(err, ErrFenced) || errors.Is(err, errDrift) || errors.Is(err, errBusy)) {
			return result, err
		}
		if err := pause(ctx, m.pace.first); err != nil {
			return Result{}, err
		}
	}
}

func (m *Mirror) once(ctx context.Context) (Result, error) {
	s, err := openSession(ctx, m.cfg)
	if err != nil {
		return Result{}, fmt.Errorf("mirror: %w", err)
	}
	defer s.close()
	to, p, err := m.merge(ctx, s)
	if err != nil {
		return Result{}, fmt.Errorf("mirror: %w", err)
	}
	m.status.shows(s.state, to.Revision())
	return Result{
		Revision: to.Revision(),
		Inserted: len(p.Inserts), Updated: len(p.Updates), Deleted: len(p.Deletes),
		Rows: s.state.Rows, Quarantined: s.state.Quarantined,
	}, nil
}

// merge makes kvData show the newest snapshot of the feed.
func (m *Mirror) merge(ctx context.Context, s *session) (*cssetcd.Snapshot, *plan.Plan, error) {
	if s.adopt == nil { // revisions of another catalogue say nothing
		if err := m.catchUp(ctx, s.state.Applied); err != nil {
			return nil, nil, err
		}
	}
	to := m.cfg.Feed.Snapshot()
	p, err := s.merge(ctx, to, m.cfg.AllowMassDelete)
	return to, p, err
}

// catchUp lets the feed come up to the revision that kvData shows already, written by whoever had the table before, so that
// readers do not see the catalogue go back. A feed that does not come up in time is of an etcd that went back itself.
func (m *Mirror) catchUp(ctx context.Context, shown cssetcd.Revision) error {
	short, cancel := context.WithTimeout(ctx, m.pace.catchUp)
	defer cancel()
	for m.cfg.Feed.Snapshot().Revision() < shown {
		u, err := m.cfg.Feed.Next(short)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case short.Err() != nil || u.Regressed:
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}
