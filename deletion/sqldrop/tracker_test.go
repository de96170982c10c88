package sqldrop_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
	"github.com/qserv/css-etcd/mirror"
)

const (
	registration = time.Minute
	pause        = time.Second
	mark         = 500
)

// qmeta is a QMeta, a mirror's revision and a clock.
type qmeta struct {
	*world
	applied cssetcd.Revision
	fault   error
	now     time.Time
	config  sqldrop.TrackerConfig
}

func newQMeta(t *testing.T) *qmeta {
	t.Helper()
	q := &qmeta{world: newWorld(t), now: time.Now()}
	q.create()
	// Of what the czar keeps, that which is read here.
	q.exec("CREATE TABLE " + q.in("QInfo") + ` (queryId BIGINT NOT NULL PRIMARY KEY, czarId INT NOT NULL, query TEXT NOT NULL,
		submitted TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, completed TIMESTAMP NULL)`)
	q.exec("CREATE TABLE " + q.in("QTable") + ` (queryId BIGINT NOT NULL, dbName CHAR(63) NOT NULL, tblName CHAR(63) NOT NULL,
		PRIMARY KEY (queryId, dbName, tblName))`)
	target := q.world.config.Clone()
	target.DBName = q.database
	q.config = sqldrop.TrackerConfig{
		QMeta:        target,
		Applied:      func(context.Context) (cssetcd.Revision, error) { return q.applied, q.fault },
		Registration: registration,
		Pause:        pause,
		Now:          func() time.Time { return q.now },
	}
	return q
}

func (q *qmeta) tracker() *sqldrop.Tracker {
	q.t.Helper()
	tracker, err := sqldrop.NewTracker(q.config)
	require.NoError(q.t, err)
	return tracker
}

// register does what a czar does for a query on tables of one database.
func (q *qmeta) register(id int, database string, tables ...string) {
	q.t.Helper()
	q.exec("INSERT INTO "+q.in("QInfo")+" (queryId, czarId, query, submitted) VALUES (?, 3, 'SELECT', FROM_UNIXTIME(?))",
		id, 1_700_000_000+id)
	for _, table := range tables {
		q.exec("INSERT INTO "+q.in("QTable")+" VALUES (?, ?, ?)", id, database, table)
	}
}

func (q *qmeta) complete(id int) {
	q.t.Helper()
	q.exec("UPDATE "+q.in("QInfo")+" SET completed = NOW() WHERE queryId = ?", id)
}

func (q *qmeta) pass(d time.Duration) { q.now = q.now.Add(d) }

// registered is a tracker that has waited for C++ czars to register queries on a job.
func (q *qmeta) registered(jobs ...coordinator.Job) *sqldrop.Tracker {
	q.t.Helper()
	q.applied, q.config.Registration = mark, time.Nanosecond
	tracker := q.tracker()
	for _, job := range jobs {
		q.waits(tracker, job)
	}
	q.pass(time.Second)
	return tracker
}

// waits checks that the tracker is not clear, and returns why.
func (q *qmeta) waits(tracker *sqldrop.Tracker, job coordinator.Job) string {
	q.t.Helper()
	clear, reason, err := tracker.Clear(q.t.Context(), job)
	require.NoError(q.t, err)
	require.False(q.t, clear)
	require.NotEmpty(q.t, reason)
	return reason
}

func (q *qmeta) clear(tracker *sqldrop.Tracker, job coordinator.Job) {
	q.t.Helper()
	clear, reason, err := tracker.Clear(q.t.Context(), job)
	require.NoError(q.t, err)
	require.True(q.t, clear, reason)
	require.Empty(q.t, reason)
}

func object() coordinator.Job {
	return coordinator.Job{
		Database: "LSST", Incarnation: 7, Mark: mark,
		Tables: []coordinator.JobTable{{Table: "Object", Incarnation: 7, ChunkLevel: 2}},
	}
}

const oncemore = "QMeta has no query on it; it is read once more to be sure"

