package inbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/testkit"
)

// The simulator runs the same functions as the exhaustive check in a world that is large: databases with tables and
// chunks, names that differ in case only, what no CSS holds, transactions that do not fit into one of etcd, and a MySQL
// that is set back. It tries some of what may happen, by seeds.

// simulation is one run.
type simulation struct {
	rules Rules
	t     *testing.T
	rnd   *rand.Rand
	store *kv.Memory
	// history[n] is etcd at revision n + 1
	history []*kv.Snapshot
	sql     *server
	mirrors []*mirrorSession // those that live: one has the term, and the others do not know that yet
	late    *lateTxn
	backup  *server
	calm    bool // nobody writes any more

	before   *kv.Snapshot     // the last decision
	verdicts map[int64]string // of rows of the inbox: the kind of the conflict, or taken
	seen     map[string]int   // what happened how often
}

const isTaken = "taken"

func (s *simulation) must(err error) {
	s.t.Helper()
	require.NoError(s.t, err)
}

func (s *simulation) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf(format, args...)
}

func (s *simulation) at(rev kv.Revision) *kv.Snapshot { return s.history[rev-1] }

func (s *simulation) etcd() *kv.Snapshot { return s.history[len(s.history)-1] }

// Fetch implements [kv.Store].
func (s *simulation) Fetch(ctx context.Context, at kv.Revision, spans ...kv.Span) (*kv.Snapshot, error) {
	return s.store.Fetch(ctx, at, spans...)
}

// Author implements [kv.Store].
func (s *simulation) Author() string { return s.store.Author() }

// Commit implements [kv.Store]. Others come between what a decision read and its commit.
func (s *simulation) Commit(ctx context.Context, c kv.Change) (*kv.Snapshot, error) {
	if s.rnd.IntN(4) == 0 && !s.calm {
		s.goWrites()
	}
	const aside = 18 // of etcd's limit, what decisions leave to others
	if n := max(len(c.Guards), len(c.Puts)+len(c.Deletes)); n > most.conditions+aside {
		s.fail("%d conditions, %d writes", len(c.Guards), len(c.Puts)+len(c.Deletes))
	}
	before := s.etcd()
	got, err := s.store.Commit(ctx, c)
	if err == nil {
		s.before = before
		s.checkCatalogue()
	}
	return got, err
}

// between lets others do something: writers, another mirror, or one that takes over.
func (s *simulation) between() {
	for !s.calm && s.rnd.IntN(3) == 0 {
		switch n := s.rnd.IntN(18); {
		case n < 7:
			s.goWrites()
		case n < 14:
			s.sqlWrites()
		case n == 14:
			s.takeOver()
		case n == 15:
			s.backUp()
		default:
			s.move()
		}
	}
}

func (s *simulation) backUp() {
	if s.backup == nil {
		s.backup = s.sql.clone()
	}
}

func simulate(t *testing.T, seed uint64, seen map[string]int) {
	s := newSimulation(t, seed, seen)
	for range 12 {
		s.goWrites()
	}
	for range 40 {
		s.act()
	}
	s.comeToRest()
}

// newSimulation returns a world that has a catalogue with nothing in it.
func newSimulation(t *testing.T, seed uint64, seen map[string]int) *simulation {
	s := &simulation{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), sql: newServer(), verdicts: map[int64]string{},
		seen: seen, history: []*kv.Snapshot{kv.NewSnapshot(1, kv.Everything)}}
	s.store = kv.NewMemoryAt(s.etcd(), func(next *kv.Snapshot) error {
		s.history = append(s.history, next)
		return nil
	})
	s.run([]kv.Span{kv.Everything}, func(*kv.Snapshot) kv.Change {
		return kv.Change{Puts: []kv.Put{{Path: csskey.History, Value: historyText},
			{Path: csskey.Of(csskey.Meta)}, {Path: csskey.Of(csskey.Version), Value: cssetcd.Version},
			{Path: csskey.Of(csskey.Databases)}, {Path: csskey.Of(csskey.Nodes)}, {Path: Path(mirrorName),
				Value: Taken{}.Format()}}}
	})
	return s
}

