package drops_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// verdict is what came of all queries.
type verdict struct {
	total  int
	counts map[string]int // by what came of them and why
	broken []result       // on tables that were gone, or on rows of others
	failed []result
	halted int           // whose czar was stopped between a check and an answer, which was right
	gap    time.Duration // the longest that any of these was
	// Of those on the table that nobody drops and on no other:
	still, stale, unexplained int
	stillBroken               []result
}

// judge reads what all czars wrote down.
func (d *drops) judge() verdict {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	v := verdict{counts: map[string]int{}}
	for i, c := range d.czars {
		for _, run := range c.files() {
			eachLine(d.t, run.results, func(line []byte) {
				var r result
				require.NoError(d.t, json.Unmarshal(line, &r))
				d.take(&v, i, r)
			})
		}
	}
	return v
}

// noticeable is a time that a statement takes only when something was stopped.
const noticeable = 500 * time.Millisecond

func (d *drops) take(v *verdict, czar int, r result) {
	v.total++
	switch r.What {
	case queryMissing, queryWrong:
		v.broken = append(v.broken, r)
		v.counts[r.What]++
	case queryFailed:
		v.failed = append(v.failed, r)
		v.counts[r.What]++
	case queryOK:
		v.counts[r.What]++
	default:
		v.counts[r.What+" ("+r.Why+")"]++
	}
	if r.What != queryMissing && r.What != queryWrong {
		v.gap = max(v.gap, r.Gap)
		if r.Gap > noticeable {
			v.halted++
		}
	}
	if !slices.Equal(r.Tables, []string{still.String()}) {
		return
	}
	v.still++
	switch {
	case r.What == queryOK:
	case r.Why == "stale" || r.Why == "closed": // a gate that closes without a proof says so
		v.stale++
		if !d.explained(czar, r.At) {
			v.unexplained++
		}
	default:
		v.stillBroken = append(v.stillBroken, r)
	}
}

// explained reports whether something kept a czar from etcd shortly before, or etcd from everyone.
func (d *drops) explained(czar int, at time.Time) bool {
	const after = 3 * time.Second // a connection comes back, a registration is made anew
	return slices.ContainsFunc(d.troubles, func(t trouble) bool {
		return (t.czar == czar || t.czar == everyone) && at.After(t.from) && at.Before(t.to.Add(after))
	})
}

// report prints what ran and fails for too little, and for what must not happen whatever was broken.
func (d *drops) report(v verdict) {
	t := d.t
	t.Logf("seed %d, %s: %d queries: %v", d.plan.seed, time.Since(d.began).Round(time.Second), v.total, v.counts)
	t.Logf("did %v", d.did)
	t.Logf("%d queries were held up between a check and the right answer, for up to %s", v.halted,
		v.gap.Round(time.Millisecond))
	t.Logf("the longest drop took %s beyond its delays, %s are allowed", d.longest.Round(time.Millisecond), d.plan.bound())
	t.Logf("on the table that nobody drops: %d queries, %d without a proof, %d of these with no trouble of their czar",
		v.still, v.stale, v.unexplained)
	assert.Empty(t, first(v.failed), "queries failed for no reason of ours")
	if d.plan.gated {
		assert.Empty(t, first(v.stillBroken), "queries on a table that nobody drops")
		assert.LessOrEqual(t, v.unexplained, 5+v.still/20, "a czar without trouble has its proof")
	}
	did := d.tally(v)
	for what, least := range d.plan.atLeast {
		assert.GreaterOrEqual(t, did[what], least, what)
	}
}

// tally counts all that was done so far.
func (d *drops) tally(v verdict) map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	did := maps.Clone(d.did)
	did[queryMissing], did[queryWrong] = v.counts[queryMissing], v.counts[queryWrong]
	did["queries"], did["queries that went well"], did["queries held up after a check"] = v.total, v.counts[queryOK],
		v.halted
	steps := func(children []*child) (n int) {
		for _, c := range children {
			for _, run := range c.files() {
				eachLine(d.t, run.trace, func([]byte) { n++ })
			}
		}
		return n
	}
	did["steps of czars"], did["steps of coordinators"] = steps(d.czars), steps(d.coordinators)
	return did
}

// awaitEnough returns when the run may end: after its time, and when all has happened as often as the plan asks for. A
// busy machine takes longer for that, up to a limit.
func (d *drops) awaitEnough(limit time.Duration) {
	time.Sleep(d.plan.lasts)
	for began := time.Now(); time.Since(began) < limit && !d.t.Failed(); time.Sleep(time.Second) {
		did, enough := d.tally(d.judge()), true
		for what, least := range d.plan.atLeast {
			enough = enough && did[what] >= least
		}
		if enough && (d.plan.gated || did[queryMissing]+did[queryWrong] > 0) {
			return
		}
	}
}

// first are a few of many.
func first(all []result) []result { return all[:min(len(all), 5)] }

// eachLine calls do for each whole line of a file: a kill may have cut the last.
func eachLine(t *testing.T, path string, do func([]byte)) {
	t.Helper()
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) { // it was killed before it had one
		return
	}
	require.NoError(t, err)
	defer file.Close()
	for r := bufio.NewReaderSize(file, 1<<16); ; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		do(line[:len(line)-1])
	}
}
