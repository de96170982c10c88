package mirror_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Rule: a table of which a part was overruled does not become usable without it.
func TestStatusUponAnOverruledPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const table = "/DBS/a/TABLES/T"
	w.put("/DBS", "", "/DBS/a", "READY", "/DBS/a/TABLES", "", "/m", "1", "/x", "1")
	w.shared()
	m := w.mirror(w.sharing)
	w.run(m)
	awaitStatus(t, m, following)

	hold, err := w.sql.BeginTx(t.Context(), nil) // no step comes through meanwhile
	require.NoError(t, err)
	defer hold.Rollback()
	_, err = hold.Exec("SELECT kvVal FROM kvData WHERE kvId = ? FOR UPDATE", w.rows()["/m"].id)
	require.NoError(t, err)
	w.put("/m", "2")

	// createTable of upstream's, over one connection that writes something else as well
	c, err := w.sql.Conn(t.Context())
	require.NoError(t, err)
	defer c.Close()
	do := func(query string, args ...any) {
		t.Helper()
		_, err := c.ExecContext(t.Context(), query, args...)
		require.NoError(t, err)
	}
	do(insert, table, "DO_NOT_USE", "/DBS/a/TABLES")
	do(insert, table+"/schema", "(i INT)", table)
	require.Eventually(t, func() bool { return w.value(table+"/schema") != "" }, patience, time.Millisecond)
	w.put("/x", "2")
	do("START TRANSACTION")
	do("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/x'")
	do(insert, table+"/partitioning", "", table)
	do("COMMIT")
	require.Eventually(t, func() bool {
		taken, err := w.taker().Taken(t.Context())
		return err == nil && len(taken.Overruled) > 0
	}, patience, time.Millisecond)
	do("UPDATE kvData SET kvVal = 'READY' WHERE kvKey = ?", table)
	require.NoError(t, hold.Rollback())
	w.rest()
	assert.Equal(t, "DO_NOT_USE", w.value(table), "its partitioning was overruled")
	for _, c := range w.conflicts() {
		assert.Contains(t, []string{"/x", table, table + "/partitioning"}, c.Key)
	}
	assert.Len(t, w.conflicts(), 3)
}
