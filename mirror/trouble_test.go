package mirror_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
)

// Rule M3: a mirror that was overtaken writes nothing more under its old term.
func TestOvertakenMirrorIsFenced(t *testing.T) {
	w := newWorld(t)
	zombie := w.mirror()
	zombie.Hurry(time.Hour) // it does not take the table back
	w.run(zombie)
	w.await(w.put("/DBS/a", "1"))
	w.once()
	w.exec("UPDATE kvData SET kvVal = 'by the new one' WHERE kvKey = '/DBS/a'")
	w.put("/DBS/a", "2")
	s := awaitStatus(t, zombie, func(s mirror.Status) bool { return s.Phase == mirror.Waiting })
	require.ErrorIs(t, s.Err, mirror.ErrFenced)
	assert.Equal(t, "by the new one", w.rows()["/DBS/a"].value)
	assert.Positive(t, s.Lag)
}

// Rule: who runs Once beside a daemon does not end the daemon.
func TestMirrorGoesOnAfterOnce(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	w.run(m)
	awaitStatus(t, m, following)
	for i := range 5 {
		w.once()
		w.await(w.put("/DBS/a", strconv.Itoa(i)))
	}
	awaitStatus(t, m, following)
	w.agree()
}

// Rule: two mirrors that both keep running cost time and harm nothing.
func TestTwoMirrorsAgainstEachOther(t *testing.T) {
	w := newWorld(t)
	w.run(w.mirror())
	w.run(w.mirror())
	for i := range 40 {
		w.put("/DBS/a", strconv.Itoa(i), "/DBS/"+strconv.Itoa(i), "x")
		if i%3 == 0 {
			w.del("/DBS/" + strconv.Itoa(i))
		}
	}
	w.await(w.put("/DBS/a", "end"))
	w.agree()
}

// Rule M4: a commit whose answer is lost is neither lost nor done twice.
func TestAnswerToCommitIsLost(t *testing.T) {
	w := newWorld(t)
	between, err := proxy.Start("unix", w.target.Addr)
	require.NoError(t, err)
	defer func() { assert.NoError(t, between.Close()) }()
	m := w.mirror(func(c *mirror.Config) {
		c.Target = w.target.Clone()
		c.Target.Net, c.Target.Addr = "tcp", between.Addr()
	})
	stop := w.run(m)
	defer stop()
	for i := range 5 {
		term := awaitStatus(t, m, following).Term
		release := w.holdCommits()
		key := fmt.Sprintf("/DBS/%d", i)
		rev := w.put(key, "READY")
		w.awaitStatement("COMMIT")
		between.Pause(proxy.ToClient)
		release()
		w.await(rev)
		assert.Less(t, m.Status().Applied, rev, "nobody has told the mirror")
		between.Cut()
		between.Resume()
		s := awaitStatus(t, m, func(s mirror.Status) bool { return following(s) && s.Term > term })
		assert.Equal(t, rev, s.Applied)
		assert.Equal(t, "READY", w.rows()[key].value)
	}
	w.agree()
}

// Rule M3: a take-over waits for a transaction that is under way, and knows the revision that it leaves.
func TestTakeOverWaitsForATransaction(t *testing.T) {
	w := newWorld(t)
	w.run(w.mirror())
	w.await(w.put("/DBS/a", "READY"))
	release := w.holdCommits()
	rev := w.put("/DBS/b", "READY")
	w.awaitStatement("COMMIT")
	second, ended := w.mirror(), make(chan mirror.Result)
	go func() {
		r, err := second.Once(t.Context())
		assert.NoError(t, err)
		ended <- r
	}()
	w.awaitStatement("%css_mirror_state WHERE id = 1%")
	release()
	assert.Equal(t, mirror.Result{Revision: rev, Rows: 7}, <-ended, "nothing was left to do")
}

// holdCommits makes commits wait.
func (w *world) holdCommits() (release func()) {
	conn, err := w.sql.Conn(w.t.Context())
	require.NoError(w.t, err)
	for _, stage := range []string{"START", "BLOCK_COMMIT"} {
		_, err := conn.ExecContext(w.t.Context(), "BACKUP STAGE "+stage)
		require.NoError(w.t, err)
	}
	release = sync.OnceFunc(func() {
		_, err := conn.ExecContext(context.Background(), "BACKUP STAGE END")
		assert.NoError(w.t, err)
		assert.NoError(w.t, conn.Close())
	})
	w.t.Cleanup(release)
	return release
}

