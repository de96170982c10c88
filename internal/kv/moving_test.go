package kv_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
	"github.com/qserv/css-etcd/internal/testkit"
)

// TestMovingLoadIsOneRevision (V10): what is loaded while it changes, without holding on to a revision, is exactly what
// there was at the revision that the load tells. Before and after each page something is written and the history is
// compacted up to that, so that nothing can be had from it.
func TestMovingLoadIsOneRevision(t *testing.T) {
	t.Parallel()
	server := newServer(t, embedetcd.Options{})
	client := newClient(t, server.Endpoints()[0])
	direct := storeOn(t, client)
	const static, changing = 2*kv.PageKeys + 10, 40
	loads := testkit.Steps(5, 10)
	kvtest.Fill(t, direct, "dir/", static)
	h := &history{}
	pages := 0
	change := func() {
		for range 1 + rand.IntN(3) {
			h.write(t, direct, static, changing)
		}
		compact(t, client, kvtest.MustPut(t, direct, "elsewhere", ""))
	}
	over := storeWithPrefix(t, newClient(t, server.Endpoints()[0], overtakenStream,
		aroundGet(func(read func() error) error {
			pages++
			change()
			err := read()
			change()
			return err
		})), direct)
	for range loads {
		s, _ := mustLoad(t, over, 0, dir)
		got := map[kv.Path]string{}
		for p, e := range s.Range(dir) {
			if e.Value != "v" { // that of those that do not change
				got[p] = e.Value
			}
		}
		require.Equal(t, h.at(s.Revision), got, "revision %d", s.Revision)
		require.Equal(t, static, s.Len()-len(got))
	}
	assert.Equal(t, 3*loads, pages, "each load read each page once")
}

// history is what a writer wrote: the keys that have a value, by revision.
type history struct {
	now    map[kv.Path]string
	states []historyState
}

type historyState struct {
	at   kv.Revision
	keys map[kv.Path]string
}

// write gives some keys among many others one new value, and deletes some.
func (h *history) write(t *testing.T, st kv.Store, among, most int) {
	next := maps.Clone(h.now)
	if next == nil {
		next = map[kv.Path]string{}
	}
	var c kv.Change
	value := fmt.Sprint(len(h.states) + 1)
	for i := range most {
		p := kv.Path(fmt.Sprintf("dir/%07dx", i*among/most))
		switch rand.IntN(4) {
		case 0:
			c.Deletes = append(c.Deletes, kv.Key(p))
			delete(next, p)
		case 1:
			c.Puts = append(c.Puts, kv.Put{Path: p, Value: value, Touch: true})
			next[p] = value
		}
	}
	h.states = append(h.states, historyState{kvtest.MustCommit(t, st, c), next})
	h.now = next
}

func (h *history) at(rev kv.Revision) map[kv.Path]string {
	found := map[kv.Path]string{}
	for _, s := range h.states {
		if s.at <= rev {
			found = s.keys
		}
	}
	return found
}
