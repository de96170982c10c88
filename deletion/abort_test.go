package deletion

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// Who is counted when an incarnation is blocked is told to end, however close together the two are.
func TestAbortReachesWhoIsCounted(t *testing.T) {
	const rounds = 50_000
	g := &admission{kicks: make(signal, 1)}
	table := &slot{}
	var done, missed atomic.Bool
	var queries sync.WaitGroup
	for range 2 {
		queries.Go(func() {
			for !done.Load() {
				r := Ref{gate: g}
				if !r.add(table) {
					runtime.Gosched()
					continue
				}
				for began := time.Now(); !r.aborted() && !done.Load(); runtime.Gosched() {
					if time.Since(began) > 10*time.Second {
						missed.Store(true)
						done.Store(true)
					}
				}
				r.uncount()
			}
		})
	}
	for round := 0; round < rounds && !done.Load(); round++ {
		for table.queries() == 0 && !done.Load() { // as soon as one is counted
			runtime.Gosched()
		}
		table.block(protocol.ByTable)
		table.aborts.Add(1)
		for table.queries() > 0 && !done.Load() {
			runtime.Gosched()
		}
		table.open(protocol.ByTable)
	}
	done.Store(true)
	queries.Wait()
	assert.False(t, missed.Load(), "a query that was counted was not told")
}
