package kv_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// naive is a snapshot as a map.
type naive = map[kv.Path]kv.Entry

// version is a snapshot and what it must show for ever.
type version struct {
	s    *kv.Snapshot
	want naive
}

// manyPaths has enough of them that the tree has several levels.
var manyPaths = rapid.Custom(func(t *rapid.T) kv.Path {
	return kv.Path(fmt.Sprintf("k/%03d", rapid.IntRange(0, 400).Draw(t, "n")))
})

// TestSnapshotNeverChanges: whatever is built from it, a snapshot shows what it showed, and the new one shows the
// change.
func TestSnapshotNeverChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := []version{{kv.NewSnapshot(1, kv.Everything), naive{}}}
		for range rapid.IntRange(1, 8).Draw(t, "edits") {
			old := rapid.SampledFrom(versions).Draw(t, "from")
			b, want := old.s.Edit(), maps.Clone(old.want)
			for range rapid.IntRange(0, 60).Draw(t, "steps") {
				p := manyPaths.Draw(t, "path")
				switch rapid.IntRange(0, 7).Draw(t, "step") {
				case 0:
					old, was := b.Delete(p)
					require.Equal(t, want[p], old)
					require.Equal(t, want[p].Exists(), was)
					delete(want, p)
				case 1:
					span := kv.Span{From: p, To: manyPaths.Draw(t, "to")}
					var gone []kv.Path
					for q := range want {
						if span.Contains(q) {
							gone = append(gone, q)
						}
					}
					slices.Sort(gone)
					require.Equal(t, gone, b.DeleteSpan(span))
					for _, q := range gone {
						delete(want, q)
					}
				default:
					e := kv.Entry{Value: aValue.Draw(t, "value"), Create: 1, Mod: kv.Revision(rapid.IntRange(1, 9).Draw(t, "mod"))}
					old, was := b.Put(p, e)
					require.Equal(t, want[p], old)
					require.Equal(t, want[p].Exists(), was)
					want[p] = e
				}
				require.Equal(t, want[p], b.At(p))
			}
			at := kv.Revision(len(versions) + 1)
			versions = append(versions, version{b.Snapshot(at), want}, version{old.s.WithRevision(at), old.want})
			require.Equal(t, at, versions[len(versions)-1].s.Revision)
		}
		span := kv.Span{From: manyPaths.Draw(t, "range from"), To: manyPaths.Draw(t, "range to")}
		probe := manyPaths.Draw(t, "probe")
		for _, v := range versions {
			require.Equal(t, v.want, kvtest.Contents(v.s))
			require.Equal(t, len(v.want), v.s.Len())
			require.Equal(t, v.want[probe], v.s.At(probe))
			require.Equal(t, rangeOf(v.want, span), slices.Collect(keysOf(v.s, span)))
			require.Equal(t, len(rangeOf(v.want, span)) == 0, v.s.Empty(span))
			require.Equal(t, !v.want[probe].Exists(), v.s.Empty(kv.Key(probe)))
		}
	})
}

