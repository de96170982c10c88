package kv

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	etcdserverpb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// TestPagesAreOfOneEtcd: no page may be of another cluster, or older than the watch or than a page before it.
func TestPagesAreOfOneEtcd(t *testing.T) {
	page := func(cluster uint64, at int64) *clientv3.GetResponse {
		return &clientv3.GetResponse{
			Header: &etcdserverpb.ResponseHeader{ClusterId: cluster, Revision: at},
			Kvs:    []*mvccpb.KeyValue{{Key: []byte("/p/d/a"), Value: []byte("1"), CreateRevision: 1, ModRevision: 1}},
		}
	}
	newLoad := func() *movingLoad {
		return &movingLoad{s: &Etcd{prefix: "/p/"}, into: NewSnapshot(0, Below("d")).Edit(), values: interner{}, cluster: 1, newest: 10, at: 10}
	}
	l := newLoad()
	require.NoError(t, l.page(page(1, 10)))
	require.NoError(t, l.page(page(1, 12)))
	require.NoError(t, l.page(page(1, 12)))
	assert.Equal(t, Revision(12), l.newest)
	assert.Equal(t, Revision(10), l.at, "what came between the pages is the watch's to tell")
	require.Error(t, l.page(page(1, 11)), "it went back")
	require.Error(t, l.page(page(2, 13)), "another cluster")
	require.Error(t, newLoad().page(page(1, 9)), "older than the watch")
	require.Error(t, newLoad().page(page(2, 10)), "another cluster than the watch")
}
