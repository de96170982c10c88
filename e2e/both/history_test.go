package both_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	prefix   = "/qserv/"
	cssRoot  = prefix + "css"
	inboxKey = prefix + "inbox/default"
)

// value is what a key holds in etcd or in kvData; the zero value says that there is none.
type value struct {
	there bool
	text  string
}

func held(text string) value { return value{true, text} }

func (v value) String() string {
	if !v.there {
		return "nothing"
	}
	return "'" + v.text + "'"
}

// event is what one revision of etcd did to one key of the catalogue.
type event struct {
	rev int64
	key string
	now value
}

// revision is all that one transaction of etcd did to the catalogue.
type revision struct {
	number int64
	taken  bool // by a mirror that took what others wrote into kvData: it wrote down what it decided on
	events []event
}

// history records all revisions of etcd, from a watch that is cut off by nothing but the members' own troubles.
type history struct {
	mu     sync.Mutex
	all    []revision
	seen   int64
	failed error
}

// record follows etcd until ctx ends. The recording begins at the first revision.
func (h *history) record(ctx context.Context, etcd *clientv3.Client) {
	watch := etcd.Watch(clientv3.WithRequireLeader(ctx), prefix, clientv3.WithPrefix(), clientv3.WithRev(1),
		clientv3.WithProgressNotify())
	for {
		for response := range watch {
			h.take(response)
		}
		if ctx.Err() != nil || h.broken() {
			return
		}
		// A member that has no leader ends a watch.
		watch = etcd.Watch(clientv3.WithRequireLeader(ctx), prefix, clientv3.WithPrefix(), clientv3.WithRev(h.upTo()+1),
			clientv3.WithProgressNotify())
	}
}

func (h *history) broken() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed != nil
}

func (h *history) take(response clientv3.WatchResponse) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if response.CompactRevision > 0 {
		h.failed = response.Err()
	}
	for _, e := range response.Events {
		if n := len(h.all); n == 0 || h.all[n-1].number != e.Kv.ModRevision {
			h.all = append(h.all, revision{number: e.Kv.ModRevision})
		}
		r := &h.all[len(h.all)-1]
		key := string(e.Kv.Key)
		switch css, ok := strings.CutPrefix(key, cssRoot); {
		case key == inboxKey:
			r.taken = true
		case ok && e.Type == clientv3.EventTypeDelete:
			r.events = append(r.events, event{rev: r.number, key: css})
		case ok:
			r.events = append(r.events, event{rev: r.number, key: css, now: held(string(e.Kv.Value))})
		}
		h.seen = r.number
	}
}

// upTo is the revision up to which all is recorded.
func (h *history) upTo() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen
}

// taken counts the changes that mirrors made so far.
func (h *history) taken() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.all {
		if r.taken {
			n += len(r.events)
		}
	}
	return n
}

// revisions returns the recording, once it has come as far as etcd, and requires that it leads to what etcd holds.
func (h *history) revisions(t *testing.T, etcd *clientv3.Client) []revision {
	t.Helper()
	got, err := etcd.Get(t.Context(), prefix, clientv3.WithPrefix())
	require.NoError(t, err)
	last := int64(0)
	for _, kv := range got.Kvs {
		last = max(last, kv.ModRevision)
	}
	require.Eventually(t, func() bool { return h.upTo() >= last || h.broken() }, patience, 10*time.Millisecond)
	h.mu.Lock()
	defer h.mu.Unlock()
	require.NoError(t, h.failed, "the recording has a gap")
	end := map[string]string{}
	for _, r := range h.all {
		if r.number > got.Header.Revision {
			break
		}
		for _, e := range r.events {
			if delete(end, e.key); e.now.there {
				end[e.key] = e.now.text
			}
		}
	}
	have := map[string]string{}
	for _, kv := range got.Kvs {
		if css, ok := strings.CutPrefix(string(kv.Key), cssRoot); ok {
			have[css] = string(kv.Value)
		}
	}
	require.Equal(t, have, end, "what was recorded is not what etcd holds")
	return h.all
}
