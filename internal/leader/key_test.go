package leader_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Leadership is a key and not a lease: here keys go, or are other ones, while their leases live.

// found returns the candidates' keys in etcd, the oldest first.
func found(t *testing.T, client *clientv3.Client) []*kv {
	t.Helper()
	got, err := client.Get(t.Context(), key+"/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision,
		clientv3.SortAscend))
	require.NoError(t, err)
	var all []*kv
	for _, k := range got.Kvs {
		all = append(all, &kv{string(k.Key), string(k.Value), k.CreateRevision, k.Lease})
	}
	return all
}

type kv struct {
	key, name string
	created   int64
	lease     int64
}

// deleted deletes keys as an operator would, and returns the revision of that.
func deleted(t *testing.T, client *clientv3.Client, keys ...string) int64 {
	t.Helper()
	var ops []clientv3.Op
	for _, k := range keys {
		ops = append(ops, clientv3.OpDelete(k))
	}
	done, err := client.Txn(t.Context()).Then(ops...).Commit()
	require.NoError(t, err)
	return done.Header.Revision
}

// awaitOneLeader waits until n candidates stand with keys that are newer than a revision and on leases, and exactly
// that one leads whose key is the oldest.
func awaitOneLeader(t *testing.T, client *clientv3.Client, since int64, all map[string]*candidate) {
	t.Helper()
	require.Eventually(t, func() bool {
		keys := found(t, client)
		if len(keys) != len(all) {
			return false
		}
		for i, k := range keys {
			if k.created <= since || k.lease == 0 || all[k.name].leading.Load() != (i == 0) {
				return false
			}
		}
		return true
	}, within, tick)
	leads := found(t, client)[0]
	term := all[leads.name].term.Load()
	assert.Equal(t, []any{leads.key, leads.created, leads.lease}, []any{term.Key, term.Created, int64(term.Lease)})
}

func TestKeyOfTheOnlyOneIsDeleted(t *testing.T) {
	t.Parallel()
	client := newEtcd(t)
	a := campaign(t, client, "a", untilTheEnd)
	a.awaitLeading(t)
	since := deleted(t, client, a.term.Load().Key)
	awaitOneLeader(t, client, since, map[string]*candidate{"a": a})
	assert.EqualValues(t, 2, a.terms.Load())
	assert.Equal(t, 1, losses(&a.log))

	since = deleted(t, client, a.term.Load().Key)
	awaitOneLeader(t, client, since, map[string]*candidate{"a": a})
	assert.Equal(t, 2, losses(&a.log), "each loss is told, also for the reason of the last one")
	assert.Contains(t, a.log.String(), "key="+key+" ")
}

// Whichever keys of two are deleted, one leads afterwards, the one whose key is the oldest; and nobody led more often
// than it had to.
func TestKeysOfTwoAreDeleted(t *testing.T) {
	t.Parallel()
	client, a, b := newTwo(t)
	all := map[string]*candidate{"a": a, "b": b}
	awaitOneLeader(t, client, 0, all)

	// Of the one that stands by: the other one goes on.
	since := found(t, client)[0].created
	deleted(t, client, found(t, client)[1].key)
	awaitOneLeader(t, client, since-1, all)
	assert.EqualValues(t, 1, a.terms.Load())
	assert.EqualValues(t, 0, b.terms.Load())

	// Of the one that leads: the other one does.
	deleted(t, client, found(t, client)[0].key)
	require.Eventually(t, b.leading.Load, within, tick)
	awaitOneLeader(t, client, since, all)
	assert.EqualValues(t, 1, a.terms.Load())
	assert.EqualValues(t, 1, b.terms.Load())

	// Of both.
	keys := found(t, client)
	since = deleted(t, client, keys[0].key, keys[1].key)
	awaitOneLeader(t, client, since, all)
	assert.EqualValues(t, 3, a.terms.Load()+b.terms.Load())
}

// A key that somebody put by hand under a candidate's name is another one, and holds nobody up for ever.
func TestKeyIsPutAgainByHand(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(t *testing.T, client *clientv3.Client, k *kv) error{
		"on no lease": func(t *testing.T, client *clientv3.Client, k *kv) error {
			deleted(t, client, k.key)
			_, err := client.Put(t.Context(), k.key, k.name)
			return err
		},
		"on the same lease": func(t *testing.T, client *clientv3.Client, k *kv) error {
			deleted(t, client, k.key)
			_, err := client.Put(t.Context(), k.key, k.name, clientv3.WithLease(clientv3.LeaseID(k.lease)))
			if errors.Is(err, rpctypes.ErrLeaseNotFound) { // the candidate was faster, and has given it up
				return nil
			}
			return err
		},
		"over the old one, on no lease": func(t *testing.T, client *clientv3.Client, k *kv) error {
			_, err := client.Put(t.Context(), k.key, k.name)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, a, b := newTwo(t)
			all := map[string]*candidate{"a": a, "b": b}
			awaitOneLeader(t, client, 0, all)
			old := found(t, client)[0]
			require.NoError(t, put(t, client, old))
			require.Eventually(t, func() bool {
				keys := found(t, client) // one that was put by hand after all others is before nobody, and may stay
				return b.leading.Load() && !a.leading.Load() && len(keys) > 1 &&
					keys[0].name == "b" && keys[1].name == "a" && keys[1].key != old.key
			}, within, tick, "a stands by with another key, and none that was put by hand is before it")
			assert.EqualValues(t, 1, b.terms.Load())
		})
	}
}

// mute is a watch of etcd that never says anything.
type mute struct{ clientv3.Watcher }

func (mute) Watch(ctx context.Context, _ string, _ ...clientv3.OpOption) clientv3.WatchChan {
	never := make(chan clientv3.WatchResponse)
	go func() {
		<-ctx.Done()
		close(never)
	}()
	return never
}

// Without a word from the watch the key is looked at from time to time, and at once when work has reason to doubt it.
func TestWatchIsSilent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ttl  time.Duration
		look bool
	}{"from time to time": {ttl, false}, "at once": {10 * within, true}} {
		t.Run(name, func(t *testing.T) {
			client := newEtcd(t)
			client.Watcher = mute{client.Watcher}
			a := campaign(t, client, "a", untilTheEnd, test.ttl)
			a.awaitLeading(t)
			since := deleted(t, client, a.term.Load().Key)
			if test.look {
				a.term.Load().Look()
			}
			awaitOneLeader(t, client, since, map[string]*candidate{"a": a})
		})
	}
}