func (s *simulation) act() {
	switch n := s.rnd.IntN(40); {
	case n < 6:
		s.goWrites()
	case n < 14:
		s.sqlWrites()
	case n == 14 || len(s.mirrors) == 0:
		s.takeOver()
	case n == 15:
		s.ends(s.mirrors[s.rnd.IntN(len(s.mirrors))])
	case n == 16:
		s.backUp()
	case n == 17 && s.backup != nil:
		s.setBack()
	default:
		s.move()
	}
}

// takeOver begins a session, unless very many live. Who had the term before goes on until it notices.
func (s *simulation) takeOver() {
	if len(s.mirrors) < 3 {
		s.begin()
	}
}

// move lets some session go on that is not in the midst of something.
func (s *simulation) move() (moved bool) {
	m := s.mirrors[s.rnd.IntN(len(s.mirrors))]
	if m.working {
		return true
	}
	if m.term != s.sql.term {
		s.seen["a deposed mirror goes on"]++
	}
	m.working = true
	goesOn, moved := m.once()
	m.working = false
	if !goesOn {
		s.ends(m)
	}
	return moved
}

func (s *simulation) ends(m *mirrorSession) {
	s.mirrors = slices.DeleteFunc(s.mirrors, func(other *mirrorSession) bool { return other == m })
}

// setBack sets MySQL back, which ends all sessions. It counts the rows of the inbox from where it was, but its clock
// goes on. A row that was decided on is so still, while nobody has taken a step since.
func (s *simulation) setBack() {
	taken := s.takenNow()
	s.seen["MySQL is set back"]++
	if len(s.backup.inbox) == 0 && s.backup.applied == taken.Applied {
		s.seen["MySQL is set back unseen"]++
	}
	s.backup.clock = s.sql.clock
	s.sql, s.backup, s.mirrors, s.late = s.backup, nil, nil, nil
	decided := s.verdicts
	s.verdicts = map[int64]string{}
	for _, r := range s.sql.inbox {
		if s.sql.applied >= taken.Applied {
			s.verdicts[r.ID] = decided[r.ID]
		}
	}
}

// comeToRest lets the mirror work while nobody writes, and looks whether both sides are equal then.
func (s *simulation) comeToRest() {
	s.calm = true
	for range 2000 {
		if len(s.mirrors) == 0 {
			s.begin()
		}
		if moved := s.move(); !moved && len(s.mirrors) == 1 {
			s.checkRest()
			return
		}
	}
	s.fail("there is no end: %v", s.sql.inbox)
}

func (s *simulation) checkRest() {
	require.Empty(s.t, s.sql.inbox)
	have := map[string]string{}
	for _, r := range s.sql.rows {
		have[r.Key] = r.Value
	}
	want := map[string]string{"": "", csskey.Databases: "", csskey.Nodes: ""}
	for p, e := range s.etcd().Range(kv.Below(csskey.CSS)) {
		want[csskey.At(p)] = e.Value
	}
	require.Equal(s.t, want, have)
}

// TestNothingGoesWrongInLargeWorlds runs the simulator.
func TestNothingGoesWrongInLargeWorlds(t *testing.T) {
	usual, usualRegroup := most, regroupAt
	t.Cleanup(func() { most, regroupAt = usual, usualRegroup })
	began := time.Now()
	seen := map[string]int{}
	for seed := range uint64(testkit.Steps(simulations(), 20_000)) {
		most, regroupAt = usual, usualRegroup
		if seed%4 < 2 {
			regroupAt = 2
		}
		if seed%2 == 0 {
			most = size{conditions: 30, writes: 30, bytes: 2000}
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { simulate(t, seed, seen) })
		if t.Failed() {
			return
		}
	}
	for _, what := range []string{"a deposed mirror goes on", "a mirror dies between etcd and MySQL",
		"a transaction commits late", "MySQL is set back", "MySQL is set back unseen", "a claim", isTaken} {
		assert.Positive(t, seen[what], what)
	}
	t.Logf("%s: %v", time.Since(began).Round(time.Millisecond), seen)
}

func simulations() int {
	if testing.Short() || testkit.RaceDetector {
		return 100
	}
	return 2000
}
