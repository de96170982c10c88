package kvtest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/kv"
)

// Harness is a kind of store under test. What is nil is something that the store does not have.
type Harness struct {
	// Open returns a store in which no key exists.
	Open func(t *testing.T) kv.Store
	// Compact makes the store forget the revisions before at.
	Compact func(t *testing.T, st kv.Store, at kv.Revision)
	// Grant makes a lease, and returns its id and what ends it, with all keys on it, at once.
	Grant func(t *testing.T, st kv.Store) (id int64, end func())
	// Limited says that the store has etcd's limits for one transaction.
	Limited bool
	// Many is how many keys one delete has to cope with; 0 stands for 100,000.
	Many int
}

// TestStore runs the conformance suite.
func TestStore(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"guards":              testGuards,
		"several guards":      testSeveralGuards,
		"revisions":           testRevisions,
		"deletes":             testDeletes,
		"what cannot be done": testRefusals,
		"gets":                testGets,
		"values":              testValues,
		"fetch":               testFetch,
		"compaction":          testCompaction,
		"leases":              testLeases,
		"limits":              testLimits,
		"many keys":           testManyKeys,
		"one of many wins":    testRace,
		"ended context":       testEndedContext,
	} {
		t.Run(name, func(t *testing.T) { test(t, h) })
	}
}

// All is a span of everything that the suite writes.
var all = kv.Span{From: "a", To: "~"}

// Contents returns what exists in a snapshot, in byte order.
func Contents(s *kv.Snapshot) map[kv.Path]kv.Entry {
	out := map[kv.Path]kv.Entry{}
	for _, span := range s.Spans() {
		maps.Insert(out, s.Range(span))
	}
	return out
}

// Values returns the values of what exists in a snapshot.
func Values(s *kv.Snapshot) map[kv.Path]string {
	out := map[kv.Path]string{}
	for p, e := range Contents(s) {
		out[p] = e.Value
	}
	return out
}

// MustCommit commits a change and returns its revision.
func MustCommit(t testing.TB, st kv.Store, c kv.Change) kv.Revision {
	t.Helper()
	got, err := st.Commit(t.Context(), c)
	require.NoError(t, err)
	return got.Revision
}

// MustPut puts keys without looking and returns the revision: values follow their paths.
func MustPut(t testing.TB, st kv.Store, pathsAndValues ...string) kv.Revision {
	t.Helper()
	var c kv.Change
	for pair := range slices.Chunk(pathsAndValues, 2) {
		c.Puts = append(c.Puts, kv.Put{Path: kv.Path(pair[0]), Value: pair[1], Touch: true})
	}
	return MustCommit(t, st, c)
}

// MustFetch fetches spans at the newest revision.
func MustFetch(t testing.TB, st kv.Store, spans ...kv.Span) *kv.Snapshot {
	t.Helper()
	s, err := st.Fetch(t.Context(), 0, spans...)
	require.NoError(t, err)
	return s
}

