package cssetcd_test

import (
	"context"
	"log"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

// connect stands for clientv3.New: the examples share one etcd, below a prefix each.
func connect() (etcd *clientv3.Client, prefix string) { return csstest.Etcd(), csstest.NewPrefix() }

// lsst returns a client on a CSS with a database, a director table and two nodes.
func lsst() *cssetcd.Client {
	etcd, prefix := connect()
	client, err := cssetcd.New(context.Background(), etcd, cssetcd.WithPrefix(prefix))
	check(err)
	var b cssetcd.Batch
	b.CreateDatabase(cssetcd.Database{Name: "lsst", Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12,
		Overlap: 0.0167}})
	b.CreateTable(cssetcd.Table{
		Name:   cssetcd.TableName{DB: "lsst", Table: "Object"},
		Schema: "(objectId BIGINT, ra DOUBLE, decl DOUBLE)",
		Partitioning: &cssetcd.Partitioning{DirDB: "lsst", DirTable: "Object", DirColumn: "objectId", LatColumn: "decl",
			LonColumn: "ra", SubChunks: true},
	})
	b.AddNode(cssetcd.Node{Name: "worker-1", Type: "worker", Host: "worker-1.example.org", Port: 5012})
	b.AddNode(cssetcd.Node{Name: "worker-2", Type: "worker", Host: "worker-2.example.org", Port: 5012})
	_, err = client.Commit(context.Background(), &b)
	check(err)
	return client
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