// Rule: the mark in kvData, then the time that registering takes, then two readings that are empty.
func TestTrackerWaitsInOrder(t *testing.T) {
	q := newQMeta(t)
	tracker, job := q.tracker(), object()
	q.applied = mark - 1
	q.pass(time.Hour)
	assert.Equal(t, "the mirror in MySQL shows revision 499, the mark is 500", q.waits(tracker, job))
	q.pass(time.Hour)
	q.applied = mark
	assert.Equal(t, "C++ czars have 1m0s more to register queries that they began before they could see the mark",
		q.waits(tracker, job))
	q.pass(registration - time.Millisecond)
	assert.Contains(t, q.waits(tracker, job), "C++ czars have 1ms more")
	q.register(1, "LSST", "Object")
	q.pass(time.Millisecond)
	assert.Contains(t, q.waits(tracker, job), "query 1 of czar 3")
	q.complete(1)
	q.pass(time.Hour)
	assert.Equal(t, oncemore, q.waits(tracker, job), "once is not twice")
	q.pass(pause - time.Millisecond)
	assert.Equal(t, oncemore, q.waits(tracker, job), "too soon")
	q.register(2, "LSST", "Object")
	q.pass(time.Millisecond)
	assert.Contains(t, q.waits(tracker, job), "query 2")
	q.complete(2)
	assert.Equal(t, oncemore, q.waits(tracker, job), "from the start")
	q.pass(pause)
	q.clear(tracker, job)
	q.clear(tracker, job)
}

// Rule: what was seen of kvData does not hold when kvData goes back.
func TestTrackerStartsAnewWhenTheMirrorGoesBack(t *testing.T) {
	q := newQMeta(t)
	tracker, job := q.tracker(), object()
	q.applied = mark
	q.waits(tracker, job)
	q.pass(registration)
	q.applied = mark - 1
	assert.Contains(t, q.waits(tracker, job), "shows revision 499")
	q.applied = mark
	assert.Contains(t, q.waits(tracker, job), "C++ czars have 1m0s more")
}

// Rule: a restart, and another mark of the same name, start from nothing; a fault does not.
func TestTrackerRemembersAJob(t *testing.T) {
	q := newQMeta(t)
	tracker, job := q.tracker(), object()
	q.applied = mark + 1
	q.waits(tracker, job)
	q.pass(registration)
	q.fault = errors.New("no answer")
	_, _, err := tracker.Clear(t.Context(), job)
	require.ErrorIs(t, err, q.fault)
	q.fault = nil
	assert.Equal(t, oncemore, q.waits(tracker, job))
	assert.Contains(t, q.waits(q.tracker(), job), "C++ czars have 1m0s more")
	second, another := job, job
	second.Mark++
	assert.Contains(t, q.waits(tracker, second), "C++ czars have 1m0s more")
	another.Tables = []coordinator.JobTable{{Table: "Source", Incarnation: 7}}
	assert.Contains(t, q.waits(tracker, another), "C++ czars have 1m0s more", "marked by the same transaction")
	q.pass(pause)
	q.clear(tracker, job)
}

// Rule: only queries on what goes are waited for, and all of them.
func TestWhichQueriesCount(t *testing.T) {
	long := "LongDatabaseName_LongDatabaseName_LongDatabaseName_LongDatabase1"
	require.Len(t, long, 64)
	for _, tt := range []struct {
		name             string
		database         string
		tables           []string
		ofTable, ofWhole bool
	}{
		{"the table", "LSST", []string{"Object"}, true, true},
		{"among others", "LSST", []string{"Filter", "Object", "Source"}, true, true},
		{"another of the database", "LSST", []string{"Source"}, false, true},
		{"of that name elsewhere", "Other", []string{"Object"}, false, false},
		{"no table", "LSST", nil, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := newQMeta(t)
			table, whole := object(), object()
			whole.Whole = true
			tracker := q.registered(table, whole)
			q.register(1, tt.database, tt.tables...)
			assert.Equal(t, tt.ofTable, q.waits(tracker, table) != oncemore)
			assert.Equal(t, tt.ofWhole, q.waits(tracker, whole) != oncemore)
		})
	}
	t.Run("longer than QMeta's columns", func(t *testing.T) {
		q := newQMeta(t)
		job := object()
		job.Database, job.Tables[0].Table = long, long
		tracker := q.registered(job)
		q.register(1, long[:63], long[:63])
		assert.NotEqual(t, oncemore, q.waits(tracker, job))
	})
}

// Rule: who reads the reason knows which queries to look at: those of a czar that died stay for ever.
func TestReasonNamesQueries(t *testing.T) {
	q := newQMeta(t)
	job := object()
	tracker := q.registered(job)
	q.register(17, "LSST", "Object")
	assert.Equal(t, "1 query in QMeta is not completed, the oldest first: query 17 of czar 3 since 2023-11-14 22:13:37 "+
		"UTC", q.waits(tracker, job))
	for id := 10; id < 16; id++ {
		q.register(id, "LSST", "Object", "Source")
	}
	reason := q.waits(tracker, job)
	assert.Regexp(t, `^7 queries in QMeta are not completed, the oldest first: query 10 of czar 3 since .*, query 14 of .* UTC, and 2 more$`, reason)
}

