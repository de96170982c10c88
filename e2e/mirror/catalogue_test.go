package mirror_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/survey"
)

// sharedData is where catalogues written by upstream are, in a checkout that has them beside it.
const sharedData = "../../../shared/data"

// shared returns the path of a file of upstream's, or skips the test.
func shared(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(sharedData, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("upstream's catalogue %s is not beside this checkout; TestSurvey does the same with our own", name)
	}
	return path
}

// upstreamRow is a row of kvData without its kvId.
type upstreamRow struct{ key, value, parent string }

func tableRows(t *testing.T, db *sql.DB, schema string) []upstreamRow {
	t.Helper()
	rows, err := db.Query("SELECT c.kvKey, c.kvVal, COALESCE(p.kvKey, '(none)') FROM " + schema + ".kvData c LEFT JOIN " +
		schema + ".kvData p ON p.kvId = c.parentKvId ORDER BY c.kvKey COLLATE utf8mb3_bin")
	require.NoError(t, err)
	defer rows.Close()
	var all []upstreamRow
	for rows.Next() {
		var r upstreamRow
		require.NoError(t, rows.Scan(&r.key, &r.value, &r.parent))
		all = append(all, r)
	}
	require.NoError(t, rows.Err())
	return all
}

// load runs a file of SQL in a schema of its own.
func (w *world) load(schema, file string) {
	w.t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(w.t, err)
	cfg := w.maria.Config("")
	cfg.MultiStatements = true
	db, err := sql.Open("mysql", cfg.FormatDSN())
	require.NoError(w.t, err)
	defer db.Close()
	_, err = db.Exec("CREATE DATABASE " + schema + "; USE " + schema + "; " + string(text))
	require.NoError(w.t, err)
}

// TestUpstreamCatalogue: what upstream's own code wrote into kvData, and what we make of its dump by way of etcd, are
// the same rows with the same parents.
func TestUpstreamCatalogue(t *testing.T) {
	dump, table := shared(t, "qserv-integration-catalog.json"), shared(t, "qserv-kvData.sql")
	w := newWorld(t)
	w.do("restore", dump)
	w.do("mirror", "--once")
	w.agree()
	w.load("upstream", table)
	db := w.db()
	want := tableRows(t, db, "upstream")
	require.Len(t, want, 342)
	assert.Equal(t, want, tableRows(t, db, schema))
}

// TestTakeOver: an existing kvData that equals the catalogue is taken over without touching a row (M5).
func TestTakeOver(t *testing.T) {
	dump, table := shared(t, "qserv-integration-catalog.json"), shared(t, "qserv-kvData.sql")
	w := newWorld(t)
	w.do("restore", dump)
	w.load(schema, table)
	db := w.db()
	before, rows := kvIDs(t, db, ""), tableRows(t, db, schema)
	w.do("mirror", "--once")
	assert.Equal(t, before, kvIDs(t, db, ""))
	assert.Equal(t, rows, tableRows(t, db, schema))
	w.agree()
}

// TestSurvey does with the project's own catalogue what TestUpstreamCatalogue does with upstream's: the rows are those
// of the dump, by a reckoning of the test's own. Tables of others in the schema are left alone (M9).
func TestSurvey(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "survey.json")
	require.NoError(t, os.WriteFile(file, []byte(survey.SampleText()), 0o600))
	w.do("restore", file)
	admin, err := sql.Open("mysql", w.maria.DSN(""))
	require.NoError(t, err)
	defer admin.Close()
	for _, statement := range []string{
		"CREATE DATABASE " + schema, "CREATE TABLE " + schema + ".meridian_y1_EmptyChunks (chunkId INT NOT NULL PRIMARY KEY)",
		"INSERT INTO " + schema + ".meridian_y1_EmptyChunks VALUES (1), (7)",
	} {
		_, err = admin.Exec(statement)
		require.NoError(t, err)
	}
	w.do("mirror", "--once")
	w.agree()
	db := w.db()
	w.equalRows(db)
	var empty int
	require.NoError(t, db.QueryRow("SELECT SUM(chunkId) FROM meridian_y1_EmptyChunks").Scan(&empty))
	assert.Equal(t, 8, empty)
	var names string
	const all = "SELECT GROUP_CONCAT(TABLE_NAME ORDER BY TABLE_NAME) FROM information_schema.TABLES " +
		"WHERE TABLE_SCHEMA = DATABASE()"
	require.NoError(t, db.QueryRow(all).Scan(&names))
	assert.Equal(t, "css_mirror_empty,css_mirror_foreign,css_mirror_quarantine,css_mirror_state,kvData,"+
		"meridian_y1_EmptyChunks", names)
	again := filepath.Join(t.TempDir(), "again.json")
	w.do("dump", "-o", again)
	dumped, err := os.ReadFile(again)
	require.NoError(t, err)
	assert.Equal(t, survey.SampleText(), string(dumped), "restored and dumped again, it is the same byte for byte")
}
