package inventory_test

import (
	"context"
	"fmt"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/inventory"
)

// A worker says what it serves, and a czar asks which workers do.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client, err := cssetcd.New(ctx, csstest.Etcd(), cssetcd.WithPrefix(csstest.NewPrefix()))
	if err != nil {
		panic(err)
	}
	worker, err := inventory.NewPublisher(client, "worker-1")
	if err != nil {
		panic(err)
	}
	if err := worker.Set("lsst", chunkset.MustParse("0-311,313")); err != nil {
		panic(err)
	}
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	rev, err := worker.Wait(ctx)
	if err != nil {
		panic(err)
	}

	workers, err := inventory.OpenView(ctx, client) // follows what workers serve, until Close
	if err != nil {
		panic(err)
	}
	defer workers.Close()
	now, err := workers.WaitRevision(ctx, rev)
	if err != nil {
		panic(err)
	}
	fmt.Println(now.Serving("lsst", 313), now.Serving("lsst", 312))
	cancel()
	<-done
	// Output: [worker-1] []
}

// alive returns where a chunk query can be sent now.
func alive(catalogue *cssetcd.Snapshot, workers *inventory.View, table cssetcd.TableName, chunk int) ([]string, error) {
	nodes, err := inventory.Holders(catalogue, workers.State(), table, chunk)
	if err == nil && len(nodes) == 0 {
		err = fmt.Errorf("no worker that has chunk %d of %s is alive", chunk, table)
	}
	return nodes, err
}
