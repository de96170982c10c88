package simulation

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/testkit"
)

// simulate runs the schedule of a seed. A panic is a failure as any other.
func simulate(seed uint64, without protocol.Rule, tune func(*world)) (broken *failure, done counts) {
	w := newWorld(seed, without, nil)
	defer func() {
		if p := recover(); p != nil {
			broken = &failure{"panic", fmt.Sprintf("%v\n%s", p, debug.Stack()), seed}
		}
	}()
	if tune != nil {
		tune(w)
	}
	broken = w.run()
	return broken, w.counts
}

// simulateMany runs the schedules of the seeds from first on, on all processors, until one breaks. It returns the
// failure of the smallest seed that broke.
func simulateMany(first, n uint64, without protocol.Rule, tune func(*world)) (*failure, counts) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // worlds are small and short
	var next, stop atomic.Uint64
	next.Store(first)
	stop.Store(first + n)
	var mu sync.Mutex
	var sum counts
	var worst *failure
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			var mine counts
			for {
				seed := next.Add(1) - 1
				if seed >= stop.Load() {
					break
				}
				broken, done := simulate(seed, without, tune)
				mine.add(done)
				if broken != nil {
					mu.Lock()
					if worst == nil || seed < worst.seed {
						worst = broken
						stop.Store(seed)
					}
					mu.Unlock()
				}
			}
			mu.Lock()
			sum.add(mine)
			mu.Unlock()
		})
	}
	all.Wait()
	return worst, sum
}

// TestSchedules runs many worlds. SEED=n runs one of them alone and prints all that happens in it,
// with WITHOUT=rule less a rule.
func TestSchedules(t *testing.T) {
	if text := os.Getenv("SEED"); text != "" {
		replay(t, text)
		return
	}
	n := uint64(20_000)
	if testkit.RaceDetector {
		n = 300
		t.Log("a world has one goroutine only, so under the race detector there are few; make test runs all of them without")
	}
	if testing.Short() {
		n = 2_000
	}
	check(t, 1, n)
}

// TestSoakSchedules runs a million worlds, which TestSchedules does not.
func TestSoakSchedules(t *testing.T) {
	testkit.Soak(t)
	check(t, 1_000_000_000, 1_000_000)
}

func check(t *testing.T, first, n uint64) {
	t.Helper()
	began := time.Now()
	broken, c := simulateMany(first, n, 0, nil)
	t.Logf("%d schedules in %s: %+v", c.Schedules, time.Since(began).Round(time.Millisecond), c)
	if broken != nil {
		require.Fail(t, broken.String())
	}
	for _, least := range []struct {
		what    string
		have    int
		percent int
	}{
		{"schedules", c.Schedules, 100},
		{"events", c.Events, 100 * 100},
		{"executes", c.Executes, 100},
		{"undos", c.Undos, 10},
		{"re-creations", c.Creates, 20},
		{"registrations lost", c.Lost, 20},
		{"admissions", c.Admitted, 300},
		{"restores", c.Restores, 2},
		{"jumps of a view", c.Jumps, 5},
		{"repeats of a watch", c.Repeats, 10},
		{"marks by hand adopted", c.Adopted, 20},
		{"phantom leaders", c.Phantoms, 5},
	} {
		assert.GreaterOrEqual(t, least.have, int(n)*least.percent/100, least.what)
	}
}

func replay(t *testing.T, text string) {
	t.Helper()
	seed, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	n := needNamed(os.Getenv("WITHOUT"))
	w := newWorld(seed, n.rule, os.Stdout)
	if n.tune != nil {
		n.tune(w)
	}
	if broken := w.run(); broken != nil {
		t.Error(broken)
	}
}
