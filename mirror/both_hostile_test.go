package mirror_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Rule: what is too large for a transaction of etcd and holds what no catalogue may hold is overruled as a whole, and
// leaves no name behind.
func TestALargeUnitThatMayNeverBeLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	table := "/DBS/a/TABLES/T"
	w.put("/DBS", "", "/DBS/a", "READY", "/DBS/a/TABLES", "", "/m", "1")
	w.shared()
	w.run(w.mirror(w.sharing))
	tx, err := w.sql.Begin()
	require.NoError(t, err)
	for _, row := range [][]any{
		{table, "DO_NOT_USE", "/DBS/a/TABLES"}, {table + "/CHUNKS", "", table}, {table + "/x//y", "", table},
	} {
		_, err := tx.Exec(insert, row...)
		require.NoError(t, err)
	}
	_, err = tx.Exec("INSERT INTO kvData (kvKey, kvVal, parentKvId) SELECT CONCAT(?, seq), '', "+
		"(SELECT kvId FROM kvData k WHERE kvKey = ?) FROM seq_1_to_300", table+"/CHUNKS/", table+"/CHUNKS")
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.Eventually(t, func() bool { return len(w.conflicts()) == 303 }, patience, 10*time.Millisecond)
	w.rest()
	assert.Empty(t, w.value(table))
	assert.NotContains(t, w.rows(), table)
}

// Rule: rows get the parent that is made anew where others removed it from above them.
func TestAParentThatOthersRemoveComesBackAboveItsRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("/DBS", "", "/DBS/a", "READY", "/DBS/a/TABLES", "", "/DBS/a/TABLES/T", "READY",
		"/DBS/a/TABLES/T/schema", "(a INT)")
	w.shared()
	w.run(w.mirror(w.sharing))
	conn, err := w.sql.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for _, statement := range []string{
		"SET foreign_key_checks = 0", "DELETE FROM kvData WHERE kvKey = '/DBS/a/TABLES'",
	} {
		_, err := conn.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return len(w.conflicts()) == 1 }, patience, 10*time.Millisecond)
	w.rest()
}
