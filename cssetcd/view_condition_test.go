package cssetcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/proxy"
)

// awaitPhase waits until a view is in a phase, and returns its condition.
func awaitPhase(t testing.TB, v *cssetcd.View, phase cssetcd.Phase) cssetcd.Condition {
	t.Helper()
	var c cssetcd.Condition
	require.Eventually(t, func() bool {
		c = v.Condition()
		return c.Phase == phase
	}, time.Minute, time.Millisecond, "the view is not %s", phase)
	return c
}

// TestConditionOfAView (V6): each kind of news leads to its phase, with its reason and with when the phase began; and
// is counted.
func TestConditionOfAView(t *testing.T) {
	start := kvSnapshotOf(map[string]string{"/DBS/a": "READY"})
	v, tell := cssetcd.ViewByHand(start)
	broken := errors.New("broken")
	resync := fmt.Errorf("%w: compacted", kv.ErrResync)
	differs := fmt.Errorf("%w: %w", kv.ErrResync, kv.ErrInconsistent)
	now := start
	change := func() *kv.Snapshot {
		b := now.Edit()
		b.Put("css/DBS/b", kv.Entry{Value: fmt.Sprint(now.Revision), Create: 2, Mod: now.Revision + 1})
		now = b.Snapshot(now.Revision + 1)
		return now
	}
	touched := []kv.Path{"css/DBS/b"}
	var want cssetcd.Counts
	since := v.Condition().Since
	for _, step := range []struct {
		name   string
		update kv.Update
		phase  cssetcd.Phase
		reason error
		count  func()
	}{
		{"a change", kv.Update{Snapshot: change(), Touched: touched}, cssetcd.Live, nil,
			func() { want.Updates++; want.Changes++ }},
		{"a broken connection", kv.Update{Snapshot: now, Trouble: broken}, cssetcd.Stale, broken, func() { want.Troubles++ }},
		{"it stays broken", kv.Update{Snapshot: now, Trouble: errSecond}, cssetcd.Stale, errSecond,
			func() { want.Troubles++ }},
		{"an answer", kv.Update{Snapshot: now, Asked: time.Now()}, cssetcd.Live, nil, func() {}},
		{"compacted", kv.Update{Snapshot: now, Trouble: resync}, cssetcd.Resyncing, resync, func() { want.Troubles++ }},
		{"loaded", kv.Update{Snapshot: change(), Touched: touched, Resync: true, Asked: time.Now()}, cssetcd.Live, nil,
			func() { want.Updates++; want.Changes++; want.Loads++ }},
		{"compared and equal", kv.Update{Snapshot: now, Compared: true}, cssetcd.Live, nil, func() { want.Comparisons++ }},
		{"compared and different", kv.Update{Snapshot: now, Trouble: differs}, cssetcd.Resyncing, differs,
			func() { want.Troubles++; want.Inconsistencies++ }},
		{"the load fails", kv.Update{Snapshot: now, Trouble: broken}, cssetcd.Stale, broken, func() { want.Troubles++ }},
		{"set back", kv.Update{Snapshot: change(), Touched: touched, Resync: true, Regressed: true, Asked: time.Now()},
			cssetcd.Live, nil,
			func() { want.Updates++; want.Changes++; want.Loads++; want.Regressions++ }},
	} {
		before := v.Condition()
		tell(step.update)
		step.count()
		c := v.Condition()
		assert.Equal(t, step.phase, c.Phase, step.name)
		assert.Equal(t, step.reason, c.Reason, step.name)
		assert.Equal(t, before.Phase == c.Phase, before.Since.Equal(c.Since), "%s: since when", step.name)
		assert.False(t, c.Since.Before(since), step.name)
		since = c.Since
		assert.Equal(t, want, v.Stats().Counts, step.name)
	}
	v.Close()
	assert.Equal(t, cssetcd.Closed, v.Condition().Phase)
	require.ErrorIs(t, v.Condition().Reason, cssetcd.ErrClosed)
	require.ErrorIs(t, v.Healthy(time.Hour), cssetcd.ErrClosed)
	_, err := v.Snapshot().Database("b")
	require.NoError(t, err, "a closed view can be read")
}

var errSecond = errors.New("another reason")

