package inventory

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/leader"
)

func someSaid(t *rapid.T, name string) said {
	all := said{}
	sizes := rapid.SampledFrom([]int{0, 1, 2, maxText / 3, maxText})
	for db, size := range rapid.MapOfN(rapid.StringMatching(`[a-c]{1,4}`), sizes, 0, 130).Draw(t, name) {
		all[db] = strings.Repeat("1", size)
	}
	return all
}

// TestChangesLeadThere: whatever etcd has and whatever is to be said, some changes that etcd takes lead from the one to
// the other, each says so, and then there are no more.
func TestChangesLeadThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const path = "inventory/w"
		etcd, lease, rev := map[kv.Path]string{}, int64(7), kv.Revision(5)
		there := kv.NewSnapshot(rev, kv.Tree(path)...).Edit()
		for db, text := range someSaid(t, "found") {
			etcd[kv.Path(path+"/"+db)] = text
			there.Put(kv.Path(path+"/"+db), kv.Entry{Value: text, Create: 1, Mod: rev})
		}
		now := term{path: path, who: "me", lease: lease,
			proof: []kv.Guard{{Kind: kv.CreateIs, Path: "publisher/w/7", Revision: 9}}}.found(there.Snapshot(rev))
		for range rapid.IntRange(1, 3).Draw(t, "times") {
			want := someSaid(t, "want")
			left := 300
			for ; left > 0; left-- {
				c, ok := now.next(want)
				if !ok {
					break
				}
				apply(t, etcd, c, now)
				rev++
				now = now.after(c, rev)
			}
			require.Positive(t, left, "it ends")
			have := said{}
			for p, text := range etcd {
				if p != path {
					have[strings.TrimPrefix(string(p), path+"/")] = text
				}
			}
			require.Equal(t, want, have)
			require.Equal(t, "me", etcd[path])
		}
	})
}

func apply(t *rapid.T, etcd map[kv.Path]string, c kv.Change, now term) {
	require.Equal(t, now.proof, c.Guards)
	require.True(t, c.Writes())
	require.LessOrEqual(t, len(c.Puts)+len(c.Deletes), maxOps)
	_, err := kv.Change{}.And(c)
	require.NoError(t, err, "etcd can do it in one transaction")
	for _, d := range c.Deletes {
		maps.DeleteFunc(etcd, func(p kv.Path, _ string) bool { return d.Contains(p) })
	}
	size := 0
	for _, p := range c.Puts {
		require.Equal(t, now.lease, p.Lease)
		etcd[p.Path] = p.Value
		if p.Path != now.path {
			size += len(p.Value)
		}
	}
	require.LessOrEqual(t, size, maxText)
}

// Rule: however much is to be said or taken back, etcd can take each change.
func TestManyDatabases(t *testing.T) {
	t.Parallel()
	many := said{}
	for i := range 3*maxOps + 7 {
		many[fmt.Sprint("db", i)] = "1"
	}
	now := term{path: "inventory/w"}
	for _, want := range []said{many, {}, many} {
		changes := 0
		for ; ; changes++ {
			c, ok := now.next(want)
			if !ok {
				break
			}
			assert.LessOrEqual(t, len(c.Puts)+len(c.Deletes), maxOps)
			now = now.after(c, kv.Revision(1+changes))
		}
		assert.InDelta(t, 4, changes, 1)
		assert.Len(t, now.has, len(want))
	}
}

// TestStateAfterChanges: a state that follows from another one is the state that is read anew.
func TestStateAfterChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := newState(kv.NewSnapshot(1, root))
		for at := kv.Revision(2); at < 8; at++ {
			edit := now.kv.Edit()
			var touched []kv.Path
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				p := csskey.InventoryOf(rapid.SampledFrom([]string{"w", "w1", "w1x"}).Draw(t, "worker"))
				if db := rapid.SampledFrom([]string{"", "/a", "/a1"}).Draw(t, "db"); db != "" {
					p += kv.Path(db)
				}
				touched = append(touched, p)
				if text := rapid.SampledFrom([]string{"", "1-3", "7", "x"}).Draw(t, "text"); text != "" {
					edit.Put(p, kv.Entry{Value: text, Create: at, Mod: at})
				} else {
					edit.Delete(p)
				}
			}
			now = now.next(edit.Snapshot(at), touched)
			require.Equal(t, describe(newState(now.kv)), describe(now))
			require.Equal(t, at, now.Revision())
		}
	})
}

