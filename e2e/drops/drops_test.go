package drops_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// dropsPlan is how hard a run of drops is.
type dropsPlan struct {
	seed                uint64
	lasts               time.Duration
	czars, coordinators int
	queries             int  // of each czar at a time
	gated               bool // czars ask their gates
	again               bool // what was dropped is made again under its name
	window              time.Duration
	shortest, pause     time.Duration // that a czar is stopped
	silence             time.Duration // the longest of a czar's connection

	// Between two of each; czarTrouble for each czar, etcdTrouble 0 for none.
	czarTrouble, coordinatorTrouble, etcdTrouble, blindness, compaction time.Duration

	atLeast map[string]int
}

// normalDrops is the plan of the short forms.
func normalDrops(t *testing.T, lasts time.Duration) dropsPlan {
	return dropsPlan{
		seed: seedOf(t), lasts: lasts, czars: 5, coordinators: 2, queries: 3, gated: true, again: true,
		window: 60 * time.Millisecond,
		pause:  1300 * time.Millisecond, silence: 8 * time.Second,
		czarTrouble: 3 * time.Second, coordinatorTrouble: 6 * time.Second, etcdTrouble: 12 * time.Second,
		blindness:  3 * time.Second,
		compaction: 5 * time.Second,
	}
}

// seedOf returns the seed of a run: another one each time, or that of SEED.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("SEED")
	if text == "" {
		return uint64(rand.Uint32())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return seed
}

// bound is how long a drop may take beyond its delays. It waits for the last query that began before its mark, on a
// czar that may be stopped; or until a czar that is gone has been silent, seen to be, and left alone for a while; by a
// coordinator that may be gone itself, and a leader of etcd likewise. A czar that is cut off is one that is gone. The
// rest is for machines that are busy with other tests.
func (p dropsPlan) bound() time.Duration {
	const slowQuery, election, slack = 5 * time.Second, 5 * time.Second, 30 * time.Second
	return slowQuery + p.pause + dropTiming.Alive + dropTiming.Wait*5/4 + 2*coordinatorTTL + election + slack
}

// TestDropsUnderTrouble: tables and databases are dropped, undropped and made again while czars query them, and czars,
// coordinators and members of etcd are stopped, killed and cut off, for no longer than a drop waits. No query meets a
// table that is gone or another one of its name, and every drop ends in time (S1 to S6). Each process did what the
// state machines of the protocol say.
func TestDropsUnderTrouble(t *testing.T) {
	testkit.Long(t, "drops need tens of seconds of trouble")
	plan := normalDrops(t, 12*time.Second)
	plan.atLeast = map[string]int{
		"queries that went well": 150, "queries held up after a check": 2, "drops": 6, "drops of databases": 1, "undos": 1,
		"re-creations": 3, "kills of czars": 2, "pauses of czars": 6,
		"silences": 1, "views kept back": 1, "compactions": 2, "steps of czars": 1000, "steps of coordinators": 100,
	}
	v := runDrops(t, plan)
	assert.Empty(t, first(v.broken), "%d queries met what was dropped", len(v.broken))
}

// TestLongPauses: a czar may be stopped for longer than a drop waits, right after a check. What it then asks for may be
// gone; that is the window that workers without fences leave open, and nothing else is.
func TestLongPauses(t *testing.T) {
	testkit.Long(t, "drops need tens of seconds of trouble")
	plan := normalDrops(t, 8*time.Second)
	plan.again, plan.queries, plan.shortest, plan.pause, plan.etcdTrouble = false, 6, 5*time.Second, 8*time.Second, 0
	plan.atLeast = map[string]int{"queries that went well": 100, "drops": 3, "pauses of czars": 3}
	v := runDrops(t, plan)
	// Whoever met what was dropped had been stopped. The second is the longest that a confirmation takes: the czar's life
	// may have been renewed so long before its last proof.
	least := harmless - time.Second
	for _, r := range v.broken {
		assert.Greater(t, r.Gap, least, "%+v", r)
	}
	t.Logf("%d queries met what was dropped, each more than %s after its last check", len(v.broken), least)
}

// TestWithoutTheGate: the same without the gates goes wrong, so the others can tell.
func TestWithoutTheGate(t *testing.T) {
	testkit.Long(t, "drops need tens of seconds of trouble")
	plan := normalDrops(t, 2*time.Second)
	plan.gated, plan.silence, plan.etcdTrouble = false, 2*time.Second, 0 // which would only make drops slow
	plan.atLeast = map[string]int{"queries that went well": 50, "drops": 3}
	v := runDrops(t, plan)
	assert.NotEmpty(t, v.broken, "queries that ask nobody meet what was dropped")
}

func TestSoakDrops(t *testing.T) {
	testkit.Soak(t)
	lasts := testkit.SoakTime(t, 20*time.Minute)
	plan := normalDrops(t, lasts)
	minutes := max(1, int(lasts/time.Minute))
	plan.atLeast = map[string]int{
		"queries that went well": 500 * minutes, "drops": 15 * minutes, "undos": 2 * minutes, "re-creations": 15 * minutes,
		"kills of czars":  5 * minutes,
		"pauses of czars": 20 * minutes, "evictions": minutes, "kills of coordinators": minutes,
		"pauses of coordinators": minutes,
	}
	v := runDrops(t, plan)
	assert.Empty(t, first(v.broken), "%d queries met what was dropped", len(v.broken))
}

// runDrops runs a plan to its end, and fails for what must not happen whatever was broken.
func runDrops(t *testing.T, plan dropsPlan) verdict {
	t.Helper()
	d := startDrops(t, plan)
	d.began = time.Now()
	t.Logf("all processes run")
	var all sync.WaitGroup
	d.nemesis(&all)
	for i, base := range []string{"Object", "Source", "Star", "Galaxy"} {
		all.Go(func() { d.lane(rand.New(rand.NewPCG(plan.seed, uint64(i))), base) })
	}
	all.Go(func() { d.databases(rand.New(rand.NewPCG(plan.seed, 50))) })
	d.awaitEnough(3 * time.Minute)
	close(d.ending)
	all.Wait()
	t.Logf("all is over after %s", time.Since(d.began).Round(time.Second))
	d.finish()
	d.replay()
	v := d.judge()
	d.report(v)
	return v
}
