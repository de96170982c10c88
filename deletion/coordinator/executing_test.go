package coordinator_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// dropMany creates tables T0, T1, ... and marks them.
func (f *fleet) dropMany(n int) (names []cssetcd.TableName, drops []*deletion.Drop) {
	f.T.Helper()
	for i := range n {
		names = append(names, cssetcd.TableName{DB: "LSST", Table: fmt.Sprint("T", i)})
		f.Create(names[i])
	}
	for _, name := range names {
		drops = append(drops, f.Drop(name, deletion.Delay(0)))
	}
	return names, drops
}

// count counts the actions of a kind.
func count(s coordinator.Step, kind protocol.ActionKind) (n int) {
	for _, a := range s.Actions {
		if s.Leading && a.Kind == kind {
			n++
		}
	}
	return n
}

// What does not hold any more keeps nothing else from being executed.
func TestRefusedTogetherExecutedOneByOne(t *testing.T) {
	f := newFleet(t)
	names, drops := f.dropMany(5)
	undone, looked := false, false
	f.Coordinate(func(cfg *coordinator.Config) {
		cfg.Trace = func(s coordinator.Step) {
			switch {
			case !undone && count(s, protocol.Execute) == len(drops):
				undone = true
				assert.NoError(t, f.Undo(context.Background(), names[4].String()))
			case undone && !looked: // the others did not wait for this look
				looked = true
				assert.Len(t, f.Keys("css/DBS/LSST/TABLES/T"), 2)
			}
		}
	})
	for _, d := range drops[:4] {
		require.NoError(t, d.Wait(f.Soon()))
	}
	require.ErrorIs(t, drops[4].Wait(f.Soon()), deletion.ErrCancelled)
}

// What is due at once is executed in one transaction, so that czars have one revision to follow.
func TestPointsOfNoReturnAreOneRevision(t *testing.T) {
	f := newFleet(t)
	names, drops := f.dropMany(5)
	watching, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := f.Etcd.Watch(watching, f.CSS.Prefix()+"/css/DBS/"+names[0].DB+"/TABLES/", clientv3.WithPrefix(),
		clientv3.WithFilterPut(), clientv3.WithCreatedNotify())
	<-events
	f.Coordinate()
	revisions := map[int64]bool{}
	for _, d := range drops {
		require.NoError(t, d.Wait(f.Soon()))
	}
	for gone := 0; gone < 2*len(names); { // status and schema
		for _, e := range (<-events).Events {
			gone++
			revisions[e.Kv.ModRevision] = true
		}
	}
	assert.Len(t, revisions, 1)
}

// Whatever room a removal leaves is taken by the next at once: with thousands of drops a look at everything for each
// few would never end.
func TestRemovalsNeedNoLookBetween(t *testing.T) {
	f := newFleet(t)
	const tables = 40 // more than have room at a time
	_, drops := f.dropMany(tables)
	var removed atomic.Int32
	all := make(chan struct{})
	began, soon := false, f.Soon()
	f.Coordinate(func(cfg *coordinator.Config) {
		cfg.Dropper = hooked(func(context.Context, coordinator.Job) error {
			if removed.Add(1) == tables {
				close(all)
			}
			return nil
		})
		cfg.Trace = func(s coordinator.Step) {
			if began { // this look sees nothing before all is removed
				select {
				case <-all:
				case <-soon.Done(): // at the end of the test, too
					assert.EqualValues(t, tables, removed.Load(), "some wait for another look")
				}
			}
			began = began || count(s, protocol.Remove) == tables
		}
	})
	for _, d := range drops {
		require.NoError(t, d.Wait(f.Soon()))
	}
	assert.EqualValues(t, tables, removed.Load())
}
