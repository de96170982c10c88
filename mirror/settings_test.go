package mirror_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror"
)

// Rule: whatever setting of the server or state of the table keeps a mirror from writing has a code of its own, shows
// as long as it lasts, and no longer.
func TestEachObstacleHasACode(t *testing.T) {
	lock := func(statement string) func(*world) func() {
		return func(w *world) func() {
			conn, err := w.sql.Conn(t.Context())
			require.NoError(t, err)
			_, err = conn.ExecContext(t.Context(), statement)
			require.NoError(t, err)
			return func() {
				_, err := conn.ExecContext(t.Context(), "UNLOCK TABLES; ROLLBACK")
				assert.NoError(t, err)
				assert.NoError(t, conn.Close())
			}
		}
	}
	sql := func(harm, mend string) func(*world) func() {
		return func(w *world) func() {
			w.exec(harm)
			return func() { w.exec(mend) }
		}
	}
	for _, tt := range []struct {
		name  string
		code  mirror.Code
		human bool
		harm  func(*world) (mend func())
	}{
		{"a server that is read-only", mirror.MySQLReadOnly, false,
			sql("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0")},
		{"a lock on the state", mirror.MySQLLocked, false, lock("BEGIN; SELECT * FROM css_mirror_state FOR UPDATE")},
		{"LOCK TABLES by others", mirror.MySQLLocked, false, lock("LOCK TABLES kvData WRITE")},
		{"a constraint", mirror.TableNotQservs, true, sql("ALTER TABLE kvData ADD CONSTRAINT short CHECK (kvVal < 'zz')",
			"ALTER TABLE kvData DROP CONSTRAINT short")},
		{"a unique index", mirror.TableNotQservs, true, sql(
			"ALTER TABLE kvData ADD UNIQUE pair (kvKey, parentKvId); UPDATE css_mirror_state SET term = term + 1",
			"ALTER TABLE kvData DROP INDEX pair")},
		{"a state that is damaged", mirror.Other, false, sql(
			"UPDATE css_mirror_state SET term = term + 1; ALTER TABLE css_mirror_state DROP COLUMN owner",
			"ALTER TABLE css_mirror_state ADD COLUMN owner VARBINARY(255) NOT NULL AFTER format")},
		{"a newer format", mirror.TableNewer, true, sql("UPDATE css_mirror_state SET format = 99, term = term + 1",
			"UPDATE css_mirror_state SET format = 3")},
		{"a table of another catalogue", mirror.TableOfAnother, true, sql(
			"UPDATE css_mirror_state SET history = 'other', term = term + 1", "DELETE FROM css_mirror_state")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/DBS/a", "1")
			user := w.target.DBName
			w.once() // makes the database
			w.exec("CREATE USER " + user + "@localhost")
			w.exec("GRANT ALL ON " + user + ".* TO " + user + "@localhost")
			w.exec("REVOKE DELETE HISTORY ON " + user + ".* FROM " + user + "@localhost")
			m := w.mirror(func(c *mirror.Config) {
				c.Target = w.target.Clone()
				c.Target.User, c.Target.Passwd, c.Timeout = user, "", 2*time.Second
			})
			w.run(m)
			awaitStatus(t, m, following)
			mend := tt.harm(w)
			defer func() { mend() }()
			w.put("/DBS/a", "2", "/DBS/b", "zzz")
			s := awaitStatus(t, m, has(tt.code))
			for _, trouble := range s.Troubles {
				assert.NotEmpty(t, trouble.Text)
				assert.NotEmpty(t, trouble.Do)
			}
			assert.Equal(t, tt.human, s.Phase == mirror.Refused, "%s: %v", s.Phase, s.Err)
			mend()
			mend = func() {}
			rev := w.put("/DBS/a", "3")
			w.await(rev)
			awaitStatus(t, m, func(s mirror.Status) bool { return following(s) && len(s.Troubles) == 0 })
			w.agree()
		})
	}
}

// Rule: a server that logs statements cannot be written to, and says so by a code of its own.
func TestBinlogFormat(t *testing.T) {
	w := newWorld(t)
	createDatabase(w)
	w.setGlobal("binlog_format", "'STATEMENT'")
	var logs int
	require.NoError(t, w.sql.QueryRow("SELECT @@log_bin").Scan(&logs))
	err := mirror.ErrBinlogFormat
	if logs != 0 {
		err = w.refused(mirror.ErrBinlogFormat)
	}
	assert.Equal(t, mirror.MySQLBinlog, mirror.KindOf(err).Code)
}

// Rule: what the server sets for all sessions does not shorten what is read.
func TestSelectLimit(t *testing.T) {
	w := newWorld(t)
	createDatabase(w)
	w.setGlobal("sql_select_limit", "3")
	w.put("/DBS/a", "1", "/DBS/b", "2", "/DBS/c", "3")
	w.once()
	assert.Zero(t, w.once().Inserted)
	w.agree()
}

// Rule: each code is told once in the list, with what to do and how long it lasts.
func TestKindsAreComplete(t *testing.T) {
	seen := map[mirror.Code]bool{}
	for _, k := range mirror.Kinds() {
		assert.False(t, seen[k.Code], k.Code)
		seen[k.Code] = true
		assert.NotEmpty(t, k.Do, k.Code)
		assert.NotEmpty(t, k.Ends, k.Code)
	}
	assert.Equal(t, mirror.Other, mirror.Kinds()[len(seen)-1].Code, "what has no code of its own comes last")
}
