package kv

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Progress that a member reports which lags behind the one that was asked for the newest revision ends nothing, and
// neither does the answer that the watch is there.
func TestHistoryWaitsForAMemberThatLags(t *testing.T) {
	st := &Etcd{prefix: "/p/"}
	var told []Revision
	tell := func(r clientv3.WatchResponse, at int64) bool {
		r.Header = &etcdserverpb.ResponseHeader{Revision: at}
		done, err := st.tell(r, 9, func(at Revision, _ []Delta) { told = append(told, at) })
		assert.NoError(t, err)
		return done
	}
	event := func(at int64) *clientv3.Event {
		return &clientv3.Event{Kv: &mvccpb.KeyValue{Key: []byte("/p/k"), ModRevision: at}}
	}
	assert.False(t, tell(clientv3.WatchResponse{Created: true}, 12))
	assert.False(t, tell(clientv3.WatchResponse{}, 8), "progress up to 8")
	assert.False(t, tell(clientv3.WatchResponse{Events: []*clientv3.Event{event(7), event(8), event(8)}}, 8))
	assert.True(t, tell(clientv3.WatchResponse{}, 9), "progress up to 9")
	assert.True(t, tell(clientv3.WatchResponse{Events: []*clientv3.Event{event(9)}}, 9))
	assert.True(t, tell(clientv3.WatchResponse{Events: []*clientv3.Event{event(10)}}, 10))
	assert.Equal(t, []Revision{7, 8, 9}, told)
}
