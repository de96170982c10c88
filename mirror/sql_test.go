package mirror_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror"
)

// FAULT the statement that check --print-sql prints for a row of others deletes the row also when it has become one of
// the catalogue: DELETE looks at kvId and key, and not at the hash.
func TestPrintedSQLDeletesARowThatIsRight(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "1")
	w.once()
	w.exec("INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/new', 'theirs')")
	report, err := mirror.Check(t.Context(), w.target, w.client)
	require.NoError(t, err)
	w.put("/DBS/new", "READY")
	w.once()
	for _, statement := range report.SQL {
		w.exec(statement)
	}
	assert.Equal(t, "READY", w.rows()["/DBS/new"].value)
}

// FAULT the printed statements are text in the connection's character set with backslash escapes. In a client that
// says latin1 they write wrong keys and values without an error; with NO_BACKSLASH_ESCAPES they are no SQL.
func TestPrintedSQLDependsOnTheSession(t *testing.T) {
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
			for _, statement := range append([]string{session}, report.SQL...) {
				_, err := conn.ExecContext(t.Context(), statement)
				assert.NoError(t, err, statement)
			}
			report, err = mirror.Check(t.Context(), w.target, w.client)
			require.NoError(t, err)
			assert.Empty(t, report.Differences)
		})
	}
}
