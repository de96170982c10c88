package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Mirror keeps kvData equal to a catalogue.
type Mirror struct {
	cfg    Config
	pace   pace
	status *statusKeeper

	regressed bool // the feed has said that etcd went back, and kvData does not show that yet
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

// Once makes kvData show the newest snapshot of the feed, in one transaction, and says what that took. A mirror that
// runs elsewhere is overtaken by it and goes on by itself afterwards. Every error of the package can be returned; what
// was refused or failed has changed nothing but the term, save for a commit whose answer was lost, which Once reports
// as [ErrUnavailable].
func (m *Mirror) Once(ctx context.Context) (Result, error) {
	for try := 1; ; try++ {
		result, err := m.once(ctx)
		if err == nil || try == onceTries || !(errors.Is(err, ErrFenced) || errors.Is(err, errDrift) ||
			errors.Is(err, errBusy)) {
			return result, err
		}
		if err := wait.UpTo(ctx, m.pace.first); err != nil {
			return Result{}, err
		}
	}
}

func (m *Mirror) once(ctx context.Context) (Result, error) {
	s, err := openSession(ctx, m.cfg)
	if err != nil {
		return Result{}, fmt.Errorf("mirror: %w", err)
	}
	defer s.Close()
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
	if err := m.drain(ctx); err != nil {
		return nil, nil, err
	}
	if err := m.catchUp(ctx, s); err != nil {
		return nil, nil, err
	}
	to := m.cfg.Feed.Snapshot()
	p, err := s.merge(ctx, to, m.cfg.AllowMassDelete)
	if err == nil {
		m.regressed = false
	}
	return to, p, err
}

// drain takes what the feed has ready. While the mirror waited, or was refused, nobody did; and what it was refused for
// may be in the past.
func (m *Mirror) drain(ctx context.Context) error {
	ready, cancel := context.WithCancel(ctx)
	cancel() // a feed gives what it has, and does not wait
	for {
		u, err := m.cfg.Feed.Next(ready)
		switch {
		case err == nil:
			m.regressed = m.regressed || u.Regressed
		case ctx.Err() == nil && errors.Is(err, context.Canceled):
			return nil
		default:
			return err
		}
	}
}

// catchUp lets the feed come up to the catalogue that the session found in etcd: to the same cluster, since an address
// may have come to lead to another one for a while, and to the revision that kvData shows already, written by whoever
// had the table before, so that readers do not see the catalogue go back.
func (m *Mirror) catchUp(ctx context.Context, s *session) error {
	short, cancel := context.WithTimeout(ctx, m.pace.catchUp)
	defer cancel()
	for m.ofAnotherCluster(s) || m.isBehind(s) {
		u, err := m.cfg.Feed.Next(short)
		m.regressed = m.regressed || u.Regressed
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case short.Err() != nil && m.ofAnotherCluster(s):
			return fmt.Errorf("the feed is of the etcd cluster %x, and etcd says that it is %x",
				m.cfg.Feed.Snapshot().Cluster(), s.cluster)
		case short.Err() != nil:
			return m.wentBack(ctx, s.state.Applied)
		case err != nil:
			return err
		}
	}
	return nil
}

func (m *Mirror) ofAnotherCluster(s *session) bool {
	return m.cfg.Feed.Snapshot().Cluster() != s.cluster
}

// isBehind is never said when etcd went back, and of a table that is to be adopted: its revisions are those of another
// catalogue.
func (m *Mirror) isBehind(s *session) bool {
	return !m.regressed && s.adopt == nil && m.cfg.Feed.Snapshot().Revision() < s.state.Applied
}

// wentBack returns nil when etcd itself has not reached the revision that kvData shows, as after a restore, and an
// error when the feed is merely late.
func (m *Mirror) wentBack(ctx context.Context, shown cssetcd.Revision) error {
	_, err := m.cfg.Catalogue.Snapshot(ctx, shown)
	switch {
	case errors.Is(err, cssetcd.ErrFutureRevision):
		return nil
	case err != nil && !errors.Is(err, cssetcd.ErrCompacted):
		return fmt.Errorf("ask etcd for the revision %d that kvData shows: %w", shown, err)
	}
	return fmt.Errorf("the feed is at revision %d, and kvData already shows revision %d",
		m.cfg.Feed.Snapshot().Revision(), shown)
}
