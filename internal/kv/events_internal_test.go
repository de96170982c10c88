package kv

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"pgregory.net/rapid"
)

// told is a follower to which responses of a watch are told by hand, and what etcd would hold.
type told struct {
	f       *follower
	updates []Update
	etcd    map[Path]Entry
	at      Revision
}

func newTold(start map[Path]string) *told {
	w := &told{etcd: map[Path]Entry{}, at: 5}
	b := NewSnapshot(0, Below("d")).Edit()
	for p, value := range start {
		w.etcd[p] = Entry{Value: value, Create: 1, Mod: 1}
		b.Put(p, w.etcd[p])
	}
	st := &Etcd{prefix: "/p/", times: usualTimes}
	w.f = newFollower(st, Followed{Snapshot: b.Snapshot(w.at)}, nil, slog.New(slog.DiscardHandler),
		func(u Update) { w.updates = append(w.updates, u) })
	return w
}

// put and remove return the event of a change at the revision that is being made.
func (w *told) put(p Path, value string) *clientv3.Event {
	e := Entry{Value: value, Create: w.at, Mod: w.at}
	if old := w.etcd[p]; old.Exists() {
		e.Create = old.Create
	}
	w.etcd[p] = e
	return &clientv3.Event{Type: clientv3.EventTypePut, Kv: &mvccpb.KeyValue{
		Key: []byte("/p/" + p), Value: []byte(value), CreateRevision: int64(e.Create), ModRevision: int64(e.Mod),
	}}
}

func (w *told) remove(p Path) *clientv3.Event {
	delete(w.etcd, p)
	return &clientv3.Event{Type: clientv3.EventTypeDelete, Kv: &mvccpb.KeyValue{Key: []byte("/p/" + p),
		ModRevision: int64(w.at)}}
}

// longValues counts the different values that are long enough to be shared.
func (w *told) longValues() int {
	seen := map[string]bool{}
	for _, e := range w.etcd {
		if len(e.Value) >= internFrom {
			seen[e.Value] = true
		}
	}
	return len(seen)
}

var eventValues = []string{"", "short", strings.Repeat("a", internFrom-1), strings.Repeat("a", internFrom),
	strings.Repeat("b", 3*internFrom), strings.Repeat("c", 10_000)}

// revisionOf draws what one transaction does: some keys, each of them put or, when it is there, deleted.
func (w *told) revisionOf(t *rapid.T) (events []*clientv3.Event, touched []Path) {
	w.at += Revision(rapid.IntRange(1, 3).Draw(t, "revisions on"))
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 7), 1, 5, rapid.ID).Draw(t, "keys") {
		p := Path(fmt.Sprintf("d/%d", n))
		if w.etcd[p].Exists() && rapid.Bool().Draw(t, "delete") {
			events = append(events, w.remove(p))
		} else {
			events = append(events, w.put(p, rapid.SampledFrom(eventValues).Draw(t, "value")))
		}
		touched = append(touched, p)
	}
	return events, touched
}

func (w *told) agrees(t require.TestingT) {
	have := map[Path]Entry{}
	for p, e := range w.f.have.Range(Below("d")) {
		have[p] = e
	}
	require.Equal(t, w.etcd, have)
	require.Equal(t, w.at, w.f.have.Revision)
}

// TestEventsAgainstAModel (V2): responses of any number of revisions, with keys that come, go and come again within
// one, lead to what etcd holds; each is one update of exactly what was touched; and a shared value is known as long as
// a key has it.
func TestEventsAgainstAModel(t *testing.T) {
	responses, severalRevisions := 0, 0
	check := func(t *rapid.T) {
		w := newTold(map[Path]string{"d/1": eventValues[4], "d/2": eventValues[4]})
		for range rapid.IntRange(1, 8).Draw(t, "responses") {
			var events []*clientv3.Event
			var touched []Path
			n := rapid.IntRange(1, 6).Draw(t, "revisions in it")
			for range n {
				e, p := w.revisionOf(t)
				events, touched = append(events, e...), append(touched, p...)
			}
			told := len(w.updates)
			before := w.f.have
			require.NoError(t, w.f.events(events))
			require.Len(t, w.updates, told+1, "one response is one update")
			require.Equal(t, touched, w.updates[told].Touched)
			require.Equal(t, Diff(before, w.f.have), DiffAt(before, w.f.have, slices.Clone(touched)))
			w.agrees(t)
			require.Len(t, w.f.values, w.longValues())
			responses++
			if n > 1 {
				severalRevisions++
			}
		}
	}
	for range 20 {
		if rapid.Check(t, check); severalRevisions > 100 {
			break
		}
	}
	t.Logf("%d responses, %d of them of several revisions", responses, severalRevisions)
	assert.Greater(t, severalRevisions, 100)
}

