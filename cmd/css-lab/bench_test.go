package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/testkit"
)

// The figures are those of a run that is far too short and never looked at.
func TestBenchPrintsJSONAndTable(t *testing.T) {
	testkit.Long(t, "it starts servers for benchmarks")
	testkit.RequireMariaDB(t)
	p, stdout, stderr, clean := demoProgram(t)
	require.Equal(t, cli.ExitOK, p.Run(t.Context(), []string{"bench", "drop-vs", "--quick", "-w", "json"}), stderr)
	var results []map[string]any
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &results))
	require.Len(t, results, 2)
	for _, r := range results {
		for _, member := range []string{"name", "unit", "ours", "peer", "ratio", "goal", "ok", "samples"} {
			assert.Contains(t, r, member)
		}
	}
	assert.Contains(t, stderr.String(), "drop-vs-statements: warm-up", "progress is told")

	stdout.Reset()
	require.Equal(t, cli.ExitOK, p.Run(t.Context(), []string{"bench", "drop-vs-statements-etcd", "--quick", "-w",
		"table"}), stderr)
	inOrder(t, stdout.String(), []string{`NAME +OURS +PEER +RATIO +GOAL`,
		`drop-vs-statements-etcd .* >= 20 +(reached|missed)`})
	clean()
}

func TestBenchRefusesWhatItDoesNotHave(t *testing.T) {
	for _, args := range [][]string{{"bench", "nonsense"}, {"bench", "--long", "--quick"}} {
		p, stdout, stderr, clean := demoProgram(t)
		assert.Equal(t, cli.ExitInvalid, p.Run(t.Context(), args))
		assert.Empty(t, stdout.String())
		assert.Contains(t, stderr.String(), "css-lab: bench: ")
		clean()
	}
}
