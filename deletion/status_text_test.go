package deletion

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// TestSummary says a drop's state in a sentence.
func TestSummary(t *testing.T) {
	for want, s := range map[string]Status{
		"it is due to be marked, and waits for a coordinator; css-sync serve is one": {Phase: PhaseRequested},
		"it is marked in 3s": {Phase: PhaseRequested, Left: 3 * time.Second},
		"removing the data failed 2 times: no; it is tried again, with trouble: slow": {
			Phase: PhaseFailed, Attempts: 2, Error: "no", Trouble: "slow"},
		"removing the data failed 2 times and is tried again: no": {Phase: PhaseFailed, Attempts: 2, Error: "no"},
		"the data are being removed, with trouble: slow":          {Phase: PhaseDropping, Trouble: "slow"},
		"the data are being removed":                              {Phase: PhaseDropping},
		"it waits for a coordinator; css-sync serve is one":       {Phase: PhaseMarked},
		"it waits for the coordinator, which is about to go on; if it asks for queries of C++ czars, its log says which " +
			"it waits for": {
			Phase: PhaseMarked, Coordinated: true},
		"it waits for 2s more of the agreed delay, for czar c (busy), for drops of its tables": {
			Phase: PhaseMarked, Left: 2 * time.Second, Waiting: []Blocker{{Name: "c", Why: "busy"}}, Occupied: true},
	} {
		assert.Equal(t, want, s.Summary())
	}
}

// TestBlocker says why a czar holds a drop up.
func TestBlocker(t *testing.T) {
	d := protocol.Drop{Found: protocol.Found{Name: protocol.TableName("LSST", "Object")}, Mark: 50}
	on := func(n int) map[string]int { return map[string]int{d.Name.String(): n} }
	seen := protocol.Heartbeat{Seen: 50}
	with := func(l protocol.Heartbeat) protocol.Heartbeat { l.Seen = 50; return l }
	for want, r := range map[string]protocol.Registered{
		"it does not answer; its registration is being ended, which takes 40s in all": {Ending: true,
			Fence: 10 * time.Second},
		"it does not answer": {Heartbeat: seen},
		"1 query is running on it": {Alive: true,
			Heartbeat: with(protocol.Heartbeat{Running: on(1)})},
		"2 queries are running on it": {Alive: true,
			Heartbeat: with(protocol.Heartbeat{Running: on(2)})},
		"1 query on it was told to end and has not": {Alive: true,
			Heartbeat: with(protocol.Heartbeat{Told: on(1)})},
		"2 queries on it were told to end and have not": {Alive: true,
			Heartbeat: with(protocol.Heartbeat{Told: on(2)})},
		"its acknowledgement does not reach etcd: no space": {Alive: true,
			Heartbeat: protocol.Heartbeat{Trouble: "no space"}},
		"it has said nothing since the mark; without a word for 9s it is taken for silent": {Alive: true,
			Heartbeat: protocol.Heartbeat{Seen: 49}},
		"it is about to acknowledge": {Alive: true, Heartbeat: seen},
	} {
		r.ID, r.Record.Name = "7", "czar-7"
		f := protocol.Facts{Registrations: []protocol.Registered{r}}
		f.Timing.Alive, f.Timing.Wait = 9*time.Second, 40*time.Second
		assert.Equal(t, Blocker{Czar: "7", Name: "czar-7", Why: want}, blocker(f, d, "7"))
	}
	assert.Equal(t, Blocker{Czar: "8", Why: "it was registered at the mark"}, blocker(protocol.Facts{}, d, "8"))
}
