package mirror_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Rule: no statement of others, meant for one key, ends in the row of another key that the mirror makes meanwhile, as
// it does where both are given one id.
func TestNewRowsOfBothSidesHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	const revisions, keys = 60, 20
	w := newWorld(t)
	w.put("/a", "", "/b", "")
	w.shared()
	m := w.mirror(w.sharing)
	w.run(m)
	awaitStatus(t, m, following)
	parent := w.rows()["/b"].id
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for k := range 4 {
		others.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Sprintf("/b/%d-%d", k, i)
				_, err := w.sql.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO kvData (kvKey, kvVal, parentKvId) "+
					"VALUES ('%[1]s', '%[1]s', '%[2]d') ON DUPLICATE KEY UPDATE kvVal='%[1]s'", key, parent))
				if err == nil && i%20 > 0 { // a large table would only cost time
					_, err = w.sql.ExecContext(t.Context(), "DELETE FROM kvData WHERE kvKey = ?", key)
				}
				if !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	for n := range revisions {
		var puts []string
		for i := range keys {
			key := fmt.Sprintf("/a/%d-%d", n, i)
			puts = append(puts, key, key)
		}
		w.await(w.put(puts...))
	}
	stop()
	others.Wait()
	w.rest()
	for key, r := range w.rows() {
		if strings.HasPrefix(key, "/a/") || strings.HasPrefix(key, "/b/") {
			require.Equal(t, key, r.value, "each key holds its own name")
		}
	}
	assert.Empty(t, w.conflicts())
}
