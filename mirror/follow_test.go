package mirror_test

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
)

func following(s mirror.Status) bool { return s.Phase == mirror.Following && s.Lag == 0 }

func TestFollows(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	w.run(m)
	awaitStatus(t, m, following)
	w.await(w.put("/DBS/a", "1", "/DBS/a/x", "2"))
	w.await(w.put("/DBS/a", "3"))
	w.await(w.del("/DBS/a/x"))
	assert.Equal(t, []string{"/DBS/a"}, w.keys("/DBS/"))
	assert.Equal(t, "3", w.rows()["/DBS/a"].value)
	rev := w.del("/DBS/a")
	w.await(rev)
	assert.Empty(t, w.keys("/DBS/"))
	s := awaitStatus(t, m, following)
	assert.Equal(t, rev, s.Applied)
	assert.Equal(t, 5, s.Rows)
	assert.EqualValues(t, 1, s.Term)
	assert.NoError(t, s.Err)
	w.agree()
}

// snapshots is a reader's REPEATABLE READ transactions, one after the other, until the test is told to stop it. It
// tells how many there were.
func (w *world) snapshots(look func(tx *sql.Tx) error) (reads *atomic.Int64, stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var wg sync.WaitGroup
	reads = &atomic.Int64{}
	wg.Go(func() {
		for ctx.Err() == nil {
			tx, err := w.sql.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
			if err == nil {
				err = look(tx)
				_ = tx.Rollback()
			}
			if ctx.Err() == nil && !assert.NoError(w.t, err) {
				return
			}
			reads.Add(1)
		}
	})
	return reads, func() {
		cancel()
		wg.Wait()
	}
}

// Rule M2: a reader in one transaction never sees half of what one transaction in etcd wrote.
func TestReadersSeeWholeRevisions(t *testing.T) {
	w := newWorld(t)
	w.run(w.mirror())
	w.await(w.put("/DBS/a", "0", "/DBS/b", "0", "/NODES/c", "0"))
	reads, stop := w.snapshots(func(tx *sql.Tx) error {
		seen := map[string]bool{}
		for _, key := range []string{"/DBS/a", "/DBS/b", "/NODES/c"} {
			var value string
			if err := tx.QueryRow("SELECT kvVal FROM kvData WHERE kvKey = ?", key).Scan(&value); err != nil {
				return err
			}
			seen[value] = true
		}
		if len(seen) != 1 {
			return fmt.Errorf("one transaction showed %v", seen)
		}
		return nil
	})
	var last cssetcd.Revision
	for i := 0; i < 300 || reads.Load() <= 50 && !t.Failed(); i++ { // a busy machine reads less often
		last = w.put("/DBS/a", strconv.Itoa(i), "/DBS/b", strconv.Itoa(i), "/NODES/c", strconv.Itoa(i))
		if i%10 == 0 {
			w.await(last)
		}
	}
	w.await(last)
	stop()
	w.agree()
}

// Rule M2: a revision of any size is one transaction.
func TestHugeRevisionIsOneTransaction(t *testing.T) {
	n := testkit.Steps(20_000, 100_000)
	w := newWorld(t)
	w.put("/DBS/a", "READY")
	for i := 0; i < n; i += 100 {
		var ops []clientv3.Op
		for j := i; j < i+100; j++ {
			ops = append(ops, w.opPut(fmt.Sprintf("/many/%06d", j), "v"))
		}
		w.txn(ops...)
	}
	began := time.Now()
	rows := w.once().Rows
	t.Logf("loading %d rows took %v", rows, time.Since(began))
	w.run(w.mirror())
	w.await(w.put("/DBS/a", "x"))
	reads, stop := w.snapshots(func(tx *sql.Tx) error {
		var have int
		err := tx.QueryRow("SELECT COUNT(*) FROM kvData WHERE kvKey LIKE '/many/%'").Scan(&have)
		if err == nil && have != n && have != 0 {
			err = fmt.Errorf("%d of %d rows are there", have, n)
		}
		return err
	})
	began = time.Now()
	w.await(w.deleteMany("/many/"))
	t.Logf("deleting %d rows took %v", n, time.Since(began))
	require.Eventually(t, func() bool { return reads.Load() > 3 }, patience, time.Millisecond)
	stop()
	assert.Empty(t, w.keys("/many"))
	w.agree()
}

