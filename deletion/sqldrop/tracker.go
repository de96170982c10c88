package sqldrop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/errlist"
	"github.com/qserv/css-etcd/internal/mysqlconn"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

const (
	// DefaultQMeta is the name of QMeta's schema.
	DefaultQMeta = "qservMeta"
	// DefaultPause is the least time between two readings of QMeta.
	DefaultPause = time.Second

	askTimeout = 10 * time.Second // of one call of Clear
	maxWaits   = 1000             // jobs whose progress is kept

	onceMore = "QMeta has no query on it; it is read once more to be sure"
)

// TrackerConfig says where a Tracker looks.
type TrackerConfig struct {
	// QMeta is the server with QMeta; its DBName is the schema, "" is [DefaultQMeta]. It is not changed.
	QMeta *mysql.Config
	// Applied returns the revision that kvData shows, from which C++ czars read; see [MirrorApplied].
	Applied func(ctx context.Context) (cssetcd.Revision, error)
	// Registration is the agreed longest time that a C++ czar takes from reading kvData for a query to having registered
	// that query in QMeta.
	Registration time.Duration
	Pause        time.Duration    // 0 is [DefaultPause]
	Now          func() time.Time // nil: time.Now
}

// MirrorApplied returns an Applied that asks the table that a mirror keeps beside kvData.
func MirrorApplied(target *mysql.Config) func(context.Context) (cssetcd.Revision, error) {
	return func(ctx context.Context) (cssetcd.Revision, error) {
		state, err := kvdata.ReadState(ctx, target)
		return state.Applied, err
	}
}

// Tracker tells when no query of a C++ czar is left on a table that was marked: such a czar reads kvData for every
// query and then registers the query in QMeta. It is clear when kvData has been seen to show the mark, then the time
// Registration has gone by, and then QMeta has been read twice with no query in it that is not completed, the Pause
// apart.
//
// # Bounds
//
// This is bounded, not exact. A query of a czar that takes longer than Registration to register, say because it was
// suspended in between, is missed, and so is one that reads an old kvData, say on a replica. And QMeta says of a query
// that it runs until its czar says otherwise: the rows of a czar that died block for ever. The reason names them. When
// it is certain that such a query does not run any more, complete it by hand:
//
//	UPDATE qservMeta.QInfo SET status = 'ABORTED', completed = NOW() WHERE queryId = 17 AND completed IS NULL
//
// # Memory
//
// How far a job has come is kept in memory, for the last 1,000 jobs asked about. After a restart the waiting starts
// anew. A Tracker keeps no connection open and needs no closing.
type Tracker struct {
	config TrackerConfig
	qmeta  *mysql.Config

	mu    sync.Mutex
	waits map[waitKey]*wait
}

var _ coordinator.QueryTracker = (*Tracker)(nil)

// waitKey is what is waited for. The tables are part of it since one transaction can mark several.
type waitKey struct {
	database string
	mark     cssetcd.Revision
	tables   string // separated by slashes, which no name has; "" for all
}

// wait is how far a job has come.
type wait struct {
	asked time.Time // when last, guarded by Tracker.mu

	mu      sync.Mutex // held while asking, so that calls for one job do not mix
	applied time.Time  // since when kvData is known to show the mark; zero: it is not known to
	empty   time.Time  // when QMeta had been read and was found empty, and never otherwise since; zero: it was not
}

// NewTracker returns a Tracker. It does not connect.
func NewTracker(config TrackerConfig) (*Tracker, error) {
	var faults *multierror.Error
	if config.Applied == nil {
		faults = multierror.Append(faults, errors.New("no Applied is given"))
	}
	if config.Registration <= 0 {
		faults = multierror.Append(faults, fmt.Errorf("the Registration %s is not positive", config.Registration))
	}
	if config.Pause < 0 {
		faults = multierror.Append(faults, fmt.Errorf("the Pause %s is negative", config.Pause))
	}
	t := &Tracker{config: config, waits: map[waitKey]*wait{}}
	if config.QMeta == nil {
		faults = multierror.Append(faults, errors.New("no QMeta is given"))
	} else {
		var err error
		t.qmeta, err = sessionConfig(config.QMeta, askTimeout)
		faults = appendError(faults, err)
	}
	if err := errlist.Join(faults); err != nil {
		return nil, fmt.Errorf("sqldrop: a tracker: %w", err)
	}
	t.setDefaults()
	return t, nil
}

