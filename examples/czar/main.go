// Command czar shows how a query coordinator of Qserv uses the catalogue. It has all of it in memory, plans each query
// from one snapshot, lets its gate keep drops of the table waiting while the query runs, and logs what changes. Here a
// query is a line of standard input that names a table:
//
//	echo lsst.Object | go run ./examples/czar 127.0.0.1:2379
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(endpoints []string) error {
	etcd, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()}) // what matters comes as errors
	if err != nil {
		return err
	}
	defer etcd.Close()
	opening, cancel := context.WithTimeout(context.Background(), 10*time.Second) // it would wait for an etcd that is down
	defer cancel()
	client, err := cssetcd.New(opening, etcd, cssetcd.WithLogger(slog.Default()))
	if err != nil {
		return err
	}
	view, err := cssetcd.OpenView(opening, client) // loads the catalogue; follows it until Close
	if err != nil {
		return err
	}
	var following sync.WaitGroup
	defer following.Wait()
	defer view.Close() // which ends the following, too
	changes := view.Subscribe()
	following.Go(func() { logSchemas(changes) })
	gate, err := deletion.OpenGate(opening, client, view,
		deletion.CzarName("example"), deletion.GateLogger(slog.Default()))
	if err != nil {
		return err
	}
	defer leave(gate) // before the view is closed

	queries := bufio.NewScanner(os.Stdin)
	for queries.Scan() {
		if err := view.Healthy(30 * time.Second); err != nil {
			slog.Warn("planning from an old catalogue", "err", err) // a czar may refuse the query instead
		}
		if err := answer(gate, view.Snapshot(), queries.Text()); err != nil {
			fmt.Println(err)
		}
	}
	return queries.Err()
}

// leave waits for the queries that are running. When it cannot say goodbye, the czar is taken for gone after some time.
func leave(gate *deletion.Gate) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := gate.Close(ctx); err != nil {
		slog.Warn("left without a word", "err", err)
	}
}

// answer asks one snapshot and nothing else, so that all that it reads is of one moment.
func answer(gate *deletion.Gate, snapshot *cssetcd.Snapshot, query string) error {
	name, err := cssetcd.ParseTableName(query)
	if err != nil {
		return err
	}
	table, err := snapshot.Table(name)
	if err != nil {
		return err // errors.Is(err, cssetcd.ErrNotFound) tells a table that is missing from one that cannot be read
	}
	ref, err := gate.Admit(table) // all tables of a query at once
	if err != nil {
		return err // errors.Is(err, deletion.ErrStale): try again in a moment; otherwise it is marked, gone, or not READY
	}
	defer ref.Release() // when nothing of the query runs any more: until then the table is there
	columns, err := snapshot.Columns(name)
	if err != nil {
		return err
	}
	fmt.Printf("%s: chunk level %d, partitioning %+v, columns %v\n", name, table.ChunkLevel(), table.Partitioning, columns)
	for chunk, err := range snapshot.Chunks(name) {
		if err != nil {
			return err
		}
		if err := ref.MayDispatch(); err != nil { // right before each chunk query is sent
			return err
		}
		fmt.Printf("%s: chunk %d to one of %v\n", name, chunk.ID, chunk.Nodes)
	}
	return nil
}

// logSchemas logs which tables get, change or lose their schema, until the view is closed.
func logSchemas(changes *cssetcd.Subscription) {
	for {
		update, err := changes.Next(context.Background())
		if err != nil {
			return
		}
		for _, change := range update.Keys {
			if is, _ := path.Match("/DBS/*/TABLES/*/schema", change.Key); is {
				slog.Info("schema", "key", change.Key, "revision", update.To.Revision(),
					"old", change.Old.Value, "new", change.New.Value)
			}
		}
	}
}