// TestStats: what a view tells of itself.
func TestStats(t *testing.T) {
	c := newCatalogue(t)
	v := openView(t, c)
	waitRevision(t, v, ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "second"})))
	s := v.Stats()
	assert.Equal(t, cssetcd.Live, s.Condition.Phase)
	assert.Equal(t, [3]int{2, 1, 2}, [3]int{s.Databases, s.Tables, s.Nodes})
	assert.Equal(t, v.Snapshot().Len(), s.Keys)
	assert.Equal(t, v.Snapshot().Revision(), s.Revision)
	assert.Positive(t, s.Counts.Updates)
	assert.Positive(t, s.Counts.Changes)
	assert.Zero(t, s.Counts.Inconsistencies+s.Counts.Regressions+s.Counts.Loads)
	assert.Zero(t, s.Waiters)
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	waiting.Go(func() { _, _ = v.WaitRevision(ctx, 1<<50) })
	waiting.Go(func() {
		for sub := v.Subscribe(); ; {
			if _, err := sub.Next(ctx); err != nil {
				return
			}
		}
	})
	require.Eventually(t, func() bool { return v.Stats().Waiters == 2 }, time.Minute, time.Millisecond)
	cancel()
	waiting.Wait()
	assert.Zero(t, v.Stats().Waiters)
}

// TestConfirmedIsMonotonic (V6): the age of a view is told by a clock that nobody sets.
func TestConfirmedIsMonotonic(t *testing.T) {
	c := newCatalogue(t)
	v := openView(t, c)
	monotonic := func(name string) {
		t.Helper()
		assert.Contains(t, v.Stats().Confirmed.Asked.String(), " m=", name)
		assert.Contains(t, v.Condition().Since.String(), " m=", name)
	}
	monotonic("opened")
	first := v.Stats().Confirmed.Asked
	must(v.WaitLatest(soon(t)))(t)
	monotonic("asked")
	assert.True(t, v.Stats().Confirmed.Asked.After(first))
}

// TestWaitLatestIsLinearizable (V6): whoever calls it sees all that others had written by then, on a view that hears of
// it by itself and where writes elsewhere bring no event.
func TestWaitLatestIsLinearizable(t *testing.T) {
	c := newCatalogue(t)
	v := openView(t, c)
	writer := csstest.At(t, c.Prefix())
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			for round := range 15 {
				key, value := fmt.Sprintf("/latest/%d", i), fmt.Sprint(round)
				rev, err := writer.Raw().Put(t.Context(), key, value)
				if !assert.NoError(t, err) {
					return
				}
				s, err := v.WaitLatest(soon(t))
				if !assert.NoError(t, err) {
					return
				}
				e, _ := s.Key(key)
				assert.Equal(t, value, e.Value)
				assert.GreaterOrEqual(t, s.Revision(), rev)
			}
		})
	}
	all.Wait()
	resp := must(csstest.Etcd().Put(t.Context(), csstest.NewPrefix(), "elsewhere"))(t)
	s := must(v.WaitLatest(soon(t)))(t)
	assert.GreaterOrEqual(t, s.Revision(), cssetcd.Revision(resp.Header.Revision))
}

// TestWaitRevisionOfAWriteThatChangedNothing waits for what the write found: somebody else may have written it a moment
// before.
func TestWaitRevisionOfAWriteThatChangedNothing(t *testing.T) {
	t.Parallel()
	p, c, _, v := behindProxy(t)
	p.Pause(proxy.Both)
	db := cssetcd.Database{Name: "JustMade"}
	ok(t)(c.CreateDatabase(t.Context(), db))
	rev := must(c.CreateDatabase(t.Context(), db, cssetcd.IfNotExists()))(t)
	require.Zero(t, rev)
	resumed := time.AfterFunc(50*time.Millisecond, p.Resume)
	defer resumed.Stop()
	s := must(v.WaitRevision(soon(t), rev))(t)
	must(s.Database(db.Name))(t)
}

