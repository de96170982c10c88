package coordinator_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion"
)

// Coordinators whose election keys are deleted while their leases live stand again by themselves, and drops go on.
func TestElectionKeysAreDeleted(t *testing.T) {
	for name, n := range map[string]int{"of the only one": 1, "of two": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			for range n {
				f.Coordinate()
			}
			require.Eventually(t, func() bool { return len(f.Keys("coordinator/")) == n }, within, 10*time.Millisecond)
			for _, name := range []string{"LSST.Object", "LSST"} { // the second time by those that stood again
				old := f.Keys("coordinator/")
				for _, key := range old {
					_, err := f.Etcd.Delete(t.Context(), f.CSS.Prefix()+"/"+key)
					require.NoError(t, err)
				}
				drop, err := f.Begin(name, deletion.Delay(0))
				require.NoError(t, err)
				require.NoError(t, drop.Wait(f.Soon()))
				require.Eventually(t, func() bool { return len(f.Keys("coordinator/")) == n }, within, 10*time.Millisecond)
				require.NotSubset(t, old, f.Keys("coordinator/"))
			}
		})
	}
}
