package csstest

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

// patience is how long an operation may take amid trouble.
const patience = time.Minute

// TestWriters lets two writers do ten thousand random operations between them, amid the harness's trouble, and then
// shows that
//
//   - there is an order of the operations, in keeping with the times at which they began and ended, in which each
//     returned what it had to, and that ends with what is there: so nothing came back after it was dropped, and nothing
//     was said to exist that did not;
//   - no key is left without what it belongs to;
//   - every name that is free can be used, and no other.
//
// It logs what it did. It goes on until there was as much trouble as the harness promised, and fails when that does not
// come.
func TestWriters(t *testing.T, h Harness) {
	w := workload{writers: 2, operations: cmp.Or(h.Operations, 10_000), groups: 4}
	w.run(t, h, h.Trouble)
}

// testSeveralWriters lets more than two writers loose on the same few names.
func testSeveralWriters(t *testing.T, h Harness) {
	for range 2 {
		workload{writers: 5, operations: 400, groups: 1}.run(t, h, nil)
	}
}

// workload is several writers at the same time.
type workload struct {
	writers, operations, groups int
}

func (w workload) run(t *testing.T, h Harness, trouble func(*testing.T, *cssetcd.Client, int) ([]*cssetcd.Client,
	func() map[string]int)) {
	first := h.Open(t)
	ok(t)(first.Raw().Put(t.Context(), "/other", ""))
	clients, end := w.clients(t, h, first), func() map[string]int { return nil }
	if trouble != nil {
		clients, end = trouble(t, first, w.writers)
	}
	began := time.Now()
	done := &history{failed: map[string]int{}}
	troubles, share := map[string]int{}, w.operations
	for turn := range mostTurns {
		w.operations = (turn + 1) * share
		w.write(t, clients, done, turn, share)
		if troubles = end(); trouble == nil || len(h.lacks(troubles)) == 0 {
			break
		}
	}
	took := time.Since(began)
	for group := range w.groups {
		o := op{verb: readAll, group: group}
		called, a := done.clock.Add(1), o.carryOut(t.Context(), first)
		require.NotNil(t, a.read, "the look at the end: %v", a)
		done.record(w.writers, called, o, a)
	}
	t.Logf("%d operations of %d writers in %.1f s: %d wrote, %d overlapped others, %d outcomes unknown, %d not tried; "+
		"refused: %v; trouble: %v",
		w.operations, w.writers, took.Seconds(), done.wrote, done.overlapped, done.unknown, done.idle, done.failed, troubles)

	began = time.Now()
	assert.Empty(t, done.fault())
	t.Logf("an order of them was looked for in %.1f s", time.Since(began).Seconds())
	assert.Empty(t, h.orphans(t, first))
	for group := range w.groups {
		checkNames(t, first, group)
	}
	w.enough(t, h, done, troubles)
}

// enough fails a run in which too little happened to show anything.
func (w workload) enough(t *testing.T, h Harness, done *history, troubles map[string]int) {
	t.Helper()
	assert.LessOrEqual(t, done.unknown+done.idle, w.operations/20, "operations that came to nothing known")
	if w.operations < 1_000 { // what is drawn differs much from run to run
		assert.Greater(t, done.wrote, w.operations/40, "operations that wrote")
		return
	}
	assert.Greater(t, done.wrote, w.operations/15, "operations that wrote")
	for _, kind := range []error{
		cssetcd.ErrDBExists, cssetcd.ErrTableExists, cssetcd.ErrNodeExists, cssetcd.ErrNoSuchNode, cssetcd.ErrNodeInUse,
		cssetcd.ErrNoSuchTable,
		cssetcd.ErrStatusMismatch, cssetcd.ErrRevisionMismatch,
	} {
		if w.operations >= 10_000 { // of fewer, chance may leave a kind out
			assert.Greater(t, done.failed[kinds(kind)], w.operations/3_500, "%v", kind)
		}
	}
	if h.Trouble != nil {
		assert.Greater(t, done.overlapped, w.operations/10, "operations at the same time as others")
	}
	assert.Empty(t, h.lacks(troubles), "trouble of which there was too little")
}

// mostTurns is how often the writers do their share of operations to have trouble enough: what comes is drawn.
const mostTurns = 5

// lacks returns the kinds of trouble of which there was too little.
func (h Harness) lacks(troubles map[string]int) (kinds []string) {
	for name, least := range h.Least {
		if troubles[name] < least {
			kinds = append(kinds, name)
		}
	}
	return kinds
}

func (w workload) clients(t *testing.T, h Harness, first *cssetcd.Client) []*cssetcd.Client {
	clients := []*cssetcd.Client{first}
	for len(clients) < w.writers {
		clients = append(clients, h.again(t, first))
	}
	return clients
}

// write does so many operations, an equal share by each client, and returns when all are done. No turn names anything
// as another one does.
func (w workload) write(t *testing.T, clients []*cssetcd.Client, done *history, turn, operations int) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var all sync.WaitGroup
	for id, c := range clients {
		all.Go(func() {
			w.writer(t.Context(), id, turn*1_000_000*w.writers, rand.New(rand.NewPCG(seed, uint64(id))),
				operations/w.writers, c, done)
		})
	}
	all.Wait()
	require.NoError(t, t.Context().Err())
}

func (w workload) writer(ctx context.Context, id, from int, r *rand.Rand, operations int, c *cssetcd.Client,
	done *history) {
	number := from + id
	seen := map[string]cssetcd.Revision{}
	choose := chooser{
		draw: r.IntN, groups: w.groups,
		next: func() int { number += w.writers; return number },
		seen: func(thing string) (cssetcd.Revision, bool) { rev, ok := seen[thing]; return rev, ok },
	}
	for range operations {
		o := choose.one()
		if other := done.begun.Load(); other != nil && r.IntN(3) == 0 {
			o = choose.against(*other) // at the same time as whoever began it, with some luck
		}
		done.begun.Store(&o)
		limited, cancel := context.WithTimeout(ctx, patience)
		called := done.clock.Add(1)
		a := o.carryOut(limited, c)
		cancel()
		done.record(id, called, o, a)
		switch {
		case a.read != nil:
			for thing, rev := range a.read.revisions() {
				seen[thing] = rev
			}
		case a.rev > 0:
			seen[o.thing()] = a.rev
		}
	}
}
