//go:build explore

package deletion

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wrongs are lines of the gate in another order, or without one of them, each of which the exploration has to find.
var wrongs = []struct{ name, file, was, becomes string }{
	{"counted before it is blocked", "slot.go", `return protocol.UseCount(s.count.Or(uint64(by))).Queries()`,
		`n := s.queries(); now := protocol.UseCount(s.count.Or(uint64(by))).Queries(); if MUTATED { return n }; return now`},
	{"a database is blocked in one table only", "slot.go", `if t.block(by) > 0 {`,
		`if MUTATED && len(used) > 0 { break }; if t.block(by) > 0 {`},
	{"a new count over what is blocked", "slot.go", `if !ok {`,
		`if MUTATED { next, ok = protocol.UseCount(old)+1, true }; if !ok {`},
	{"a release that tells nobody", "slot.go", `return next.Blocked()`, `return next.Blocked() && !MUTATED`},
	{"seen before it is blocked", "registrar.go", `r.step(ctx, e)
	r.queries.seen.Store(s)`, `if MUTATED { r.queries.seen.Store(s) }; r.step(ctx, e); r.queries.seen.Store(s)`},
	{"the proof before the queries are told", "registrar.go", `if lost {`, `if lost || MUTATED {`},
	{"a lost proof is not published", "registrar.go", `r.publish()
	}
	var drained`, `if !MUTATED { r.publish() }
	}
	var drained`},
	{"leaves while queries run", "registrar.go", `|| r.queries.slots.total() > 0 {`,
		`|| r.queries.slots.total() > 0 && !MUTATED {`},
	{"seen is read after the count", "admit.go", `now != seen {`,
		`(MUTATED && now != g.seen.Load()) || (!MUTATED && now != seen) {`},
	{"the fence is read before the count", "admit.go", `seen := g.seen.Load()`,
		`early := g.fence.Load(); seen := g.seen.Load()`},
	{"the fence is read before the count", "admit.go", `fence := g.fence.Load()`,
		`fence := g.fence.Load(); if MUTATED { fence = early }`},
	{"closing is read before the count", "admit.go", `r.gate = &g.admission`,
		`closed := g.closing.Load(); r.gate = &g.admission`},
	{"closing is read before the count", "admit.go", `case g.closing.Load():
		r.uncount()`, `case MUTATED && closed, !MUTATED && g.closing.Load():
		r.uncount()`},
	{"a refused query stays counted", "admit.go", `if err := refusalIn(now, t); err != nil {
				r.uncount()`, `if err := refusalIn(now, t); err != nil {
				if !MUTATED { r.uncount() }`},
	{"told is read after the count", "ref.go", `r.used[r.n] = u`,
		`if MUTATED { u.aborts = table.aborts.Load() }; r.used[r.n] = u`},
	{"the fence is read after what it was told", "ref.go", `fence := r.gate.fence.Load()
	stopped, aborted := r.gate.stopped.Load(), r.aborted()`, `fence := r.gate.fence.Load()
	stopped, aborted := r.gate.stopped.Load(), r.aborted()
	if MUTATED { fence = r.gate.fence.Load() }`},
	{"who closes is asked before the release", "ref.go", `awaited := false`,
		`closing := r.gate.closing.Load(); awaited := false`},
	{"who closes is asked before the release", "ref.go", `awaited || r.gate.closing.Load()`,
		`awaited || MUTATED && closing || !MUTATED && r.gate.closing.Load()`},
	{"each copy is released", "ref.go", `if state>>1 != r.generation {`, `if state>>1 != r.generation && !MUTATED {`},
	{"a copy is released by a look and not a swap", "ref.go",
		`if !r.stub.state.CompareAndSwap(state, (r.generation+1)<<1) {`,
		`if MUTATED { r.stub.state.CompareAndSwap(r.stub.state.Load(), (r.generation+1)<<1) } else if !r.stub.state.CompareAndSwap(state, (r.generation+1)<<1) {`},
	{"a watch is not noted", "ref.go", `CompareAndSwap(state, state|watched)`,
		`CompareAndSwap(state, state|map[bool]uint64{false: watched}[MUTATED])`},
	{"a watch is not looked at when it is made", "ref.go", `ws.tell(w) // it`, `if !MUTATED { ws.tell(w) } // it`},
}

// inside is set where the wrong lines are built in.
const inside = "DELETION_EXPLORE_MUTANTS"

// The exploration finds each of the orders that are wrong. They are built in behind a switch, all at once.
func TestExploreFindsWhatIsWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the package anew")
	}
	dir := t.TempDir()
	texts := map[string]string{}
	for _, w := range wrongs {
		if texts[w.file] == "" {
			text, err := os.ReadFile(w.file)
			require.NoError(t, err)
			texts[w.file] = string(text)
		}
	}
	replace := map[string]string{}
	for i, w := range wrongs {
		require.Equal(t, 1, strings.Count(texts[w.file], w.was), "%s: where in %s?", w.name, w.file)
		mark := "\x00" + string(rune('A'+i)) // nothing that another one looks for
		texts[w.file] = strings.Replace(texts[w.file], w.was, mark, 1)
	}
	for i, w := range wrongs {
		texts[w.file] = strings.Replace(texts[w.file], "\x00"+string(rune('A'+i)), strings.ReplaceAll(w.becomes, "MUTATED",
			`mutated("`+w.name+`")`), 1)
	}
	for file, text := range texts {
		changed := filepath.Join(dir, file)
		require.NoError(t, os.WriteFile(changed, []byte(text), 0o600))
		real, err := filepath.Abs(file)
		require.NoError(t, err)
		replace[real] = changed
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	file := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, overlay, 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "test", "-tags", "explore", "-overlay", file, "-run",
		"^TestExploredMutants$", "-count=1", "-v", ".")
	cmd.Env = append(os.Environ(), inside+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, w := range wrongs {
		assert.Contains(t, string(out), w.name+": found")
	}
}

func TestExploredMutants(t *testing.T) {
	if os.Getenv(inside) == "" {
		t.Skip("it is run by TestExploreFindsWhatIsWrong, where the wrong lines are built in")
	}
	s := showsOf(t)
	defer func() { mutant = "" }()
	for _, w := range wrongs {
		if mutant == w.name {
			continue
		}
		mutant = w.name
		found := ""
		for _, one := range scenarios {
			if found = (&explorer{}).explore(func(x *explorer) func() { return one.setUp(s.explorable(t, x)) }); found != "" {
				t.Logf("%s: found in %q: %s", w.name, one.name, found)
				break
			}
		}
		assert.NotEmpty(t, found, w.name)
	}
}