// Rule: memory is bounded; what is forgotten waits anew.
func TestTrackerForgetsTheOldestJob(t *testing.T) {
	q := newQMeta(t)
	tracker, job := q.tracker(), object()
	q.applied = mark
	q.waits(tracker, job)
	for i := range sqldrop.MostWaits {
		q.pass(time.Second)
		other := job
		other.Database = fmt.Sprintf("db%d", i)
		q.waits(tracker, other)
		require.LessOrEqual(t, tracker.Remembered(), sqldrop.MostWaits)
	}
	q.pass(registration)
	assert.Contains(t, q.waits(tracker, job), "C++ czars have 1m0s more")
}

func TestTrackerAskedByMany(t *testing.T) {
	q := newQMeta(t)
	q.applied, q.config.Registration, q.config.Now, q.config.Pause = mark, time.Millisecond, nil, time.Millisecond
	tracker := q.tracker()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			assert.Eventually(t, func() bool {
				clear, _, err := tracker.Clear(t.Context(), object())
				return clear && err == nil
			}, patience, 2*time.Millisecond)
		})
	}
	all.Wait()
}

// Rule: a QMeta that cannot be read is an error that names the server, and never clear.
func TestTrackerCannotReadQMeta(t *testing.T) {
	q := newQMeta(t)
	ask := func() error {
		t.Helper()
		clear, _, err := q.registered(object()).Clear(t.Context(), object())
		require.False(t, clear)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "secret")
		return err
	}
	user := q.user()
	user.DBName = q.database
	q.config.QMeta = user
	err := ask()
	require.ErrorIs(t, err, sqldrop.ErrUnauthorized)
	assert.ErrorContains(t, err, "it needs what `GRANT SELECT ON `"+q.database+"`.* TO ...` gives")
	q.grant("SELECT", q.in("QInfo"), user)
	q.grant("SELECT", q.in("QTable"), user)
	assert.Equal(t, oncemore, q.waits(q.registered(object()), object()), "the privileges documented")
	q.config.QMeta = user.Clone()
	q.config.QMeta.Net, q.config.QMeta.Addr = "tcp", "127.0.0.1:1"
	err = ask()
	require.ErrorIs(t, err, sqldrop.ErrUnavailable)
	assert.ErrorContains(t, err, "sqldrop: read QMeta on the MySQL server 127.0.0.1:1: MySQL is not available")
	q.config.QMeta = q.world.config
	assert.ErrorContains(t, ask(), sqldrop.DefaultQMeta)
}

func TestFaultsOfATracker(t *testing.T) {
	_, err := sqldrop.NewTracker(sqldrop.TrackerConfig{Pause: -1})
	require.EqualError(t, err, "sqldrop: a tracker: no Applied is given; the Registration 0s is not positive; the "+
		"Pause -1ns is negative; no QMeta is given")
	q := sqldrop.TrackerConfig{QMeta: mysql.NewConfig(), Applied: sqldrop.MirrorApplied(mysql.NewConfig()),
		Registration: 1}
	tracker, err := sqldrop.NewTracker(q)
	require.NoError(t, err)
	_, _, err = tracker.Clear(t.Context(), coordinator.Job{})
	require.EqualError(t, err, "sqldrop: the job names no database")
}

// Rule: MirrorApplied reads what a mirror wrote, and fails where none did.
func TestMirrorApplied(t *testing.T) {
	w := newWorld(t)
	w.create()
	target := w.config.Clone()
	target.DBName = w.database
	applied := sqldrop.MirrorApplied(target)
	_, err := applied(t.Context())
	require.ErrorIs(t, err, mirror.ErrNoMirror)
	w.exec("CREATE TABLE " + w.in("css_mirror_state") + ` AS SELECT 1 AS id, 'm' AS mirror_name, 1 AS term, 2 AS cluster_id, 'h' AS history,
		'/qserv' AS prefix, 4711 AS applied, 0 AS row_count, 0 AS quarantined, CAST(NULL AS UNSIGNED) AS digest,
		'' AS owner, UTC_TIMESTAMP(6) AS updated, 1 AS format`)
	rev, err := applied(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 4711, rev)
}