func appendError(faults *multierror.Error, err error) *multierror.Error {
	if err == nil {
		return faults
	}
	return multierror.Append(faults, err)
}

func (t *Tracker) setDefaults() {
	if t.qmeta.DBName == "" {
		t.qmeta.DBName = DefaultQMeta
	}
	if t.config.Pause == 0 {
		t.config.Pause = DefaultPause
	}
	if t.config.Now == nil {
		t.config.Now = time.Now
	}
}

// Clear reports whether no query of a C++ czar can be using what the job names; see [Tracker]. It takes a few round
// trips, and at most ten seconds. It fails as Applied does, or with [ErrUnavailable] or [ErrUnauthorized] when QMeta
// cannot be read; what was waited for before is not lost then.
func (t *Tracker) Clear(ctx context.Context, job coordinator.Job) (clear bool, reason string, err error) {
	if err := checkJob(job); err != nil {
		return false, "", fmt.Errorf("sqldrop: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	w := t.wait(job)
	w.mu.Lock()
	defer w.mu.Unlock()
	if reason, err := t.awaitMark(ctx, w, job); reason != "" || err != nil {
		return false, reason, err
	}
	if !job.Whole && len(job.Tables) == 0 {
		return true, "", nil
	}
	return t.awaitEmpty(ctx, w, job)
}

// wait returns how far the job has come, and makes room for it.
func (t *Tracker) wait(job coordinator.Job) *wait {
	key := waitKey{database: job.Database, mark: job.Mark}
	if !job.Whole {
		names := make([]string, len(job.Tables))
		for i, table := range job.Tables {
			names[i] = table.Table
		}
		key.tables = strings.Join(names, "/")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	w, ok := t.waits[key]
	if !ok {
		t.forgetOldest()
		w = &wait{}
		t.waits[key] = w
	}
	w.asked = t.config.Now()
	return w
}

func (t *Tracker) forgetOldest() {
	if len(t.waits) < maxWaits {
		return
	}
	var oldest waitKey
	for key, w := range t.waits {
		if o, ok := t.waits[oldest]; !ok || w.asked.Before(o.asked) {
			oldest = key
		}
	}
	delete(t.waits, oldest)
}

// awaitMark returns what is to be waited for until all czars that read kvData before the mark have registered their
// queries.
func (t *Tracker) awaitMark(ctx context.Context, w *wait, job coordinator.Job) (reason string, err error) {
	applied, err := t.config.Applied(ctx)
	if err != nil {
		return "", fmt.Errorf("sqldrop: ask for the revision that kvData shows: %w", err)
	}
	if applied < job.Mark {
		w.applied, w.empty = time.Time{}, time.Time{}
		return fmt.Sprintf("the mirror in MySQL shows revision %d, the mark is %d", applied, job.Mark), nil
	}
	now := t.config.Now()
	if w.applied.IsZero() {
		w.applied = now
	}
	if left := w.applied.Add(t.config.Registration).Sub(now); left > 0 {
		return fmt.Sprintf("C++ czars have %s more to register queries that they began before they could see the mark",
			left.Round(time.Millisecond)), nil
	}
	return "", nil
}

// awaitEmpty reads QMeta and reports whether it was empty twice.
func (t *Tracker) awaitEmpty(ctx context.Context, w *wait, job coordinator.Job) (clear bool, reason string, err error) {
	began := t.config.Now()
	found, err := queries(ctx, t.qmeta, job)
	if err != nil {
		grant := "`GRANT SELECT ON " + mysqlconn.QuoteName(t.qmeta.DBName) + ".* TO ...`"
		return false, "", fmt.Errorf("sqldrop: read QMeta on the MySQL server %s: %w", t.qmeta.Addr, explain(t.qmeta.User,
			grant, err))
	}
	if len(found) > 0 {
		w.empty = time.Time{}
		return false, describe(found), nil
	}
	if w.empty.IsZero() {
		w.empty = t.config.Now()
		return false, onceMore, nil
	}
	if began.Sub(w.empty) < t.config.Pause {
		return false, onceMore, nil
	}
	return true, "", nil
}
