package kv_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// corruptions are the ways in which what is shown can differ from etcd without the watch giving it away.
var corruptions = map[string]struct {
	spoil func(*kv.Builder)
	want  string // the difference, once it is healed
}{
	"a wrong value at the right revision": {func(b *kv.Builder) {
		spoilEntry(b, func(e *kv.Entry) { e.Value = "wrong" })
	}, "dir/b wrong>1"},
	"a wrong revision":    {func(b *kv.Builder) { spoilEntry(b, func(e *kv.Entry) { e.Mod-- }) }, "dir/b 1>1"},
	"a wrong incarnation": {func(b *kv.Builder) { spoilEntry(b, func(e *kv.Entry) { e.Create-- }) }, "dir/b 1>1"},
	"a missing key":       {func(b *kv.Builder) { b.Delete("dir/b") }, "dir/b >1"},
	"a missing first key": {func(b *kv.Builder) { b.Delete("dir/a") }, "dir/a >1"},
	"a missing last key":  {func(b *kv.Builder) { b.Delete("dir/c") }, "dir/c >1"},
	"an extra key": {func(b *kv.Builder) {
		b.Put("dir/bb", kv.Entry{Value: "extra", Create: 1, Mod: 1})
	}, "dir/bb extra>"},
	"an extra last key": {func(b *kv.Builder) {
		b.Put("dir/d", kv.Entry{Value: "extra", Create: 1, Mod: 1})
	}, "dir/d extra>"},
}

func spoilEntry(b *kv.Builder, change func(*kv.Entry)) {
	e := b.At("dir/b")
	change(&e)
	b.Put("dir/b", e)
}

// TestFollowHealsWhatDiffers (V5): a comparison finds what differs from etcd, and the update has the exact difference.
func TestFollowHealsWhatDiffers(t *testing.T) {
	t.Parallel()
	for name, c := range corruptions {
		for way, over := range map[string]func(*clientv3.Config){"stream": func(*clientv3.Config) {}, "pages": olderServer} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				direct := newStore(t)
				st := storeWithPrefix(t, newClient(t, direct.Client().Endpoints()[0], over), direct).Hurry()
				kvtest.MustPut(t, st, "dir/a", "1", "dir/b", "1", "dir/c", "1")
				s, cluster := mustLoad(t, st, 0, dir)
				b := s.Edit()
				c.spoil(b)
				wrong := b.Snapshot(s.Revision)
				f := follow(t, st, kv.Followed{Snapshot: wrong, Cluster: cluster, CompareEvery: 5 * time.Millisecond}, nil)
				f.wait("it is compared after it was healed", func() bool {
					return len(f.updates) > 0 &&
						f.updates[len(f.updates)-1].Compared
				})
				f.reachNow(direct)
				var got []string
				for _, d := range kv.Diff(wrong, f.now()) {
					got = append(got, fmt.Sprintf("%s %s>%s", d.Path, d.Old.Value, d.New.Value))
				}
				assert.Equal(t, c.want, strings.Join(got, ", "))
				assert.Equal(t, 1, f.count(isResync))
				assert.Equal(t, 1, f.count(isInconsistent))
				assert.Zero(t, f.count(func(u kv.Update) bool { return u.Regressed }))
			})
		}
	}
}

func isInconsistent(u kv.Update) bool {
	return u.Trouble != nil && strings.Contains(u.Trouble.Error(), kv.ErrInconsistent.Error())
}

// TestComparingGivesNoFalseAlarm (V5) while others write, the history is compacted and connections break.
func TestComparingGivesNoFalseAlarm(t *testing.T) {
	t.Parallel()
	const least = 20
	client := newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])
	n := newNetwork(t, storeOn(t, client))
	kvtest.Fill(t, n.direct, "dir/many/", 30)
	s, cluster := mustLoad(t, n.over, 0, dir)
	f := follow(t, n.over, kv.Followed{Snapshot: s, Cluster: cluster, CompareEvery: time.Millisecond}, nil)
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	writes, compactions := 0, 0
	others.Go(func() {
		for ; ctx.Err() == nil; writes++ {
			kvtest.MustPut(t, n.direct, fmt.Sprintf("dir/many/%07d", writes%40), fmt.Sprint(writes), "dir/last",
				fmt.Sprint(writes))
			time.Sleep(time.Millisecond)
			if writes%5 == 0 {
				kvtest.MustCommit(t, n.direct, kv.Change{Deletes: []kv.Span{kv.Key(kv.Path(fmt.Sprintf("dir/many/%07d",
					writes%30)))}})
			}
		}
	})
	others.Go(func() {
		for ; ctx.Err() == nil; compactions++ {
			compact(t, client, kvtest.MustPut(t, n.direct, "elsewhere", ""))
			time.Sleep(20 * time.Millisecond) // the rate that is wanted; nothing is judged by it
		}
	})
	compared := func() int {
		many := 0
		for _, u := range f.updates {
			if u.Compared {
				many++
			}
		}
		return many
	}
	for i := range least {
		f.wait("comparisons", func() bool { return compared() > i })
		if i%6 == 5 {
			n.Cut()
		}
	}
	stop()
	others.Wait()
	f.reachNow(n.direct)
	assert.Zero(t, f.count(isInconsistent))
	assert.GreaterOrEqual(t, f.count(func(u kv.Update) bool { return u.Compared }), least)
	t.Logf("%d comparisons over %d writes and %d compactions", f.count(func(u kv.Update) bool { return u.Compared }),
		writes, compactions)
}

// TestNoComparisonUnlessWanted: a negative interval switches comparing off.
func TestNoComparisonUnlessWanted(t *testing.T) {
	t.Parallel()
	st := newStore(t).Hurry()
	kvtest.MustPut(t, st, "dir/a", "1")
	s, cluster := mustLoad(t, st, 0, dir)
	f := follow(t, st, kv.Followed{Snapshot: s, Cluster: cluster, CompareEvery: -1}, nil)
	for i := range 10 {
		kvtest.MustPut(t, st, "dir/a", fmt.Sprint(i))
		f.reachNow(st)
	}
	assert.Zero(t, f.count(func(u kv.Update) bool { return u.Compared }))
}
