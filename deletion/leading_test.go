package deletion_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

// Coordinators whose election keys are deleted while their leases live stand again by themselves, and drops go on.
func TestElectionKeysAreDeleted(t *testing.T) {
	for name, n := range map[string]int{"of the only one": 1, "of two": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			for range n {
				f.coordinate()
			}
			require.Eventually(t, func() bool { return len(f.keys("coordinator/")) == n }, within, 10*time.Millisecond)
			for _, name := range []string{"LSST.Object", "LSST"} { // the second time by those that stood again
				old := f.keys("coordinator/")
				for _, key := range old {
					_, err := f.etcd.Delete(t.Context(), f.css.Prefix()+"/"+key)
					require.NoError(t, err)
				}
				drop, err := f.begin(name, deletion.Delay(0))
				require.NoError(t, err)
				require.NoError(t, drop.Wait(f.soon()))
				require.Eventually(t, func() bool { return len(f.keys("coordinator/")) == n }, within, 10*time.Millisecond)
				require.NotSubset(t, old, f.keys("coordinator/"))
			}
		})
	}
}

// begin begins to drop what a name says.
func (f *fleet) begin(name string, opts ...deletion.Option) (*deletion.Drop, error) {
	if n, err := cssetcd.ParseTableName(name); err == nil {
		return f.DropTable(f.t.Context(), n, opts...)
	}
	return f.DropDatabase(f.t.Context(), name, opts...)
}
