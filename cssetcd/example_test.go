package cssetcd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
)

// A czar opens a view when it starts and takes one snapshot of it for each query.
func Example() {
	ctx := context.Background()
	etcd, prefix := connect()
	client, err := cssetcd.New(ctx, etcd, cssetcd.WithPrefix(prefix))
	check(err)
	view, err := cssetcd.OpenView(ctx, client)
	check(err)
	defer view.Close()

	// Somebody publishes a table.
	_, err = client.CreateDatabase(ctx, cssetcd.Database{Name: "lsst", StorageClass: "L2", ReleaseStatus: "RELEASED"})
	check(err)
	name := cssetcd.TableName{DB: "lsst", Table: "Filter"}
	rev, err := client.CreateTable(ctx, cssetcd.Table{Name: name, Schema: "(filterId TINYINT)"})
	check(err)

	// The czar sees it a moment later; who knows the revision can wait for it.
	snapshot, err := view.WaitRevision(ctx, rev)
	check(err)
	table, err := snapshot.Table(name)
	check(err)
	fmt.Println(table.Name, table.Status, table.Schema)

	_, err = snapshot.Table(cssetcd.TableName{DB: "lsst", Table: "Source"})
	fmt.Println(errors.Is(err, cssetcd.ErrNoSuchTable), err)
	// Output:
	// lsst.Filter READY (filterId TINYINT)
	// true css: read table lsst.Source: no such table
}

func ExampleClient() {
	ctx := context.Background()
	client := lsst()
	name := cssetcd.TableName{DB: "lsst", Table: "Object"}

	_, err := client.AddChunk(ctx, name, 1234, "worker-1", "worker-2")
	check(err)
	_, err = client.DeleteNode(ctx, "worker-2")
	fmt.Println(err)

	chunks, err := client.Chunks(ctx, name)
	check(err)
	for chunk, err := range chunks {
		check(err)
		fmt.Println(chunk.ID, chunk.Nodes)
	}
	// Output:
	// css: delete node worker-2: chunks have replicas on the node: /DBS/lsst/TABLES/Object/CHUNKS/1234/REPLICAS/0000000002
	// 1234 [worker-1 worker-2]
}

func ExampleClient_CreateTable() {
	ctx := context.Background()
	client := lsst()
	source := cssetcd.Table{
		Name:   cssetcd.TableName{DB: "lsst", Table: "Source"},
		Schema: "(sourceId BIGINT, objectId BIGINT)",
		// A child of Object, without positions of its own.
		Partitioning: &cssetcd.Partitioning{DirDB: "lsst", DirTable: "Object", DirColumn: "objectId"},
		SharedScan:   &cssetcd.SharedScan{Rating: 2},
	}
	_, err := client.CreateTable(ctx, source)
	fmt.Println(err)
	_, err = client.CreateTable(ctx, source)
	fmt.Println(err)
	source.Name.Table = "SOURCE"
	_, err = client.CreateTable(ctx, source)
	fmt.Println(err)
	// Output:
	// <nil>
	// css: create table lsst.Source: table exists
	// css: create table lsst.SOURCE: table exists: as /DBS/lsst/TABLES/Source, and names may not differ in upper and lower case only
}

// Two operators react to the same thing; one of them is second.
func ExampleIfRevision() {
	ctx := context.Background()
	client := lsst()
	name := cssetcd.TableName{DB: "lsst", Table: "Object"}
	table, err := client.Table(ctx, name)
	check(err)

	_, err = client.SetTableStatus(ctx, name, cssetcd.StatusIgnore, cssetcd.IfRevision(table.Modified))
	fmt.Println(err)
	_, err = client.SetTableStatus(ctx, name, cssetcd.Failed("checksum"), cssetcd.IfRevision(table.Modified))
	fmt.Println(errors.Is(err, cssetcd.ErrRevisionMismatch))
	// Output:
	// <nil>
	// true
}

