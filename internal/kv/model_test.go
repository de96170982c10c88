package kv_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
	"github.com/qserv/css-etcd/internal/testkit"
)

// somePaths are chosen to be neighbours of one another.
var somePaths = []kv.Path{"t", "t/O", "t/O/a", "t/O/b", "t/O.", "t/O0", "t/O2", "t/O2/a", "t0", "u", "u/"}

var (
	aPath  = rapid.SampledFrom(somePaths)
	aValue = rapid.SampledFrom([]string{"", "v", "w", "\x00\xff"})
	aSpan  = rapid.Custom(func(t *rapid.T) kv.Span {
		p := aPath.Draw(t, "path")
		switch rapid.IntRange(0, 3).Draw(t, "kind of span") {
		case 0:
			return kv.Key(p)
		case 1:
			return kv.Span{From: p, To: aPath.Draw(t, "to")} // may be empty, and may be upside down
		default:
			return kv.Below(p)
		}
	})
)

// world are stores that are told the same. Revisions differ between them, so tests number the states by themselves.
type world struct {
	stores    []kv.Store
	names     []string
	revisions [][]kv.Revision // of each store, by state
}

func (w *world) add(name string, st kv.Store) {
	w.names, w.stores, w.revisions = append(w.names, name), append(w.stores, st), append(w.revisions, nil)
}

// number returns which state a revision of store i made; 0 stands for none.
func (w *world) number(i int, at kv.Revision) int { return slices.Index(w.revisions[i], at) + 1 }

func (w *world) revision(i, number int) kv.Revision {
	if number == 0 {
		return 0
	}
	return w.revisions[i][number-1]
}

// numbered is an entry with states for revisions.
type numbered struct {
	Value       string
	Create, Mod int
}

func (w *world) contents(i int, s *kv.Snapshot) map[kv.Path]numbered {
	out := map[kv.Path]numbered{}
	for p, e := range kvtest.Contents(s) {
		out[p] = numbered{e.Value, w.number(i, e.Create), w.number(i, e.Mod)}
	}
	return out
}

// commit commits the same on all stores, where Guard.Revision is the number of a state.
func (w *world) commit(t *rapid.T, c kv.Change) {
	var first map[kv.Path]numbered
	var outcome string
	for i, st := range w.stores {
		own := c
		own.Guards = slices.Clone(c.Guards)
		for j, g := range own.Guards {
			own.Guards[j].Revision = w.revision(i, int(g.Revision))
		}
		before := must(st.Fetch(t.Context(), 0))(t)
		got, err := st.Commit(t.Context(), own)
		result := class(err)
		if got != nil {
			if got.Revision > before.Revision && err == nil {
				w.revisions[i] = append(w.revisions[i], got.Revision)
				result += ", a revision"
			}
			contents := w.contents(i, got)
			if first == nil {
				first = contents
			}
			require.Equal(t, first, contents, "gets: %s and %s", w.names[0], w.names[i])
		}
		if i == 0 {
			outcome = result
		}
		require.Equal(t, outcome, result, "outcome: %s and %s", w.names[0], w.names[i])
	}
}

func class(err error) string {
	for _, e := range []error{kv.ErrGuard, kv.ErrUnorderable, kv.ErrFutureRevision, kv.ErrCompacted} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	if err != nil {
		return "error"
	}
	return "fine"
}

// compare checks that the stores show the same at a state; 0 is the newest.
func (w *world) compare(t *rapid.T, number int, spans ...kv.Span) {
	var first map[kv.Path]numbered
	for i, st := range w.stores {
		s := must(st.Fetch(t.Context(), w.revision(i, number), spans...))(t)
		contents := w.contents(i, s)
		if i == 0 {
			first = contents
		}
		require.Equal(t, first, contents, "%s and %s", w.names[0], w.names[i])
	}
}

var aChange = rapid.Custom(func(t *rapid.T) kv.Change {
	c := kv.Change{
		Puts: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) kv.Put {
			return kv.Put{Path: aPath.Draw(t, "put"), Value: aValue.Draw(t, "value"), Touch: rapid.Bool().Draw(t, "touch")}
		}), 0, 4).Draw(t, "puts"),
		Deletes: rapid.SliceOfN(aSpan, 0, 2).Draw(t, "deletes"),
		Gets:    rapid.SliceOfN(aSpan, 0, 2).Draw(t, "gets"),
	}
	if rapid.IntRange(0, 9).Draw(t, "possible") > 0 { // else it may put a key twice, or one that it deletes
		seen := map[kv.Path]bool{}
		c.Puts = slices.DeleteFunc(c.Puts, func(p kv.Put) bool {
			again := seen[p.Path]
			seen[p.Path] = true
			return again || slices.ContainsFunc(c.Deletes, func(d kv.Span) bool { return d.Contains(p.Path) })
		})
	}
	return c
})

// aGuard draws a guard that has a fair chance to hold. Its Revision is the number of a state.
func (w *world) aGuard(t *rapid.T) kv.Guard {
	now, err := w.stores[0].Fetch(t.Context(), 0, kv.Everything)
	require.NoError(t, err)
	g := kv.Guard{
		Kind: kv.GuardKind(rapid.IntRange(int(kv.Absent), int(kv.UnchangedSince)).Draw(t, "kind of guard")),
		Path: aPath.Draw(t, "guarded"),
		To:   aPath.Draw(t, "guarded to"),
	}
	e := now.At(g.Path)
	switch {
	case rapid.Bool().Draw(t, "blind"):
		g.Revision = kv.Revision(rapid.IntRange(0, len(w.revisions[0])).Draw(t, "state"))
		g.Value = aValue.Draw(t, "value")
	case g.Kind == kv.CreateIs:
		g.Revision = kv.Revision(w.number(0, e.Create))
	default:
		g.Revision, g.Value = kv.Revision(w.number(0, e.Mod)), e.Value
	}
	return g
}

func TestStoresEqualModel(t *testing.T) {
	t.Parallel()
	// An etcd of its own, since each revision counts.
	client := newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])
	most := testkit.Steps(30, 100)
	commits, held := 0, 0
	testkit.Check(t, most, func(rt *rapid.T) {
		own := must(kv.NewEtcd(client, fmt.Sprintf("/model-%d", prefixes.Add(1))))(rt)
		var w world
		w.add("memory", kv.NewMemory())
		w.add("model", kvtest.NewModel())
		w.add("etcd", own)
		rt.Repeat(map[string]func(*rapid.T){
			"commit": func(rt *rapid.T) {
				c := aChange.Draw(rt, "change")
				for range rapid.IntRange(0, 2).Draw(rt, "guards") {
					c.Guards = append(c.Guards, w.aGuard(rt))
				}
				before := len(w.revisions[0])
				w.commit(rt, c)
				commits++
				held += len(w.revisions[0]) - before
			},
			"look back": func(rt *rapid.T) {
				number := rapid.IntRange(0, len(w.revisions[0])).Draw(rt, "state")
				w.compare(rt, number, rapid.SliceOfN(aSpan, 0, 3).Draw(rt, "spans")...)
			},
			"look at all": func(rt *rapid.T) { w.compare(rt, 0, kv.Everything) },
		})
		w.compare(rt, 0, kv.Everything)
	})
	t.Logf("%d commits, of which %d made a revision", commits, held)
	assert.Greater(t, held, commits/4)
	if !testing.Short() { // which makes each run smaller
		assert.Greater(t, commits, most*5)
	}
}
