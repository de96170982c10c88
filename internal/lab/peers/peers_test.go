package peers

import (
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func newRig(t *testing.T) *rig.Rig {
	t.Helper()
	testkit.RequireMariaDB(t)
	r := &rig.Rig{Sizes: rig.Quick, Bench: measure.Bench{Progress: func(line string) { t.Log(line) }}}
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
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
	db, err := r.SQL(t.Context(), rig.OursDB)
	require.NoError(t, err)
	dump := survey.Large(survey.LargeTableKeys + 100)
	css, err := r.Catalogue(t.Context(), dump)
	require.NoError(t, err)
	view, err := r.View(t.Context(), css)
	require.NoError(t, err)
	m, err := r.Mirror(t.Context(), css, view)
	require.NoError(t, err)
	_, err = m.Once(t.Context())
	require.NoError(t, err)

	names := []string{"Com_select", "Com_delete", "Com_begin", "Com_commit", "Com_admin_commands"}
	before := counters(t, db, names...)
	table := survey.LargeTable(0)
	require.NoError(t, WithUpstream(t.Context(), db, func(u *Upstream) error {
		err := u.Drop(t.Context(), "/DBS/"+table.DB+"/TABLES/"+table.Table)
		assert.Equal(t, 18_023, u.Statements)
		assert.Equal(t, 30_037, u.Pings)
		return err
	}))
	after := counters(t, db, names...)
	for name, want := range map[string]int{
		"Com_select": 12_014, "Com_delete": 6_007, "Com_begin": 1, "Com_commit": 1, "Com_admin_commands": 30_037,
	} {
		assert.Equal(t, want, after[name]-before[name], name)
	}
	left, err := fingerprintOf(t.Context(), db, rig.OursDB)
	require.NoError(t, err)
	assert.Equal(t, dump.Len()+1-survey.LargeTableKeys, left.rows)
}

// Upstream was observed to read a table with one START TRANSACTION, one SELECT, one COMMIT and 25 pings.
func TestUpstreamReadsATableAsObserved(t *testing.T) {
	r := newRig(t)
	d, err := r.Busy(t.Context())
	require.NoError(t, err)
	db, err := r.SQL(t.Context(), rig.OursDB)
	require.NoError(t, err)
	m, err := r.Mirror(t.Context(), d.CSS, d.View)
	require.NoError(t, err)
	_, err = m.Once(t.Context())
	require.NoError(t, err)

	names := []string{"Com_select", "Com_begin", "Com_commit", "Com_admin_commands"}
	before := counters(t, db, names...)
	name := cssetcd.TableName{DB: "survey_release_001", Table: "Measurement_03"}
	require.NoError(t, WithUpstream(t.Context(), db, func(u *Upstream) error {
		have, err := u.TableParams(t.Context(), name.DB, name.Table)
		assert.Equal(t, 3, u.Statements)
		assert.Equal(t, 25, u.Pings)
		below := "/DBS/survey_release_001/TABLES/Measurement_03/"
		assert.Len(t, have, 3)
		assert.Contains(t, have[below+"partitioning/.packed.json"], `"dirDb":"survey_release_001"`)
		assert.Contains(t, have[below+"sharedScan/.packed.json"], `"lockInMem":"1"`)
		assert.Contains(t, have, below+"partitioning")
		return err
	}))
	after := counters(t, db, names...)
	for name, want := range map[string]int{"Com_select": 1, "Com_begin": 1, "Com_commit": 1, "Com_admin_commands": 25} {
		assert.Equal(t, want, after[name]-before[name], name)
	}
}

// The floor would be no measure for the mirror if it sent other statements.
func TestFloorSendsWhatTheMirrorSends(t *testing.T) {
	r := newRig(t)
	dump := survey.Large(survey.SmallestLarge)
	css, err := r.Catalogue(t.Context(), dump)
	require.NoError(t, err)
	view, err := r.View(t.Context(), css)
	require.NoError(t, err)
	db, err := r.SQL(t.Context(), rig.PeerDB)
	require.NoError(t, err)
	table := survey.LargeTable(0)
	key := "/DBS/" + table.DB + "/TABLES/" + table.Table + "/schema"
	const marker = "(theNewSchema INT)"

	require.NoError(t, r.Mirrored(t.Context(), css, view, func(ctx context.Context) error {
		f, err := NewFloor(ctx, db, Rows(dump), key)
		require.NoError(t, err)
		defer f.Conn.Close()
		return f.Following(ctx, css.Etcd(), func(ctx context.Context) error {
			require.NoError(t, execAll(ctx, db, "SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = ON"))
			for _, etcdKey := range []string{css.Prefix() + "/css" + key, FloorKey} {
				_, err := css.Etcd().Put(ctx, etcdKey, marker)
				require.NoError(t, err)
			}
			for _, database := range []string{rig.OursDB, rig.PeerDB} {
				conn, err := db.Conn(ctx)
				require.NoError(t, err)
				require.NoError(t, AwaitValue(ctx, conn, "SELECT kvVal FROM "+database+".kvData WHERE kvKey = ?", key, marker))
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
