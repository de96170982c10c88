package kv_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// TestFollowCompactionAtTheEdge (V2): history is compacted exactly at the revision from which the watch goes on, at
// that of a deletion, and around them. Etcd has lost deletions there.
func TestFollowCompactionAtTheEdge(t *testing.T) {
	t.Parallel()
	client := newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])
	deletion := kv.Change{Deletes: []kv.Span{kv.Key("dir/a")}}
	change := kv.Change{Puts: []kv.Put{{Path: "dir/a", Value: "2", Touch: true}}}
	both := kv.Change{Deletes: []kv.Span{kv.Key("dir/a")}, Puts: []kv.Put{{Path: "dir/b", Value: "2", Touch: true}}}
	cases := 0
	for name, missed := range map[string][]kv.Change{
		"a deletion": {deletion}, "a change": {change}, "both in one": {both},
		"a deletion and a creation": {deletion, change}, "a change and a deletion": {change, deletion},
		"a deletion twice": {deletion, change, deletion},
	} {
		for at := 0; at <= len(missed)+1; at++ {
			for _, connected := range []bool{false, true} {
				if connected && at != 1 {
					continue // what is connected has heard of it before it is compacted, wherever that is
				}
				cases++
				t.Run(fmt.Sprintf("%s, compacted at %d, connected %v", name, at, connected), func(t *testing.T) {
					n := newNetwork(t, storeOn(t, client))
					kvtest.MustPut(t, n.direct, "dir/a", "1", "dir/b", "1", "dir/c", "1")
					f := startFollowing(t, n.over, nil)
					f.reachNow(n.direct)
					if !connected {
						n.Down()
					}
					first := f.now().Revision
					for _, c := range missed {
						kvtest.MustCommit(t, n.direct, c)
					}
					kvtest.MustPut(t, n.direct, "elsewhere", "")
					compact(t, client, first+kv.Revision(at))
					n.Up()
					f.reachNow(n.direct)
					kvtest.MustPut(t, n.direct, "dir/after", "")
					f.reachNow(n.direct)
				})
			}
		}
	}
	assert.Equal(t, 28, cases)
}

// sent is a stream whose requests are looked at.
type sent struct {
	grpc.ClientStream
	each func(any)
}

func (s sent) SendMsg(m any) error {
	s.each(m)
	return s.ClientStream.SendMsg(m)
}

// TestFollowAsksAsItShould (V1): for no fragments, which the server would build in quadratic time, and for a member
// that has a leader.
func TestFollowAsksAsItShould(t *testing.T) {
	t.Parallel()
	var watches atomic.Int64
	direct := newStore(t)
	client := newClient(t, direct.Client().Endpoints()[0], func(cfg *clientv3.Config) {
		cfg.DialOptions = append(cfg.DialOptions, grpc.WithChainStreamInterceptor(func(
			ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer,
			opts ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			stream, err := open(ctx, desc, cc, method, opts...)
			asked, _ := metadata.FromOutgoingContext(ctx)
			return sent{stream, func(m any) {
				if r, ok := m.(*etcdserverpb.WatchRequest); ok && r.GetCreateRequest() != nil {
					watches.Add(1)
					assert.False(t, r.GetCreateRequest().Fragment)
					assert.Equal(t, []string{rpctypes.MetadataHasLeader}, asked[rpctypes.MetadataRequireLeaderKey])
				}
			}}, err
		}))
	})
	f := startFollowing(t, storeWithPrefix(t, client, direct), nil)
	kvtest.MustPut(t, direct, "dir/a", "1")
	f.reachNow(direct)
	assert.Positive(t, watches.Load())
}
