package mirror_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror"
)

// lockRow has somebody else lock a row for the length of the test.
func (w *world) lockRow(key string) (release func()) {
	w.t.Helper()
	conn, err := w.sql.Conn(w.t.Context())
	require.NoError(w.t, err)
	_, err = conn.ExecContext(w.t.Context(), "BEGIN; SELECT * FROM kvData WHERE kvKey = '"+key+"' FOR UPDATE")
	require.NoError(w.t, err)
	release = sync.OnceFunc(func() {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		assert.NoError(w.t, err)
		assert.NoError(w.t, conn.Close())
	})
	w.t.Cleanup(release)
	return release
}

// Rule: that others keep a row locked is told while it lasts, and nothing is read anew for it.
func TestLockIsToldWhileItLasts(t *testing.T) {
	const timeout = 2 * time.Second
	w := newWorld(t)
	w.put("/DBS/a", "1")
	m := w.mirror(func(c *mirror.Config) { c.Timeout = timeout })
	w.run(m)
	awaitStatus(t, m, following)
	release := w.lockRow("/DBS/a")
	w.put("/DBS/a", "2")
	term := m.Status().Term
	awaitStatus(t, m, has(mirror.MySQLLocked))
	time.Sleep(2 * timeout)
	release()
	s := awaitStatus(t, m, func(s mirror.Status) bool { return following(s) && len(s.Troubles) == 0 })
	assert.Equal(t, term, s.Term, "nothing was read anew")
}

// Rule: a lock of others is not taken for a server that does not answer, however short the time-out is.
func TestLockIsNoDeadServer(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	m := w.mirror(func(c *mirror.Config) { c.Timeout = time.Second })
	w.run(m)
	awaitStatus(t, m, following)
	w.lockRow("/DBS/a")
	w.put("/DBS/a", "2")
	s := awaitStatus(t, m, func(s mirror.Status) bool { return len(s.Troubles) > 0 })
	assert.Equal(t, mirror.MySQLLocked, s.Troubles[0].Code, s.Troubles[0].Text)
}

// Rule: a table that was widened is noticed, and holds what was in quarantine.
func TestWidenedTableIsNoticed(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1", "/DBS/long", strings.Repeat("v", 70_000))
	m := w.mirror(quickly(mirror.Alert))
	w.run(m)
	awaitStatus(t, m, has(mirror.Quarantine))
	w.exec("ALTER TABLE kvData MODIFY kvVal MEDIUMTEXT NOT NULL")
	w.await(w.put("/DBS/b", "1"))
	assert.Eventually(t, func() bool { return !has(mirror.Quarantine)(m.Status()) }, 2*time.Second, 10*time.Millisecond)
}

// Rule: a table of others that refers to rows of kvData is named, and somebody has to see to it.
func TestReferenceOfOthersIsNamed(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1", "/DBS/b", "1")
	m := w.mirror()
	w.run(m)
	awaitStatus(t, m, following)
	w.exec("CREATE TABLE theirs (k INT, FOREIGN KEY (k) REFERENCES kvData (kvId)) ENGINE=InnoDB")
	w.exec("INSERT INTO theirs SELECT kvId FROM kvData WHERE kvKey = '/DBS/a'")
	w.del("/DBS/a")
	time.Sleep(time.Second)
	s := awaitStatus(t, m, func(s mirror.Status) bool { return len(s.Troubles) > 0 })
	assert.NotEqual(t, mirror.TableChanged, s.Troubles[0].Code, s.Troubles[0].Text)
	assert.Equal(t, mirror.Refused, s.Phase)
}

// Rule: a kvData that somebody dropped is said to be missing.
func TestCheckWithoutKvData(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	w.once()
	w.exec("DROP TABLE kvData")
	_, err := mirror.Check(t.Context(), w.target, w.client)
	assert.ErrorIs(t, err, mirror.ErrNotKvData)
	assert.NotContains(t, err.Error(), "sql: no rows")
}

// Rule: the first take-over of a kvData that Qserv filled records what it overwrites.
func TestFirstTakeOverRecords(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1", "/DBS/b", "1")
	w.once()
	w.forget() // as Qserv would have filled it
	w.exec("INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/younger', 'READY')")
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
	w.once()
	text := strings.Join(w.foreign(), "\n")
	assert.Contains(t, text, "/DBS/younger")
	assert.Contains(t, text, "/DBS/a")
}