func rangeOf(m naive, span kv.Span) []kv.Path {
	var out []kv.Path
	for p := range m {
		if span.Contains(p) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

func keysOf(s *kv.Snapshot, span kv.Span) func(func(kv.Path) bool) {
	return func(yield func(kv.Path) bool) {
		for p := range s.Range(span) {
			if !yield(p) {
				return
			}
		}
	}
}

// TestSnapshotOutsideOfItsSpansPanics: "absent" would be a wrong answer about what was not read.
func TestSnapshotOutsideOfItsSpansPanics(t *testing.T) {
	s := kv.NewSnapshot(1, kv.Key("a"), kv.Below("b"), kv.Span{From: "m", To: "n"})
	for _, c := range []struct {
		span  kv.Span
		shown bool
	}{
		{kv.Key("a"), true}, {kv.Key("a/"), false}, {kv.Key("A"), false}, {kv.Below("a"), false},
		{kv.Key("b"), false}, {kv.Key("b/"), true}, {kv.Key("b/x"), true}, {kv.Key("b/\xff"), true}, {kv.Key("b0"), false},
		{kv.Key("bb"), false},
		{kv.Below("b"), true}, {kv.Below("b/x"), true}, {kv.Span{From: "b/x", To: "b/y"}, true},
		{kv.Span{From: "b", To: "b/x"}, false},
		{kv.Span{From: "b/x", To: "b1"}, false}, {kv.Key("m"), true}, {kv.Key("n"), false},
		{kv.Span{From: "m", To: "n"}, true},
		{kv.Span{From: "a", To: "b"}, false}, {kv.Everything, false},
	} {
		t.Run(c.span.String(), func(t *testing.T) {
			assert.Equal(t, c.shown, s.Shows(c.span))
			check := assert.Panics
			if c.shown {
				check = assert.NotPanics
			}
			check(t, func() { s.Range(c.span) })
			check(t, func() { s.Empty(c.span) })
			if c.span.Single() {
				check(t, func() { s.At(c.span.From) })
			}
		})
	}
	assert.PanicsWithValue(t, "kv: c was not declared as read; the snapshot shows [a b/... [m, n)]", func() { s.At("c") })
}

func TestRangeCanBeLeftEarlyAndTwice(t *testing.T) {
	b := kv.NewSnapshot(1, kv.Everything).Edit()
	for i := range 100 {
		b.Put(kv.Path(fmt.Sprintf("k/%02d", i)), kv.Entry{Create: 1, Mod: 1})
	}
	r := b.Snapshot(2).Range(kv.Below("k"))
	for range 2 {
		n := 0
		for p := range r {
			require.Equal(t, kv.Path(fmt.Sprintf("k/%02d", n)), p)
			if n++; n == 42 {
				break
			}
		}
		assert.Equal(t, 42, n)
	}
}

// TestDiffIsExact: Diff and DiffAt give what a comparison of two maps gives.
func TestDiffIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(b *kv.Builder, m naive, name string) (touched []kv.Path) {
			for range rapid.IntRange(0, 80).Draw(t, name) {
				p := manyPaths.Draw(t, "path")
				touched = append(touched, p)
				if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
					b.Delete(p)
					delete(m, p)
					continue
				}
				e := kv.Entry{
					Value:  aValue.Draw(t, "value"),
					Create: kv.Revision(rapid.IntRange(1, 2).Draw(t, "create")),
					Mod:    kv.Revision(rapid.IntRange(2, 3).Draw(t, "mod")),
				}
				b.Put(p, e)
				m[p] = e
			}
			return touched
		}
		old := naive{}
		b := kv.NewSnapshot(1, kv.Everything).Edit()
		draw(b, old, "before")
		from := b.Snapshot(1)
		now := maps.Clone(old)
		b = from.Edit()
		touched := draw(b, now, "changes")
		to := b.Snapshot(2)

		var want []kv.Delta
		both := maps.Clone(old)
		maps.Copy(both, now)
		for _, p := range slices.Sorted(maps.Keys(both)) {
			if old[p] != now[p] {
				want = append(want, kv.Delta{Path: p, Old: old[p], New: now[p]})
			}
		}
		require.Equal(t, want, kv.Diff(from, to))
		require.Equal(t, want, kv.DiffAt(from, to, touched))
		require.Empty(t, kv.Diff(from, from))
		for i, d := range want {
			want[i] = kv.Delta{Path: d.Path, Old: d.New, New: d.Old}
		}
		require.Equal(t, want, kv.Diff(to, from), "backwards")
		b = kv.NewSnapshot(1, kv.Everything).Edit()
		for p, e := range old {
			b.Put(p, e)
		}
		require.Equal(t, want, kv.Diff(to, b.Snapshot(1)), "between trees that share nothing")
	})
}

// TestSnapshotIsSafeForManyReaders: goroutines read and edit one snapshot at once; the race detector looks on.
func TestSnapshotIsSafeForManyReaders(t *testing.T) {
	const keys = 2000
	b := kv.NewSnapshot(1, kv.Everything).Edit()
	path := func(i int) kv.Path { return kv.Path(fmt.Sprintf("k/%04d", i)) }
	for i := range keys {
		b.Put(path(i), kv.Entry{Value: "v", Create: 1, Mod: 1})
	}
	s := b.Snapshot(1)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { // reads
			for range 20 {
				n := 0
				for p, e := range s.Range(kv.Below("k")) {
					assert.Equal(t, e, s.At(p))
					n++
				}
				assert.Equal(t, keys, n)
			}
		})
		all.Go(func() { // edits
			next := s
			for i := range 50 {
				b := next.Edit()
				b.Put(path(i*7), kv.Entry{Value: "w", Create: 1, Mod: 2})
				b.Delete(path(i*11 + 1))
				next = b.Snapshot(kv.Revision(i))
			}
			assert.NotEmpty(t, kv.Diff(s, next))
		})
	}
	all.Wait()
}
