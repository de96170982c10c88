package sqldrop_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const patience = time.Minute

var worlds atomic.Int64

// world is a schema on a server, and someone who looks at it.
type world struct {
	t        testing.TB
	config   *mysql.Config
	sql      *sql.DB
	database string
	next     cssetcd.Revision // of an incarnation
}

// newWorld returns a schema that does not exist yet on the server of all tests.
func newWorld(t testing.TB) *world {
	t.Helper()
	return worldOn(t, testkit.SharedMariaDB(t))
}

func worldOn(t testing.TB, server *mariadbd.Server) *world {
	t.Helper()
	config := server.Config("")
	w := &world{t: t, config: config, sql: openSQL(t, config), next: 1000}
	w.anew()
	return w
}

// anew goes on with another schema.
func (w *world) anew() { w.database = fmt.Sprintf("LSST%d", worlds.Add(1)) }

func openSQL(t testing.TB, config *mysql.Config) *sql.DB {
	t.Helper()
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	_, err := w.sql.ExecContext(w.t.Context(), query, args...)
	require.NoError(w.t, err)
}

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// in returns a name with the world's schema.
func (w *world) in(table string) string { return quoted(w.database) + "." + quoted(table) }

// create makes tables with a row each, and the schema where it is missing.
func (w *world) create(tables ...string) {
	w.t.Helper()
	w.exec("CREATE DATABASE IF NOT EXISTS " + quoted(w.database))
	for _, table := range tables {
		w.exec("CREATE TABLE " + w.in(table) + " (a INT) ENGINE=MyISAM AS SELECT 7 AS a")
	}
}

// tables returns the names in the world's schema, in order.
func (w *world) tables() []string { return w.namesIn(w.database, "%") }

func (w *world) namesIn(schema, like string) []string {
	w.t.Helper()
	rows, err := w.sql.QueryContext(w.t.Context(),
		"SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME LIKE ?", schema, like)
	require.NoError(w.t, err)
	defer rows.Close()
	names := []string{}
	for rows.Next() {
		var name string
		require.NoError(w.t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(w.t, rows.Err())
	slices.Sort(names)
	return names
}

// intact checks that the schema holds exactly these tables, each with its row.
func (w *world) intact(tables ...string) {
	w.t.Helper()
	require.ElementsMatch(w.t, tables, w.tables())
	for _, table := range tables {
		var a int
		require.NoError(w.t, w.sql.QueryRowContext(w.t.Context(), "SELECT SUM(a) FROM "+w.in(table)).Scan(&a))
		require.Equal(w.t, 7, a)
	}
}

// job returns the drop of a new incarnation of tables.
func (w *world) job(chunkLevel int, tables ...string) coordinator.Job {
	w.next++
	job := coordinator.Job{Database: w.database, Incarnation: w.next, Mark: w.next + 100_000}
	for _, table := range tables {
		job.Tables = append(job.Tables, coordinator.JobTable{Table: table, Incarnation: w.next, ChunkLevel: chunkLevel})
	}
	return job
}

// marked checks that the markers of a job's tables are spent.
func (w *world) marked(job coordinator.Job) {
	w.t.Helper()
	for _, table := range job.Tables {
		fence, spent, _ := sqldrop.Names(job.Database, table)
		require.Equal(w.t, []string{spent}, w.namesIn(sqldrop.Markers, spent))
		require.Empty(w.t, w.namesIn(sqldrop.Markers, fence))
	}
}

// dropper returns a Dropper for the world's server, which does not wait long.
func (w *world) dropper(change ...func(*sqldrop.Config)) *sqldrop.Dropper {
	w.t.Helper()
	config := sqldrop.Config{Servers: []*mysql.Config{w.config}, LockWait: 5 * time.Second}
	for _, f := range change {
		f(&config)
	}
	d, err := sqldrop.New(config)
	require.NoError(w.t, err)
	return d
}

func (w *world) drop(job coordinator.Job) {
	w.t.Helper()
	require.NoError(w.t, w.dropper().Drop(w.t.Context(), job))
}

// setGlobal sets a variable of the server for the length of the test.
func (w *world) setGlobal(name, value string) {
	w.t.Helper()
	var old string
	require.NoError(w.t, w.sql.QueryRowContext(w.t.Context(), "SELECT @@GLOBAL."+name).Scan(&old))
	w.exec("SET GLOBAL " + name + " = " + value)
	w.t.Cleanup(func() {
		_, err := w.sql.Exec("SET GLOBAL " + name + " = " + old)
		assert.NoError(w.t, err)
	})
}