func testGuards(t *testing.T, h Harness) {
	st := h.Open(t)
	MustPut(t, st, "t/Object", "old", "u/gone", "x")
	mod := MustPut(t, st, "t/Object", "new", "t/Object2", "beside", "t/Object2/below", "", "t/Object.x", "", "t/Object0",
		"")
	create := MustFetch(t, st, kv.Key("t/Object")).At("t/Object").Create
	MustPut(t, st, "p0", "", "p/a", "", "q/", "", "r/s/t", "", "z", "last")
	MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Key("u/gone")}})
	require.NotEqual(t, mod, create)

	for _, c := range []struct {
		name  string
		guard kv.Guard
		holds bool
	}{
		{"absent: never was", kv.Guard{Kind: kv.Absent, Path: "t/Nothing"}, true},
		{"absent: was deleted", kv.Guard{Kind: kv.Absent, Path: "u/gone"}, true},
		{"absent: is there", kv.Guard{Kind: kv.Absent, Path: "t/Object"}, false},
		{"absent: only keys below", kv.Guard{Kind: kv.Absent, Path: "r/s"}, true},
		{"mod: right", kv.Guard{Kind: kv.ModIs, Path: "t/Object", Revision: mod}, true},
		{"mod: older", kv.Guard{Kind: kv.ModIs, Path: "t/Object", Revision: create}, false},
		{"mod: newer", kv.Guard{Kind: kv.ModIs, Path: "t/Object", Revision: mod + 1}, false},
		{"mod: 0 for a key that is there", kv.Guard{Kind: kv.ModIs, Path: "t/Object"}, false},
		{"mod: 0 for an absent key", kv.Guard{Kind: kv.ModIs, Path: "t/Nothing"}, true},
		{"mod: 0 for a deleted key", kv.Guard{Kind: kv.ModIs, Path: "u/gone"}, true},
		{"mod: an absent key", kv.Guard{Kind: kv.ModIs, Path: "t/Nothing", Revision: mod}, false},
		{"create: right", kv.Guard{Kind: kv.CreateIs, Path: "t/Object", Revision: create}, true},
		{"create: that of the last change", kv.Guard{Kind: kv.CreateIs, Path: "t/Object", Revision: mod}, false},
		{"create: 0 for a key that is there", kv.Guard{Kind: kv.CreateIs, Path: "t/Object"}, false},
		{"create: 0 for an absent key", kv.Guard{Kind: kv.CreateIs, Path: "u/gone"}, true},
		{"create: an absent key", kv.Guard{Kind: kv.CreateIs, Path: "u/gone", Revision: create}, false},
		{"value: right", kv.Guard{Kind: kv.ValueIs, Path: "t/Object", Value: "new"}, true},
		{"value: old", kv.Guard{Kind: kv.ValueIs, Path: "t/Object", Value: "old"}, false},
		{"value: a beginning", kv.Guard{Kind: kv.ValueIs, Path: "t/Object", Value: "ne"}, false},
		{"value: empty, right", kv.Guard{Kind: kv.ValueIs, Path: "t/Object2/below"}, true},
		{"value: empty, of another", kv.Guard{Kind: kv.ValueIs, Path: "t/Object"}, false},
		{"value: empty, absent key", kv.Guard{Kind: kv.ValueIs, Path: "t/Nothing"}, false},
		{"below: neighbours only", kv.Guard{Kind: kv.NothingBelow, Path: "t/Object"}, true},
		{"below: one key", kv.Guard{Kind: kv.NothingBelow, Path: "t/Object2"}, false},
		{"below: many keys", kv.Guard{Kind: kv.NothingBelow, Path: "t"}, false},
		{"below: p0 is beside p/", kv.Guard{Kind: kv.NothingBelow, Path: "p"}, false},
		{"below: nothing below p0", kv.Guard{Kind: kv.NothingBelow, Path: "p0"}, true},
		{"below: a key that ends with a slash", kv.Guard{Kind: kv.NothingBelow, Path: "q"}, false},
		{"below: two levels down", kv.Guard{Kind: kv.NothingBelow, Path: "r"}, false},
		{"below: a deleted key", kv.Guard{Kind: kv.NothingBelow, Path: "u"}, true},
		{"below: a beginning of a name", kv.Guard{Kind: kv.NothingBelow, Path: "t/Obj"}, true},
		{"below: past the last key", kv.Guard{Kind: kv.NothingBelow, Path: "z"}, true},
		{"in: nothing", kv.Guard{Kind: kv.NothingIn, Path: "t/Object/", To: "t/Object0"}, true},
		{"in: the first key", kv.Guard{Kind: kv.NothingIn, Path: "t/Object0", To: "t/Object00"}, false},
		{"in: the end does not count", kv.Guard{Kind: kv.NothingIn, Path: "t/Object/x", To: "t/Object0"}, true},
		{"since: its last change", kv.Guard{Kind: kv.UnchangedSince, Path: "t/Object", To: "t/Object\x00", Revision: mod},
			true},
		{"since: before its last change", kv.Guard{Kind: kv.UnchangedSince, Path: "t/Object", To: "t/Object\x00",
			Revision: mod - 1}, false},
		{"since: the newest of many", kv.Guard{Kind: kv.UnchangedSince, Path: "p", To: "z\x00", Revision: mod}, false},
		{"since: the end does not count", kv.Guard{Kind: kv.UnchangedSince, Path: "t/", To: "w", Revision: mod}, true},
		{"since: a deleted key leaves no trace", kv.Guard{Kind: kv.UnchangedSince, Path: "u/", To: "u0", Revision: 0}, true},
		{"in: after one key", kv.Guard{Kind: kv.NothingIn, Path: "t/Object2\x00", To: "t/Object2/below"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := MustFetch(t, st, all)
			got, err := st.Commit(t.Context(), kv.Change{
				Guards: []kv.Guard{c.guard}, Puts: []kv.Put{{Path: "w", Value: c.name}},
				Gets: []kv.Span{kv.Key("w"), kv.Below("t")},
			})
			after := MustFetch(t, st, all)
			assert.Equal(t, after.Revision, got.Revision)
			assert.Equal(t, after.At("w"), got.At("w"))
			assert.Len(t, Contents(got), 5+boolInt(after.At("w").Exists()))
			if c.holds {
				require.NoError(t, err)
				assert.Equal(t, c.name, after.At("w").Value)
				assert.Equal(t, before.Revision+1, after.Revision)
			} else {
				require.ErrorIs(t, err, kv.ErrGuard)
				assert.Equal(t, Contents(before), Contents(after))
				assert.Equal(t, before.Revision, after.Revision)
			}
			assert.Equal(t, c.holds, c.guard.Holds(before), "Holds says the same of a snapshot")
		})
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func testSeveralGuards(t *testing.T, h Harness) {
	st := h.Open(t)
	MustPut(t, st, "k", "v")
	yes, no := kv.Guard{Kind: kv.ValueIs, Path: "k", Value: "v"}, kv.Guard{Kind: kv.Absent, Path: "k"}
	for name, guards := range map[string][]kv.Guard{"first": {no, yes, yes}, "middle": {yes, no, yes},
		"last": {yes, yes, no}} {
		_, err := st.Commit(t.Context(), kv.Change{Guards: guards, Puts: []kv.Put{{Path: "x"}},
			Deletes: []kv.Span{kv.Key("k")}})
		require.ErrorIs(t, err, kv.ErrGuard, name)
	}
	assert.Equal(t, map[kv.Path]string{"k": "v"}, Values(MustFetch(t, st, all)))
	MustCommit(t, st, kv.Change{Guards: []kv.Guard{yes, yes, yes}, Puts: []kv.Put{{Path: "x"}},
		Deletes: []kv.Span{kv.Key("k")}})
	assert.Equal(t, map[kv.Path]string{"x": ""}, Values(MustFetch(t, st, all)))
}

func testRevisions(t *testing.T, h Harness) {
	st := h.Open(t)
	first := MustPut(t, st, "a", "1", "b", "1")
	second := MustPut(t, st, "b", "2", "c", "2")
	third := MustCommit(t, st, kv.Change{Puts: []kv.Put{{Path: "d"}}, Deletes: []kv.Span{kv.Key("b")}})
	fourth := MustPut(t, st, "b", "4")
	touched := MustCommit(t, st, kv.Change{Puts: []kv.Put{{Path: "d", Touch: true}}})
	assert.Equal(t, []kv.Revision{first + 1, first + 2, first + 3, first + 4},
		[]kv.Revision{second, third, fourth, touched})
	assert.Equal(t, map[kv.Path]kv.Entry{
		"a": {Value: "1", Create: first, Mod: first},
		"b": {Value: "4", Create: fourth, Mod: fourth},
		"c": {Value: "2", Create: second, Mod: second},
		"d": {Value: "", Create: third, Mod: touched},
	}, Contents(MustFetch(t, st, all)))

	for name, c := range map[string]kv.Change{
		"nothing":         {},
		"only guards":     {Guards: []kv.Guard{{Kind: kv.ValueIs, Path: "a", Value: "1"}}},
		"only gets":       {Gets: []kv.Span{kv.Key("a")}},
		"deletes nothing": {Deletes: []kv.Span{kv.Key("nothing"), kv.Below("a"), {From: "m", To: "n"}}},
	} {
		assert.Equal(t, touched, MustCommit(t, st, c), "%s: no new revision", name)
	}
}

func testDeletes(t *testing.T, h Harness) {
	for _, c := range []struct {
		name    string
		deletes []kv.Span
		left    []kv.Path
	}{
		{"one key", []kv.Span{kv.Key("t/Object")}, []kv.Path{"t", "t/Object/a", "t/Object/a/b", "t/Object.", "t/Object0",
			"t/Object2", "u"}},
		{"below a key", []kv.Span{kv.Below("t/Object")}, []kv.Path{"t", "t/Object", "t/Object.", "t/Object0", "t/Object2",
			"u"}},
		{"a tree", kv.Tree("t/Object"), []kv.Path{"t", "t/Object.", "t/Object0", "t/Object2", "u"}},
		{"a range", []kv.Span{{From: "t/Object/", To: "t/Object2"}},
			[]kv.Path{"t", "t/Object", "t/Object.", "t/Object2", "u"}},
		{"overlapping ranges", []kv.Span{{From: "t", To: "t/Object0"}, kv.Below("t"), kv.Key("t/Object")}, []kv.Path{"u"}},
		{"an empty range", []kv.Span{{From: "u", To: "t"}, {From: "t", To: "t"}},
			[]kv.Path{"t", "t/Object", "t/Object/a", "t/Object/a/b", "t/Object.", "t/Object0", "t/Object2", "u"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := h.Open(t)
			MustPut(t, st, "t", "", "t/Object", "", "t/Object/a", "", "t/Object/a/b", "", "t/Object.", "", "t/Object0", "",
				"t/Object2", "", "u", "")
			at := MustCommit(t, st, kv.Change{Deletes: c.deletes, Puts: []kv.Put{{Path: "x"}}})
			s := MustFetch(t, st, all)
			assert.Equal(t, at, s.Revision)
			assert.ElementsMatch(t, append(c.left, "x"), slices.Collect(maps.Keys(Contents(s))))
		})
	}
}

func testRefusals(t *testing.T, h Harness) {
	st := h.Open(t)
	at := MustPut(t, st, "k", "v")
	puts := []kv.Put{{Path: "k", Value: "new"}}
	for name, deletes := range map[string][]kv.Span{"key": {kv.Key("k")}, "range": {{From: "a", To: "l"}},
		"second": {kv.Key("a"), {From: "k", To: "k0"}}} {
		_, err := st.Commit(t.Context(), kv.Change{Puts: puts, Deletes: deletes})
		require.ErrorIs(t, err, kv.ErrUnorderable, name)
	}
	_, err := st.Commit(t.Context(), kv.Change{Puts: []kv.Put{{Path: "b"}, {Path: "c"}, {Path: "b"}}})
	require.ErrorContains(t, err, "twice")
	require.NotErrorIs(t, err, kv.ErrOutcomeUnknown)
	s := MustFetch(t, st, all)
	assert.Equal(t, at, s.Revision)
	assert.Equal(t, map[kv.Path]string{"k": "v"}, Values(s))
}

func testGets(t *testing.T, h Harness) {
	st := h.Open(t)
	MustPut(t, st, "a", "1", "b/x", "1", "b/y", "1")
	for name, guard := range map[string]kv.Guard{"holds": {Kind: kv.Absent, Path: "z"},
		"fails": {Kind: kv.Absent, Path: "a"}} {
		t.Run(name, func(t *testing.T) {
			before := MustFetch(t, st, all)
			got, err := st.Commit(t.Context(), kv.Change{
				Guards:  []kv.Guard{guard},
				Puts:    []kv.Put{{Path: "a", Value: "2"}},
				Deletes: []kv.Span{kv.Key("b/x")},
				Gets:    []kv.Span{kv.Key("a"), kv.Below("b"), kv.Key("nothing")},
			})
			want := map[kv.Path]string{"a": "2", "b/y": "1"}
			at := before.Revision + 1
			if name == "fails" {
				require.ErrorIs(t, err, kv.ErrGuard)
				want = Values(before)
				at = before.Revision
			} else {
				require.NoError(t, err)
				defer MustPut(t, st, "a", "1", "b/x", "1")
			}
			assert.Equal(t, want, Values(got))
			assert.Equal(t, at, got.Revision)
			assert.False(t, got.At("nothing").Exists())
			assert.Panics(t, func() { got.At("b") }, "what was not asked for is not shown")
		})
	}
}

func testValues(t *testing.T, h Harness) {
	st := h.Open(t)
	var every strings.Builder
	for b := range 256 {
		every.WriteByte(byte(b))
	}
	values := map[kv.Path]string{
		"empty": "", "zero": "\x00", "slash": `\/`, "newline": "a\r\nb", "not utf-8": "\xff\xfe\x80",
		"every byte": every.String(),
		"large":      strings.Repeat(every.String(), 4096), "emoji": "\U0001F30C",
	}
	for p, v := range values {
		MustPut(t, st, string(p), v)
	}
	assert.Equal(t, values, Values(MustFetch(t, st, all)))
	for p, v := range values {
		MustCommit(t, st, kv.Change{Guards: []kv.Guard{{Kind: kv.ValueIs, Path: p, Value: v}}, Puts: []kv.Put{{Path: "x"}}})
		_, err := st.Commit(t.Context(), kv.Change{Guards: []kv.Guard{{Kind: kv.ValueIs, Path: p, Value: v + "\x00"}}})
		require.ErrorIs(t, err, kv.ErrGuard)
	}
}
