package kv_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// TestMovingLoadIsOneRevision: what is loaded while it changes, without holding on to a revision, is exactly what there was at the
// revision that the load tells, although the history is compacted up to the newest revision all the time.
func TestMovingLoadIsOneRevision(t *testing.T) {
	t.Parallel()
	server := newServer(t, embedetcd.Options{})
	client := newClient(t, server.Endpoints()[0])
	direct := storeOn(t, client)
	const static, changing, loads = 4 * kv.PageKeys, 40, 12
	kvtest.Fill(t, direct, "dir/", static)
	over := storeWithPrefix(t, newClient(t, server.Endpoints()[0], onStream(func() func(func() error) error {
		return func(func() error) error { return rpctypes.ErrGRPCCompacted }
	})), direct)

	h := &history{}
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	others.Go(func() {
		for ctx.Err() == nil {
			h.write(t, direct, static, changing)
			time.Sleep(time.Millisecond)
		}
	})
	others.Go(func() {
		for ctx.Err() == nil {
			compact(t, client, kvtest.MustPut(t, direct, "elsewhere", "")-30)
			time.Sleep(20 * time.Millisecond)
		}
	})
	for range loads {
		s, _, err := over.Load(t.Context(), 0, dir)
		require.NoError(t, err)
		got := map[kv.Path]string{}
		for p, e := range s.Range(dir) {
			if e.Value != "v" { // that of those that do not change
				got[p] = e.Value
			}
		}
		require.Equal(t, h.at(s.Revision), got, "revision %d", s.Revision)
		require.Equal(t, static, s.Len()-len(got))
	}
	stop()
	others.Wait()
	t.Logf("%d loads over %d writes", loads, len(h.states))
	assert.Greater(t, len(h.states), 10*loads)
}

// history is what a writer wrote: the keys that have a value, by revision.
type history struct {
	mu     sync.Mutex
	now    map[kv.Path]string
	states []historyState
}

type historyState struct {
	at   kv.Revision
	keys map[kv.Path]string
}

// write gives some keys among many others one new value, and deletes some.
func (h *history) write(t *testing.T, st kv.Store, among, most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
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
	h.mu.Lock()
	defer h.mu.Unlock()
	found := map[kv.Path]string{}
	for _, s := range h.states {
		if s.at <= rev {
			found = s.keys
		}
	}
	return found
}
