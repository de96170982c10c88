package kv_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
)

// TestFollowShowsWholeRevisions (V1): a writer gives several keys one value in each transaction, and no update ever
// shows two, over lost connections and compactions.
func TestFollowShowsWholeRevisions(t *testing.T) {
	t.Parallel()
	client := newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])
	n := newNetwork(t, storeOn(t, client))
	const keys, rounds = 40, 250
	path := func(i int) string { return fmt.Sprintf("dir/%02d", i) }
	var shown atomic.Int64
	f := startFollowing(t, n.over, func(u kv.Update) {
		values := map[string]int{}
		for _, e := range u.Snapshot.Range(dir) {
			values[e.Value]++
		}
		if u.Snapshot.Len() > 0 {
			shown.Add(1)
			assert.Len(t, values, 1, "revision %d", u.Snapshot.Revision)
			assert.Equal(t, 0, u.Snapshot.Len()%10, "revision %d", u.Snapshot.Revision)
		}
	})
	r := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		var c kv.Change
		for i := range keys {
			switch {
			case i/10 == round%7: // these go, and come back with the next round
				c.Deletes = append(c.Deletes, kv.Key(kv.Path(path(i))))
			default:
				c.Puts = append(c.Puts, kv.Put{Path: kv.Path(path(i)), Value: fmt.Sprint(round), Touch: true})
			}
		}
		at := kvtest.MustCommit(t, n.direct, c)
		if round%10 == 0 { // or a quick writer would be done before much of it is told
			f.reachNow(n.direct)
		}
		switch r.IntN(40) {
		case 0:
			n.Cut()
		case 1:
			n.Down()
			compact(t, client, at)
			n.Up()
		case 2:
			n.Pause(proxy.Both)
			kvtest.MustPut(t, n.direct, "elsewhere", "")
			n.Resume()
		}
	}
	f.reachNow(n.direct)
	t.Logf("%d updates, %d full loads", shown.Load(), f.count(isResync))
	assert.GreaterOrEqual(t, shown.Load(), int64(rounds/10))
}

// TestFollowAfterCompaction (V2): what was compacted while the connection was down still becomes the exact net change.
func TestFollowAfterCompaction(t *testing.T) {
	t.Parallel()
	client := newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])
	n := newNetwork(t, storeOn(t, client))
	kvtest.MustPut(t, n.direct, "dir/same", "1", "dir/changed", "1", "dir/deleted", "1", "dir/replaced", "1")
	f := startFollowing(t, n.over, nil)
	f.reachNow(n.direct)
	before := f.now()

	n.Down()
	kvtest.MustPut(t, n.direct, "dir/changed", "2", "dir/passing", "", "dir/new", "1")
	kvtest.MustCommit(t, n.direct, kv.Change{Deletes: []kv.Span{kv.Key("dir/passing"), kv.Key("dir/deleted"),
		kv.Key("dir/replaced")}})
	kvtest.MustPut(t, n.direct, "dir/replaced", "1")
	compact(t, client, kvtest.MustPut(t, n.direct, "dir/changed", "3"))
	n.Up()
	f.wait("it loads anew", func() bool { return len(f.updates) > 0 && f.updates[len(f.updates)-1].Resync })
	f.reachNow(n.direct)
	require.Equal(t, 1, f.count(isResync))
	assert.Zero(t, f.count(func(u kv.Update) bool { return u.Regressed }))
	got := map[kv.Path]string{}
	for _, d := range kv.Diff(before, f.now()) {
		got[d.Path] = fmt.Sprintf("%s>%s", d.Old.Value, d.New.Value)
	}
	assert.Equal(t, map[kv.Path]string{"dir/changed": "1>3", "dir/deleted": "1>", "dir/new": ">1", "dir/replaced": "1>1"},
		got)

	// From there on it is told again.
	kvtest.MustPut(t, n.direct, "dir/after", "")
	f.reachNow(n.direct)
	assert.Equal(t, 1, f.count(isResync))
}

// TestFollowResumes: a connection that is cut loses nothing and needs no full load.
func TestFollowResumes(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, newStore(t))
	f := startFollowing(t, n.over, nil)
	for i := range 30 {
		kvtest.MustPut(t, n.direct, fmt.Sprintf("dir/%d", i), "")
		n.Cut()
		kvtest.MustCommit(t, n.direct, kv.Change{Deletes: []kv.Span{kv.Key(kv.Path(fmt.Sprintf("dir/%d", i-3)))}})
		if i%5 == 0 {
			f.reachNow(n.direct)
		}
	}
	f.reachNow(n.direct)
	assert.Zero(t, f.count(isResync))
}

func TestFollowDeletesManyKeysAtOnce(t *testing.T) {
	t.Parallel()
	keys := testkit.Steps(20_000, 100_000)
	many := "dir/" + strings.Repeat("many", 60) // so that the response is longer than what gRPC takes unless it is told
	st := storeOn(t, newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])).Silence(time.Minute)
	kvtest.Fill(t, st, many+"/", keys)
	kvtest.MustPut(t, st, many+"0", "beside")
	f := startFollowing(t, st, nil)
	began := time.Now()
	at := must(kv.Run(t.Context(), st, kv.Op{Name: "delete", Plan: func(*kv.Snapshot) (kv.Change, error) {
		return kv.Change{Deletes: []kv.Span{kv.Below(kv.Path(many))}}, nil
	}}))(t)
	t.Logf("%d keys deleted in %v", keys, time.Since(began))
	f.wait("the keys go", func() bool { return f.have.Len() == 1 })
	t.Logf("and seen after %v", time.Since(began))
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.updates {
		if n := len(u.Touched); n > 0 {
			assert.Equal(t, keys, n, "all in one update")
			assert.Equal(t, at, u.Snapshot.Revision)
		}
	}
	old, _ := mustLoad(t, st, at-1, dir)
	assert.Equal(t, keys+1, old.Len(), "all in one revision")
}