// Rule: an etcd that was set back may have another value at a revision that was seen before.
func TestStateAfterARestore(t *testing.T) {
	t.Parallel()
	edit := kv.NewSnapshot(9, root).Edit()
	edit.Put("inventory/w", kv.Entry{Value: "{}", Create: 3, Mod: 3})
	edit.Put("inventory/w/LSST", kv.Entry{Value: "1-5", Create: 4, Mod: 4})
	before := newState(edit.Snapshot(9))
	assert.True(t, before.Serves("w", "LSST", 1))
	edit = before.kv.Edit()
	edit.Put("inventory/w/LSST", kv.Entry{Value: "7", Create: 4, Mod: 4})
	restored := edit.Snapshot(6)
	after := before.next(restored, []kv.Path{"inventory/w/LSST"})
	assert.False(t, after.Serves("w", "LSST", 1))
	assert.True(t, after.Serves("w", "LSST", 7))

	v := &View{done: make(chan struct{}), ask: make(chan struct{}, 1)}
	v.shown.Store(&shown{before, time.Now(), 0, make(chan struct{})})
	waited := make(chan error, 1)
	go func() {
		_, err := v.WaitRevision(t.Context(), 10)
		waited <- err
	}()
	for {
		select {
		case err := <-waited:
			assert.ErrorIs(t, err, cssetcd.ErrRegressed)
			return
		default: // until it waits
			v.update(kv.Update{Snapshot: restored, Touched: []kv.Path{"inventory/w/LSST"}, Regressed: true})
		}
	}
}

func describe(s *State) (lines []string) {
	for _, w := range s.Workers() {
		lines = append(lines, w)
		for _, db := range s.Databases(w) {
			set, err := s.Chunks(w, db)
			lines = append(lines, fmt.Sprintf("%s %s %s %v %v", w, db, set, err, s.Serves(w, db, 7)))
		}
	}
	return append(lines, fmt.Sprint(s.Serving("a", 2)))
}

// Rule: what a process that has been replaced wanted to write is not written.
func TestReplacedProcessWritesNothing(t *testing.T) {
	t.Parallel()
	css := csstest.New(t)
	p, err := NewPublisher(css, "w")
	require.NoError(t, err)
	require.NoError(t, p.Set("LSST", chunkset.MustParse("1")))
	lease, _, err := p.store.Grant(t.Context(), 60)
	require.NoError(t, err)
	candidacy := csskey.PublishersOf("w") + "/1"
	put := func() kv.Revision {
		got, err := p.store.Commit(t.Context(), kv.Change{Puts: []kv.Put{{Path: candidacy, Value: "x", Touch: true}}})
		require.NoError(t, err)
		return got.Revision
	}
	now, err := p.begin(leader.Term{Path: string(candidacy), Created: int64(put())})
	require.NoError(t, err)
	now.lease = lease
	now, err = p.look(t.Context(), now)
	require.NoError(t, err)
	_, err = p.store.Commit(t.Context(), kv.Change{Deletes: []kv.Span{kv.Key(candidacy)}})
	require.NoError(t, err)
	put() // another one of its name
	_, err = p.step(t.Context(), now)
	assert.ErrorIs(t, err, kv.ErrGuard)
	s, err := Read(t.Context(), css)
	require.NoError(t, err)
	assert.Empty(t, s.Workers())
}

// TestWaitIsOfThisTerm: what a term that has ended wrote is not taken for what etcd has.
func TestWaitIsOfThisTerm(t *testing.T) {
	t.Parallel()
	p, err := NewPublisher(csstest.New(t), "w")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	rev, err := p.Wait(t.Context())
	require.NoError(t, err)
	assert.Positive(t, rev)
	cancel()
	<-done
	short, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	_, err = p.Wait(short)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

// Rule: two that know nothing hand each other the work less and less often.
func TestStepsBackLessAndLess(t *testing.T) {
	t.Parallel()
	p := &Publisher{settings: settings{ttl: 10 * time.Second}, changed: make(chan struct{}),
		want: wish{map[string]chunkset.Set{}, said{}}}
	asked := func(term time.Duration) bool {
		p.StepBack()
		return p.yielding(term)
	}
	for _, after := range []time.Duration{10, 20, 40, 80, 160, 320, 320} {
		assert.False(t, asked(after*time.Second-1))
		assert.True(t, asked(after*time.Second))
		assert.False(t, p.yielding(time.Hour), "it was asked once")
		p.stepsBack()
	}
	require.NoError(t, p.Set("LSST", chunkset.MustParse("1")))
	assert.True(t, asked(10*time.Second), "it knows something again")
}
