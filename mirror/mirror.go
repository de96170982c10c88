package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Mirror keeps kvData equal to a catalogue.
type Mirror struct {
	cfg       Config
	pace      pace
	emptyPace emptyPace
	status    *statusKeeper

	told      map[plan.Difference]bool // what others wrote, that was logged and is not undone yet
	regressed bool                     // the feed has said that etcd went back, and kvData does not show that yet
}

// New returns a mirror. It does not connect to anything. All faults of the configuration are reported together.
func New(cfg Config) (*Mirror, error) {
	cfg, err := cfg.validated()
	if err != nil {
		return nil, err
	}
	return &Mirror{cfg: cfg, pace: usualPace, emptyPace: usualEmptyPace, status: newStatusKeeper()}, nil
}

// Status returns how the mirror stands, without I/O.
func (m *Mirror) Status() Status { return m.status.Status() }

// Result says what [Mirror.Once] did.
type Result struct {
	Revision                   cssetcd.Revision  // that kvData shows now
	Inserted, Updated, Deleted int               // rows of kvData
	Rows, Quarantined          int               // as they are now
	EmptyChunks                []EmptyDifference // databases whose empty chunks MySQL and etcd did not agree on, by name
}

// onceTries bounds how often Once takes the table over: whoever it took it from may take it back.
const onceTries = 5

// Once makes kvData show the catalogue as it is in etcd, in one transaction, then the tables of empty chunks, each in
// one of its own, and says what that took. Where it is about those tables that it fails, it returns what it did, too. A
// mirror that runs elsewhere is overtaken by it and goes on by itself afterwards. Every error of the package can be
// returned; what was refused or failed has changed nothing but the term, save for a commit whose answer was lost, which
// Once reports as [ErrUnavailable].
func (m *Mirror) Once(ctx context.Context) (Result, error) {
	for try := 1; ; try++ {
		result, err := m.once(ctx)
		if err == nil || try == onceTries || !(errors.Is(err, ErrFenced) || errors.Is(err, kvdata.ErrDrift)) {
			return result, err
		}
		if err := wait.UpTo(ctx, m.pace.first); err != nil {
			return Result{}, err
		}
	}
}

// once takes the table over and reads the catalogue then, so that whatever was written meanwhile is in it.
func (m *Mirror) once(ctx context.Context) (Result, error) {
	s, err := openSession(ctx, m.cfg)
	if err != nil {
		return Result{}, fmt.Errorf("mirror: %w", err)
	}
	defer s.close()
	to, p, err := m.mergeOnce(ctx, s)
	if err != nil {
		return Result{}, fmt.Errorf("mirror: %w", err)
	}
	m.status.follows(s.state, to.Revision())
	result := resultOf(p, to.Revision())
	if result.EmptyChunks, err = m.emptyOnce(ctx, s); err != nil {
		return result, fmt.Errorf("mirror: %w", err)
	}
	return result, nil
}

func (m *Mirror) mergeOnce(ctx context.Context, s *session) (*cssetcd.Snapshot, *plan.Plan, error) {
	read := m.catalogueNewest(s)
	if s.both != nil {
		return m.mergeShared(ctx, s, read)
	}
	to, err := read(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	p, err := m.merge(ctx, s, to)
	return to, p, err
}

func resultOf(p *plan.Plan, at cssetcd.Revision) Result {
	return Result{
		Revision: at, Inserted: len(p.Inserts), Updated: len(p.Updates), Deleted: len(p.Deletes),
		Rows: p.Rows, Quarantined: len(p.Records),
	}
}
