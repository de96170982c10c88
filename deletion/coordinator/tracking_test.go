package coordinator

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/testkit"
)

// asked is a QueryTracker that answers at once, and keeps what it was asked.
type asked struct {
	job    Job
	clear  bool
	reason string
}

func (a *asked) Clear(_ context.Context, j Job) (bool, string, error) {
	a.job = j
	return a.clear, a.reason, nil
}

// A tracker is asked about the tables of a drop, and its reason counts only while it is not clear.
func TestTrackerIsAsked(t *testing.T) {
	for _, test := range []struct {
		name protocol.Name
		job  Job
	}{
		{protocol.TableName("LSST", "Object"), Job{Database: "LSST", Incarnation: 7, Mark: 9,
			Tables: []JobTable{{Table: "Object", Incarnation: 7}}}},
		{protocol.DatabaseName("LSST"), Job{Database: "LSST", Whole: true, Incarnation: 7, Mark: 9}},
	} {
		q := &asked{clear: true, reason: "of no account"}
		var ts tracks
		ts.init(q)
		k, woken := &track{waits: "not asked yet"}, false
		ts.ask(t.Context(), k, protocol.Drop{Found: protocol.Found{Name: test.name}, Mark: 9,
			Intent: protocol.Intent{Incarnation: 7}}, func() { woken = true })
		ts.wait()
		assert.Equal(t, test.job, q.job)
		assert.Empty(t, k.waits)
		assert.True(t, woken)
	}
}

// What is known of a removal outlasts an attempt to free the name that was told to end.
func TestDataStayRemoved(t *testing.T) {
	var m removal
	assert.True(t, m.ended(freeingFailed, 0, noon).ended(attemptEnded, 0, noon).removed)
}

// An attempt has its place from the moment in which it begins.
func TestAttemptsAreCounted(t *testing.T) {
	etcd := testkit.EtcdClient(t)
	css, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	view, err := cssetcd.OpenView(t.Context(), css)
	require.NoError(t, err)
	t.Cleanup(view.Close)
	c, err := New(Config{Catalogue: css, View: view})
	require.NoError(t, err)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	var r removals
	r.init(toldToEnd{})
	r.mu.Lock()
	for i := range 3 {
		a := protocol.Action{Name: protocol.TableName("LSST", "Object"), Mark: protocol.Revision(i + 1)}
		r.begin(c, &leadership{ctx: over}, r.of(a), a, attemptDue, time.Now())
		assert.Len(t, r.running(), i+1)
	}
	r.mu.Unlock()
	r.wait()
	assert.Empty(t, r.running())
}

// toldToEnd is a Dropper that was told to end.
type toldToEnd struct{}

func (toldToEnd) Drop(ctx context.Context, _ Job) error { return ctx.Err() }
