package simulation

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// TestEveryRuleIsNeededHere takes away one rule at a time, in a world that then breaks, and in which nothing goes wrong
// with it.
func TestEveryRuleIsNeededHere(t *testing.T) {
	if os.Getenv("SEARCH") != "" {
		search(t)
		return
	}
	all := protocol.Rule(0)
	for _, n := range needed {
		all |= n.rule
		if n.unseen != "" {
			t.Logf("%s cannot be shown here: %s", n.name, n.unseen)
			continue
		}
		t.Run(n.name, func(t *testing.T) {
			broken, _ := simulate(n.seed, n.rule, n.tune)
			require.NotNil(t, broken, "nothing goes wrong without it; SEARCH=1 finds another seed")
			assert.Equal(t, n.broken, broken.invariant, broken.what)
			t.Log(broken)
			kept, _ := simulate(n.seed, 0, n.tune)
			assert.Nil(t, kept, "with the rule")
		})
	}
	assert.Equal(t, protocol.OlderIsAnother<<1-1, all, "every rule is here")
}

// search prints the table anew: for each rule the first seed whose world breaks, in the way that the table says or else
// in any.
func search(t *testing.T) {
	t.Helper()
	const most = 30_000
	for _, n := range needed {
		if only := os.Getenv("RULE"); n.unseen != "" || only != "" && only != n.name {
			continue
		}
		line := n.name + ": nothing"
		for first := uint64(1); first < most; {
			broken, _ := simulateMany(first, most-first, n.rule, n.tune)
			if broken == nil {
				break
			}
			if kept, _ := simulate(broken.seed, 0, n.tune); kept == nil && (n.broken == "" || n.broken == broken.invariant) {
				line = fmt.Sprintf("\t{name: %q, rule: protocol.%s, seed: %d, broken: %q},", n.name, n.name, broken.seed,
					broken.invariant)
				break
			}
			first = broken.seed + 1
		}
		fmt.Println(line)
	}
}
