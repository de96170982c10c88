package protocol

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/testkit"
)

// The bounds of the exhaustive check: each adds other kinds of events to a small world.
var (
	newID       = bounds{ids: 2, marks: 1, evicts: true}
	again       = bounds{ids: 1, marks: 2, creates: 1, evicts: true}
	late        = bounds{ids: 1, marks: 1, leases: true, slowReads: true}
	falseAlarms = bounds{ids: 1, marks: 2, leases: true, evicts: true, slowEntry: true}
	planning    = bounds{ids: 2, marks: 1, evicts: true, plans: true}
	looking     = bounds{ids: 2, marks: 1, evicts: true, looks: true}
	leaving     = bounds{ids: 1, marks: 1, leases: true, leaving: true, creates: 1}
	repeats     = bounds{ids: 1, marks: 2, repeats: true, cancels: true}
	incomplete  = bounds{ids: 1, marks: 2, creates: 1, repeats: true, misses: true}
	handWritten = bounds{ids: 1, marks: 2, byHand: true, delays: true, slowSends: true}
	requests    = bounds{ids: 1, marks: 2, creates: 1, requests: true, slowSends: true}
	deposing    = bounds{ids: 1, marks: 1, slowSends: true, deposes: true}
	database    = bounds{ids: 1, marks: 2, db: true, dbMarks: true}
	recreated   = bounds{ids: 1, marks: 2, creates: 2, db: true, dbMarks: true}
	dbByHand    = bounds{ids: 1, marks: 1, db: true, dbMarks: true, byHand: true, delays: true}
	dbRequests  = bounds{ids: 1, marks: 1, db: true, dbMarks: true, requests: true}
	reading     = bounds{ids: 2, marks: 1, evicts: true, full: true}
	restoring   = bounds{ids: 2, marks: 1, restores: true}
	twoCzars    = bounds{ids: 2, marks: 1, czars: 2}
)

// set is bounds to be explored.
type set struct {
	name   string
	bounds bounds
	timing Timing
}

// briefTiming has proofs of one tick, for bounds that are large otherwise.
var briefTiming = Timing{Fence: tick, Wait: tick}

// alone skips what has no goroutine but its own and takes ten times as long under the race detector; make test runs it
// without.
func alone(t *testing.T) {
	t.Helper()
	if testkit.RaceDetector {
		t.Skip("one goroutine only; make test runs this once more without the race detector")
	}
}

// smallWorlds are bounds that take a second or two.
var smallWorlds = []set{
	{"a czar under a new id", bounds{ids: 2, evicts: true}, briefTiming},
	{"an eviction", bounds{ids: 1, marks: 1, evicts: true}, briefTiming},
	{"drops and creations", bounds{ids: 1, marks: 2, creates: 1}, briefTiming},
	{"reads that come late", bounds{ids: 1, marks: 1, leases: true, slowReads: true, slowEntry: true}, briefTiming},
	{"czars that leave", bounds{ids: 1, marks: 1, evicts: true, leaving: true, looks: true}, briefTiming},
	{"a watch that repeats itself", bounds{ids: 1, marks: 1, creates: 1, repeats: true, cancels: true}, briefTiming},
	{"a view that misses a creation", bounds{ids: 1, marks: 1, creates: 1, repeats: true, misses: true}, briefTiming},
	{"statuses written by hand", bounds{marks: 2, byHand: true, delays: true, slowSends: true}, briefTiming},
	{"a database and requests", bounds{marks: 1, creates: 1, db: true, dbMarks: true, requests: true}, briefTiming},
}

// TestNothingGoesWrongInSmallWorlds is what -short has of the exhaustive check.
func TestNothingGoesWrongInSmallWorlds(t *testing.T) {
	alone(t)
	if !testing.Short() {
		t.Skip("TestNothingGoesWrong has more")
	}
	nothingGoesWrong(t, 20_000, smallWorlds)
}

// TestNothingGoesWrong tries everything that can happen within the bounds, while all rules are kept.
func TestNothingGoesWrong(t *testing.T) {
	alone(t)
	testkit.Long(t, "it explores a million states")
	taken := nothingGoesWrong(t, 700_000, []set{
		{"a czar under a new id", newID, checkTiming},
		{"drops and creations", again, checkTiming},
		{"reads that come late", late, checkTiming},
		{"leases and false alarms", falseAlarms, checkTiming},
		{"queries planned before", planning, briefTiming},
		{"queries that look twice", looking, briefTiming},
		{"czars that leave", leaving, checkTiming},
		{"a watch that repeats itself", repeats, checkTiming},
		{"a view that misses a creation", incomplete, checkTiming},
		{"statuses written by hand", handWritten, checkTiming},
		{"requests", requests, checkTiming},
		{"deposed coordinators", deposing, checkTiming},
		{"a database", database, checkTiming},
		{"a database that is made again", recreated, checkTiming},
		{"a database and requests", dbRequests, checkTiming},
		{"a database, by hand", dbByHand, checkTiming},
		{"an etcd that is full", reading, briefTiming},
		{"an etcd that is restored", restoring, briefTiming},
		{"two czars", twoCzars, briefTiming},
	})
	for _, name := range allMoves() {
		assert.True(t, taken[name], "no bounds let this happen: %s", name)
	}
}

