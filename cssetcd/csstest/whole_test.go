package csstest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
)

// storedInEtcd is everything below a prefix.
func storedInEtcd(t *testing.T, c *cssetcd.Client) map[string]string {
	t.Helper()
	got, err := Etcd().Get(t.Context(), c.Prefix()+"/", clientv3.WithPrefix())
	require.NoError(t, err)
	all := map[string]string{}
	for _, e := range got.Kvs {
		all[strings.TrimPrefix(string(e.Key), c.Prefix()+"/")] = string(e.Value)
	}
	return all
}

// TestOrphansAreFound: the look at the whole catalogue finds each thing that it is there to find.
func TestOrphansAreFound(t *testing.T) {
	h := Harness{Open: func(t *testing.T) *cssetcd.Client { return New(t) }, Stored: storedInEtcd}
	for name, c := range map[string]struct {
		deleted, put string // below the prefix
		finds        string
	}{
		"nothing":                       {"", "", ""},
		"a table without its database":  {"css/DBS/lsst", "", "/DBS/lsst/TABLES has no parent"},
		"a chunk without its table":     {"css/DBS/lsst/TABLES/Object", "", "/DBS/lsst/TABLES/Object/CHUNKS has no parent"},
		"a replica without its node":    {"css/NODES/worker-1", "", "no such node"},
		"a spelling of nothing":         {"", "fold/dbs/lsst/tables/gone=/DBS/lsst/TABLES/Gone", "which is not there"},
		"a spelling in the wrong place": {"", "fold/dbs/other=/DBS/lsst", "which is not there"},
		"a name without its spelling":   {"fold/nodes/worker-2", "", "the spelling of /NODES/worker-2 is not kept"},
		"a reference to nothing":        {"", "ref/worker-9=", "is of no node"},
		"something unknown":             {"", "unknown=", "nobody knows"},
		"a chunk without replicas": {"", "css/DBS/lsst/TABLES/Object/CHUNKS/9=",
			"chunk 9 of lsst.Object has no replica"},
		"a value that cannot be read": {"", "css/DBS/lsst/.packed.json=x", "/DBS/lsst/.packed.json"},
	} {
		t.Run(name, func(t *testing.T) {
			client := filled(t, h)
			ok(t)(client.AddChunk(t.Context(), object, 1, "worker-1"))
			if c.deleted != "" {
				_, err := Etcd().Delete(t.Context(), client.Prefix()+"/"+c.deleted)
				require.NoError(t, err)
			}
			if key, value, given := strings.Cut(c.put, "="); given {
				_, err := Etcd().Put(t.Context(), client.Prefix()+"/"+key, value)
				require.NoError(t, err)
			}
			faults := strings.Join(h.orphans(t, client), "\n")
			if c.finds == "" {
				assert.Empty(t, faults)
			}
			assert.Contains(t, faults, c.finds)
		})
	}
}

// TestConformanceThroughItsOwnDoor runs the suite as another module would.
func TestConformanceThroughItsOwnDoor(t *testing.T) {
	h := Harness{Open: func(t *testing.T) *cssetcd.Client { return New(t) }, Operations: 500}
	TestWriters(t, h)
}
