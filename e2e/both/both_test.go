package both_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/internal/wait"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// patience is how long a test waits for what has to come. None of them asks how fast it does.
const patience = 90 * time.Second

// TestBothUnderTrouble: four writers in MySQL and four in Go write the same names, while daemons, members of etcd and
// MariaDB are killed, paused and cut off. In the end both sides are equal, and a judge who saw all of etcd's history
// and asked the writers finds that nothing was lost: see judge.
func TestBothUnderTrouble(t *testing.T) {
	testkit.Long(t, "it takes a quarter of a minute of trouble")
	runBoth(t, 1)
}

func TestSoakBoth(t *testing.T) {
	testkit.Soak(t)
	began, lasts := time.Now(), testkit.SoakTime(t, time.Hour)
	for round := 1; time.Since(began) < lasts && !t.Failed(); round++ {
		t.Run(fmt.Sprint(round), func(t *testing.T) { runBoth(t, 10) })
	}
}

// What both sides write: keys of their own, databases without tables, and tables of databases that stay.
const (
	noteKeys     = 60
	sqlWriters   = 4
	goWriters    = 4
	tablesOfEach = 8
)

var (
	stayingDatabases = []string{"stays0", "stays1", "stays2", "stays3"}
	movingDatabases  = []string{"moves0", "moves1", "moves2", "moves3"}
)

func tableKey(rnd *rand.Rand) string {
	return fmt.Sprintf("%s/%s/TABLES/T%d", dbs, stayingDatabases[rnd.IntN(len(stayingDatabases))], rnd.IntN(tablesOfEach))
}

func tableOf(key string) cssetcd.TableName {
	parts := strings.Split(key, "/")
	return cssetcd.TableName{DB: parts[2], Table: parts[4]}
}

func above(key string) string { return key[:strings.LastIndexByte(key, '/')] }

// run is one run, and what was written down in it.
type run struct {
	*world
	seed   uint64
	names  nameLocks
	gate   sync.RWMutex // held for writing while nobody writes, and for reading by who does
	ending chan struct{}

	mu              sync.Mutex
	did             map[string]int
	sqlTransactions []transaction
	goWrites        []goWrite
}

func (r *run) over() bool {
	select {
	case <-r.ending:
		return true
	default:
		return r.t.Failed()
	}
}

func (r *run) count(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.did[what]++
}

// wrote writes down a transaction of an SQL writer.
func (r *run) wrote(tx transaction) {
	if len(tx.edges) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sqlTransactions = append(r.sqlTransactions, tx)
}

// told writes down a write of a Go writer.
func (r *run) told(w goWrite) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.goWrites = append(r.goWrites, w)
}

// nameLocks keep the SQL writers from each other's names.
type nameLocks struct {
	mu  sync.Mutex
	all map[string]*sync.Mutex
}

func (n *nameLocks) lock(name string) (unlock func()) {
	n.mu.Lock()
	if n.all == nil {
		n.all = map[string]*sync.Mutex{}
	}
	if n.all[name] == nil {
		n.all[name] = new(sync.Mutex)
	}
	l := n.all[name]
	n.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// lulls stops all writers now and then until a mirror has caught up, or for a while if none does. Where others write
// the same keys all the time, no step comes through between them, and all that SQL writers write is overruled.
func (r *run) lulls(ctx context.Context) {
	for wait.For(ctx, time.Second) == nil && !r.over() {
		r.gate.Lock()
		for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(5 * time.Millisecond) {
			var waiting int
			if err := r.sql.QueryRowContext(ctx, "SELECT COUNT(*) FROM css_mirror_inbox").Scan(&waiting); err == nil &&
				waiting == 0 {
				r.count("lulls in which a mirror caught up")
				break
			}
		}
		r.gate.Unlock()
	}
}

// seedOf returns the seed of a run: another one each time, or that of SEED. It repeats the choices of a run and not
// how processes take turns.
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

// runBoth runs the writers through so many rounds of all troubles.
func runBoth(t *testing.T, rounds int) {
	began := time.Now()
	r := &run{world: newWorld(t), seed: seedOf(t), ending: make(chan struct{}), did: map[string]int{}}
	t.Logf("seed %d; all processes run after %s", r.seed, time.Since(began).Round(time.Millisecond))
	var watchers, writers sync.WaitGroup
	watching, stop := context.WithCancel(context.Background())
	watchers.Go(func() { r.history.record(watching, r.etcd) })
	watchers.Go(func() { r.conflicts.collect(watching, r.sql) })
	defer watchers.Wait()
	defer stop()
	random := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(r.seed, stream)) }
	for i := range sqlWriters {
		s := &sqlWriter{r: r, name: fmt.Sprintf("s%d", i), rnd: random(uint64(i))}
		writers.Go(s.work)
	}
	for i := range goWriters {
		g := &goWriter{r: r, css: r.goClients[i%len(r.goClients)], name: fmt.Sprintf("g%d", i), rnd: random(100 + uint64(i))}
		writers.Go(g.work)
	}
	watchers.Go(func() { r.lulls(watching) })
	r.nemesis(rounds, random)
	t.Logf("all troubles over after %s", time.Since(began).Round(time.Millisecond))
	r.awaitEnough()
	close(r.ending)
	writers.Wait()
	r.certainConflict()
	r.comeToRest()
	t.Logf("at rest after %s", time.Since(began).Round(time.Millisecond))
	j := r.judge()
	r.report(j, began)
}

// enough is what a run has to do to say anything.
var enough = map[string]int{"SQL transactions that committed": 50, "Go writes": 50,
	"changes that a mirror made in etcd": 50, "conflicts": 1, "tables seen whole": 3}

// awaitEnough lets the writers go on after all troubles until there is enough, on a machine on which they hardly came
// to write, up to a limit.
func (r *run) awaitEnough() {
	for began := time.Now(); time.Since(began) < patience && !r.t.Failed(); time.Sleep(20 * time.Millisecond) {
		r.mu.Lock()
		sql, gos := len(r.sqlTransactions), len(r.goWrites)
		r.mu.Unlock()
		if sql >= 100 && gos >= 60 && r.history.taken() >= enough["changes that a mirror made in etcd"] {
			return
		}
	}
}

// report prints what happened, and fails where it was too little to say anything.
func (r *run) report(j *judge, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, tx := range r.sqlTransactions {
		r.did["SQL transactions that "+[...]string{"rolled back", "committed", "may have committed"}[tx.outcome]]++
	}
	for _, w := range r.goWrites {
		if w.at == 0 {
			r.did["Go writes whose answer was lost"]++
		} else {
			r.did["Go writes"]++
		}
	}
	for _, c := range j.conflicts {
		r.did["conflicts: "+c.kind+" "+c.reason]++
	}
	maps.Copy(r.did, j.did)
	for _, what := range slices.Sorted(maps.Keys(r.did)) {
		r.t.Logf("%6d %s", r.did[what], what)
	}
	r.t.Logf("seed %d, %d revisions of etcd in %s", r.seed, len(j.revisions), time.Since(began).Round(time.Second))
	for what, least := range enough {
		assert.GreaterOrEqual(r.t, r.did[what], least, what)
	}
}