// allMoves returns the names of all that may happen, but for what another czar does and for what is a mistake.
func allMoves() (all []string) {
	for _, of := range [][allNames]string{create, mark, markByHand, readyByHand, ask, askedEnough, unask, heldEnough, undo,
		redelay, decide, arrive} {
		all = append(all, of[:]...)
	}
	for _, k := range []ActionKind{MarkNow, Withdraw, Adopt, EndIntent, Remove, BeginEnding, Deregister} {
		all = append(all, "the coordinator does "+string(k))
	}
	own := czarMoves[0]
	own.hears, own.told = own.look, own.look
	for _, name := range reflect.ValueOf(own).Fields() {
		all = append(all, name.String())
	}
	return all
}

// TestSoakNothingGoesWrong is the same in larger bounds, which take many minutes and gigabytes.
func TestSoakNothingGoesWrong(t *testing.T) {
	alone(t)
	testkit.Soak(t)
	nothingGoesWrong(t, 4_000_000, []set{
		{"new ids, drops and creations", bounds{ids: 2, marks: 2, creates: 1, evicts: true}, checkTiming},
		{"new ids and longer proofs", bounds{ids: 3, marks: 1, evicts: true}, Timing{Fence: 3 * tick, Wait: tick}},
		{"leases and late reads", bounds{ids: 2, marks: 1, leases: true, evicts: true, slowReads: true}, checkTiming},
		{"evictions and statuses by hand", bounds{ids: 1, marks: 2, byHand: true, delays: true, evicts: true}, checkTiming},
		{"a database, by hand", bounds{ids: 1, marks: 2, db: true, dbMarks: true, byHand: true}, checkTiming},
		{"a database under new ids", bounds{ids: 2, marks: 1, db: true, dbMarks: true, evicts: true}, checkTiming},
		{"a database and more requests", bounds{ids: 1, marks: 2, db: true, dbMarks: true, requests: true}, checkTiming},
		{"two czars and leases", bounds{ids: 2, marks: 1, czars: 2, leases: true}, briefTiming},
	})
}

func nothingGoesWrong(t *testing.T, least int, sets []set) (taken map[string]bool) {
	t.Helper()
	taken = map[string]bool{}
	states := 0
	began := time.Now()
	var mu sync.Mutex
	t.Run("bounds", func(t *testing.T) {
		for _, s := range sets {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				c := &checker{bounds: s.bounds, timing: s.timing}
				c.run()
				assert.Empty(t, c.broken)
				t.Logf("%d states", len(c.seen))
				mu.Lock()
				defer mu.Unlock()
				states += len(c.seen)
				maps.Copy(taken, c.taken)
			})
		}
	})
	t.Logf("%d states in %s", states, time.Since(began).Round(time.Millisecond))
	assert.GreaterOrEqual(t, states, least)
	return taken
}

// TestKeysLoseNothing explores small bounds by all that there is in a state, and finds nothing that the usual way
// leaves out, which takes states for one that differ in what should make no difference.
func TestKeysLoseNothing(t *testing.T) {
	alone(t)
	testkit.Long(t, "it explores by all that there is in a state")
	sets := smallWorlds
	if os.Getenv("SOAK") != "" {
		sets = append(slices.Clone(sets),
			set{"drops under a new id", newID, briefTiming},
			set{"drops and creations in a database", bounds{marks: 2, creates: 1, db: true, dbMarks: true, requests: true},
				briefTiming})
	}
	for _, s := range sets {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			exact := &checker{bounds: s.bounds, timing: s.timing, coarse: map[stateKey]struct{}{}}
			exact.run()
			usual := &checker{bounds: s.bounds, timing: s.timing}
			usual.run()
			t.Logf("%d states, %d by all that there is", len(usual.seen), len(exact.seen))
			assert.Empty(t, exact.broken)
			assert.True(t, maps.Equal(exact.coarse, usual.seen), "%d states among all that there is", len(exact.coarse))
		})
	}
}