// deleteMany deletes what begins with a text in one transaction, which on a busy machine can take longer than etcd
// cares to answer for.
func (w *world) deleteMany(start string) cssetcd.Revision {
	w.t.Helper()
	key := w.prefix + "/css" + start
	_, _ = w.etcd.Delete(w.t.Context(), key, clientv3.WithPrefix())
	var left *clientv3.GetResponse
	require.Eventually(w.t, func() bool {
		var err error
		left, err = w.etcd.Get(w.t.Context(), key, clientv3.WithPrefix(), clientv3.WithCountOnly())
		return err == nil && left.Count == 0
	}, patience, 10*time.Millisecond)
	return cssetcd.Revision(left.Header.Revision)
}

// feed is a scripted feed.
type feed struct {
	last    *cssetcd.Snapshot
	updates chan cssetcd.Update
}

func (f *feed) Snapshot() *cssetcd.Snapshot { return f.last }

func (f *feed) Next(ctx context.Context) (cssetcd.Update, error) {
	select {
	case u := <-f.updates:
		f.last = u.To
		return u, nil
	case <-ctx.Done():
		return cssetcd.Update{}, ctx.Err()
	}
}

func (w *world) snapshot(at cssetcd.Revision) *cssetcd.Snapshot {
	s, err := w.client.Snapshot(w.t.Context(), at)
	require.NoError(w.t, err)
	return s
}

// Rule: a revision at which nothing changed is written, but not often: an idle mirror is quiet.
func TestIdleRevisionsAreWrittenSeldom(t *testing.T) {
	w := newWorld(t)
	f := &feed{last: w.snapshot(0), updates: make(chan cssetcd.Update)}
	m := w.mirror(func(c *mirror.Config) { c.Feed = f })
	w.run(m)
	awaitStatus(t, m, following)
	before, began, last := w.serverCount("Com_update"), time.Now(), f.last
	for range 500 {
		rev, err := w.etcd.Put(t.Context(), w.prefix+"/beside", "x")
		require.NoError(t, err)
		to := w.snapshot(cssetcd.Revision(rev.Header.Revision))
		f.updates <- cssetcd.Update{From: last, To: to}
		last = to
	}
	w.await(last.Revision())
	assert.LessOrEqual(t, w.serverCount("Com_update")-before, int(time.Since(began)/(50*time.Millisecond))+2)
	assert.Zero(t, awaitStatus(t, m, following).Lag)
}

// Rule: kvData does not go back when a mirror whose feed is behind takes the table over.
func TestSlowFeedDoesNotGoBack(t *testing.T) {
	w := newWorld(t)
	f := &feed{last: w.snapshot(0), updates: make(chan cssetcd.Update, 1)}
	rev := w.put("/DBS/a", "1")
	w.once()
	f.updates <- cssetcd.Update{From: f.last, To: w.snapshot(rev)}
	m := w.mirror(func(c *mirror.Config) { c.Feed = f })
	w.run(m)
	assert.Equal(t, rev, awaitStatus(t, m, following).Applied)
	w.agree()
}

// Rule: an etcd that went back is followed there, by comparing everything.
func TestEtcdWentBack(t *testing.T) {
	w := newWorld(t)
	old := w.snapshot(w.put("/DBS/a", "1"))
	now := w.snapshot(w.put("/DBS/a", "2", "/DBS/b", "3"))
	f := &feed{last: now, updates: make(chan cssetcd.Update)}
	m := w.mirror(func(c *mirror.Config) { c.Feed = f })
	w.run(m)
	awaitStatus(t, m, following)
	f.updates <- cssetcd.Update{From: now, To: old, Regressed: true}
	awaitStatus(t, m, func(s mirror.Status) bool { return following(s) && s.Applied == old.Revision() })
	assert.Equal(t, []string{"/DBS/a"}, w.keys("/DBS/"))
	assert.Equal(t, "1", w.rows()["/DBS/a"].value)
}
