package coordinator_test

import (
	"testing"

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
			f.Await(func() bool { return len(f.Keys("coordinator/")) == n })
			for _, name := range []string{"LSST.Object", "LSST"} { // the second time by those that stood again
				old := f.Keys("coordinator/")
				for _, key := range old {
					ok(t)(f.Etcd.Delete(t.Context(), f.CSS.Prefix()+"/"+key))
				}
				require.NoError(t, f.Begin(name, deletion.Delay(0)).Wait(f.Soon()))
				f.Await(func() bool { return len(f.Keys("coordinator/")) == n })
				require.NotSubset(t, old, f.Keys("coordinator/"))
			}
		})
	}
}
