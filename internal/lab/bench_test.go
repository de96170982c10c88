package lab

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/lab/drops"
	"github.com/qserv/css-etcd/internal/lab/family"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// czarOfTest runs TestCzarProcess, which is a czar then.
var czarOfTest = []string{os.Args[0], "-test.run=^TestCzarProcess$", "-test.v=false"}

func TestCzarProcess(t *testing.T) {
	if flag.NArg() == 0 {
		t.Skip("it is for other tests")
	}
	require.NoError(t, drops.RunCzar(t.Context(), flag.Arg(0), os.Stdin, os.Stdout))
}

// What is checked here is that every benchmark does its work, compares equal work, and keeps the contract of its
// results. How long anything takes is never looked at.
func TestBenchmarksKeepTheContract(t *testing.T) {
	testkit.Long(t, "it runs each benchmark once")
	testkit.RequireMariaDB(t)
	profiles := t.TempDir()
	results, err := Run(t.Context(), Options{Sizes: rig.Quick, Czar: czarOfTest, Profiles: profiles,
		Progress: func(line string) { t.Log(line) }})
	require.NoError(t, err)

	var text bytes.Buffer
	require.NoError(t, measure.WriteJSON(&text, results))
	var list []map[string]any
	require.NoError(t, json.Unmarshal(text.Bytes(), &list))
	var names []string
	for _, r := range list {
		names = append(names, r["name"].(string))
		for _, member := range []string{"name", "unit", "goal", "versus"} {
			assert.NotEmpty(t, r[member], "%s of %s", member, r["name"])
			assert.IsType(t, "", r[member])
		}
		for _, member := range []string{"ours", "peer", "ratio"} {
			assert.Positive(t, r[member].(float64), "%s of %s", member, r["name"])
		}
		assert.IsType(t, true, r["ok"])
		assert.Regexp(t, `^(>=|<=) [0-9.]+$`, r["goal"])
		samples := r["samples"].(map[string]any)
		assert.Len(t, samples["ours"], rig.Quick.Rounds)
		assert.Len(t, samples["peer"], rig.Quick.Rounds)
	}
	assert.Equal(t, []string{
		"table-read-vs-etcd-get", "table-read-vs-mysql",
		"propagation-vs-watch", "propagation-vs-watch-p99", "propagation-vs-watch-3", "propagation-vs-watch-3-p99",
		"http-read", "watch-fanout", "watch-fanout-p99",
		"mirror-load-vs-insert", "mirror-lag-vs-floor", "mirror-lag-vs-floor-p99",
		"mirror-update", "mirror-delete", "resync-equal", "resync-equal-check",
		"inbound-lag", "inbound-load", "import-1M", "empty-chunks", "placement",
		"inventory-propagation", "inventory-propagation-p99", "shm-read",
		"drop-vs-statements-etcd", "drop-vs-statements-mysql",
		"gate-admit", "gate-admit-all-cores", "agent-may-dispatch", "drop-latency", "etcd-writes",
		"drops-at-once", "drops-at-once-czar",
		"memory-same-schema", "load-vs-stream", "memory-per-key", "dump-vs-json", "diff-vs-json",
		"growth-read", "growth-update", "growth-load",
		"names-at-1M-databases", "names-at-1M-tables", "names-at-1M-nodes", "names-at-1M-table", "names-at-1M-node-delete",
		"drop-begin", "drop-begin-director",
	}, names)
	same := results[slices.Index(names, "memory-same-schema")]
	assert.InDelta(t, family.Tables, same.Ours, 0, "one parsed schema for each table of the family")
	assert.InDelta(t, 2, same.Also[0].Value, 0, "two, once one database differs")
}