// TestViewOverASilentConnection (V6): while nothing arrives and nothing is refused, the view stays readable, its age
// grows, its condition says why, and who waits for the latest waits; it follows again soon after the network does.
func TestViewOverASilentConnection(t *testing.T) {
	t.Parallel()
	p, c, _, v := behindProxy(t)
	must(v.WaitLatest(soon(t)))(t)
	require.NoError(t, v.Healthy(time.Hour))
	assert.Equal(t, cssetcd.Live, v.Condition().Phase)
	before := v.Stats().Confirmed

	p.Pause(proxy.Both)
	began := time.Now()
	rev := ok(t)(c.SetTableStatus(t.Context(), object, "UNSEEN"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	_, err := v.WaitLatest(ctx)
	cancel()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Contains(t, err.Error(), fmt.Sprintf("at revision %d, confirmed ", before.Revision))

	stale := awaitPhase(t, v, cssetcd.Stale)
	told := time.Since(began)
	require.ErrorContains(t, stale.Reason, "silent")
	assert.WithinRange(t, stale.Since, began, time.Now())
	assert.Greater(t, v.Staleness(), 7*time.Second)
	err = v.Healthy(7 * time.Second)
	require.ErrorIs(t, err, cssetcd.ErrStale)
	require.ErrorContains(t, err, "silent")
	require.NoError(t, v.Healthy(time.Hour))
	tab := must(v.Snapshot().Table(object))(t)
	assert.Equal(t, cssetcd.StatusReady, tab.Status)
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	_, err = v.WaitLatest(ctx)
	cancel()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "the view is stale")
	require.ErrorContains(t, err, "silent")

	p.Resume()
	resumed := time.Now()
	s := must(v.WaitLatest(soon(t)))(t)
	t.Logf("told after %v, followed again %v after the network", told, time.Since(resumed))
	assert.GreaterOrEqual(t, s.Revision(), rev)
	live := awaitPhase(t, v, cssetcd.Live)
	require.NoError(t, live.Reason)
	assert.Zero(t, v.Stats().Counts.Loads, "it went on where it stood")
}

// TestViewIsResyncingWhileItLoads (V6): what it missed is compacted, and the load is held up.
func TestViewIsResyncingWhileItLoads(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	w := newTapped(t)
	v := w.open(t)
	sub := v.Subscribe()
	w.proxy.Down()
	rev := w.compacted(t)
	w.onLoad(func() { <-held })
	w.proxy.Up()
	c := awaitPhase(t, v, cssetcd.Resyncing)
	require.ErrorIs(t, c.Reason, kv.ErrResync)
	require.ErrorContains(t, c.Reason, "compacted")
	must(v.Snapshot().Table(object))(t)
	close(held)
	waitRevision(t, v, rev)
	awaitPhase(t, v, cssetcd.Live)
	assert.EqualValues(t, 1, v.Stats().Counts.Loads)
	assert.True(t, strings.HasPrefix(changes(next(t, sub))[0], "/DBS/"))
}

// TestUnchangedTablesKeepTheirPointers (V8) over a load of everything.
func TestUnchangedTablesKeepTheirPointers(t *testing.T) {
	t.Parallel()
	w := newTapped(t)
	still := cssetcd.TableName{DB: "lsst", Table: "Still"}
	ok(t)(w.client.CreateTable(t.Context(), directorTable(still)))
	ok(t)(w.client.CreateDatabase(t.Context(), cssetcd.Database{Name: "quiet"}))
	v := w.open(t)
	read := func(s *cssetcd.Snapshot) (kept, changed []any) {
		columns := must(s.Columns(still))(t)
		return []any{must(s.Table(still))(t), must(s.Database("quiet"))(t), must(s.Node("worker-1"))(t), &columns[0]},
			[]any{must(s.Table(object))(t), must(s.Database("lsst"))(t)}
	}
	kept, changed := read(v.Snapshot())
	before := must(v.Snapshot().Database("lsst"))(t).Revision
	w.proxy.Down()
	rev := w.compacted(t)
	w.proxy.Up()
	s := waitRevision(t, v, rev)
	require.EqualValues(t, 1, v.Stats().Counts.Loads)
	keptNow, changedNow := read(s)
	for i := range kept {
		assert.Same(t, kept[i], keptNow[i])
	}
	for i := range changed {
		assert.NotSame(t, changed[i], changedNow[i])
	}
	assert.Greater(t, must(s.Database("lsst"))(t).Revision, before)
}
