package bench

import (
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/internal/testkit"
)

func newRig(t *testing.T) *Rig {
	t.Helper()
	testkit.RequireMariaDB(t)
	r := &Rig{Sizes: Quick, grown: &grown{}, progress: func(line string) { t.Log(line) }}
	t.Cleanup(func() { assert.NoError(t, r.close()) })
	return r
}

// counters returns what the server has counted.
func counters(t *testing.T, db *sql.DB, names ...string) map[string]int {
	t.Helper()
	counted := map[string]int{}
	for _, name := range names {
		var key string
		var n int
		require.NoError(t, db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&key, &n))
		counted[name] = n
	}
	return counted
}

// Upstream was observed to send, for a table of 6,007 rows: 12,014 SELECT, 6,007 DELETE, one START TRANSACTION, one
// COMMIT and 30,037 pings.
func TestUpstreamSendsWhatWasObserved(t *testing.T) {
	r := newRig(t)
	db, err := r.SQL(t.Context(), oursDB)
	require.NoError(t, err)
	dump := survey.Large(survey.LargeTableKeys + 100)
	css, err := r.Catalogue(t.Context(), dump)
	require.NoError(t, err)
	view, err := r.View(t.Context(), css)
	require.NoError(t, err)
	m, err := r.newMirror(t.Context(), css, view)
	require.NoError(t, err)
	_, err = m.Once(t.Context())
	require.NoError(t, err)

	names := []string{"Com_select", "Com_delete", "Com_begin", "Com_commit", "Com_admin_commands"}
	before := counters(t, db, names...)
	table := survey.LargeTable(0)
	require.NoError(t, withUpstream(t.Context(), db, func(u *upstream) error {
		err := u.drop(t.Context(), "/DBS/"+table.DB+"/TABLES/"+table.Table)
		assert.Equal(t, 18_023, u.statements)
		assert.Equal(t, 30_037, u.pings)
		return err
	}))
	after := counters(t, db, names...)
	for name, want := range map[string]int{
		"Com_select": 12_014, "Com_delete": 6_007, "Com_begin": 1, "Com_commit": 1, "Com_admin_commands": 30_037,
	} {
		assert.Equal(t, want, after[name]-before[name], name)
	}
	left, err := fingerprintOf(t.Context(), db, oursDB)
	require.NoError(t, err)
	assert.Equal(t, dump.Len()+1-survey.LargeTableKeys, left.rows)
}

// The floor would be no measure for the mirror if it sent other statements.
func TestFloorSendsWhatTheMirrorSends(t *testing.T) {
	r := newRig(t)
	dump := survey.Large(survey.SmallestLarge)
	css, err := r.Catalogue(t.Context(), dump)
	require.NoError(t, err)
	view, err := r.View(t.Context(), css)
	require.NoError(t, err)
	db, err := r.SQL(t.Context(), peerDB)
	require.NoError(t, err)
	table := survey.LargeTable(0)
	key := "/DBS/" + table.DB + "/TABLES/" + table.Table + "/schema"
	const marker = "(theNewSchema INT)"

	require.NoError(t, r.following(t.Context(), css, view, func(ctx context.Context) error {
		f, err := newFloor(ctx, db, kvRows(dump), key)
		require.NoError(t, err)
		defer f.conn.Close()
		return f.following(ctx, r.etcd, func(ctx context.Context) error {
			require.NoError(t, execAll(ctx, db, "SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = ON"))
			for _, etcdKey := range []string{css.Prefix() + "/css" + key, floorKey} {
				_, err := r.etcd.Put(ctx, etcdKey, marker)
				require.NoError(t, err)
			}
			for _, database := range []string{oursDB, peerDB} {
				conn, err := db.Conn(ctx)
				require.NoError(t, err)
				require.NoError(t, awaitValue(ctx, conn, "SELECT kvVal FROM "+database+".kvData WHERE kvKey = ?", key, marker))
				require.NoError(t, conn.Close())
			}
			require.NoError(t, execAll(ctx, db, "SET GLOBAL general_log = OFF"))
			shapes := transactions(t, db, marker)
			require.Len(t, shapes, 2, "one transaction of the mirror, one of the floor")
			assert.Equal(t, shapes[0], shapes[1])
			assert.Len(t, shapes[0], 4, "begin, fence, update, commit")
			return nil
		})
	}))
}

func execAll(ctx context.Context, db *sql.DB, statements ...string) error {
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// transactions returns the logged statements of each connection that wrote the marker, without their values.
func transactions(t *testing.T, db *sql.DB, marker string) (shapes [][]string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(),
		"SELECT thread_id, CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE command_type = 'Query' ORDER BY "+
			"event_time")
	require.NoError(t, err)
	defer rows.Close()
	values := regexp.MustCompile(`'[^']*'|\b\d+\b`)
	byThread, writers := map[int][]string{}, []int{}
	for rows.Next() {
		var thread int
		var statement string
		require.NoError(t, rows.Scan(&thread, &statement))
		if strings.HasPrefix(statement, "UPDATE") && strings.Contains(statement, marker) {
			writers = append(writers, thread)
		}
		shape := strings.Join(strings.Fields(values.ReplaceAllString(statement, "?")), " ")
		byThread[thread] = append(byThread[thread], shape)
	}
	require.NoError(t, rows.Err())
	slices.Sort(writers)
	for _, thread := range slices.Compact(writers) {
		shapes = append(shapes, byThread[thread])
	}
	return shapes
}
