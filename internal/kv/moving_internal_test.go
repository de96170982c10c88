package kv

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	etcdserverpb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func pageOf(cluster uint64, at int64) *clientv3.GetResponse {
	return &clientv3.GetResponse{
		Header: &etcdserverpb.ResponseHeader{ClusterId: cluster, Revision: at},
		Kvs:    []*mvccpb.KeyValue{{Key: []byte("/p/d/a"), Value: []byte("1"), CreateRevision: 1, ModRevision: 1}},
	}
}

// TestPinnedPagesAreOfOneEtcd: no page may be of another cluster than the first, whose revision is that of all.
func TestPinnedPagesAreOfOneEtcd(t *testing.T) {
	keys := 0
	l := &loader{s: &Etcd{prefix: "/p/"}, span: Below("d"), heard: func() {},
		each: func(*mvccpb.KeyValue) error { keys++; return nil }}
	require.NoError(t, l.page(pageOf(1, 10)))
	require.NoError(t, l.page(pageOf(1, 12)))
	assert.Equal(t, Revision(10), l.at)
	assert.Equal(t, uint64(1), l.cluster)
	require.Error(t, l.page(pageOf(2, 12)), "another cluster")
	assert.Equal(t, 2, keys, "nothing of that is taken in")
}

// TestPagesAreOfOneEtcd: no page may be of another cluster, or older than the watch or than a page before it.
func TestPagesAreOfOneEtcd(t *testing.T) {
	l := newLoad()
	require.NoError(t, l.page(pageOf(1, 10)))
	require.NoError(t, l.page(pageOf(1, 12)))
	require.NoError(t, l.page(pageOf(1, 12)))
	assert.Equal(t, Revision(12), l.newest)
	assert.Equal(t, Revision(10), l.at, "what came between the pages is the watch's to tell")
	require.Error(t, l.page(pageOf(1, 11)), "it went back")
	require.Error(t, l.page(pageOf(2, 13)), "another cluster")
	require.Error(t, newLoad().page(pageOf(1, 9)), "older than the watch")
	require.Error(t, newLoad().page(pageOf(2, 10)), "another cluster than the watch")
}

// newLoad is a moving load whose watch has begun at revision 10 of cluster 1.
func newLoad() *movingLoad {
	return &movingLoad{s: &Etcd{prefix: "/p/"}, into: NewSnapshot(0, Below("d")).Edit(), values: interner{}, cluster: 1,
		newest: 10, at: 10}
}

// askedWatcher counts the questions about the progress of a watch.
type askedWatcher struct {
	clientv3.Watcher
	asked int
}

func (w *askedWatcher) RequestProgress(context.Context) error {
	w.asked++
	return nil
}

// TestMovingLoadCatchesUp: what the watch tells is taken in up to the revision of the last page, if it is of the same
// etcd.
func TestMovingLoadCatchesUp(t *testing.T) {
	response := func(cluster uint64, at int64, events ...*clientv3.Event) clientv3.WatchResponse {
		return clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{ClusterId: cluster, Revision: at}, Events: events}
	}
	event := func(at int64, key, value string) *clientv3.Event {
		return &clientv3.Event{Kv: &mvccpb.KeyValue{Key: []byte("/p/d/" + key), Value: []byte(value), CreateRevision: at,
			ModRevision: at}}
	}
	gone := func(at int64, key string) *clientv3.Event {
		return &clientv3.Event{Type: clientv3.EventTypeDelete, Kv: &mvccpb.KeyValue{Key: []byte("/p/d/" + key),
			ModRevision: at}}
	}
	type values = map[Path]string
	for _, c := range []struct {
		name  string
		told  []clientv3.WatchResponse
		fails error
		text  string
		at    Revision
		want  values
	}{
		{"nothing has changed", []clientv3.WatchResponse{response(1, 12)}, nil, "", 12, values{"d/a": "1"}},
		{"it is further", []clientv3.WatchResponse{response(1, 15)}, nil, "", 15, values{"d/a": "1"}},
		{"it changed", []clientv3.WatchResponse{response(1, 11, event(11, "b", "2")), response(1, 13, event(12, "a", "3"))},
			nil, "", 12, values{"d/a": "3", "d/b": "2"}},
		{"something went", []clientv3.WatchResponse{response(1, 13, gone(12, "a"))}, nil, "", 12, values{}},
		{"it is not there yet", []clientv3.WatchResponse{response(1, 11)}, errWatchClosed, "", 0, nil},
		{"another cluster", []clientv3.WatchResponse{response(2, 12)}, nil, "the cluster is 2 and was 1", 0, nil},
		{"it was compacted", []clientv3.WatchResponse{{Canceled: true, CompactRevision: 12}}, ErrCompacted, "", 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, watcher, heard := newLoad(), &askedWatcher{}, 0
			require.NoError(t, l.page(pageOf(1, 12)))
			responses := make(chan clientv3.WatchResponse, len(c.told))
			for _, r := range c.told {
				responses <- r
			}
			close(responses)
			err := l.catchUp(t.Context(), watcher, responses, func() { heard++ })
			assert.Positive(t, watcher.asked, "what is written elsewhere brings no event")
			switch {
			case c.fails != nil:
				require.ErrorIs(t, err, c.fails)
				return
			case c.text != "":
				require.ErrorContains(t, err, c.text)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.at, l.at)
			assert.Equal(t, len(c.told), heard)
			got := values{}
			for p, e := range l.into.Snapshot(l.at).Range(Below("d")) {
				got[p] = e.Value
			}
			assert.Equal(t, c.want, got)
		})
	}
}
