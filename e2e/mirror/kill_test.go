package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// killPlan is how hard a run of TestKills is.
type killPlan struct {
	serve, maria int // how often each is killed
	big          int // keys that one revision deletes
}

func (p killPlan) String() string {
	return fmt.Sprintf("%d kills of css-sync serve, %d of mariadbd, revisions of %d keys", p.serve, p.maria, p.big)
}

// TestKills: whatever is killed while the catalogue changes, MySQL ends equal to etcd, and rows that did not change
// keep their kvIds (M1 to M5). The writer drops subtrees, writes names that differ in case only past the library, and
// deletes a hundred thousand keys in one revision.
//
// No brake is lifted: what was deleted meanwhile is history.
func TestKills(t *testing.T) {
	testkit.Long(t, "ten kills take half a minute")
	runKills(t, killPlan{serve: 8, maria: 2, big: 20_000})
}

func TestSoakKills(t *testing.T) {
	testkit.Soak(t)
	runKills(t, killPlan{serve: 100, maria: 20, big: 100_000})
}

func runKills(t *testing.T, plan killPlan) {
	began := time.Now()
	w := newWorld(t)
	w.seed("still", 20)
	for i := range 3 {
		node := cssetcd.Node{Name: fmt.Sprintf("worker-%d", i), Type: "worker", Host: "w", Port: 5012}
		testkit.OK(t)(w.client.AddNode(t.Context(), node))
	}
	server := w.serve()
	db := w.db()
	w.awaitLatest(db, 30*time.Second, server)
	still := kvIDs(t, db, "/DBS/still/")
	require.Len(t, still, 20*6+2, "rows of the database that nobody changes")

	stop, writing := w.write(plan.big)
	kills, mariaKills := 0, 0
	for kills < plan.serve || mariaKills < plan.maria {
		time.Sleep(time.Duration(rand.IntN(600)) * time.Millisecond)
		if mariaKills*plan.serve < kills*plan.maria || kills == plan.serve {
			require.NoError(t, w.maria.Kill())
			mariaKills++
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
			require.NoError(t, w.maria.Restart(t.Context()))
		} else {
			server.Kill()
			kills++
			server = w.serve()
		}
		w.awaitLatest(db, 90*time.Second, server)
		w.agree()
		if (kills+mariaKills)%20 == 0 {
			t.Logf("%d and %d kills after %s", kills, mariaKills, time.Since(began).Round(time.Second))
		}
	}
	close(stop)
	stats := <-writing
	require.NoError(t, stats.err)

	w.awaitLatest(db, 90*time.Second, server)
	w.agree()
	w.equalRows(db)
	assert.Equal(t, still, kvIDs(t, db, "/DBS/still/"), "unchanged rows keep their kvIds")
	assert.Empty(t, w.foreign(db), "nobody else wrote, and nobody was said to have")
	t.Logf("killed css-sync %d times and mariadbd %d times in %s; the writer made %d changes, %d of them deleted %d "+
		"keys in one revision",
		kills, mariaKills, time.Since(began).Round(time.Second), stats.changes, stats.big, plan.big)
	assert.GreaterOrEqual(t, kills, plan.serve)
	assert.GreaterOrEqual(t, mariaKills, plan.maria)
	assert.Positive(t, stats.big, "no large revision was made")
	assert.Greater(t, stats.changes, 20*plan.serve, "the writer hardly wrote")
}

// written is what a writer did.
type written struct {
	changes, big int
	err          error
}

// write changes the catalogue until stop is closed.
func (w *world) write(big int) (stop chan struct{}, result chan written) {
	stop, result = make(chan struct{}), make(chan written, 1)
	go func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var sum written
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, step := range []func(context.Context, int) error{w.tables, w.spellings, w.large(big, &mu, &sum)} {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Duration(rand.IntN(10)) * time.Millisecond):
					}
					// A machine that stalls is not what is tried: whether etcd did such a step does not matter here.
					err := unless(step(ctx, i), rpctypes.ErrTimeout)
					mu.Lock()
					sum.changes++
					sum.err = errors.Join(sum.err, err)
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
		wg.Wait()
		result <- sum
	}()
	return stop, result
}

// tables creates and drops databases with tables and chunks.
func (w *world) tables(ctx context.Context, i int) error {
	db := fmt.Sprintf("moving%d", i%3)
	switch {
	case i%40 < 3:
		_, err := w.client.CreateDatabase(ctx, cssetcd.Database{
			Name: db, StorageClass: "L2", ReleaseStatus: "PRIVATE", Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12},
		}, cssetcd.IfNotExists())
		return err
	case i%40 == 39:
		_, err := w.client.DropDatabase(ctx, db, cssetcd.IfExists())
		return err
	}
	t := object(db, fmt.Sprintf("Object%d", rand.IntN(5)))
	switch rand.IntN(4) {
	case 0:
		_, err := w.client.DropTable(ctx, t.Name, cssetcd.IfExists())
		return err
	case 1:
		_, err := w.client.AddChunk(ctx, t.Name, rand.IntN(1000), "worker-0", "worker-1")
		return unless(unless(err, cssetcd.ErrNoSuchTable), cssetcd.ErrInvalid) // the nodes may have the chunk
	case 2:
		_, err := w.client.SetSharedScan(ctx, t.Name, cssetcd.SharedScan{Rating: rand.IntN(4)})
		return unless(err, cssetcd.ErrNoSuchTable)
	default:
		_, err := w.client.CreateTable(ctx, t, cssetcd.IfNotExists())
		return unless(err, cssetcd.ErrNoSuchDB)
	}
}

func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// spellings writes keys that differ in case only, past the library, and moves a subtree from one spelling to another in
// one transaction.
func (w *world) spellings(ctx context.Context, i int) error {
	const root = "/qserv/css/SPELLINGS"
	key := root + "/" + []string{"abc", "ABC", "aBc"}[rand.IntN(3)]
	var ops []clientv3.Op
	switch i % 3 {
	case 0:
		ops = []clientv3.Op{clientv3.OpPut(key, fmt.Sprint(i)), clientv3.OpPut(key+"/x", fmt.Sprint(i))}
	case 1:
		ops = []clientv3.Op{clientv3.OpDelete(key), clientv3.OpDelete(key + "/x")}
	default:
		other := root + "/moved-" + strings.ToUpper(key[len(root)+1:])
		ops = []clientv3.Op{clientv3.OpDelete(key, clientv3.WithPrefix()), clientv3.OpPut(other, fmt.Sprint(i))}
	}
	_, err := w.raw.Txn(ctx).Then(ops...).Commit()
	return err
}

// large returns a step that puts a large subtree and then deletes it in one revision.
func (w *world) large(keys int, mu *sync.Mutex, sum *written) func(context.Context, int) error {
	const root = "/qserv/css/LARGE"
	next := 0
	return func(ctx context.Context, _ int) error {
		if next >= keys {
			next = 0
			_, err := w.raw.Delete(ctx, root+"/", clientv3.WithPrefix())
			if err == nil {
				mu.Lock()
				sum.big++
				mu.Unlock()
			}
			return err
		}
		// Quick bursts, so that a large revision comes about between two kills.
		for range 20 {
			ops := make([]clientv3.Op, 0, 100)
			for range 100 {
				ops = append(ops, clientv3.OpPut(fmt.Sprintf("%s/%06d", root, next), "some value"))
				next++
			}
			if _, err := w.raw.Txn(ctx).Then(ops...).Commit(); err != nil {
				return err
			}
		}
		return nil
	}
}
