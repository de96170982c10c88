package coordinator

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// QueryTracker knows of queries of czars that do not speak the protocol: those of C++ Qserv. A drop goes on when it
// says that none is left.
type QueryTracker interface {
	// Clear reports whether no such query can be using what the job names; reason says in a few words what it waits for
	// when not. It is asked again and again from the mark on, by a coordinator that keeps asking until it is true. It must
	// not block for long.
	Clear(ctx context.Context, job Job) (clear bool, reason string, err error)
}

// tracks ask a QueryTracker about each drop that can be undone still, off the coordinator's way.
type tracks struct {
	tracker QueryTracker
	work    sync.WaitGroup
	mu      sync.Mutex
	all     map[protocol.Revision]*track // by mark
}

type track struct {
	asking bool
	waits  string // "": for nothing
	next   time.Time
}

func (t *tracks) init(q QueryTracker) { t.tracker, t.all = q, map[protocol.Revision]*track{} }

func (t *tracks) wait() { t.work.Wait() }

// askEvery is how often the tracker is asked about one drop.
const askEvery = time.Second

// judge says of each drop what it waits for, and asks about those that wait. A drop that was clear once stays so: what
// begins later sees the mark.
func (t *tracks) judge(ctx context.Context, f *protocol.Facts, wake func()) {
	if t.tracker == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	known := map[protocol.Revision]bool{}
	for i := range f.Drops {
		d := &f.Drops[i]
		known[d.Mark] = true
		if d.Intent.Phase != protocol.Marked {
			continue
		}
		k := t.all[d.Mark]
		if k == nil {
			k = &track{waits: "the tracker of queries of other czars has not been asked yet"}
			t.all[d.Mark] = k
		}
		d.Untracked = k.waits
		if k.waits != "" && !k.asking && time.Now().After(k.next) {
			k.asking = true
			t.ask(ctx, k, *d, wake)
		}
	}
	maps.DeleteFunc(t.all, func(mark protocol.Revision, k *track) bool { return !known[mark] && !k.asking })
}

func (t *tracks) ask(ctx context.Context, k *track, d protocol.Drop, wake func()) {
	db, table := d.Name.Parts()
	j := Job{Database: db, Whole: table == "", Incarnation: d.Intent.Incarnation, Mark: d.Mark}
	if table != "" {
		j.Tables = []JobTable{{Table: table, Incarnation: d.Intent.Incarnation}}
	}
	t.work.Go(func() {
		clear, reason, err := t.tracker.Clear(ctx, j)
		switch {
		case err != nil:
			reason = err.Error()
		case clear:
			reason = ""
		case reason == "":
			reason = "queries of other czars"
		}
		t.mu.Lock()
		k.asking, k.waits, k.next = false, reason, time.Now().Add(askEvery)
		t.mu.Unlock()
		if reason == "" {
			wake()
		}
	})
}