// awaitStatement waits until a statement waits.
func (w *world) awaitStatement(like string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		var n int
		err := w.sql.QueryRow(`SELECT COUNT(*) FROM information_schema.PROCESSLIST
			WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND INFO LIKE ?`, like).Scan(&n)
		return err == nil && n > 0
	}, patience, time.Millisecond)
}

// Rule: connections that are killed at any moment lose nothing.
func TestConnectionsAreKilled(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	w.run(m)
	awaitStatus(t, m, following)
	ctx, cancel := context.WithCancel(t.Context())
	var killed atomic.Int32
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			var id int
			err := w.sql.QueryRowContext(ctx, `SELECT ID FROM information_schema.PROCESSLIST
				WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND TIME_MS < 1000 LIMIT 1`).Scan(&id)
			if err == nil {
				if _, err = w.sql.ExecContext(ctx, "KILL CONNECTION "+strconv.Itoa(id)); err == nil {
					killed.Add(1)
				}
			}
			time.Sleep(3 * time.Millisecond)
		}
	})
	for i := 0; i < 100 || killed.Load() <= 5 && !t.Failed(); i++ { // a busy machine kills less often
		w.put("/DBS/a", strconv.Itoa(i), fmt.Sprintf("/DBS/a/%d", i), "x")
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	w.await(w.put("/DBS/a", "end"))
	awaitStatus(t, m, following)
	t.Logf("%d connections killed", killed.Load())
	w.agree()
}

// Rule: an outage of MySQL shows in the status and ends by itself.
func TestMySQLGoesAwayAndComesBack(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	w.run(m)
	w.await(w.put("/DBS/a", "1"))
	require.NoError(t, testkit.SharedMariaDB(t).Kill())
	rev := w.put("/DBS/a", "2", "/DBS/b", "3")
	s := awaitStatus(t, m, func(s mirror.Status) bool { return s.Phase == mirror.Waiting })
	assert.ErrorIs(t, s.Err, mirror.ErrUnavailable)
	assert.Positive(t, awaitStatus(t, m, func(s mirror.Status) bool { return s.Lag > 0 }).Lag)
	require.NoError(t, testkit.SharedMariaDB(t).Restart(t.Context()))
	w.await(rev)
	assert.NoError(t, awaitStatus(t, m, following).Err)
	w.agree()
}

// Rule: rows that others changed are found when they matter, and everything is compared then.
func TestDriftIsRepaired(t *testing.T) {
	for _, tt := range []struct{ name, meddle string }{
		{"row deleted", "DELETE FROM kvData WHERE kvKey = '/DBS/a'"},
		{"key changed", "UPDATE kvData SET kvKey = '/DBS/A' WHERE kvKey = '/DBS/a'"},
		{"key taken", "INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/A/new', 'x')"},
		{"child added", "INSERT INTO kvData (kvKey, kvVal, parentKvId) SELECT '/DBS/gone/x', 'x', kvId FROM kvData WHERE " +
			"kvKey = '/DBS/gone'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			m := w.mirror()
			w.run(m)
			w.await(w.put("/DBS/a", "1", "/DBS/gone", "x"))
			w.exec(tt.meddle)
			w.await(w.txn(w.opPut("/DBS/a", "2"), w.opPut("/DBS/a/new", "3"), w.opDelete("/DBS/gone")))
			w.agree()
			assert.EqualValues(t, 2, awaitStatus(t, m, following).Term, "it took the table over once more")
		})
	}
}

// Rule: a transaction that the server rolls back for another one is done again, without reading everything.
func TestDeadlock(t *testing.T) {
	w := newWorld(t)
	m := w.mirror()
	w.run(m)
	w.await(w.put("/DBS/a", "1", "/DBS/b", "1"))
	for range 10 {
		tx, err := w.sql.Begin()
		require.NoError(t, err)
		_, err = tx.Exec("UPDATE kvData SET kvVal = CONCAT(kvVal, 'x')") // heavy, so that the mirror is the victim
		require.NoError(t, err)
		w.put("/DBS/a", "2", "/DBS/b", "2")
		time.Sleep(20 * time.Millisecond) // it has the state row by now and waits for a row
		_, err = tx.Exec("UPDATE css_mirror_state SET owner = 'other' WHERE id = 1")
		require.NoError(t, err, "the mirror is the victim")
		require.NoError(t, tx.Rollback())
		w.await(w.put("/DBS/a", "1", "/DBS/b", "1"))
	}
	assert.EqualValues(t, 1, awaitStatus(t, m, following).Term)
	w.agree()
}
