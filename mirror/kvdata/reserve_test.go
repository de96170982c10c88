package kvdata_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/testkit/upstream"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Rule: ids that are reserved are given to nobody else, whatever others insert meanwhile, also where they are more than
// a row can count by, and nothing else of it is left.
func TestReservedIDsAreNobodyElses(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	before := w.everything()
	_, err := w.mirror.ReserveIDs(t.Context(), 10)
	require.NoError(t, err)
	assert.Equal(t, before, w.everything())

	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	var mu sync.Mutex
	given := map[int64]bool{}
	for k := range 2 {
		others.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				result, err := w.sql.ExecContext(t.Context(), "INSERT INTO kvData (kvKey, kvVal, parentKvId) VALUES (?, '', 1)",
					fmt.Sprintf("/other%d-%d", k, i))
				if !assert.NoError(t, err) {
					return
				}
				id, err := result.LastInsertId()
				assert.NoError(t, err)
				mu.Lock()
				given[id] = true
				mu.Unlock()
			}
		})
	}
	reserved := map[int64]bool{}
	for i := range 100 {
		n := 1 + 7*i
		if i == 50 {
			n = 140_000
		}
		first, err := w.mirror.ReserveIDs(t.Context(), n)
		require.NoError(t, err)
		for id := first; id < first+int64(n); id++ {
			require.False(t, reserved[id], "%d was reserved before", id)
			reserved[id] = true
		}
	}
	stop()
	others.Wait()
	require.NotEmpty(t, given)
	for id := range given {
		require.False(t, reserved[id], "%d was reserved", id)
	}
}

// Rule: ids are not waited for while a statement of others counts, and that is said as what it is.
func TestReservingWaitsForNobody(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	first, second := w.other(), w.other()
	w.must(first, "START TRANSACTION", "INSERT INTO kvData (kvKey, kvVal, parentKvId) VALUES ('/x', '', 1)")
	done := make(chan []upstream.Outcome, 1)
	go func() { // it counts until its end, and does not end before the first one does
		done <- w.does(second, "INSERT INTO kvData (kvKey, kvVal, parentKvId) SELECT '/x', '', 1")
	}()
	require.Eventually(t, func() bool {
		_, err := w.mirror.ReserveIDs(t.Context(), 10)
		return errors.Is(err, kvdata.ErrBusy)
	}, 10*time.Second, time.Millisecond)
	w.must(first, "ROLLBACK")
	assert.Zero(t, (<-done)[0].Error)
	_, err := w.mirror.ReserveIDs(t.Context(), 10)
	require.NoError(t, err)
}