// TestEventsThatCannotBe (V3): what goes back, comes twice or does not fit what is there makes the follower load anew,
// and shows nothing of the response.
func TestEventsThatCannotBe(t *testing.T) {
	for name, spoilt := range map[string]func(w *told) []*clientv3.Event{
		"a revision that was told": func(w *told) []*clientv3.Event {
			return []*clientv3.Event{w.put("d/a", "2")} // which was made long before
		},
		"a deletion of a revision that was told": func(w *told) []*clientv3.Event {
			return []*clientv3.Event{w.remove("d/a")}
		},
		"a revision below the one before it": func(w *told) []*clientv3.Event {
			w.at += 2
			first := w.put("d/a", "2")
			w.at--
			return []*clientv3.Event{first, w.put("d/b", "2")}
		},
		"a key that is there is created": func(w *told) []*clientv3.Event {
			w.at++
			delete(w.etcd, "d/a")
			return []*clientv3.Event{w.put("d/n", "1"), w.put("d/a", "2")}
		},
		"a key that is not there is changed": func(w *told) []*clientv3.Event {
			w.etcd["d/n"] = Entry{Value: "1", Create: 1, Mod: 1}
			w.at++
			return []*clientv3.Event{w.put("d/a", "2"), w.put("d/n", "2")}
		},
		"a key that is not there is deleted": func(w *told) []*clientv3.Event {
			w.at++
			return []*clientv3.Event{w.put("d/a", "2"), w.remove("d/n")}
		},
		"a key is deleted twice": func(w *told) []*clientv3.Event {
			w.at++
			first := w.remove("d/a")
			w.at++
			return []*clientv3.Event{first, w.remove("d/a")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTold(map[Path]string{"d/a": "1", "d/b": "1"})
			before := w.f.have
			require.ErrorIs(t, w.f.events(spoilt(w)), ErrResync)
			assert.Empty(t, w.updates)
			assert.Same(t, before, w.f.have)
		})
	}
}

// TestEqualLongValuesAreKeptOnce (V9), however they came: with the snapshot, by events, by both; and go with their last
// key.
func TestEqualLongValuesAreKeptOnce(t *testing.T) {
	long, other := strings.Repeat("x", 2000), strings.Repeat("y", 2000)
	w := newTold(map[Path]string{"d/0": long, "d/s": "short"})
	memory := func(p Path) *byte { return unsafe.StringData(w.f.have.At(p).Value) }
	tell := func(events ...*clientv3.Event) {
		t.Helper()
		require.NoError(t, w.f.events(events))
		w.agrees(t)
	}
	w.at++
	tell(w.put("d/1", long), w.put("d/2", other))
	w.at++
	tell(w.put("d/3", other), w.put("d/4", long))
	for _, p := range []Path{"d/1", "d/4"} {
		assert.Same(t, memory("d/0"), memory(p), p)
	}
	assert.Same(t, memory("d/2"), memory("d/3"))
	assert.NotSame(t, memory("d/0"), memory("d/2"))
	assert.Equal(t, []string{long, other}, slices.Sorted(maps.Keys(w.f.values)))

	w.at++
	tell(w.put("d/0", other), w.put("d/1", "short"))
	assert.Same(t, memory("d/2"), memory("d/0"))
	assert.Len(t, w.f.values, 2, "one key has it still")
	w.at++
	tell(w.remove("d/4"))
	assert.Equal(t, []string{other}, slices.Collect(maps.Keys(w.f.values)))
	w.at++
	tell(w.put("d/0", other)) // the same again: neither more nor fewer uses
	assert.Equal(t, 3, w.f.values[other].uses)
	w.at++
	tell(w.remove("d/0"), w.remove("d/2"), w.remove("d/3"))
	assert.Empty(t, w.f.values)
}

// TestASilentWatchIsEndedInTime (V6): what says nothing is ended within ten seconds, by the delays of real use and an
// invented clock; not so what says something, or is not listened to.
func TestASilentWatchIsEndedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, dog, stop := newTold(nil).f.watchdog(t.Context())
		defer stop()
		dog.pause()
		time.Sleep(time.Hour)
		for range 3 {
			dog.heard()
			time.Sleep(5 * time.Second)
			require.NoError(t, ctx.Err())
		}
		time.Sleep(5 * time.Second)
		require.ErrorIs(t, context.Cause(ctx), errSilent)
	})
}

// TestRecentVersions (V11): which servers are new enough.
func TestRecentVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"2.3.8": false, "3.3.27": false, "3.4.23": false, "3.4.99": false, "3.5.0": false, "3.5.27": false, "3.5.28": true,
		"3.5.100": true,
		"3.6.0":   false, "3.6.8": false, "3.6.9": true, "3.7.0": false, "3.7.0-rc.1": false, "3.7.1": true, "3.7.3": true,
		"3.8.0": true, "3.8.0-alpha.0": true, "4.0.0": true, "": true, "unknown": true, "not.a.version": true,
	} {
		assert.Equal(t, want, recent(version), version)
	}
}