func TestFollowLeaseExpiry(t *testing.T) {
	t.Parallel()
	// A short tick makes short leases.
	client := newClient(t, newServer(t, embedetcd.Options{Tick: 10 * time.Millisecond}).Endpoints()[0])
	st := storeOn(t, client)
	lease := must(client.Grant(t.Context(), 1))(t)
	c := kv.Change{Puts: []kv.Put{{Path: "dir/stays"}}}
	for i := range 50 {
		c.Puts = append(c.Puts, kv.Put{Path: kv.Path(fmt.Sprintf("dir/leased/%d", i)), Lease: int64(lease.ID)})
	}
	kvtest.MustCommit(t, st, c)
	f := startFollowing(t, st, func(u kv.Update) {
		if n := u.Snapshot.Len(); n != 1 {
			assert.Equal(t, 51, n, "all or none")
		}
	})
	f.wait("the lease expires", func() bool { return f.have.Len() == 1 })
	f.reachNow(st)
}

// TestFollowAsked: who asks is told up to where the snapshot is complete, on an etcd where nothing is written and on
// one where everything is written elsewhere.
func TestFollowAsked(t *testing.T) {
	t.Parallel()
	st := storeOn(t, newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])).Silence(time.Minute)
	kvtest.MustPut(t, st, "dir/a", "")
	f := startFollowing(t, st, nil)
	asked := func() time.Duration {
		t.Helper()
		began := time.Now()
		want := kvtest.MustFetch(t, st).Revision
		f.ask <- struct{}{}
		f.wait("an answer", func() bool {
			for _, u := range f.updates {
				if u.Asked.After(began) {
					assert.GreaterOrEqual(t, u.Snapshot.Revision, want)
					return true
				}
			}
			return false
		})
		return time.Since(began)
	}
	for range 10 {
		t.Logf("idle: %v", asked())
		for _, p := range []string{"elsewhere", "dir/a"} {
			kvtest.MustPut(t, st, p, "")
			t.Logf("written to %s: %v", p, asked())
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	assert.Empty(t, f.trouble, "an idle etcd is not a silent one")
}

// TestFollowAskedByItself: nobody has to ask; it is told about once in every interval.
func TestFollowAskedByItself(t *testing.T) {
	t.Parallel()
	st := newStore(t).Hurry()
	f := startFollowing(t, st, nil)
	at := kvtest.MustPut(t, st, "elsewhere", "")
	f.wait("it is told", func() bool { return f.have.Revision >= at })
	began := time.Now()
	f.wait("and again", func() bool { return f.updates[len(f.updates)-1].Asked.After(began) })
}

// TestFollowNeverClaimsTooMuch: an update with Asked shows all that was committed before. The connection stutters, so
// that answers come late and in heaps.
func TestFollowNeverClaimsTooMuch(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, newStore(t))
	type ack struct {
		at  time.Time
		rev kv.Revision
	}
	var mu sync.Mutex
	var acks []ack
	claims := 0
	f := startFollowing(t, n.over, func(u kv.Update) {
		if u.Asked.IsZero() {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		claims++
		for _, a := range slices.Backward(acks) {
			if a.at.Before(u.Asked) {
				assert.GreaterOrEqual(t, u.Snapshot.Revision, a.rev, "asked after this was committed")
				return
			}
		}
	})
	r := rand.New(rand.NewPCG(3, 4))
	for enough, began := false, time.Now(); !enough && time.Since(began) < soon; {
		rev := kvtest.MustPut(t, n.direct, []string{"dir/a", "elsewhere"}[r.IntN(2)], "")
		mu.Lock()
		acks = append(acks, ack{time.Now(), rev})
		enough = claims >= 50
		mu.Unlock()
		select {
		case f.ask <- struct{}{}:
		default:
		}
		switch r.IntN(12) {
		case 0:
			n.Pause(proxy.ToClient)
		case 1:
			n.Pause(proxy.ToServer)
		case 2, 3, 4:
			n.Resume()
		case 5:
			if r.IntN(20) == 0 {
				n.Cut()
			}
		}
	}
	n.Resume()
	f.reachNow(n.direct)
	mu.Lock()
	defer mu.Unlock()
	t.Logf("%d claims over %d commits", claims, len(acks))
	assert.GreaterOrEqual(t, claims, 50)
}

// TestFollowSlowConsumer: the time that the consumer takes is not taken for silence.
func TestFollowSlowConsumer(t *testing.T) {
	t.Parallel()
	const silence = 2 * time.Second
	st := newStore(t).Silence(silence)
	// On a machine that is busy enough etcd may really be silent for that long, but not every time.
	for range 4 {
		held := make(chan struct{})
		f := startFollowing(t, st, func(u kv.Update) {
			if len(u.Touched) > 0 {
				<-held
			}
		})
		kvtest.MustPut(t, st, "dir/a", "")
		time.AfterFunc(silence*5/4, func() { close(held) })
		f.reachNow(st)
		f.mu.Lock()
		quiet := len(f.trouble) == 0
		f.mu.Unlock()
		f.stop()
		if quiet {
			return
		}
	}
	t.Error("the watch was ended every time")
}
