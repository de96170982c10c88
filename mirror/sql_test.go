package mirror_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror"
)

// Rule: a statement that check --print-sql prints does nothing to a row that has changed since.
func TestPrintedSQLNamesTheRow(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	w.once()
	w.exec("INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/new', 'theirs')")
	report, err := mirror.Check(t.Context(), w.target, w.client)
	require.NoError(t, err)
	w.put("/DBS/new", "READY")
	w.once()
	for _, statement := range report.SQL() {
		w.exec(statement)
	}
	assert.Equal(t, "READY", w.rows()["/DBS/new"].value)
}

// Rule: the printed statements do the same whatever character set and modes a session has.
func TestPrintedSQLMeansTheSameEverywhere(t *testing.T) {
	for name, session := range map[string]string{
		"as it is": "DO 0", "latin1": "SET NAMES latin1", "backslashes": "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/DBS/a", `it's \ é`, "/DBS/gone'é\\", "1")
			w.once()
			w.exec("DELETE FROM kvData WHERE kvKey LIKE '/DBS/gone%'")
			w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/DBS/a'")
			report, err := mirror.Check(t.Context(), w.target, w.client)
			require.NoError(t, err)
			conn, err := w.sql.Conn(t.Context())
			require.NoError(t, err)
			defer conn.Close()
			for _, statement := range append([]string{session}, report.SQL()...) {
				_, err := conn.ExecContext(t.Context(), statement)
				assert.NoError(t, err, statement)
			}
			report, err = mirror.Check(t.Context(), w.target, w.client)
			require.NoError(t, err)
			assert.Empty(t, report.Differences)
		})
	}
}