func ExampleBatch() {
	ctx := context.Background()
	client := lsst()
	var batch cssetcd.Batch
	batch.CreateDatabaseLike("lsst2", "lsst")
	batch.CreateTable(cssetcd.Table{Name: cssetcd.TableName{DB: "lsst2", Table: "Filter"}, Schema: "(filterId TINYINT)"})
	batch.SetNodeState("worker-3", cssetcd.NodeInactive) // there is none
	_, err := client.Commit(ctx, &batch)
	fmt.Println(err)

	_, err = client.Database(ctx, "lsst2")
	fmt.Println(errors.Is(err, cssetcd.ErrNoSuchDB))
	// Output:
	// css: commit a batch of 3: css: set state of node worker-3: no such node
	// true
}

// What a snapshot showed it goes on showing.
func ExampleView() {
	ctx := context.Background()
	client := lsst()
	view, err := cssetcd.OpenView(ctx, client)
	check(err)
	defer view.Close()
	before := view.Snapshot()

	rev, err := client.DropDatabase(ctx, "lsst")
	check(err)
	after, err := view.WaitRevision(ctx, rev)
	check(err)

	for name, snapshot := range map[string]*cssetcd.Snapshot{"before": before, "after": after} {
		_, err = snapshot.Table(cssetcd.TableName{DB: "lsst", Table: "Object"})
		fmt.Println(name, err)
	}
	// Unordered output:
	// before <nil>
	// after css: read table lsst.Object: no such table: no such database lsst
}

// A subscriber gets the net change since it looked last, however much happened meanwhile.
func ExampleSubscription() {
	ctx := context.Background()
	client := lsst()
	view, err := cssetcd.OpenView(ctx, client)
	check(err)
	defer view.Close()
	subscription := view.Subscribe()

	_, err = client.SetNodeState(ctx, "worker-1", cssetcd.NodeInactive)
	check(err)
	_, err = client.SetNodeState(ctx, "worker-1", cssetcd.NodeActive)
	check(err)
	rev, err := client.DeleteNode(ctx, "worker-2")
	check(err)
	_, err = view.WaitRevision(ctx, rev) // only to make the example come out the same each time
	check(err)

	update, err := subscription.Next(ctx)
	check(err)
	for _, change := range update.Keys {
		switch {
		case !change.Old.Exists():
			fmt.Println("new ", change.Key)
		case !change.New.Exists():
			fmt.Println("gone", change.Key)
		default:
			fmt.Println("set ", change.Key, "to", change.New.Value)
		}
	}
	// Output:
	// set  /NODES/worker-1 to ACTIVE
	// gone /NODES/worker-2
	// gone /NODES/worker-2/.packed.json
}

func ExampleClient_Restore() {
	ctx := context.Background()
	etcd, prefix := connect()
	client, err := cssetcd.New(ctx, etcd, cssetcd.WithPrefix(prefix))
	check(err)

	dump, err := cssetcd.ParseDump(strings.NewReader(`{
		"\/css_meta\/version": "1",
		"\/DBS\/lsst": "READY",
		"\/DBS\/lsst\/TABLES\/Filter": "READY",
		"\/DBS\/lsst\/TABLES\/Filter\/schema": "(filterId TINYINT)"
	}`))
	check(err)
	result, err := client.Restore(ctx, dump)
	check(err)
	fmt.Println(result.Databases, "database,", result.Tables, "table")

	snapshot, err := client.Snapshot(ctx, result.Revision)
	check(err)
	check(snapshot.WriteDump(os.Stdout, "/DBS"))
	// Output:
	// 1 database, 1 table
	// {
	//     "\/DBS\/lsst": "READY",
	//     "\/DBS\/lsst\/TABLES": "",
	//     "\/DBS\/lsst\/TABLES\/Filter": "READY",
	//     "\/DBS\/lsst\/TABLES\/Filter\/schema": "(filterId TINYINT)"
	// }
}

// All faults of a dump are reported together.
func ExampleParseDump() {
	_, err := cssetcd.ParseDump(strings.NewReader(`{
		"/css_meta/version": "1",
		"/DBS/lsst": "READY",
		"/DBS/LSST/TABLES/Filter": "READY",
		"/DBS/a.b": "READY"
	}`))
	fmt.Println(err)
	// Output:
	// css: read dump: invalid: 2 faults:
	//   key /DBS/a.b: invalid name: database "a.b": a dot separates database and table
	//   keys /DBS/LSST and /DBS/lsst differ in case only
}
